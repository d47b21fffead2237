"""What a method file may declare beside its function."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from datapare.artifacts import Observed

# Parameter values by dataset: for every fraction kept, or by fraction (a float key).
Presets = Mapping[str, Mapping[Any, Any]]


@dataclass(frozen=True)
class MethodSpec:
    """The optional parts of a method file, which ends with `SPEC = MethodSpec(...)`; a misspelt word fails at import.

    Attributes:
        weights: Of a selection rule: how much each kept example counts. Reads arrays and parameters by the names that
            the rule uses, and `index`, the kept positions (n,).
        fit_params: Of a selection rule: fits parameters that were not given to the whole dataset, before its classes
            share the budget. Called with the rule's arrays and parameters, `n` and `augmented` (whether the arrays were
            recorded on augmented inputs); returns the fitted parameters.
        tune: Of an extrapolation: chooses parameters that were not given from the scored examples. Called with the
            method's arrays and parameters; returns the chosen parameters.
        presets: Published parameters by dataset, and by fraction kept where they depend on it.
        unverified: Datasets, or (dataset, fraction) pairs, whose presets were not checked against their source.
        observed: The forward pass that the authors of a score recorded.
    """

    weights: Callable[..., Any] | None = None
    fit_params: Callable[..., Mapping[str, Any]] | None = None
    tune: Callable[..., Mapping[str, Any]] | None = None
    presets: Presets = field(default_factory=dict)
    unverified: AbstractSet[Any] = frozenset()
    observed: Observed = "train-pass"
