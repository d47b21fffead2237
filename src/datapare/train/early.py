"""The scoring run: train for the first epochs and write down what the model believed about each example."""

import json
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from datapare import store
from datapare.data import Dataset, Inputs, encode, open_dataset
from datapare.errors import InputError
from datapare.recorder import ARRAYS, Recorder
from datapare.recorder.channels import CHANNELS
from datapare.recorder.journal import PROGRESS
from datapare.train.checkpoint import forget
from datapare.train.evaluate import embed
from datapare.train.loop import Progress, settle, train
from datapare.train.models import backbone
from datapare.train.recipes import PRESETS, Precision, Training, choose
from datapare.train.recipes import preset as named
from datapare.types import Dynamics, Recipe

EMBEDDING = "embedding"


def record(
    data: Dataset | str | Path,
    *,
    preset: str | Training | None = None,
    model: str | None = None,
    epochs: int | None = None,
    schedule_epochs: int | None = None,
    precision: Precision | None = None,
    channels: Sequence[str] = tuple(CHANNELS),
    image_size: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Dynamics:
    """Train on the whole dataset for the first epochs of a schedule and return the record of its training passes.

    `preset` is a name or a Training; without one, the kind and size of the data choose. `model`, `epochs`,
    `schedule_epochs` and `precision` replace that part of it. `channels` are those of the Recorder, its summary
    logit_mean (N, K), and embedding (N, d), the trained network's features of the examples as they are. The record is
    written to the folder `out` epoch by epoch; without one, to a temporary folder that lives as long as the record. The
    same call goes on where a killed one stopped, and returns at once when the record is finished.

    Raises InputError when `out` holds a record made otherwise, DivergedError when the training diverges.
    """
    data = data if isinstance(data, Dataset) else open_dataset(data)
    inputs = encode(data, image_size=image_size, tokenizer=backbone(model) if data.kind == "text" else None)
    training = settings(inputs, len(data.classes), preset, model, epochs, schedule_epochs, precision)
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="datapare-")) / "dynamics"
    try:
        dynamics = _recorded(data, inputs, training, tuple(channels), seed, folder, progress)
    except BaseException:
        if out is None:
            shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(dynamics, shutil.rmtree, folder.parent, ignore_errors=True)
    return dynamics


def settings(
    inputs: Inputs,
    n_classes: int,
    preset: str | Training | None = None,
    model: str | None = None,
    epochs: int | None = None,
    schedule_epochs: int | None = None,
    precision: Precision | None = None,
) -> Training:
    """Return the preset (or the one that suits the data) with the given parts replaced.

    More epochs than the preset's schedule lengthen it; a given schedule shortens the preset's epochs to itself.
    """
    if isinstance(preset, Training):
        training = preset
    elif preset is not None:
        training = named(preset)
    else:
        training = PRESETS["finetune"] if backbone(model) else choose(inputs, n_classes)
    schedule = schedule_epochs or max(training.schedule, epochs or 0)
    return replace(
        training,
        model=model or training.model,
        epochs=epochs or min(training.epochs, schedule),
        schedule_epochs=schedule,
        precision=precision or training.precision,
    )


def _recorded(
    data: Dataset,
    inputs: Inputs,
    training: Training,
    channels: tuple[str, ...],
    seed: int,
    folder: Path,
    progress: Callable[[Progress], None] | None,
) -> Dynamics:
    asked, begun = _recipe(training, inputs, channels, seed, data.digest), _begun(folder)
    if begun is not None:
        _check_same(folder, begun, asked)
        training = replace(training, precision=begun["knobs"]["precision"])
    if not store.is_finished(folder):
        training = settle(inputs, data.label, len(data.classes), training, seed)
        recipe = _recipe(training, inputs, channels, seed, data.digest)
        with _recorder(data, training, channels, folder, recipe) as recorder:
            trained = train(
                inputs,
                data.label,
                len(data.classes),
                training,
                seed=seed,
                recorder=recorder,
                folder=folder,
                progress=progress,
            )
            if EMBEDDING in channels:
                _write(folder / f"arrays.{EMBEDDING}.npy", embed(trained.model, inputs))
            recorder.dynamics()
    dynamics = _with_embedding(folder) if EMBEDDING in channels else store.load(folder)
    forget(folder)
    return cast("Dynamics", dynamics)


def _recorder(data: Dataset, training: Training, channels: tuple[str, ...], folder: Path, recipe: Recipe) -> Recorder:
    return Recorder(
        folder,
        data.label,
        training.epochs,
        channels=[name for name in channels if name not in (*ARRAYS, EMBEDDING)],
        arrays=[name for name in channels if name in ARRAYS],
        classes=data.classes,
        key=data.key,
        recipe=recipe,
    )


def _write(file: Path, array: NDArray[np.float32]) -> None:
    """Write an array that is whole or absent."""
    draft = file.with_suffix(".half")
    with draft.open("wb") as out:
        np.save(out, array, allow_pickle=False)
    draft.replace(file)


def _with_embedding(folder: Path) -> Dynamics:
    """Return the finished record with its embedding, which a killed process may have left out of the description."""
    dynamics = cast("Dynamics", store.load(folder))
    if EMBEDDING in dynamics.arrays:
        return dynamics
    array = np.load(folder / f"arrays.{EMBEDDING}.npy", mmap_mode="r", allow_pickle=False)
    store.write_meta(folder, replace(dynamics, arrays={**dynamics.arrays, EMBEDDING: array}))
    return cast("Dynamics", store.load(folder))


def _recipe(training: Training, inputs: Inputs, channels: tuple[str, ...], seed: int, digest: str) -> Recipe:
    knobs = asdict(training) | {"channels": channels, "input_shape": inputs.array.shape[1:]}
    plain = json.loads(json.dumps(knobs))  # as it will be read back: lists, not tuples
    versions = {name: version(name) for name in ("datapare", "numpy", "torch")}
    return Recipe("record", training.model, plain, seed, digest, versions)


def _begun(folder: Path) -> dict[str, Any] | None:
    """Return the recipe, as plain data, of the record that stands or was begun in the folder."""
    if store.is_finished(folder):
        noun = store.load(folder)
        if not isinstance(noun, Dynamics):
            raise InputError(f"{folder} holds {type(noun).__name__.lower()}, not a record; choose another folder.")
        return asdict(noun.recipe)
    try:
        begun: dict[str, Any] = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))["facts"]["recipe"]
    except (OSError, ValueError, KeyError):
        return None  # nothing, or nothing of ours: the Recorder says which
    return begun


def _check_same(folder: Path, begun: dict[str, Any], asked: Recipe) -> None:
    """Raise InputError saying what differs between the recipe found and the recipe asked for."""
    there = {**begun["knobs"], "seed": begun["seed"], "dataset": begun["dataset"], "verb": begun["verb"]}
    here = {**asked.knobs, "seed": asked.seed, "dataset": asked.dataset, "verb": asked.verb}
    if here["precision"] == "auto":
        here["precision"] = there.get("precision")
    differing = [name for name in here if here[name] != there.get(name)]
    if differing:
        shown = "; ".join(f"{name} {there.get(name)} there, {here[name]} here" for name in differing)
        raise InputError(
            f"{folder} holds a record made otherwise ({shown}): give the same settings to go on with it, "
            "or choose another folder."
        )
