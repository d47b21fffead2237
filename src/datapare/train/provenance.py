"""The recipe of a scoring run: as asked for, and as it was begun in a folder."""

import json
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from datapare import store
from datapare.data import Dataset, Inputs
from datapare.errors import InputError
from datapare.recorder.journal import PROGRESS
from datapare.train.recipes import OPEN, Training, for_fraction
from datapare.types import Dynamics, Observed, Recipe


def recipe_of(
    training: Training,
    inputs: Inputs,
    channels: tuple[str, ...],
    observed: Observed,
    fraction: float | None,
    rule: dict[str, Any] | None,
    seed: int,
    data: Dataset,
) -> Recipe:
    """Return the recipe of a record of `data`, encoded as `inputs`, with these settings."""
    shape = inputs.array.shape[1:]
    told = {"channels": channels, "observed": observed, "until_stable": rule, "input_shape": shape}
    knobs = asdict(training) | told
    knobs["fraction"] = fraction
    knobs["fraction_batch"] = None if fraction is None else for_fraction(training, fraction).batch
    plain = json.loads(json.dumps(knobs))  # as it will be read back: lists, not tuples
    versions = {name: version(name) for name in ("datapare", "numpy", "torch")}
    parents = () if data.scenario is None else (data.scenario.recipe,)
    return Recipe("record", training.model, plain, seed, data.digest, versions, parents)


def begun_in(folder: Path) -> dict[str, Any] | None:
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


def check_same(folder: Path, begun: dict[str, Any], asked: Recipe) -> None:
    """Raise InputError saying what differs between the recipe found and the recipe asked for."""
    usual = {field.name: field.default for field in fields(Training)}  # of records older than a setting
    there = {**usual, **begun["knobs"], "seed": begun["seed"], "dataset": begun["dataset"], "verb": begun["verb"]}
    here = {**asked.knobs, "seed": asked.seed, "dataset": asked.dataset, "verb": asked.verb}
    left = [name for name in OPEN if here[name] == OPEN[name]]
    differing = [name for name in here if name not in left and here[name] != there.get(name)]
    if differing:
        shown = "; ".join(f"{name} {there.get(name)} there, {here[name]} here" for name in differing)
        raise InputError(
            f"{folder} holds a record made otherwise ({shown}): give the same settings to go on with it, "
            "or choose another folder."
        )
