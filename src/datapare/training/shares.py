"""Which rows of a batch a process computes, and what is drawn for them, as where one process computes all."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Share(NamedTuple):
    """Rows low to high of a batch of `total`, which one process computes; a row that only fills in does not count."""

    low: int
    high: int
    total: int
    counted: bool = True

    @property
    def size(self) -> int:
        """How many examples of the batch these are."""
        return (self.high - self.low) * self.counted

    def drawn(self, draw: Callable[[int], Tensor], axis: int = 0) -> Tensor:
        """Return what is drawn for these rows, when `draw` draws along this axis for a batch of so many."""
        return draw(self.total).narrow(axis, self.low, self.high - self.low)


def whole(total: int) -> Share:
    """Return the share of a process that computes alone."""
    return Share(0, total, total)


def share_of(total: int, rank: int, count: int) -> Share:
    """Return the rows of a batch that process `rank` of `count` computes: equal parts, the first ones a row longer.

    A process for which nothing is left computes the first row as well, which does not count: every process makes every
    step.

    >>> [share_of(5, rank, 2)[:2] for rank in range(2)], share_of(2, 2, 3)
    ([(0, 3), (3, 5)], Share(low=0, high=1, total=2, counted=False))
    """
    size, longer = divmod(total, count)
    low = rank * size + min(rank, longer)
    high = low + size + (rank < longer)
    return Share(low, high, total) if high > low or not total else Share(0, 1, total, counted=False)
