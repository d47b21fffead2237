"""Binding: the array of a record that each parameter of a method names."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array, Dynamics, Params, Scores
from datapare.errors import InputError, MissingChannelError
from datapare.methods.epoch_range import epoch_bounds
from datapare.methods.registry import Method, find
from datapare.methods.signals import SIGNALS, Signal, how_to_provide
from datapare.numerics.missing import BLOCK, epoch_mean, last_observed
from datapare.numerics.threads import cores


@dataclass(frozen=True)
class Bound:
    """An array as a method's parameter names it.

    Attributes:
        array: A channel (T, N), or an array (N, …).
        columns: Whether examples are its columns.
        first: The first epoch that is read; earlier ones only fill missing ones.
        derive: What turns the recorded values into those that the method reads.
        means: Means over epochs (N,), which stand in every epoch for examples that were predicted, not observed.
    """

    array: Array
    columns: bool = False
    first: int = 0
    derive: Callable[[Array], Array] = np.asarray
    means: Array | None = None

    def raw(self, start: int, stop: int) -> Array:
        """Return examples start..stop as recorded."""
        return np.asarray(self.array[self.first :, start:stop] if self.columns else self.array[start:stop])

    def part(self, start: int, stop: int) -> Array:
        """Return examples start..stop with missing epochs filled, not yet derived."""
        if not self.columns:
            return self.raw(start, stop)
        filled = last_observed(np.asarray(self.array[:, start:stop]))[self.first :]
        return filled if self.means is None else np.where(np.isnan(filled), self.means[start:stop], filled)

    def over_epochs(self, reduce: Callable[[Array], NDArray[np.float64]]) -> Array:
        """Return one number per example, as an only epoch (1, N), in blocks: the record may not fit in memory.

        Raises:
            InputError: If some examples were neither observed nor predicted.
        """
        total = self.array.shape[1]
        out = np.empty((1, total))

        def run(start: int) -> int:
            part = self.part(start, min(start + BLOCK, total))
            out[0, start : start + BLOCK] = reduce(self.derive(part))
            return int(np.isnan(part[0]).sum())

        with ThreadPoolExecutor(cores()) as pool:
            _refuse_unknown(sum(pool.map(run, range(0, total, BLOCK))))
        return out

    def whole(self) -> Array:
        """Return all examples with missing epochs filled, derived.

        Raises:
            InputError: If some examples were neither observed nor predicted.
        """
        part = self.part(0, self.array.shape[self.columns])
        _refuse_unknown(int(np.isnan(part[0]).sum()) if self.columns else 0)
        return self.derive(part)


def _refuse_unknown(count: int) -> None:
    if count:
        raise InputError(
            f"{count:,} examples were never observed, so what the rule reads of them is unknown; record all, or "
            "select from scores that extrapolate has completed with this record."
        )


def bind(
    name: str,
    method: Method,
    dynamics: Dynamics | None,
    scores: Scores | None = None,
    params: Params | None = None,
) -> Bound:
    """Find the array that a method's parameter names: the scores, the labels, a signal, or one derived from another.

    Args:
        name: The parameter's name.
        method: The method.
        dynamics: The record; None where only scores are there.
        scores: The scores, for selection rules.
        params: Parameters of the method, whose `first` and `count` are the epochs that are read of a channel.

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
    return found if params is None or not method.reads_epochs else _epochs(found, params)


def _epochs(bound: Bound, params: Params) -> Bound:
    """The epochs that `first` and `count` name; later ones are not looked at, as if they had not been recorded."""
    if not bound.columns:
        return bound
    first, stop = epoch_bounds(len(bound.array), params["first"], params["count"])
    return replace(bound, array=bound.array[:stop], first=first)


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


def channel_mean(
    name: str, dynamics: Dynamics, scores: Scores | None = None, *, first: int = 0, count: int | None = None
) -> NDArray[np.float64] | None:
    """Return the mean of a channel over epochs (N,), by the rule of all methods: missing epochs are filled.

    Args:
        name: The channel, such as target_prob.
        dynamics: The record.
        scores: Scores that extrapolate completed; their means stand for examples never observed.
        first: The first epoch that is read.
        count: How many epochs from there on; None means all.

    Returns:
        The means, NaN where an example was neither observed nor predicted; None without the channel.

    >>> d = Dynamics({"target_prob": [[0.2, 0.5], [float("nan"), 0.7]]}, [0, 1])
    >>> channel_mean("target_prob", d).round(2).tolist()
    [0.2, 0.6]
    """
    bound = _channel(name, dynamics, None)
    if bound is None:
        return None
    bound = _epochs(bound, {"first": first, "count": count})
    mean = epoch_mean(bound.array, first=bound.first)
    predicted = None if scores is None else scores.means.get(name)
    return mean if predicted is None else np.where(np.isnan(mean), predicted, mean)


def holdings(dynamics: Dynamics) -> str:
    """List the channels and arrays that a record holds, by name.

    >>> holdings(Dynamics({"loss": [[0.5]]}, [0]))
    'loss'
    """
    return ", ".join([*dynamics.channels, *dynamics.arrays]) or "nothing"


def reads_passes_only(method: Method) -> bool:
    """Return whether all that a method reads are channels of a forward pass over the examples.

    >>> reads_passes_only(find("score", "dual")), reads_passes_only(find("score", "rmd"))
    (True, False)
    """
    return all(name in SIGNALS and SIGNALS[name].depends_on_pass for name in method.reads)


def recorded_pass_note(dynamics: Dynamics, method: str) -> str | None:
    """Return a sentence where the authors of a score recorded another pass than this record holds, else None.

    Raises:
        InputError: For an unknown method.

    >>> d = Dynamics(channels={"loss": [[0.0, 1.0]]}, label=[0, 1], observed="eval-pass")
    >>> recorded_pass_note(d, "loss")
    'note: the authors of loss recorded a train-pass, and this is an eval-pass; the numbers differ.'
    """
    found = find("score", method)
    depends = any(name in SIGNALS and SIGNALS[name].depends_on_pass for name in found.reads)
    if dynamics.observed == found.spec.observed or not depends:
        return None
    names = (found.spec.observed, dynamics.observed)
    theirs, ours = (f"{'an' if name[0] == 'e' else 'a'} {name}" for name in names)
    return f"note: the authors of {method} recorded {theirs}, and this is {ours}; the numbers differ."
