"""The steps of the line, each on a run folder: record, score, extrapolate, embed, settle; what is there stays there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics, Provenance, Scores, Subset
from datapare.errors import InputError
from datapare.evaluation.record_summary import class_counts, learning, names_of
from datapare.methods import extrapolation, scoring
from datapare.methods.registry import check_params, find
from datapare.methods.selection import Balance
from datapare.pipeline import run_folder


@dataclass(frozen=True)
class PruneOptions:
    """How to choose: the score, what predicts those not observed, the selection rule, knobs, class balance, seed."""

    method: str = "dual"
    selection: str = "beta"
    score_params: Mapping[str, Any] = field(default_factory=dict)
    rule_params: Mapping[str, Any] = field(default_factory=dict)
    balance: Balance | None = "proportional"
    seed: int = 0
    extrapolation: str = "knn"
    extrapolate_params: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise InputError for unknown methods or knobs, before anything costly begins."""
        check_params(find("score", self.method), self.score_params)
        check_params(find("select", self.selection), self.rule_params)
        check_params(find("extrapolate", self.extrapolation), self.extrapolate_params)


def record_into(
    folder: Path,
    data: Any,
    say: Callable[[str], None],
    progress: Callable[[Any], None] | None,
    **record_with: Any,
) -> Dynamics:
    """The record of this run folder: made, continued, or found finished."""
    from datapare.training import costly, record

    place = folder / "dynamics"
    finished = storage.is_finished(place)
    if data.bad:
        first, some = data.bad[0], len(data.bad)
        say(f"left out {some:,} that cannot be read, listed in the report ({first.name}: {first.reason})")
    if not finished:
        say("recording: training briefly")
        for sentence in costly(record_with.get("channels", ()), len(data.classes)):
            say(sentence)
    dynamics: Dynamics = record(data, out=place, progress=progress, **record_with)
    if finished:
        say("the record is finished; not training again")
    elif record_with.get("until_stable"):
        most = dynamics.provenance.params["epochs"]
        said = f"settled after {dynamics.epochs}" if dynamics.epochs < most else f"did not settle in {most}"
        say(f"the ranking {said} epochs" + (f" of {most} at most" if dynamics.epochs < most else ""))
    if learnt := learning(dynamics):
        say(learnt.text)
    return dynamics


def describe_emptied_classes(label: NDArray[np.int64], subset: Subset, classes: Sequence[str]) -> str:
    """Which classes a subset leaves without examples, in a sentence; empty when it leaves none.

    >>> describe_emptied_classes(np.array([0, 0, 1]), Subset([0], 3), ["cat", "dog"])
    '1 of 2 classes loses all its examples (dog); a larger --keep or --balance uniform may spare some'
    """
    counts = class_counts(label, subset.mask, len(classes))  # (K, 2)
    lost = np.flatnonzero((counts[:, 0] > 0) & (counts[:, 1] == 0))
    if not len(lost):
        return ""
    named = names_of(len(counts), classes)
    shown = ", ".join(named[i] for i in lost[:5]) + (", …" if len(lost) > 5 else "")
    verb = "loses all its" if len(lost) == 1 else "lose all their"
    return (
        f"{len(lost):,} of {int((counts[:, 0] > 0).sum()):,} classes {verb} examples ({shown}); "
        "a larger --keep or --balance uniform may spare some"
    )


def score_into(folder: Path, dynamics: Dynamics, choice: PruneOptions) -> Scores:
    """Score the record and keep the scores in the run folder."""
    scores = scoring.score(dynamics, choice.method, **choice.score_params)
    place = run_folder.scores_folder(folder, choice.method)
    if not storage.is_finished(place) or storage.load(place).provenance != scores.provenance:
        storage.save(scores, place)
    return scores


def extrapolate_into(
    folder: Path, scores: Scores, dynamics: Dynamics, choice: PruneOptions, say: Callable[[str], None]
) -> Scores:
    """Predict the scores that were not observed, unless that stands in the run folder already; say how well."""
    method, params, seed = choice.extrapolation, choice.extrapolate_params, choice.seed
    place = run_folder.scores_folder(folder, f"{extrapolation.score_label(scores.provenance)}+{method}")
    asked = extrapolation.planned_provenance(scores, dynamics, method, seed, params)
    before = storage.load(place) if storage.is_finished(place) else None
    if isinstance(before, Scores) and extrapolation.without_findings(before.provenance) == asked:
        return before
    say(f"predicting {int(np.isnan(scores.score).sum()):,} of {len(scores):,} scores with {method}")
    done = extrapolation.extrapolate(scores, dynamics, method, seed=seed, **params)
    storage.save(done, place)
    return done


def embed_into(folder: Path, model: str | None, array: Path | None) -> Dynamics:
    """Give the record of a run another embedding: a backbone's, an array's, or the recorded network's own again."""
    from datapare.training.embeddings import embed_with, put_embedding, restore_embedding
    from datapare.training.networks.factory import backbone

    run_folder.dynamics_of(folder)
    place = run_folder.record_folder(folder)
    if model is not None and array is not None:
        raise InputError("an embedding comes from a --model or from an --array, not both; give one of them.")
    if array is not None:
        return put_embedding(place, read_array(array), {"array": str(array)})
    if model is None:
        return restore_embedding(place)
    name = backbone(model)
    if name is None:
        raise InputError(f"--model names a pretrained backbone, such as transformers:NAME, not {model!r}.")
    features = embed_with(name, run_folder.dataset_of(folder), image_size=run_folder.image_size_of(folder))
    return put_embedding(place, features, {"model": f"transformers:{name}"})


def read_array(file: Path) -> NDArray[Any]:
    """The array in a .npy file; raises InputError when there is none."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{file} is no .npy file of plain numbers ({why}); save one with numpy.save.") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{file} is no .npy file of plain numbers (it is an .npz archive); save one with numpy.save.")
    return array


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    draft = storage.draft_of(path)
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; make room or choose another place."
        ) from error


def settle(subset: Subset, place: Path) -> None:
    """Save the subset, or make sure that the one that stands there is the same; raises InputError when it is not."""
    if not storage.is_finished(place / "subset"):
        storage.save(subset, place / "subset")
        return
    before = storage.load(place / "subset")
    if not isinstance(before, Subset) or not np.array_equal(before.index, subset.index):
        raise InputError(
            f"{place} holds a subset made with {_told(before.provenance)}; delete that folder to put there what "
            f"{_told(subset.provenance)} choose: the record stays."
        )


def _told(provenance: Provenance) -> str:
    params = {
        name: value for name, value in {"seed": provenance.seed, **provenance.params}.items() if value is not None
    }
    told = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items())
    return ", ".join([provenance.method + "".join(map(_scored_by, provenance.parents[:1])), *told])


def _scored_by(provenance: Provenance) -> str:
    """Which scores a rule chose by, in words, so that two subsets of one rule can be told apart.

    >>> _scored_by(Provenance("extrapolate", "knn", parents=(Provenance("score", "dual", {"window": 3}),)))
    ' by dual+knn (window 3)'
    """
    first = provenance
    while first.step == "extrapolate" and first.parents:
        first = first.parents[0]
    params = ", ".join(f"{name} {value}" for name, value in first.params.items() if value is not None)
    return f" by {extrapolation.score_label(provenance)}" + (f" ({params})" if params else "")
