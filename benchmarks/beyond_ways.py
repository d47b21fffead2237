"""The ways to score that beyond.py compares: the runs recorded, how their epochs become scores, what they cost."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.stats import rankdata
from torch import nn

import datapare as dp
from datapare.data import Encoding
from datapare.storage import write_json
from datapare.training import TrainingConfig

FORWARD = 1 / 3  # of a training pass: what one without gradients counts
OTHER_SEED = 100  # added to the seed of the second run of a pair
Epochs = int | Literal["usual", "half", "all"]


@dataclass(frozen=True)
class Run:
    """A training that is recorded: what differs from the usual one, and how many epochs of the schedule it has."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    epochs: Epochs = "usual"
    halved: tuple[str, ...] = ()  # width, image_size
    later_seed: int = 0


@dataclass(frozen=True)
class Way:
    """How to score: the runs, how many of their first epochs count, and whether scores become ranks before the mean."""

    runs: tuple[str, ...] = ("plain",)
    epochs: Epochs = "usual"
    ranks: bool = False


RUNS = {
    "plain": Run(epochs="all"),  # its beginning is the record of any shorter run: a test proves that they are equal
    "again": Run(epochs="half", later_seed=OTHER_SEED),
    "narrow": Run(halved=("width",)),
    "small": Run(halved=("image_size",)),
    "least": Run(halved=("width", "image_size"), epochs=4),
    "quarter, 4": Run(record={"fraction": 0.25}, epochs=4),  # not a beginning: the embedding is of the last epoch
    "eval-pass": Run(record={"observed": "eval-pass"}),
    "two-view": Run(record={"observed": "two-view"}),
    "flat": Run(settings={"model": "beyond_ways:flat"}),
}
WAYS = {
    "usual": Way(),
    "4 epochs": Way(epochs=4),
    "3 epochs": Way(epochs=3),
    "2 epochs": Way(epochs=2),
    "half the width": Way(("narrow",)),
    "half the image size": Way(("small",)),
    "half the width and size, 4 epochs": Way(("least",), 4),
    "a quarter scored, 4 epochs": Way(("quarter, 4",), 4),
    "scored by a fully connected net": Way(("flat",)),
    "eval-pass": Way(("eval-pass",)),
    "two-view": Way(("two-view",)),
    "ranks": Way(ranks=True),
    "two half runs, mean score": Way(("plain", "again"), "half"),
    "two half runs, mean rank": Way(("plain", "again"), "half", ranks=True),
}


@dataclass(frozen=True, eq=False)
class Scored:
    """What a way made of a dataset: scores, what the rule reads, and what it took in full trainings of the network."""

    scores: dp.Scores
    dynamics: dp.Dynamics
    epochs: int
    passes: float
    cpu_seconds: float


@dataclass(frozen=True)
class Usual:
    """The scoring that others are compared with: a schedule, how many of its epochs, the window, the image size."""

    training: TrainingConfig
    epochs: int
    window: int
    image_size: int | None = None


def flat(n_classes: int, encoding: Encoding) -> nn.Module:
    """Two hidden layers on the pixels: another kind of network than the one that is trained later."""
    pixels = encoding.height * encoding.width * encoding.channels
    hidden = (nn.Linear(pixels, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 128), nn.BatchNorm1d(128))
    return nn.Sequential(nn.Flatten(), *hidden, nn.ReLU(), nn.Linear(128, n_classes))


def score(way: Way, usual: Usual, data: dp.Dataset, seed: int, place: Path) -> Scored:
    """Record the runs of a way, unless they stand in `place`, and make one score per example of them."""
    parts, scores, passes, seconds, epochs = [], [], 0.0, 0.0, 0
    for name in way.runs:
        whole, cpu = recorded(name, usual, data, seed, place)
        epochs = count(way.epochs, usual)
        parts.append(replace(whole, channels={key: rows[:epochs] for key, rows in whole.channels.items()}))
        begun = time.process_time()
        scores.append(completed(dp.score(parts[-1], "dual", window=window(epochs, usual)), parts[-1], seed))
        seconds += cpu * epochs / whole.epochs + time.process_time() - begun
        passes += passes_of(RUNS[name], epochs)
    return Scored(mean_of(scores, ranks=way.ranks), together(parts), epochs, passes / usual.training.schedule, seconds)


def recorded(name: str, usual: Usual, data: dp.Dataset, seed: int, place: Path) -> tuple[dp.Dynamics, float]:
    """The record of one run, and the seconds of processor time that it took."""
    run, folder, spent = RUNS[name], place / name, place / f"{name}.json"
    if not spent.exists():
        shutil.rmtree(folder, ignore_errors=True)  # the rest of a killed run would tell the rest of its cost
        size = usual.image_size
        settings = {**run.settings, **({"width": usual.training.width // 2} if "width" in run.halved else {})}
        training = replace(
            usual.training, epochs=count(run.epochs, usual), schedule_epochs=usual.training.schedule, **settings
        )
        begun = time.process_time()
        dp.record(
            data, preset=training, channels=("target_prob",), seed=seed + run.later_seed, out=folder,
            image_size=size // 2 if size and "image_size" in run.halved else size, **run.record,
        )  # fmt: skip
        write_json(spent, {"cpu_seconds": time.process_time() - begun})
    return dp.load(folder), json.loads(spent.read_text())["cpu_seconds"]


def count(epochs: Epochs, usual: Usual) -> int:
    """So many epochs of this dataset's schedule."""
    named = {"usual": usual.epochs, "half": usual.epochs // 2, "all": usual.training.schedule}
    return named.get(epochs, epochs)


def window(epochs: int, usual: Usual) -> int:
    """The usual window, or half of a shorter record."""
    return usual.window if epochs >= usual.epochs else min(usual.window, max(2, epochs // 2))


def completed(scores: dp.Scores, dynamics: dp.Dynamics, seed: int) -> dp.Scores:
    """Scores with those that are missing predicted from the others."""
    return dp.extrapolate(scores, dynamics, "knn", seed=seed) if np.isnan(scores.score).any() else scores


def passes_of(run: Run, epochs: int) -> float:
    """Training passes over the whole dataset; one without gradients counts a third."""
    share = run.record.get("fraction", 1.0)
    looking = epochs if "observed" in run.record else 1 if share < 1 else 0  # the embedding is read once
    return share * epochs + FORWARD * looking


def mean_of(scores: list[dp.Scores], *, ranks: bool) -> dp.Scores:
    """One score per example: the mean of the runs', of ranks in (0, 1] where asked for."""
    if len(scores) == 1 and not ranks:
        return scores[0]
    each = [rankdata(one.score) / len(one) if ranks else one.score for one in scores]
    return replace(scores[0], score=np.mean(each, axis=0))


def together(parts: list[dp.Dynamics]) -> dp.Dynamics:
    """The epochs of all runs in one record, so that a mean over epochs is the mean over runs."""
    rows = np.concatenate([np.asarray(part.channels["target_prob"]) for part in parts])
    return replace(parts[0], channels={"target_prob": rows})
