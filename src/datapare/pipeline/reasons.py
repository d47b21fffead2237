"""Why each example is kept or dropped, as text."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Scores, Subset
from datapare.data.foreign_types import ArrowColumn


def reasons(scores: Scores, subset: Subset) -> Callable[[NDArray[np.int64]], ArrowColumn]:
    """Return what makes the texts (n,) of the examples at given positions: the rule's choice, and the rank by score.

    >>> at = reasons(Scores([0.1, 0.9]), Subset(index=[1], total=2))
    >>> at(np.array([0, 1])).to_pylist()
    ['not drawn by : score rank 2 of 2', 'kept by : score rank 1 of 2']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    order = np.argsort(-np.nan_to_num(scores.score, nan=-np.inf), kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    rule, mask = subset.provenance.method, subset.mask
    dropped = "below the cut of top" if rule == "top" else f"not drawn by {rule}"
    beginnings = pa.array(
        [f"{action}: {kind} rank " for action in (dropped, f"kept by {rule}") for kind in ("score", "predicted score")]
    )
    predicted = np.zeros(len(order), dtype=bool) if scores.predicted is None else scores.predicted

    def at(index: NDArray[np.int64]) -> ArrowColumn:
        beginning = beginnings.take(pa.array(2 * mask[index] + predicted[index]))
        return pc.binary_join_element_wise(beginning, with_commas(rank[index]), f" of {len(order):,}", "")

    return at


def with_commas(number: NDArray[np.int64]) -> ArrowColumn:
    """Return whole numbers (n,) of at least 0 as texts, a comma between each three digits.

    >>> with_commas(np.array([7, 1_234, 1_000_005])).to_pylist()
    ['7', '1,234', '1,000,005']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    rest, last = np.divmod(number, 1000)
    plain = pa.array(last).cast(pa.string())
    if not rest.any():
        return plain
    digits = pa.array([f",{i:03}" for i in range(1000)]).take(pa.array(last))
    return pc.if_else(pa.array(rest > 0), pc.binary_join_element_wise(with_commas(rest), digits, ""), plain)
