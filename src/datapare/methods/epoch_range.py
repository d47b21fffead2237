"""Which of the recorded epochs a score reads: the two knobs `first` and `count`, the same words in every method."""

from typing import Any

from jaxtyping import Shaped
from numpy.typing import NDArray

from datapare.errors import InputError


def chosen_epochs(values: Shaped[NDArray[Any], "T N"], first: int, count: int | None) -> Shaped[NDArray[Any], "C N"]:
    """Rows `first` to `first + count` of a channel, without a copy; a negative `first` counts from the last epoch.

    `count` None means all from `first` on. Raises InputError when the record does not hold all of them.

    >>> import numpy as np
    >>> p = np.array([[0.1], [0.2], [0.3]])
    >>> chosen_epochs(p, 1, None).ravel().tolist(), chosen_epochs(p, -3, 2).ravel().tolist()
    ([0.2, 0.3], [0.1, 0.2])
    """
    recorded = len(values)
    start = first + recorded if first < 0 else first
    stop = recorded if count is None else start + count
    if not 0 <= start < stop <= recorded:
        wanted = "all epochs" if count is None else f"{count} epochs"
        raise InputError(
            f"{wanted} from epoch {first} on were asked for, but epochs 0 to {recorded - 1} were recorded; record more "
            "epochs or choose others with first and count."
        )
    return values[start:stop]
