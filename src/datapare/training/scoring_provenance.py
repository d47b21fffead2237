"""The provenance of a scoring run: as requested, and as it was begun in a folder."""

import json
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import cast

from datapare import storage
from datapare.artifacts import Dynamics, Observed, Provenance
from datapare.data import Dataset, Inputs
from datapare.errors import InputError
from datapare.recording.record_files import read_progress
from datapare.storage import StoredProvenance
from datapare.training.config import AUTO_TUNED, TrainingConfig, for_fraction
from datapare.training.ranking_stability import StabilityRule


@dataclass(frozen=True, eq=False)
class ScoringRun:
    """What a record is made of: the dataset as encoded, the training, and what is recorded of it.

    Attributes:
        data: The dataset.
        inputs: Its examples as the network reads them.
        training: The settings of the training.
        channels: The channels and arrays that are recorded.
        observed: The forward pass that is recorded.
        fraction: The fraction of each class that is trained on; None means all.
        rule: When the ranking counts as converged, which ends the training; None means never.
        seed: The seed of the training.
    """

    data: Dataset
    inputs: Inputs
    training: TrainingConfig
    channels: tuple[str, ...]
    observed: Observed
    fraction: float | None
    rule: StabilityRule | None
    seed: int


def provenance_of(run: ScoringRun) -> Provenance:
    """Return the provenance of a record."""
    params: dict[str, object] = asdict(run.training)
    params |= {"channels": run.channels, "observed": run.observed, "until_stable": run.rule}
    params |= {"input_shape": run.inputs.array.shape[1:], "fraction": run.fraction}
    batch = None if run.fraction is None else for_fraction(run.training, run.fraction).batch_size
    plain = json.loads(json.dumps(params | {"fraction_batch": batch}))  # as it will be read back: lists, not tuples
    versions = {name: version(name) for name in ("datapare", "numpy", "torch")}
    parents = () if run.data.perturbation is None else (run.data.perturbation.provenance,)
    return Provenance("record", run.training.model, plain, run.seed, run.data.digest, versions, parents)


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
            "or choose another folder."
        )
