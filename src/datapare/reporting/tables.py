"""The tables of the page: cost, keep rate per class, provenance, and the words it uses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Comparison, Provenance
from datapare.evaluation.record_summary import names_of
from datapare.reporting.gallery import shorten

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
        """Whether the class had examples and lost them all."""
        return self.total > 0 and self.kept == 0


@dataclass(frozen=True)
class ClassTable:
    """Classes by keep rate, smallest first; with many classes `rows` are the two ends and `rest` holds them all."""

    rows: tuple[ClassRow, ...]
    emptied: tuple[str, ...]
    rest: tuple[ClassRow, ...] = ()


@dataclass(frozen=True)
class ProvenanceRow:
    """One step of the provenance, `depth` steps away from the artefact."""

    depth: int
    step: str
    told: bool  # by an earlier row
    params: tuple[tuple[str, str], ...]
    seed: str
    dataset: str
    versions: str


GLOSSARY = {
    "keep": "the fraction of the examples that stays, between 0 and 1.",
    "subset": "the examples that stay; all others are dropped, none is changed.",
    "arm": "one way to choose the training examples in a comparison: a method, random, or all of them (full).",
    "random": "as many examples drawn at random, anew for every seed: what a method has to beat.",
    "seed": "the number that fixes all random choices of a run; arms are compared seed by seed.",
    "95 % interval": "the range that would hold the true mean in 95 of 100 repetitions of the whole experiment, "
    "computed over seeds with Student's t. It does not cover another dataset, model or recipe.",
    "epoch": "one pass over the data; costs are counted in full-dataset epochs, so that a pass over 30 % of the "
    "examples counts 0.3.",
    "score": "one number per example that says how much a method wants to keep it; larger = keep first.",
    "probability": "what the model gave the example's own label, between 0 and 1, in one epoch.",
    "mean probability": "the average of the label's probability over the recorded epochs: high = easy, low = hard "
    "or wrong.",
    "deviation": "the standard deviation of the label's probability over the epochs (ddof 1): high = the model "
    "changed its mind.",
    "margin": "the logit of the label minus the largest other logit; above 0 exactly when the model is right. Its "
    "mean over epochs is the area under the margin (AUM).",
    "moon plot": "mean probability against deviation, one point per example; during training an example travels "
    "from the bottom left over the right to the top left.",
    "Beta weighting": "a selection that multiplies the score with a Beta density over the mean probability, so that "
    "the more is dropped, the easier the examples that stay.",
    "equal epochs": "every arm makes as many passes over its own examples, so that a smaller subset trains for less.",
    "equal iterations": "every arm makes as many updates as a training on everything, so that a smaller subset is seen "
    "more often; only the scoring could then be saved.",
    "ledger": "scoring and selection are paid once, every training again: what both ways cost for so many trainings.",
    "coverage": "the fraction of the examples that the record saw in an epoch.",
    "digest": "a fingerprint of the dataset: another dataset, or another order, has another digest.",
}


def classes(counts: NDArray[np.int64], names: Sequence[str]) -> ClassTable:
    """Keep rate per class from counts (K, 2) of all and kept; classes that were empty before come last."""
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
    """Accuracy per named group and arm, mean over seeds; empty without named groups."""
    if comparison.group_accuracy is None or comparison.group_count is None:
        return []
    mean = np.asarray(comparison.group_accuracy).mean(axis=1)  # (A, G)
    counted = zip(comparison.groups, comparison.group_count.tolist(), strict=True)
    return [GroupRow(name, count, tuple(mean[:, g].tolist())) for g, (name, count) in enumerate(counted)]


def provenance_rows(provenance: Provenance, told: list[Provenance], depth: int = 0) -> list[ProvenanceRow]:
    """A recipe and its parents', depth first; recipes `told` before get a row without details, new ones join it."""
    row = ProvenanceRow(
        depth=depth,
        step=" ".join(part for part in (provenance.step, provenance.method) if part),
        told=provenance in told,
        params=tuple(plain_knobs(provenance.params)),
        seed="" if provenance.seed is None else str(provenance.seed),
        dataset=provenance.dataset,
        versions=versions(provenance.versions),
    )
    if row.told:
        return [row]
    told.append(provenance)
    return [row, *(parent for one in provenance.parents for parent in provenance_rows(one, told, depth + 1))]


def versions(numbers: Mapping[str, str]) -> str:
    """Versions on one line: "numpy 2.4.6, torch 2.13.0"."""
    return ", ".join(f"{name} {number}" for name, number in numbers.items())


def glossary(shown: set[str]) -> list[tuple[str, str]]:
    """The words of the sections that are shown, alphabetically."""
    words = {"keep", "subset", "seed", "digest"}
    of_section = {
        "comparison": {"arm", "random", "95 % interval", "epoch"},
        "cost": {"epoch", "ledger"},
        "curve": {"arm", "random", "95 % interval", "epoch", "keep"},
        "map": {"moon plot", "probability", "mean probability", "deviation", "epoch"},
        "scores": {"score"},
        "probability": {"mean probability", "probability"},
        "beta": {"Beta weighting", "score"},
        "examples": {"mean probability", "margin", "score"},
        "trouble": {"coverage"},
    }
    for section in shown:
        words |= of_section.get(section, set())
    return [(word, GLOSSARY[word]) for word in sorted(words, key=str.casefold)]


def plain_knobs(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Knobs and their values as text, nested ones by dotted names; what is not set is not told.

    >>> list(plain_knobs({"c_d": 13.84201451514821, "fraction": None, "held_out": {"k": 5}}))
    [('c_d', '13.842'), ('held_out.k', '5')]
    """
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from plain_knobs(value, f"{prefix}{name}.")
        elif value is not None and value not in ([], ()):
            yield f"{prefix}{name}", f"{value:.6g}" if isinstance(value, float) else shorten(str(value), 120)
