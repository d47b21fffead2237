"""The tables of the page: kept fraction per class, accuracy per group, provenance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Comparison, Params, Provenance
from datapare.evaluation.record_summary import names_of
from datapare.reporting.text import shorten

MANY_CLASSES = 60  # above which only the ends of the class table are open
ENDS = 15


@dataclass(frozen=True)
class ClassRow:
    """Examples of one class, all and kept."""

    name: str
    total: int
    kept: int

    @property
    def keep(self) -> float:
        """Fraction kept, 0..1; 0 for a class that was empty before."""
        return self.kept / max(self.total, 1)

    @property
    def emptied(self) -> bool:
        """Whether the class had examples and none was kept."""
        return self.total > 0 and self.kept == 0


@dataclass(frozen=True)
class ClassTable:
    """Classes by kept fraction, smallest first; with many classes `rows` are the two ends and `rest` holds them all."""

    rows: tuple[ClassRow, ...]
    emptied: tuple[str, ...]
    rest: tuple[ClassRow, ...] = ()


@dataclass(frozen=True)
class ProvenanceRow:
    """One step of the provenance, `depth` steps away from the artifact."""

    depth: int
    step: str
    listed: bool  # in an earlier row
    params: tuple[tuple[str, str], ...]
    seed: str
    dataset: str
    versions: str


def classes(counts: NDArray[np.int64], names: Sequence[str]) -> ClassTable:
    """Return the kept fraction per class from counts (K, 2) of all and kept; empty classes come last."""
    named = zip(names_of(len(counts), names), counts.tolist(), strict=True)
    rows = [ClassRow(name, total, kept) for name, (total, kept) in named]
    ordered = tuple(sorted(rows, key=lambda row: (row.total == 0, row.keep, -row.total)))
    emptied = tuple(row.name for row in ordered if row.emptied)
    if len(ordered) <= MANY_CLASSES:
        return ClassTable(ordered, emptied)
    return ClassTable(ordered[:ENDS] + ordered[-ENDS:], emptied, ordered)


@dataclass(frozen=True)
class GroupRow:
    """A named group of held-out examples: how many, and the mean accuracy of each arm, NaN where unknown."""

    name: str
    count: int
    accuracy: tuple[float, ...]


def groups(comparison: Comparison) -> list[GroupRow]:
    """Return the accuracy per named group and arm, mean over seeds; empty without named groups."""
    if comparison.group_accuracy is None or comparison.group_count is None:
        return []
    mean = np.asarray(comparison.group_accuracy).mean(axis=1)  # (A, G)
    counted = zip(comparison.groups, comparison.group_count.tolist(), strict=True)
    return [GroupRow(name, count, tuple(mean[:, g].tolist())) for g, (name, count) in enumerate(counted)]


def provenance_rows(provenance: Provenance, listed: list[Provenance], depth: int = 0) -> list[ProvenanceRow]:
    """Return a step and its parents, depth first; those `listed` before have no details, new ones are added to it."""
    row = ProvenanceRow(
        depth=depth,
        step=" ".join(part for part in (provenance.step, provenance.method) if part),
        listed=provenance in listed,
        params=tuple(plain_params(provenance.params)),
        seed="" if provenance.seed is None else str(provenance.seed),
        dataset=provenance.dataset,
        versions=versions(provenance.versions),
    )
    if row.listed:
        return [row]
    listed.append(provenance)
    return [row, *(parent for one in provenance.parents for parent in provenance_rows(one, listed, depth + 1))]


def versions(numbers: Mapping[str, str]) -> str:
    """Format versions on one line: "numpy 2.4.6, torch 2.13.0"."""
    return ", ".join(f"{name} {number}" for name, number in numbers.items())


def plain_params(params: Params, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield parameters and their values as text, nested ones by dotted names; what is not set is left out.

    >>> list(plain_params({"c_d": 13.84201451514821, "fraction": None, "held_out": {"k": 5}}))
    [('c_d', '13.842'), ('held_out.k', '5')]
    """
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from plain_params(value, f"{prefix}{name}.")
        elif value is not None and value not in ([], ()):
            yield f"{prefix}{name}", f"{value:.6g}" if isinstance(value, float) else shorten(str(value), 120)
