"""Which examples are worth looking at: the hardest kept, the easiest dropped, random ones of both, label issues."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datapare.evaluation.record_summary import Floats
from datapare.reporting.counting import largest, smallest
from datapare.reporting.figures import POINTS

CARDS = 24
SAMPLE = 5_000  # of more than POINTS examples
RANDOM_CARDS = 12  # beside the extremes: what a typical kept or dropped example looks like


@dataclass(frozen=True, eq=False)
class Gallery:
    """A title, a sentence that says how the examples were chosen, and their positions, in that order."""

    title: str
    caption: str
    index: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ExampleStatistics:
    """What is known of each example, (N,) each or None: the columns that order a gallery."""

    mask: NDArray[np.bool_]
    score: Floats | None = None
    mean_prob: Floats | None = None
    margin: Floats | None = None


def galleries(known: ExampleStatistics) -> list[Gallery]:
    """Return the galleries that the statistics allow; none when there is neither a record nor a score."""
    hard, order = (known.mean_prob, "lowest mean probability of the label")
    easy = "highest mean probability of the label"
    if hard is None and known.score is not None:
        hard, order, easy = known.score, "highest score", "lowest score"
    if hard is None:
        return []
    hardest, easiest = (smallest, largest) if known.mean_prob is not None else (largest, smallest)
    kept, dropped = known.mask, ~known.mask
    found = [
        Gallery("Hardest kept", f"Kept, {order} first.", hardest(hard, kept, CARDS)),
        Gallery("Easiest dropped", f"Dropped, {easy} first.", easiest(hard, dropped, CARDS)),
    ]
    if known.margin is not None:
        caption = (
            "Over the epochs the model preferred, on average, another class to the label: lowest mean margin first. "
            "Wrong labels gather here, and so do rare and ambiguous examples: look before you delete. "
            "datapare label-issues lists them all in a file in which to decide about each."
        )
        found.append(Gallery("Possible label issues", caption, smallest(known.margin, known.margin < 0, CARDS)))
    found.append(Gallery("Random kept", "Drawn at random from the kept examples.", at_random(kept)))
    found.append(Gallery("Random dropped", "Drawn at random from the dropped examples.", at_random(dropped)))
    return found


def at_random(among: NDArray[np.bool_], count: int = RANDOM_CARDS) -> NDArray[np.int64]:
    """Return the positions of `count` of the chosen, drawn with a fixed seed so that a report can be made again."""
    place = np.flatnonzero(among)
    drawn = np.random.default_rng(0).choice(len(place), min(count, len(place)), replace=False)
    return place[drawn]


def sample(total: int, wanted: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the sorted positions of all examples, or of a random sample with those `wanted`."""
    if total <= POINTS:
        return np.arange(total)
    drawn = np.random.default_rng(0).choice(total, SAMPLE, replace=False)
    return np.unique(np.concatenate([drawn, *wanted]))
