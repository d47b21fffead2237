"""The artifacts of one report, and what several of its sections compute from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array, Comparison, Dynamics, Scores, Subset
from datapare.evaluation.arms import Arm, arms, find_arm
from datapare.evaluation.costs import Cost, scoring_cost
from datapare.evaluation.record_summary import Floats, moments
from datapare.evaluation.verdicts import NOT_COMPARED, Verdict, verdict
from datapare.methods.binding import channel_mean
from datapare.reporting.gallery import ExampleStatistics, Gallery, galleries, sample
from datapare.reporting.projection import principal_components

if TYPE_CHECKING:
    from datapare.data import Dataset


@dataclass(frozen=True, eq=False)
class ReportContext:
    """The artifacts of one report; `within` is the accepted loss of accuracy in percentage points."""

    subset: Subset
    scores: Scores | None = None
    dynamics: Dynamics | None = None
    data: "Dataset | None" = None
    comparison: Comparison | None = None
    others: Mapping[str, Scores] = field(default_factory=dict)
    sweep: Comparison | None = None
    within: float = 1.0

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Booleans (N,): True for a kept example."""
        return self.subset.mask

    @cached_property
    def score(self) -> Floats | None:
        """The scores (N,)."""
        return None if self.scores is None else np.asarray(self.scores.score, dtype=np.float64)

    @cached_property
    def moments(self) -> tuple[Floats, Floats] | None:
        """Mean and standard deviation over epochs of the label's probability, (N,) each."""
        channel = self.channel("target_prob")
        return None if channel is None else moments(channel)

    @cached_property
    def mean_prob(self) -> Floats | None:
        """Mean probability of the label (N,), over the epochs that the rule read and by its rule for missing ones."""
        if self.dynamics is None:
            return None
        params = self.subset.provenance.params
        first, count = params.get("first", 0), params.get("count")
        return channel_mean("target_prob", self.dynamics, self.scores, first=first, count=count)

    @cached_property
    def margin(self) -> Floats | None:
        """Mean margin over epochs (N,): in logits where recorded, else of probabilities."""
        for name in ("margin", "prob_margin"):
            channel = self.channel(name)
            if channel is not None:
                return moments(channel)[0]
        return None

    @cached_property
    def predicted(self) -> NDArray[np.int64] | None:
        """The class (N,) that the model preferred on average over the epochs, where it was recorded."""
        logits = None if self.dynamics is None else self.dynamics.arrays.get("logit_mean")
        return None if logits is None else np.argmax(logits, axis=1)

    @cached_property
    def components(self) -> tuple[Floats, float] | None:
        """The first two principal components (N, 2) of the recorded embedding, and their fraction of its variance."""
        embedding = None if self.dynamics is None else self.dynamics.arrays.get("embedding")
        return None if embedding is None else principal_components(embedding)

    @property
    def key(self) -> NDArray[np.uint64] | None:
        """The keys (N,) of the examples, where an artifact has them."""
        artifacts = (self.data, self.subset, self.dynamics, self.scores)
        return next((a.key for a in artifacts if a is not None and a.key is not None), None)

    @cached_property
    def label(self) -> NDArray[np.int64] | None:
        """The labels (N,), class numbers."""
        source = self.data or self.dynamics
        return None if source is None else source.label

    @cached_property
    def names(self) -> Sequence[str]:
        """The name of each example."""
        return NumberedNames(self.subset.total) if self.data is None else self.data.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, as far as known."""
        source = self.data if self.data is not None and self.data.classes else self.dynamics
        return () if source is None else tuple(source.classes)

    @cached_property
    def arms(self) -> list[Arm]:
        """The rows of the comparison."""
        return [] if self.comparison is None else arms(self.comparison)

    @cached_property
    def arm(self) -> int | None:
        """The position of the arm that was trained on this subset, found by its digest; None where there is none."""
        return None if self.comparison is None else find_arm(self.comparison, self.subset)

    @cached_property
    def verdict(self) -> Verdict:
        """What the comparison shows about this subset."""
        if self.comparison is None:
            return NOT_COMPARED
        margin = self.within / 100
        return verdict(self.comparison, self.subset, margin=margin, dynamics=self.dynamics, scores=self.scores)

    @cached_property
    def scoring_cost(self) -> Cost:
        """What recording and scoring cost."""
        return scoring_cost(self.dynamics, self.scores)

    @cached_property
    def galleries(self) -> list[Gallery]:
        """The lists of examples that are shown in full."""
        if self.data is None:
            return []
        return galleries(ExampleStatistics(self.mask, self.score, self.mean_prob, self.margin))

    @cached_property
    def shown(self) -> NDArray[np.int64]:
        """Positions of the examples that the page describes one by one: all, or a sample that holds the galleries."""
        return sample(self.subset.total, [gallery.index for gallery in self.galleries])

    def channel(self, name: str) -> Array | None:
        """A channel (T, N) of the record, None when it was not recorded."""
        return None if self.dynamics is None else self.dynamics.channels.get(name)


class NumberedNames(Sequence[str]):
    """Names of examples without a dataset: "example 17"."""

    def __init__(self, total: int) -> None:
        self.total = total

    def __len__(self) -> int:
        return self.total

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> "Sequence[str]": ...
    def __getitem__(self, i: int | slice) -> "str | Sequence[str]":
        found = range(self.total)[i]
        return f"example {found}" if isinstance(found, int) else [f"example {n}" for n in found]
