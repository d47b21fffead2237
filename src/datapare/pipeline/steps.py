"""The steps of a run, each on a run folder: record, score, extrapolate, embed, save the subset; none is repeated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Array, Dynamics, Params, Provenance, Scores, Subset
from datapare.errors import InputError, is_refused
from datapare.evaluation.record_summary import class_counts, learning_curve, names_of
from datapare.methods import extrapolation, scoring
from datapare.methods.registry import check_params, find
from datapare.methods.selection import select
from datapare.numerics.checked_calls import checked_call
from datapare.options import Balance, RecordOptions
from datapare.pipeline.renamed import save_contents
from datapare.pipeline.reuse import check_options, is_reused
from datapare.pipeline.run_folder import RunFolder

if TYPE_CHECKING:
    from datapare.training.epoch import Progress

Report = Callable[[str], object]  # receives one line before each step


@dataclass(frozen=True)
class PruneOptions:
    """How to choose: the score, what predicts those not observed, the selection rule, parameters, balance, seed."""

    score: str = "dual"
    rule: str = "mixed"
    score_params: Params = field(default_factory=dict)
    rule_params: Params = field(default_factory=dict)
    balance: Balance | None = "proportional"
    seed: int = 0
    extrapolate: str = "knn"
    extrapolate_params: Params = field(default_factory=dict)
    whole_groups: bool = False

    def check(self) -> None:
        """Raise InputError for unknown methods or parameters, before anything costly begins."""
        check_params(find("score", self.score), self.score_params)
        check_params(find("select", self.rule), self.rule_params)
        check_params(find("extrapolate", self.extrapolate), self.extrapolate_params)


def record_into(
    run: RunFolder,
    on_message: Report,
    progress: "Callable[[Progress], None] | Literal[False] | None",
    **options: Unpack[RecordOptions],
) -> Dynamics:
    """Return the record of a run folder: made, continued, or found finished.

    Args:
        run: The run folder; its dataset is opened.
        on_message: Receives one line before each step.
        progress: Receives the state of the training.
        **options: Options of `record`.
    """
    from datapare.data.encodings.dispatch import memory_note
    from datapare.training import costly, record
    from datapare.training.recorded_channels import unkept_logit_mean

    data, finished = run.dataset, storage.is_finished(run.dynamics_path)
    if data.bad:
        first, count = data.bad[0], len(data.bad)
        on_message(f"left out {count:,} that cannot be read, listed in the report ({first.name}: {first.reason})")
    if not finished:
        on_message("recording: training briefly")
        if sentence := memory_note(data, options.get("image_size")):
            on_message(sentence)
        save_contents(run.path, data)
        for sentence in costly(options.get("channels") or (), len(data.classes)):
            on_message(sentence)
        if sentence := unkept_logit_mean(options.get("channels"), len(data), len(data.classes)):
            on_message(sentence)
    if finished and is_reused(run.dynamics):
        check_options(run.dynamics, options)
        dynamics = run.dynamics
    else:
        dynamics = record(data, out=run.dynamics_path, progress=progress, **options)
    if finished:
        on_message("the record is finished; not training again")
    elif options.get("until_stable"):
        on_message(_describe_convergence(dynamics))
    if learnt := learning_curve(dynamics):
        on_message(learnt.text)
    return dynamics


def _describe_convergence(dynamics: Dynamics) -> str:
    limit = dynamics.provenance.params["epochs"]
    if dynamics.epochs < limit:
        return f"the ranking converged after {dynamics.epochs} epochs of {limit} at most"
    return f"the ranking did not converge in {limit} epochs"


def describe_emptied_classes(label: NDArray[np.int64], subset: Subset, classes: Sequence[str]) -> str:
    """Return which classes a subset leaves without examples, as a sentence; empty when it leaves none.

    >>> describe_emptied_classes(np.array([0, 0, 1]), Subset([0], 3), ["cat", "dog"])
    '1 of 2 classes loses all its examples (dog); a larger --keep or --balance uniform may spare some'
    """
    counts = class_counts(label, subset.mask, len(classes))  # (K, 2)
    lost = np.flatnonzero((counts[:, 0] > 0) & (counts[:, 1] == 0))
    if not len(lost):
        return ""
    named = names_of(len(counts), classes)
    listed = ", ".join(named[i] for i in lost[:5]) + (", …" if len(lost) > 5 else "")
    loses = "loses all its" if len(lost) == 1 else "lose all their"
    return (
        f"{len(lost):,} of {int((counts[:, 0] > 0).sum()):,} classes {loses} examples ({listed}); "
        "a larger --keep or --balance uniform may spare some"
    )


def score_into(run: RunFolder, options: PruneOptions) -> Scores:
    """Score the record and keep the scores in the run folder."""
    scores = scoring.score(run.dynamics, options.score, **options.score_params)
    place = run.scores_path(options.score)
    if not storage.is_finished(place) or storage.load(place).provenance != scores.provenance:
        storage.save(scores, place)
    return scores


def write_score_table(run: RunFolder, scored: Mapping[str, Scores]) -> Path:
    """Write the table of scores: one row per example with its key, one column per method."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    key = next((scores.key for scores in scored.values() if scores.key is not None), None)
    columns = {name: scores.score for name, scores in scored.items()}
    table = pa.table({**({} if key is None else {"key": np.asarray(key)}), **columns})
    with storage.atomic_write(run.score_table_path) as draft:
        pq.write_table(table, draft)
    return run.score_table_path


def extrapolate_into(run: RunFolder, scores: Scores, options: PruneOptions, on_message: Report) -> Scores:
    """Predict the scores that were not observed, unless the run folder holds them; say how many."""
    method, params, seed = options.extrapolate, options.extrapolate_params, options.seed
    place = run.scores_path(f"{extrapolation.score_label(scores.provenance)}+{method}")
    planned = extrapolation.planned_provenance(scores, run.dynamics, method, seed, params)
    before = storage.load(place) if storage.is_finished(place) else None
    if isinstance(before, Scores) and extrapolation.without_findings(before.provenance) == planned:
        storage.remove_drafts(place)  # of one whose replacement was killed
        return before
    on_message(f"predicting {int(np.isnan(scores.score).sum()):,} of {len(scores):,} scores with {method}")
    completed = extrapolation.extrapolate(scores, run.dynamics, method, seed=seed, **params)
    storage.save(completed, place)
    return completed


@checked_call
def set_embedding(
    run: RunFolder | str | Path, *, model: str | None = None, array: Path | str | None = None
) -> Dynamics:
    """Replace the embedding of a run's record, by which examples are compared.

    Args:
        run: The run folder or its path.
        model: A pretrained backbone, as transformers:NAME.
        array: A .npy file (N, d), one row per example in the dataset's order. With neither, the embedding of the
            recorded network is restored.

    Returns:
        The record with its new embedding.

    Raises:
        InputError: When both are given, or the model or the file cannot be used.
    """
    from datapare.training.embeddings import embed_with, put_embedding, restore_embedding
    from datapare.training.networks.factory import backbone

    run = run if isinstance(run, RunFolder) else RunFolder.open(run)
    if model is not None and array is not None:
        raise InputError("an embedding comes from a --model or from an --array, not both; give one of them.")
    run.dynamics  # noqa: B018 - refuses a run without a finished record
    with storage.folder_lock(run.path, "working"):
        if array is not None:
            return put_embedding(run.dynamics_path, read_array(Path(array)), {"array": str(array)})
        if model is None:
            return restore_embedding(run.dynamics_path)
        name = backbone(model)
        if name is None:
            raise InputError(f"--model names a pretrained backbone, such as transformers:NAME, not {model!r}.")
        parts = run.path / "embedding.parts"
        features = embed_with(name, run.dataset, image_size=run.image_size, parts=parts)
        made = put_embedding(run.dynamics_path, features, {"model": f"transformers:{name}"})
        storage.discard(parts)
        return made


def read_array(file: Path) -> Array:
    """Return the array in a .npy file, memory-mapped; raises InputError when there is none."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {file}{storage.meant(file)}") from error
    except Exception as error:  # a damaged header raises many things, tokenize's among them
        if is_refused(error):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file} is no .npy file of plain numbers ({reason}); save one with numpy.save.") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{file} is no .npy file of plain numbers (it is an .npz archive); save one with numpy.save.")
    return array


def select_into(run: RunFolder, keep: float | str, on_message: Report) -> Subset:
    """Return a subset of a run folder; a missing one of a keep fraction is selected by the defaults of `prune`."""
    if isinstance(keep, str) or storage.is_finished(run.subset_path(keep)):
        return run.subset(keep)
    options = PruneOptions()
    scored = storage.is_finished(run.scores_path(options.score))
    scores = run.scores(options.score) if scored else score_into(run, options)
    subset = select(
        scores, options.rule, keep=keep, seed=options.seed, dynamics=run.dynamics,
        balance=options.balance,
    )  # fmt: skip
    save_or_verify_subset(subset, run.keep_path(keep))
    on_message(f"selected {len(subset):,} of {subset.total:,} examples by {options.score} and {options.rule}")
    return subset


def save_or_verify_subset(subset: Subset, place: Path, *, force: bool = False) -> bool:
    """Save a subset in a keep folder, or verify that the one there was chosen in the same way.

    Args:
        subset: The subset.
        place: The folder `keep-…` of a run.
        force: Replace another subset, with the dataset and report that were made from it.

    Returns:
        Whether it was saved: False when the same subset was there already.

    Raises:
        InputError: When another subset is there, or the same one chosen in another way.
    """
    if not storage.is_finished(place / "subset"):
        storage.remove_drafts(place)  # of one whose replacement was killed
    if storage.save_first(subset, place / "subset"):
        return True
    before = storage.load(place / "subset")
    same = isinstance(before, Subset) and np.array_equal(before.index, subset.index)
    if force and not same:
        storage.discard(place)
        if storage.save_first(subset, place / "subset"):
            return True
        before = storage.load(place / "subset")  # of another process, just now
        same = isinstance(before, Subset) and np.array_equal(before.index, subset.index)
    if not same or describe_choice(before.provenance) != describe_choice(subset.provenance):
        raise InputError(
            f"{place} holds a subset made with {describe_choice(before.provenance)}, and not with "
            f"{describe_choice(subset.provenance)}; delete that folder, or have datapare select keep both (--name) or "
            "replace that one (--force)."
        )
    return False


def describe_choice(provenance: Provenance) -> str:
    """Return the rule, the scores it chose by, the seed and the parameters of a subset, as text."""
    params = {
        name: value for name, value in {"seed": provenance.seed, **provenance.params}.items() if value is not None
    }
    parts = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items())
    return ", ".join([provenance.method + "".join(map(_describe_scores, provenance.parents[:1])), *parts])


def _describe_scores(provenance: Provenance) -> str:
    """Which scores a rule chose by, so that two subsets of one rule can be distinguished.

    >>> _describe_scores(Provenance("extrapolate", "knn", parents=(Provenance("score", "dual", {"window": 3}),)))
    ' by dual+knn (window 3)'
    """
    first = provenance
    while first.step == "extrapolate" and first.parents:
        first = first.parents[0]
    params = ", ".join(f"{name} {value}" for name, value in first.params.items() if value is not None)
    return f" by {extrapolation.score_label(provenance)}" + (f" ({params})" if params else "")
