"""Binding: the array of a record that each parameter of a method names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Dynamics, Scores
from datapare.errors import InputError, MissingChannelError
from datapare.methods.registry import Method
from datapare.methods.signals import SIGNALS, Signal, how_to_provide
from datapare.numerics.missing import last_observed


@dataclass(frozen=True)
class Bound:
    """An array as a method's parameter names it.

    Attributes:
        array: A channel (T, N), or an array (N, …).
        columns: Whether examples are its columns.
        derive: What turns the recorded values into those that the method reads.
        means: Means over epochs (N,), which stand in every epoch for examples that were predicted, not observed.
    """

    array: NDArray[Any]
    columns: bool = False
    derive: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray
    means: NDArray[Any] | None = None

    def raw(self, start: int, stop: int) -> NDArray[Any]:
        """Return examples start..stop as recorded."""
        return np.asarray(self.array[:, start:stop] if self.columns else self.array[start:stop])

    def part(self, start: int, stop: int) -> NDArray[Any]:
        """Return examples start..stop with missing epochs filled, not yet derived."""
        raw = self.raw(start, stop)
        if not self.columns:
            return raw
        filled = last_observed(raw)
        return filled if self.means is None else np.where(np.isnan(filled), self.means[start:stop], filled)

    def whole(self) -> NDArray[Any]:
        """Return all examples with missing epochs filled, derived.

        Raises:
            InputError: If some examples were neither observed nor predicted.
        """
        part = self.part(0, self.array.shape[self.columns])
        unknown = int(np.isnan(part[0]).sum()) if self.columns else 0
        if unknown:
            raise InputError(
                f"{unknown:,} examples were never observed, so what the rule reads of them is unknown; record all, or "
                "select from scores that extrapolate has completed with this record."
            )
        return self.derive(part)


def bind(name: str, method: Method, dynamics: Dynamics | None, scores: Scores | None = None) -> Bound:
    """Find the array that a method's parameter names: the scores, the labels, a signal, or one derived from another.

    Raises:
        MissingChannelError: If there is none; the message says how to provide it.
    """
    if name == "score" and scores is not None:
        return Bound(np.asarray(scores.score))
    if dynamics is None:
        raise MissingChannelError(
            f"{method.name} reads {name!r} from the record, but only scores were given; pass the dynamics too."
        )
    if name == "label":
        return Bound(dynamics.label)
    if name in dynamics.arrays:
        return Bound(dynamics.arrays[name])
    signal = SIGNALS.get(name)
    found = _channel(name, dynamics, scores) or (_derived(signal, dynamics, scores) if signal else None)
    if found is None:
        raise MissingChannelError(
            f"{method.name} reads {name!r}, which was not recorded (the record holds: {holdings(dynamics)}); "
            f"{how_to_provide(name)}"
        )
    return found


def _channel(name: str, dynamics: Dynamics, scores: Scores | None) -> Bound | None:
    if name not in dynamics.channels:
        return None
    return Bound(dynamics.channels[name], columns=True, means=None if scores is None else scores.means.get(name))


def _derived(signal: Signal, dynamics: Dynamics, scores: Scores | None) -> Bound | None:
    if signal.derive is None:
        return None
    source, derive = signal.derive
    found = _channel(source, dynamics, scores)
    if found is None:
        return None
    array, later = (derive(found.array), np.asarray) if signal.across_examples else (found.array, derive)
    return Bound(array, columns=True, derive=later, means=found.means)


def holdings(dynamics: Dynamics) -> str:
    """List the channels and arrays that a record holds, by name.

    >>> holdings(Dynamics({"loss": [[0.5]]}, [0]))
    'loss'
    """
    return ", ".join([*dynamics.channels, *dynamics.arrays]) or "nothing"
