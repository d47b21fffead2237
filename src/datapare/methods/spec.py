"""What a method file may declare beside its function."""

import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array, Observed


@dataclass(frozen=True)
class Range:
    """The values that a number may have: at least, at most, above; infinity only where it is declared."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    infinite: bool = False

    def holds(self, value: float) -> bool:
        """Return whether the value is inside.

        >>> Range(above=0, most=1).holds(1), Range(least=0).holds(-1)
        (True, False)
        """
        return (
            (self.infinite or math.isfinite(value))
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
        )

    def __str__(self) -> str:
        words = {"at least": self.least, "above": self.above, "at most": self.most}
        return " and ".join(f"{word} {bound:g}" for word, bound in words.items() if bound is not None) or "finite"


Count = Annotated[int, Range(least=1)]
Seed = Annotated[int, Range(least=0)]
Fraction = Annotated[float, Range(least=0, most=1)]
Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(least=0)]
NonNegativeOrInfinite = Annotated[float, Range(least=0, infinite=True)]
Ddof = Annotated[int, Range(least=0, most=1)]  # a deviation divides by epochs - ddof
ParamValue = bool | int | float | str | None  # of a method

# Parameter values by dataset: for every fraction kept, or by fraction (a float key).
Presets = Mapping[str, Mapping[str, ParamValue] | Mapping[float, Mapping[str, ParamValue]]]


@dataclass(frozen=True)
class MethodSpec:
    """The optional parts of a method file, which ends with `SPEC = MethodSpec(...)`; a misspelt word fails at import.

    Attributes:
        weights: Of a selection rule: how much each kept example counts. Reads arrays and parameters by the names that
            the rule uses, and `index`, the kept positions (n,).
        fit_params: Of a selection rule: fits parameters that were not given to the whole dataset, before its classes
            share the budget. Called with the rule's arrays and parameters, `n` and `augmented` (whether the arrays were
            recorded on augmented inputs); returns the fitted parameters.
        over_epochs: Of a selection rule: what it reads of a channel (T, N), where that is one number per example (N,).
            It is then computed block by block, and the rule is given a single epoch (1, N) of it, from which it has to
            compute the same number.
        tune: Of an extrapolation: chooses parameters that were not given from the scored examples. Called with the
            method's arrays and parameters; returns the chosen parameters.
        presets: Published parameters by dataset, and by fraction kept where they depend on it.
        unverified: Datasets, or (dataset, fraction) pairs, whose presets were not checked against their source.
        observed: The forward pass that the authors of a score recorded.
    """

    weights: Callable[..., NDArray[np.float64]] | None = None
    fit_params: Callable[..., Mapping[str, ParamValue]] | None = None
    over_epochs: Mapping[str, Callable[[Array], NDArray[np.float64]]] = field(default_factory=dict)
    tune: Callable[..., Mapping[str, ParamValue]] | None = None
    presets: Presets = field(default_factory=dict)
    unverified: AbstractSet[str | tuple[str, float]] = frozenset()
    observed: Observed = "train-pass"
