"""Which Beta and which balance should be the defaults? c_d and class balance tried on the records of evidence.py.

    python benchmarks/defaults.py --data DATA [--cell adult sst2 ...]

For every seed of every cell, DUAL with Beta sampling at several c_d, with and without class balance, against random
with and without class balance; and what each kept: its mean true-label probability and the share that the network got
wrong. The cells and records are those of evidence.py; writes benchmarks/results/defaults.json.
"""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import datapare as dp
from datapare.evaluation.statistics import mean_interval, paired_interval
from evidence import CELLS, HERE, WINDOW, Cell, opened, place_of, recorded

SEEDS = (0, 1, 2)
RESULTS = HERE / "results" / "defaults.json"
C_D = (0.3, 1.0, 2.0, 4.0, 8.0)
BALANCE = {"": None, "balanced ": "proportional"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    given = parser.parse_args()
    for name in given.cell:
        rows = run(name, given.data)
        table = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}
        table["claim"] = "accuracy (%) of DUAL + Beta by c_d and class balance, paired with plain random by seed"
        table["cells"][name] = {
            "arms": rows, "seeds": SEEDS, "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": platform.platform(), "cores": os.cpu_count(),
            "versions": {package: version(package) for package in ("datapare", "torch", "numpy")},
        }  # fmt: skip
        RESULTS.write_text(json.dumps(table, indent=1) + "\n")


def run(name: str, folder: Path) -> list[dict[str, Any]]:
    """One row per arm of a cell."""
    cell = CELLS[name]
    data, test, _ = opened(cell, folder)
    accuracy: dict[str, list[float]] = {}
    kept: dict[str, list[tuple[float, float]]] = {}
    for seed in SEEDS:
        subsets, facts = arms_of(name, cell, data, seed)
        compared = dp.compare(
            data, subsets, test=test, training=cell.training, image_size=cell.image_size, seeds=[seed], full=False,
            folder=place_of(name, seed) / "defaults", progress=lambda *at: print(name, *at, flush=True),
        )  # fmt: skip
        for arm, values in zip(compared.arms, compared.accuracy, strict=True):
            accuracy.setdefault(arm, []).append(float(values[0]) * 100)
        for arm, fact in facts.items():
            kept.setdefault(arm, []).append(fact)
    rows = []
    for arm, values in accuracy.items():
        with_indices = accuracy[f"random {arm[arm.index('keep') :]}"]
        fact = np.mean(kept.get(arm, [(np.nan, np.nan)]), axis=0).round(4).tolist()
        rows.append({
            "arm": arm, "accuracy": values, "mean": mean_interval(values),
            "minus_random": paired_interval(values, with_indices), "mean_prob": fact[0], "wrong": fact[1],
        })  # fmt: skip
    return rows


def arms_of(
    name: str, cell: Cell, data: dp.Dataset, seed: int
) -> tuple[dict[str, dp.Subset], dict[str, tuple[float, float]]]:
    """The subsets of one record, and of each the mean probability and the wrong share of what it keeps."""
    dynamics = recorded(cell, data, seed, place_of(name, seed))
    scores = dp.score(dynamics, "dual", window=WINDOW)
    mean = np.asarray(dynamics.channels["target_prob"]).mean(axis=0)
    wrong = (np.asarray(dynamics.channels["margin"]) <= 0).mean(axis=0)
    subsets = {}
    for keep in cell.keeps:
        for word, balance in BALANCE.items():
            for c_d in C_D:
                chosen = dp.select(scores, "beta", keep=keep, seed=seed, dynamics=dynamics, balance=balance, c_d=c_d)
                subsets[f"{word}c_d {c_d:g} keep {keep:g}"] = chosen
        even = dp.select(scores, "random", keep=keep, seed=seed, dynamics=dynamics, balance="proportional")
        subsets[f"balanced-random keep {keep:g}"] = even
    facts = {arm: (float(mean[s.index].mean()), float(wrong[s.index].mean())) for arm, s in subsets.items()}
    return subsets, facts


if __name__ == "__main__":
    main()
