"""The nouns of one report, and what several of its sections compute from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Comparison, Dynamics, Scores, Subset
from datapare.evaluation.record_summary import Floats, moments
from datapare.evaluation.verdicts import Arm, arms
from datapare.reporting.figures import Figure

if TYPE_CHECKING:
    from datapare.data import Dataset


@dataclass(frozen=True, eq=False)
class ReportContext:
    """The nouns of one report, what several sections compute from them, and the figures drawn so far."""

    subset: Subset
    scores: Scores | None
    dynamics: Dynamics | None
    data: "Dataset | None"
    comparison: Comparison | None
    others: Mapping[str, Scores] = field(default_factory=dict)
    curve: Comparison | None = None
    within: float = 1.0
    figures: dict[str, Figure] = field(default_factory=dict)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Booleans (N,): True where the example stays."""
        return self.subset.mask

    @cached_property
    def score(self) -> Floats | None:
        """The scores (N,)."""
        return None if self.scores is None else np.asarray(self.scores.score, dtype=np.float64)

    @cached_property
    def moments(self) -> tuple[Floats, Floats] | None:
        """Mean and deviation over epochs of the true-label probability, (N,) each."""
        channel = self.channel("target_prob")
        return None if channel is None else moments(channel)

    @cached_property
    def mean_prob(self) -> Floats | None:
        """Mean true-label probability (N,), the predicted one of an example that was never observed."""
        if self.moments is None:
            return None
        predicted = {} if self.scores is None else self.scores.means
        own = self.moments[0]
        return np.where(np.isnan(own), predicted["target_prob"], own) if "target_prob" in predicted else own

    @cached_property
    def margin(self) -> Floats | None:
        """Mean margin over epochs (N,): in logits where recorded, else of probabilities."""
        for name in ("margin", "prob_margin"):
            channel = self.channel(name)
            if channel is not None:
                return moments(channel)[0]
        return None

    @cached_property
    def arms(self) -> list[Arm]:
        """The rows of the comparison."""
        return [] if self.comparison is None else arms(self.comparison)

    @cached_property
    def names(self) -> Sequence[str]:
        """What a person calls each example."""
        return _Numbered() if self.data is None else self.data.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, as far as known."""
        source = self.data if self.data is not None and self.data.classes else self.dynamics
        return () if source is None else tuple(source.classes)

    def channel(self, name: str) -> NDArray[Any] | None:
        """A channel (T, N) of the record, None when it was not recorded."""
        return None if self.dynamics is None else self.dynamics.channels.get(name)


class _Numbered(Sequence[str]):
    """Names of examples that nobody named: "example 17"."""

    def __len__(self) -> int:
        return 0

    def __getitem__(self, i: Any) -> Any:
        return f"example {i}"
