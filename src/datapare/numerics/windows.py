"""Moments of sliding windows over epochs, one window at a time."""

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from datapare.errors import InputError

Row = NDArray[np.float64]  # one epoch, a block of examples
ROUNDING = 1e-14  # more than rounding leaves of a float64 sum of squares of 0..1, less than float32 could tell


def windows(
    values: Float[np.ndarray, "T N"], window: int, *, read: Callable[..., object] | None = None
) -> Iterator[tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]]:
    """Sum and root sum of squared deviations of every `window` consecutive rows, in float64, one window at a time.

    `read(row, out=row)` transforms a float64 row before it counts. The mean is sum / window, the standard
    deviation root / sqrt(window - ddof). All arrays are buffers that the next window overwrites, so that examples
    stream through a core's cache. 1e-14 per row is taken off each sum of squares, and what is left below 0 counts as 0:
    that much is rounding, and a constant example deviates by exactly nothing. Raises InputError when there are fewer
    rows than the window is long.

    >>> [(s.tolist(), r.round(4).tolist()) for s, r in windows(np.array([[0.0], [1.0], [1.0]]), 2)]
    [([1.0], [0.7071]), ([2.0], [0.0])]
    """
    if not 2 <= window <= len(values):
        raise InputError(
            f"a window holds 2 epochs or more, and no more than the {len(values)} that were recorded, not {window}; "
            "choose another, or record more epochs."
        )
    count = values.shape[1]
    total, zero, step, square = np.zeros(count), np.zeros(count), np.empty(count), np.full(count, -ROUNDING * window)
    inside: deque[Row] = deque()
    spare: Row | None = None  # the row that left last, to be used again: allocating costs a tenth
    for values_row in values:
        row: Row = np.empty(count) if spare is None else spare
        np.copyto(row, values_row)
        if read is not None:
            read(row, out=row)
        if len(inside) < window:
            total += row
            square += np.square(row, out=step)
        else:
            spare = inside.popleft()
            total += np.subtract(row, spare, out=step)
            square += np.multiply(step, np.add(row, spare, out=spare), out=step)
        inside.append(row)
        if len(inside) == window:
            yield total, _root(total, square, window, zero, step)


def _root(total: Row, square: Row, window: int, zero: Row, out: Row) -> Row:
    np.square(total, out=out)
    out *= 1 / window
    np.subtract(square, out, out=out)
    np.maximum(out, zero, out=out)  # an array of zeros: numpy takes twice as long for the scalar
    return np.sqrt(out, out=out)
