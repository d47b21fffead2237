"""The provenance of a scoring run: as requested, and as it was begun in a folder."""

import json
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics, Observed, Provenance
from datapare.errors import InputError
from datapare.recording.record_files import read_progress
from datapare.storage import StoredProvenance
from datapare.training.config import AUTO_TUNED, TrainingConfig, for_fraction
from datapare.training.distributed import BATCH_NORM
from datapare.training.ranking_stability import StabilityRule


@dataclass(frozen=True, eq=False)
class ScoringRun:
    """What a record is made of: the training, and what is recorded of it; plain values, which travel to processes.

    Attributes:
        label: True classes, int64 (N,).
        classes: Names of the K classes.
        key: uint64 (N,), identifies each example.
        digest: Digest of the dataset.
        parents: Provenance of the dataset, where it was made on purpose.
        input_shape: Shape of an encoded example.
        training: The settings of the training.
        channels: The channels and arrays that are recorded.
        observed: The forward pass that is recorded.
        fraction: The fraction of each class that is trained on; None means all.
        rule: When the ranking counts as converged, which ends the training; None means never.
        seed: The seed of the training.
        stream: How the order of a stream is shuffled; None for any order of all examples.
        processes: How many processes train together; of a record that is resumed, with how many it was begun.
    """

    label: NDArray[np.int64]
    classes: tuple[str, ...]
    key: NDArray[np.uint64]
    digest: str
    parents: tuple[Provenance, ...]
    input_shape: tuple[int, ...]
    training: TrainingConfig
    channels: tuple[str, ...]
    observed: Observed
    fraction: float | None
    rule: StabilityRule | None
    seed: int
    stream: str | None = None
    processes: int = 1


def provenance_of(run: ScoringRun) -> Provenance:
    """Return the provenance of a record."""
    params: dict[str, object] = asdict(run.training)
    params |= {"channels": run.channels, "observed": run.observed, "until_stable": run.rule}
    params |= {"input_shape": run.input_shape, "fraction": run.fraction, "stream": run.stream}
    if run.processes > 1:
        params |= {"processes": run.processes, "batch_norm": BATCH_NORM}
    batch = None if run.fraction is None else for_fraction(run.training, run.fraction).batch_size
    plain = json.loads(json.dumps(params | {"fraction_batch": batch}))  # as it will be read back: lists, not tuples
    versions = {name: version(name) for name in ("datapare", "numpy", "torch")}
    return Provenance("record", run.training.model, plain, run.seed, run.digest, versions, run.parents)


def finished_by(provenance: Provenance, processes: int) -> Provenance:
    """Return the provenance of a record that so many processes finished, with their number unless they began it.

    >>> finished_by(Provenance("record", params={"processes": 2}), 3).params["processes_at_end"]
    3
    """
    params = provenance.params
    if processes == params.get("processes", 1):
        return provenance
    statistics = {"batch_norm": BATCH_NORM} if processes > 1 else {}
    return replace(provenance, params={**params, **statistics, "processes_at_end": processes})


def begun_in(folder: Path) -> StoredProvenance | None:
    """Return the provenance, as plain data, of the record that exists or was begun in the folder."""
    if storage.is_finished(folder):
        artifact = storage.load(folder)
        if not isinstance(artifact, Dynamics):
            raise InputError(f"{folder} holds {type(artifact).__name__.lower()}, not a record; choose another folder.")
        return cast("StoredProvenance", asdict(artifact.provenance))
    progress = read_progress(folder)
    return None if progress is None else cast("StoredProvenance", progress["facts"]["provenance"])


def check_same(folder: Path, begun: StoredProvenance, asked: Provenance) -> None:
    """Raise InputError saying what differs between the provenance found and the one requested."""
    usual = {field.name: field.default for field in fields(TrainingConfig)}  # of records older than a setting
    there = {**usual, **begun["params"], "seed": begun["seed"], "dataset": begun["dataset"], "step": begun["step"]}
    here = {**asked.params, "seed": asked.seed, "dataset": asked.dataset, "step": asked.step}
    left = [name for name in AUTO_TUNED if here[name] == AUTO_TUNED[name]]
    differing = [name for name in here if name not in left and here[name] != there.get(name)]
    if differing:
        shown = "; ".join(f"{name} {there.get(name)} there, {here[name]} here" for name in differing)
        raise InputError(
            f"{folder} holds a record made otherwise ({shown}): give the same settings to go on with it, "
            "delete the folder to begin again, or choose another."
        )
