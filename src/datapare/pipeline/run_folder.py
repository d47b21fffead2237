"""A run folder: what stands where in it, and which dataset it is about.

photos.datapare/
  run.json               which dataset, and how it was opened
  dynamics/              the record, made once and used for every keep fraction
  scores-dual/           by the observed examples; scores-dual+knn/ with the others' predicted
  keep-0.3/
    subset/  dataset/  examples.parquet  report.html
  trainings/             every finished retraining, found again by whatever asks for it
  comparison/  curve/    the last of each
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from datapare import storage
from datapare.artifacts import Comparison, Dynamics, Scores, Subset
from datapare.errors import InputError, MismatchError
from datapare.evaluation.costs import duration
from datapare.lock import LOCK

RUN = "run.json"


def begin(folder: Path, data: Any, open_with: Mapping[str, Any]) -> None:
    """Make the folder a run on this dataset, or make sure that it is one.

    Raises InputError when the folder holds something else, MismatchError when it is a run on another dataset.
    """
    check_free(folder)
    if not (folder / RUN).is_file():
        path = None if data.path is None else str(Path(data.path).resolve())
        facts = {"datapare": 1, "path": path, "open_with": open_with, "digest": data.digest, "examples": len(data)}
        storage.write_json(folder / RUN, facts)
        return
    before = facts_of(folder)
    if before["digest"] != data.digest:
        raise MismatchError(
            f"{folder} is a run on {before['examples']:,} examples of {before['path']}, and this dataset is another or "
            f"has changed since ({len(data):,} examples); choose another --out, or delete that folder."
        )


def check_free(folder: Path) -> None:
    """Raise InputError when the folder exists and holds anything but a run."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another --out for the results.")
    if folder.is_dir() and not (folder / RUN).is_file():
        ours = {
            LOCK,
            storage.draft_of(folder / RUN).name,
        }  # all there is when a process is killed before its first file
        strange = [entry.name for entry in folder.iterdir() if entry.name not in ours]
        if strange:
            raise InputError(f"{folder} already holds something else ({strange[0]}); choose another --out.")


def facts_of(folder: Path) -> dict[str, Any]:
    """What run.json says; raises InputError when the folder is no run."""
    try:
        facts = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"expected a run folder (made by datapare record or prune) at {folder}, but it has no {RUN}."
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(f"{folder / RUN} cannot be read ({error}); make the run again.") from error
    if not isinstance(facts, dict) or facts.get("datapare") != 1:
        raise InputError(f"{folder / RUN} is not of this version of datapare; make the run again.")
    return facts


def dataset_of(folder: Path) -> Any:
    """Open the dataset of a run again; raises MismatchError when it has changed since."""
    from datapare.data import open_dataset

    facts = facts_of(folder)
    if facts["path"] is None:
        raise InputError(f"the run in {folder} was made from arrays in memory; open them in Python and export there.")
    data = open_dataset(facts["path"], **facts["open_with"])
    begin(folder, data, facts["open_with"])
    return data


def record_folder(folder: Path) -> Path:
    """Where the record of a run stands."""
    return folder / "dynamics"


def dynamics_of(folder: Path) -> Dynamics:
    """The finished record of a run."""
    facts_of(folder)
    artifact = storage.load(record_folder(folder))
    if not isinstance(artifact, Dynamics):
        raise InputError(f"{record_folder(folder)} is no record; record again in a new folder.")
    return artifact


def scores_folder(folder: Path, name: str) -> Path:
    """Where the scores of this name stand: a method's, or "dual+knn" where the rest is predicted."""
    return folder / f"scores-{name}"


def scores_of(folder: Path, method: str) -> Scores:
    """The scores of a run by one method; the message says how to make them when they are missing."""
    facts_of(folder)
    place = scores_folder(folder, method)
    if not storage.is_finished(place):
        score, _, rest = method.partition("+")
        command = (
            f"extrapolate {folder} --score {score} --method {rest}" if rest else f"score {folder} --method {score}"
        )
        raise InputError(f"{folder} has no {method} scores yet; make them with: datapare {command}")
    artifact = storage.load(place)
    if not isinstance(artifact, Scores):
        raise InputError(f"{place} holds no scores; score again.")
    return artifact


def all_scores_of(folder: Path) -> dict[str, Scores]:
    """The scores of a run by every method it was scored with."""
    methods = sorted(
        place.name.removeprefix("scores-") for place in folder.glob("scores-*") if storage.is_finished(place)
    )
    return {method: scores_of(folder, method) for method in methods}


def write_score_table(folder: Path, scored: Mapping[str, Scores]) -> Path:
    """Write `scores.parquet`: one row per example with its key, one column per method."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    key = next((scores.key for scores in scored.values() if scores.key is not None), None)
    columns = {name: scores.score for name, scores in scored.items()}
    table = pa.table({**({} if key is None else {"key": np.asarray(key)}), **columns})
    draft = storage.draft_of(folder / "scores.parquet")
    pq.write_table(table, draft)
    return draft.replace(folder / "scores.parquet")


def subset_of(place: Path) -> Subset:
    """The subset in a keep folder; the message says how to make it when it is missing."""
    if not storage.is_finished(place / "subset"):
        raise InputError(f"nothing is selected in {place} yet; select with: datapare select {place.parent} --keep …")
    artifact = storage.load(place / "subset")
    if not isinstance(artifact, Subset):
        raise InputError(f"{place / 'subset'} holds no subset; select again.")
    return artifact


def comparison_of(folder: Path, name: str = "comparison") -> Comparison | None:
    """The last comparison of a run, or its curve by the name "curve", when there is one."""
    if not storage.is_finished(folder / name):
        return None
    artifact = storage.load(folder / name)
    return artifact if isinstance(artifact, Comparison) else None


def training_of(folder: Path) -> Any:
    """The settings that the record was trained with, so that a retraining is the full run it began."""
    from datapare.training import TrainingConfig

    params = dynamics_of(folder).provenance.params
    known = {field.name for field in fields(TrainingConfig)}
    return TrainingConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in params.items() if k in known})


def image_size_of(folder: Path) -> int | None:
    """Side in pixels of the square images that the record was trained on; None for anything else."""
    shape = dynamics_of(folder).provenance.params.get("input_shape", ())
    return int(shape[0]) if len(shape) == 3 and shape[0] == shape[1] else None


def cost_of(dynamics: Dynamics) -> str:
    """What a training like the recorded one costs, in words."""
    if dynamics.seconds is None:
        return f"{dynamics.epochs} epochs"
    return f"{dynamics.epochs} epochs, which took {duration(float(dynamics.seconds.sum()))}"


def keep_folder(folder: Path, keep: float) -> Path:
    """Where the subset of one keep fraction (or count) and all made from it stand."""
    return folder / f"keep-{keep:.12g}"
