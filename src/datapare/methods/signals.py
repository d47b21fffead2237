"""The per-example signals that methods read: one table.

What computes a signal of logits is in `recording/logit_signals.py`, of a trained network in `training/signals/`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from datapare.artifacts import Array, Kind
from datapare.errors import InputError, suggest


@dataclass(frozen=True)
class Signal:
    """One array that a method may read by name.

    Attributes:
        name: The name of the channel or array in a record, and of the parameter in a method.
        shape: T epochs, N examples, K classes, d dimensions, S networks or runs, D gradient numbers. `T N` is a channel
            of a record, the others are arrays.
        origin: What it is computed from: the logits of each epoch, the network after the last epoch (a channel then
            holds its last row only), another signal, or nothing that `record` has.
        by_default: Whether a record holds it without being asked.
        depends_on_pass: Whether it differs between train-pass, eval-pass and two-view.
        cost_epochs: Of a final-network signal with K classes: its cost in epochs of training, measured on our ResNets.
        derive: The signal that it follows from, and how.
        across_examples: Whether `derive` needs all examples at once, as a mean over them does.
        how_to_provide: How a user provides what `record` does not make.
        kinds: The kinds of data it can be computed for.
    """

    name: str
    shape: Literal["T N", "N", "N K", "N d", "N S", "N K D"]
    origin: Literal["logits", "final network", "derived", "user"]
    by_default: bool = False
    depends_on_pass: bool = False
    cost_epochs: Callable[[int], float] | None = None
    derive: tuple[str, Callable[[Array], Array]] | None = None
    across_examples: bool = False
    how_to_provide: str = ""
    kinds: tuple[Kind, ...] = get_args(Kind)

    @property
    def is_channel(self) -> bool:
        """Whether a record holds it epoch by epoch, (T, N)."""
        return self.shape == "T N"

    @property
    def per_epoch(self) -> bool:
        """Whether every epoch is observed, so that a method may read some of them."""
        return self.is_channel and self.origin != "final network"

    @property
    def recordable(self) -> bool:
        """Whether `datapare record` computes it."""
        return self.origin in {"logits", "final network"}


def _mean_over_examples(values: Array) -> Array:
    """The mean of each epoch's observed values, as a channel (T, N); NaN where no example was observed in an epoch."""
    means = values.mean(axis=1, dtype=np.float64)
    for epoch in np.flatnonzero(np.isnan(means)):
        seen = values[epoch][~np.isnan(values[epoch])]
        means[epoch] = seen.mean(dtype=np.float64) if len(seen) else np.nan
    return np.broadcast_to(means[:, None], values.shape)


_ALL = (
    Signal("target_prob", "T N", "logits", by_default=True, depends_on_pass=True),
    Signal("margin", "T N", "logits", by_default=True, depends_on_pass=True),
    Signal("prob_margin", "T N", "logits", by_default=True, depends_on_pass=True),
    Signal("error_norm", "T N", "logits", by_default=True, depends_on_pass=True),
    Signal("entropy", "T N", "logits", by_default=True, depends_on_pass=True),
    Signal("loss", "T N", "logits", by_default=True, depends_on_pass=True),
    Signal("kl_step", "T N", "logits", depends_on_pass=True),
    Signal("cos_step", "T N", "logits", depends_on_pass=True),
    Signal("logit_mean", "N K", "logits"),
    Signal("embedding", "N d", "final network", cost_epochs=lambda _: 0.4),
    Signal("prob", "N K", "final network", cost_epochs=lambda _: 0.4),
    Signal("grad_norm", "T N", "final network", cost_epochs=lambda _: 3),
    Signal("distorted_loss", "N S", "final network", cost_epochs=lambda _: 25),
    Signal(
        "boundary_distance",
        "N",
        "final network",
        cost_epochs=lambda classes: 4 * min(9, classes - 1),
        kinds=("image", "table", "embedding"),
    ),
    Signal("correct", "T N", "derived", depends_on_pass=True, derive=("margin", lambda margin: margin > 0)),
    Signal(
        "mean_loss", "T N", "derived", depends_on_pass=True, derive=("loss", _mean_over_examples), across_examples=True
    ),
    Signal(
        "class_loss",
        "T N",
        "user",
        how_to_provide="Dynamics({'loss': loss, 'class_loss': val_loss[:, label]}, label), where loss (T, N) and "
        "val_loss (T, K) are the losses of your examples, and of held-out ones averaged per class, after each epoch",
    ),
    Signal(
        "runs_correct",
        "N S",
        "user",
        how_to_provide="Dynamics({}, label, arrays={'runs_correct': np.stack([(d.channels['margin'] > 0).all(axis=0) "
        "for d in records], axis=1)}), where records are those of several seeds: datapare record PATH --seed 1 --out …",
    ),
    Signal("ntk_feature", "N K D", "user", how_to_provide="datapare measure PATH --method training_time"),
    Signal("logit", "N K", "user", how_to_provide="datapare measure PATH --method training_time"),
)
SIGNALS: Mapping[str, Signal] = {signal.name: signal for signal in _ALL}
DEFAULT = "default"  # among names of signals to record: those that are recorded where none is named


def recordable() -> list[str]:
    """List the signals that `datapare record` computes.

    >>> recordable()[:2]
    ['target_prob', 'margin']
    """
    return [signal.name for signal in SIGNALS.values() if signal.recordable]


def source_of(name: str) -> str:
    """Return the signal that has to be recorded for what a method reads by this name.

    >>> source_of("correct"), source_of("mean_loss"), source_of("loss")
    ('margin', 'loss', 'loss')
    """
    signal = SIGNALS.get(name)
    return name if signal is None or signal.derive is None else signal.derive[0]


def how_to_provide(name: str) -> str:
    """Return what to do about a signal that a record lacks.

    >>> how_to_provide("loss")
    'record it with: datapare record PATH --channel loss'
    """
    signal = SIGNALS.get(source_of(name))
    if signal is not None and signal.recordable:
        return f"record it with: datapare record PATH --channel {signal.name}"
    given = signal.how_to_provide if signal else f"Dynamics(…, arrays={{{name!r}: …}})"
    return f"datapare record does not make it: give your own with {given}"


def check_recordable(names: Iterable[str]) -> None:
    """Raise InputError for a name that is no channel or array of a record of ours.

    >>> check_recordable(["default", "embeding"])
    Traceback (most recent call last):
    datapare.errors.InputError: there is no channel 'embeding'; did you mean embedding?
    """
    known = [name for name, signal in SIGNALS.items() if signal.recordable]
    for name in names:
        if name not in (*known, DEFAULT):
            raise InputError(f"there is no channel {name!r}; {suggest(name, known)}")
