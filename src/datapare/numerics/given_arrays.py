"""Arrays that a user gives, checked: labels, channels and keys."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datapare.errors import InputError


def class_numbers(label: ArrayLike, classes: Sequence[str] = ()) -> NDArray[np.int64]:
    """Return labels as class numbers, int64 (N,); InputError for anything else."""
    values: NDArray[np.floating] = np.asanyarray(label)
    if values.ndim != 1:
        raise InputError(f"labels are one number per example, shape (N,), not {values.shape}.")
    if np.issubdtype(values.dtype, np.floating):
        if not np.all(np.isfinite(values)) or np.any(values != np.floor(values)):
            raise InputError("labels are class numbers 0, 1, 2, …, but some are missing or not whole.")
    elif not np.issubdtype(values.dtype, np.integer) and values.dtype != bool:
        raise InputError(f"labels are class numbers 0, 1, 2, …, not {values.dtype}.")
    if classes and len(values) and not 0 <= values.min() <= values.max() < len(classes):
        raise InputError(f"the labels go up to {values.max():.0f}, but only {len(classes)} classes are named.")
    whole: NDArray[np.int64] = values.astype(np.int64, copy=False)
    return whole


def channel_values(name: str, values: ArrayLike) -> NDArray[np.floating]:
    """Return a channel as floats (T, N); InputError for anything else."""
    array: NDArray[np.floating] = np.asanyarray(values)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"channel {name!r} is floats of shape (T, N), not {array.dtype} of shape {array.shape}.")
    return array


def check_key(key: NDArray[np.generic] | None, count: int) -> None:
    """Raise InputError unless keys are uint64 (N,), or None."""
    if key is not None and (key.shape != (count,) or key.dtype != np.uint64):
        raise InputError(f"keys are one uint64 per example, shape ({count},), not {key.dtype} of shape {key.shape}.")


def check_position(i: object, count: int, what: str) -> None:
    """Raise an IndexError with a sentence for a position that does not exist: on an IndexError iteration relies.

    >>> check_position(-2, 2, "kept examples")
    >>> check_position(2, 2, "kept examples")
    Traceback (most recent call last):
    IndexError: there is no position 2 among 2 kept examples; expected -2 to 1.
    """
    if isinstance(i, int | np.integer) and not -count <= i < count:
        raise IndexError(f"there is no position {i} among {count:,} {what}; expected {-count} to {count - 1}.")
