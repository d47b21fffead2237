"""Does it beat random on real data? Every cell: a dataset, a condition, kept fractions, rules; three seeds, paired.

    python benchmarks/evidence.py --data DATA                     # all cells, hours on 2 cores
    python benchmarks/evidence.py --data DATA --cell adult        # one; finished trainings are not repeated

For each seed a network is trained for the first epochs of a schedule and recorded; every rule chooses from that record;
the chosen, as many random examples and everything are then trained for the whole schedule with the same seed, and
evaluated on clean held-out examples that chose nothing. Records and trainings stand in benchmarks/.work/evidence, so a
killed run goes on; results are merged, cell by cell, into benchmarks/results/evidence.json.
"""

import argparse
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import datapare as dp
from datapare.evaluation.statistics import mean_interval, paired_interval
from datapare.training import PRESETS, TrainingConfig
from evidence_data import (
    Pair,
    adult,
    banking77,
    cifar10,
    cifar10_human,
    corrupted,
    fashion,
    long_tailed,
    noisy,
    sst2,
    tiny_imagenet20,
)

HERE = Path(__file__).parent
RESULTS, WORK = HERE / "results" / "evidence.json", HERE / ".work" / "evidence"
SEEDS = (0, 1, 2)
WINDOW = 4  # epochs, of DUAL and Dyn-Unc alike

# rule: the score it selects by, the selection rule, and its knobs at a kept fraction
Rule = tuple[str, str, Callable[[float], dict[str, Any]]]
RULES: dict[str, Rule] = {
    "dual+beta": ("dual", "beta", lambda _: {"balance": "proportional"}),  # what datapare prune does
    "dual+beta c_d=4": ("dual", "beta", lambda _: {"c_d": 4.0}),  # the constant published for CIFAR-100, no balance
    "dyn_unc": ("dyn_unc", "top", lambda _: {}),
    "ccs": ("aum", "ccs", lambda keep: published_knobs("ccs", keep)),
    "d2": ("forgetting", "d2", lambda keep: {**published_knobs("d2", keep), "balance": "uniform"}),  # as its authors
}
RIVALS = ("dual+beta", "dyn_unc", "ccs", "d2")
ALL, OURS = tuple(RULES), ("dual+beta", "dual+beta c_d=4")
THIN = TrainingConfig(epochs=8, schedule_epochs=20, batch_size=64, augment=("flip", "crop"), model="resnet8", width=8)
TEXT = replace(PRESETS["text"], epochs=8, schedule_epochs=12)
TABLE = replace(PRESETS["table"], epochs=8)


@dataclass(frozen=True)
class Cell:
    """One dataset in one condition: how to open it (training and held-out), how to train, what to compare."""

    open: Callable[[Path], Pair]
    training: TrainingConfig
    keeps: tuple[float, ...]
    rules: tuple[str, ...]
    image_size: int | None = None


CELLS = {
    "adult": Cell(adult, TABLE, (0.3, 0.1), OURS),
    "banking77": Cell(banking77, TEXT, (0.3, 0.1), OURS),
    "fashion": Cell(fashion, THIN, (0.5, 0.3, 0.1), ALL),
    "cifar10": Cell(cifar10, THIN, (0.1,), ALL),
    "sst2": Cell(sst2, TEXT, (0.3, 0.1), OURS),
    "tiny_imagenet20": Cell(tiny_imagenet20, THIN, (0.3, 0.1), OURS, image_size=32),
    "fashion, noise": Cell(noisy(fashion), THIN, (0.5, 0.3, 0.1), RIVALS),
    "fashion, corruption": Cell(corrupted(fashion), THIN, (0.5, 0.3, 0.1), RIVALS),
    "fashion, long tail": Cell(long_tailed(fashion), THIN, (0.5, 0.3, 0.1), RIVALS),
    "cifar10, human labels": Cell(cifar10_human, THIN, (0.1,), ALL),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    given = parser.parse_args()
    for name in given.cell:
        write(name, run(name, CELLS[name], given.data))


def run(name: str, cell: Cell, folder: Path) -> dict[str, Any]:
    """Every seed of a cell: record, choose, train, evaluate; returns the cell's rows."""
    data, test, told = cell.open(folder)
    compared, seconds = [], []
    for seed in SEEDS:
        place = place_of(name, seed)
        dynamics, subsets = choose(cell, data, seed, place)
        began = time.monotonic()
        compared.append(
            dp.compare(
                data, subsets, test=test, training=cell.training, image_size=cell.image_size, seeds=[seed],
                folder=place / "trainings", progress=lambda *at: print(name, *at, flush=True),
            )
        )  # fmt: skip
        seconds.append(float(dynamics.seconds.sum()))
        print(f"{name}, seed {seed}: {time.monotonic() - began:.0f} s", flush=True)
    arms = compared[0].arms
    accuracy = {arm: [float(c.accuracy[i, 0]) * 100 for c in compared] for i, arm in enumerate(arms)}
    epochs = {arm: float(np.mean([c.epochs[i, 0] for c in compared])) for i, arm in enumerate(arms)}
    took = {arm: [float(c.seconds[i, 0]) for c in compared] for i, arm in enumerate(arms)}
    worst = {arm: [float(np.nanmin(c.class_accuracy[i, 0])) * 100 for c in compared] for i, arm in enumerate(arms)}
    rows = [row(arm, accuracy, epochs[arm], took[arm], worst[arm]) for arm in arms]
    scoring = {"epochs": cell.training.epochs, "seconds": seconds, "window": WINDOW}
    return {
        "train": len(data), "test": len(test), "condition": told, "arms": rows, "scoring": scoring,
        "training": asdict(cell.training), "image_size": cell.image_size, "seeds": SEEDS,
    }  # fmt: skip


def place_of(name: str, seed: int) -> Path:
    """Where the record and the trainings of one seed stand."""
    return WORK / "".join(c if c.isalnum() else "-" for c in name) / str(seed)


def choose(cell: Cell, data: dp.Dataset, seed: int, place: Path) -> tuple[dp.Dynamics, dict[str, dp.Subset]]:
    """Record one seed and select by every rule at every kept fraction."""
    channels = ("target_prob", "margin", "prob_margin", *(("embedding",) if "d2" in cell.rules else ()))
    dynamics = dp.record(
        data, preset=cell.training, channels=channels, image_size=cell.image_size, seed=seed, out=place / "dynamics"
    )
    subsets = {}
    for rule in cell.rules:
        method, selection, params = RULES[rule]
        window = {"window": WINDOW} if method in ("dual", "dyn_unc") else {}
        scores = dp.score(dynamics, method, **window)
        for keep in cell.keeps:
            chosen = dp.select(scores, selection, keep=keep, seed=seed, dynamics=dynamics, **params(keep))
            subsets[f"{rule} keep {keep:g}"] = chosen
    return dynamics, subsets


def row(
    arm: str, accuracy: dict[str, list[float]], epochs: float, seconds: list[float], worst: list[float]
) -> dict[str, Any]:
    """One arm: accuracy in percent per seed, its mean and 95 % interval, and its paired difference from random."""
    made: dict[str, Any] = {"arm": arm, "accuracy": accuracy[arm], "mean": mean_interval(accuracy[arm])}
    with_indices = f"random {arm[arm.index('keep') :]}" if "keep" in arm else None
    if with_indices is not None and with_indices != arm:
        made["minus_random"] = paired_interval(accuracy[arm], accuracy[with_indices])
    return {**made, "worst_class": worst, "full_epochs": epochs, "seconds": seconds}


def published_knobs(rule: str, keep: float) -> dict[str, Any]:
    """The knobs published for CIFAR-10 at this fraction, which other ten-class sets borrow."""
    from datapare.methods.published_params import published
    from datapare.methods.registry import find

    return dict(published(find("select", rule), "cifar10", keep)[0])


def write(name: str, cell: dict[str, Any]) -> None:
    """Merge one cell into the results."""
    table = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}
    conditions = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "loadavg": os.getloadavg(), "cores": os.cpu_count(),
        "machine": platform.platform(), "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
        "versions": {package: version(package) for package in ("datapare", "torch", "numpy", "faiss-cpu")},
    }  # fmt: skip
    table["claim"] = "held-out accuracy after retraining on what each rule keeps, paired with random by seed"
    table["cells"][name] = {**cell, **conditions}
    draft = RESULTS.with_suffix(".draft")
    draft.write_text(json.dumps(table, indent=1) + "\n")
    draft.replace(RESULTS)


if __name__ == "__main__":
    main()
