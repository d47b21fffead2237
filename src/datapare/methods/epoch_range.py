"""Which of the recorded epochs a method reads: the two parameters `first` and `count`, the same in every method."""

from inspect import Parameter

from jaxtyping import Shaped

from datapare.artifacts import Array, Params
from datapare.errors import InputError
from datapare.methods.spec import ParamValue

MEANING = {
    "first": "the first epoch that is read, from 0, or from the end when negative",
    "count": "how many epochs from there on, by default all",
}
PARAMS = {
    "first": Parameter("first", Parameter.KEYWORD_ONLY, default=0, annotation=int),
    "count": Parameter("count", Parameter.KEYWORD_ONLY, default=None, annotation=int | None),
}


def without_all_epochs(params: Params) -> dict[str, ParamValue]:
    """Return parameters as the provenance holds them: which epochs were read is left out where it was all of them.

    >>> without_all_epochs({"window": 3, "first": 0, "count": None}), without_all_epochs({"first": 2, "count": None})
    ({'window': 3}, {'first': 2})
    """
    return {name: value for name, value in params.items() if name not in PARAMS or value != PARAMS[name].default}


def epoch_bounds(recorded: int, first: int, count: int | None) -> tuple[int, int]:
    """Return the first epoch to read, and the one after the last.

    Args:
        recorded: Epochs in the record.
        first: The first epoch to read; a negative one counts from the end.
        count: How many epochs from `first` on; None means all.

    Raises:
        InputError: When the record does not hold all of them.

    >>> epoch_bounds(5, 1, None), epoch_bounds(5, -3, 2)
    ((1, 5), (2, 4))
    """
    start = first + recorded if first < 0 else first
    stop = recorded if count is None else start + count
    if not 0 <= start < stop <= recorded:
        wanted = "all epochs" if count is None else f"{count} epochs"
        raise InputError(
            f"{wanted} from epoch {first} on were requested, but epochs 0 to {recorded - 1} were recorded; record more "
            "epochs or choose others with first and count."
        )
    return start, stop


def chosen_epochs(values: Shaped[Array, "T N"], first: int, count: int | None) -> Shaped[Array, "C N"]:
    """Return rows `first` to `first + count` of a channel, without a copy; see epoch_bounds.

    >>> import numpy as np
    >>> p = np.array([[0.1], [0.2], [0.3]])
    >>> chosen_epochs(p, 1, None).ravel().tolist(), chosen_epochs(p, -3, 2).ravel().tolist()
    ([0.2, 0.3], [0.1, 0.2])
    """
    start, stop = epoch_bounds(len(values), first, count)
    return values[start:stop]
