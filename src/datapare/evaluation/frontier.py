"""Accuracy against total cost: what each arm costs for a number of trainings, and which arms no other beats in both."""

import math
from dataclasses import dataclass

from datapare.artifacts import Comparison
from datapare.evaluation.arms import Arm, arms
from datapare.evaluation.costs import UNKNOWN, Cost, total_cost

TRAININGS = (1, 3, 10)


@dataclass(frozen=True)
class Offer:
    """An arm with what so many trainings of it cost, scoring and selection included.

    Attributes:
        number: Position of the arm in the comparison, from 1.
        arm: The arm.
        cost: Total cost; epochs are NaN where what scoring cost is unknown.
        unbeaten: Whether no other arm is at least as accurate for less, or more accurate for as much.
    """

    number: int
    arm: Arm
    cost: Cost
    unbeaten: bool


def frontier(comparison: Comparison, trainings: int, scoring: Cost = UNKNOWN) -> list[Offer]:
    """Return every arm with its total cost, in the order of the comparison.

    Args:
        comparison: The comparison.
        trainings: How often the network is trained; what is scored is scored once.
        scoring: What scoring cost, for comparisons that do not hold it.

    >>> epochs = [[3.0], [3.0], [10.0]]
    >>> made = Comparison(("dual", "random", "full"), (0,), [[0.8], [0.7], [0.9]], [30, 30, 100], epochs, epochs,
    ...                   roles=("subset", "random", "full"), once=[[6.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    >>> [(offer.cost.epochs, offer.unbeaten) for offer in frontier(made, 3)]
    [(15.0, True), (9.0, True), (30.0, True)]
    """
    rows = arms(comparison)
    costs = [total_cost(comparison, i, trainings, scoring) for i in range(len(rows))]
    known = [(cost.epochs, row.accuracy.mean) for cost, row in zip(costs, rows, strict=True)]
    return [Offer(i + 1, rows[i], costs[i], _is_unbeaten(known, i)) for i in range(len(rows))]


def _is_unbeaten(known: list[tuple[float, float]], place: int) -> bool:
    cost, accuracy = known[place]
    if math.isnan(cost + accuracy):
        return False
    return not any(
        other <= cost and reached >= accuracy and (other, reached) != (cost, accuracy) for other, reached in known
    )
