"""What a record is made with: refused where it cannot be, and compared where it is continued or shared."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TypedDict, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from datapare.artifacts import Dynamics, Observed, Provenance
from datapare.errors import InputError, nearest
from datapare.methods.signals import SIGNALS
from datapare.recording.logit_signals import CHANNELS, STEPS
from datapare.storage import array_digest

ARRAYS = tuple(signal.name for signal in SIGNALS.values() if signal.origin == "logits" and not signal.is_channel)


class Identity(TypedDict):
    """What a continued record, and every process that records, must agree with."""

    examples: int
    epochs: int
    labels: str
    keys: str | None
    classes: list[str]
    channels: list[str]
    arrays: list[str]
    observed: Observed
    provenance: dict[str, object]


class RecorderState(TypedDict, total=False):
    """The observations of a running epoch, as a checkpoint holds them; empty before a training begins.

    Attributes:
        epoch: The epoch they are of.
        index: Positions of the examples, int64 (M,).
        value: Their values, (M, W).
        step: Their columns of the tables of `kl_step` and `logit_mean`, (S, M).
    """

    epoch: int
    index: Tensor
    value: Tensor
    step: Tensor


class RecorderSettings(TypedDict, total=False):
    """The keyword arguments of Recorder."""

    channels: Sequence[str]
    arrays: Sequence[str]
    classes: Sequence[str]
    key: NDArray[np.uint64] | None
    observed: Observed
    provenance: Provenance


def record_identity(plain: Dynamics, epochs: int, channels: Sequence[str], arrays: Sequence[str]) -> Identity:
    """Return the identity of a record with these arguments."""
    return {
        "examples": len(plain),
        "epochs": epochs,
        "labels": array_digest(plain.label),
        "keys": None if plain.key is None else array_digest(plain.key),
        "classes": list(plain.classes),
        "channels": list(channels),
        "arrays": list(arrays),
        "observed": plain.observed,
        "provenance": asdict(plain.provenance),
    }


def check_names(channels: Sequence[str], arrays: Sequence[str], observed: str) -> None:
    """Raise InputError unless these are names of channels, arrays and a pass that can be recorded."""
    for what, given, known in (("channel", channels, (*CHANNELS, *STEPS)), ("array", arrays, ARRAYS)):
        unknown = [name for name in given if name not in known]
        if isinstance(given, str) or unknown or len(set(given)) < len(given):
            guess = nearest(unknown[0], known) if unknown and not isinstance(given, str) else "."
            raise InputError(f"{what}s are different names out of {', '.join(known)}, not {given!r}{guess}")
    if not channels:
        raise InputError(f"expected at least one channel out of {', '.join(CHANNELS)}, but none was named.")
    if observed not in get_args(Observed):
        raise InputError(f"observed is one of {get_args(Observed)}, not {observed!r}.")


def check_loss_alone(channels: Sequence[str], arrays: Sequence[str]) -> None:
    """Raise InputError unless the loss is all that is recorded."""
    if tuple(channels) != ("loss",) or arrays:
        kept = ", ".join([*channels, *arrays])
        raise InputError(f'a loss fills the channel loss alone, but this recorder keeps {kept}; keep ("loss",) only.')


def check_sizes(plain: Dynamics, epochs: int) -> None:
    """Raise InputError unless so many epochs of such labels can be recorded."""
    if not isinstance(epochs, int) or epochs < 1:
        raise InputError(f"epochs is how many epochs will be recorded, at least 1, not {epochs!r}.")
    if len(plain) == 0:
        raise InputError("expected one label per example, but there are none.")
    low, high = int(plain.label.min()), int(plain.label.max())
    if low < 0:
        raise InputError(f"labels are class numbers 0, 1, 2, …, but {low} arrived; record labelled examples only.")
    if plain.classes and high >= len(plain.classes):
        raise InputError(f"the labels go up to {high}, but only {len(plain.classes)} classes are named.")
