"""Scoring on features that no training made: does it choose as well as scoring with the network, and at what cost?

    python benchmarks/evidence.py --data DATA --seeds 3      # first: its records and trainings are the other side
    python benchmarks/cheap_scoring.py --data DATA --seeds 3

For every seed of the ten cells of evidence.py, `record(model="features")` takes the place of the recorded network; the
same rule chooses from its record, and the same training follows. Compared are accuracy (paired with random and with
the choice by the network), the rank correlation of scores, and processor time of both recordings in the same run.
Writes benchmarks/results/cheap_scoring.json; finished trainings are not repeated.
"""

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

import datapare as dp
from datapare.data import Inputs, encode
from datapare.evaluation.statistics import difference
from evidence import CELLS, UNSEEN_CELLS, WINDOW, Cell, file_of, opened, place_of, points, trained
from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "cheap_scoring.json"
NAMES = tuple(name for name in CELLS if name not in UNSEEN_CELLS and not name.rpartition("x")[2].isdigit())
CHEAP = "default, scored on features"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--cell", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for name in given.cell:
        for seed in range(given.seeds):
            run(name, CELLS[name], given.data, seed)
        write(name, CELLS[name], given.seeds)


def run(name: str, cell: Cell, folder: Path, seed: int) -> None:
    """Score one seed of a cell on features, and train on what is kept."""
    place = place_of(name, seed)
    if all(file_of(place, CHEAP, keep).exists() for keep in cell.keeps) and (place / "cost.json").exists():
        return
    data, test, _ = opened(cell, folder)
    shutil.rmtree(place / "features", ignore_errors=True)  # begun by a killed run: its time would be missing
    cheap, cost = timed(data, model="features", image_size=cell.image_size, seed=seed, out=place / "features")
    _, usual = timed(data, preset=cell.training, image_size=cell.image_size, seed=seed)
    (place / "cost.json").write_text(json.dumps({"features": cost, "network": usual}))
    inputs = encode(data, image_size=cell.image_size)
    held_out = (Inputs(encode(test, inputs.encoding).array, inputs.encoding), test.label)
    for keep in cell.keeps:
        found = trained("default", keep, cheap, inputs, held_out, cell.training, seed)
        np.savez(file_of(place, CHEAP, keep), **found)
        print(name, seed, keep, f"{found['right'].mean():.3f}, scored in {cost:.1f} s for {usual:.1f} s", flush=True)


def timed(data: dp.Dataset, **options: Any) -> tuple[dp.Dynamics, float]:
    """A record, and the processor time that it took."""
    start = time.process_time()
    made = dp.record(data, **options)
    return made, time.process_time() - start


def write(name: str, cell: Cell, count: int) -> None:
    """Merge one cell into the results."""
    table = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}
    places = [place_of(name, seed) for seed in range(count)]
    cost = [json.loads((place / "cost.json").read_text()) for place in places]
    table["claim"] = "accuracy of what is kept by scores on untrained features, against the network's scores and random"
    table["cells"][name] = {
        "rows": [row(places, keep) for keep in cell.keeps],
        "agreement": [agreement(place) for place in places],
        "seconds": cost, "cost": sum(c["features"] for c in cost) / sum(c["network"] for c in cost),
        **conditions({"seeds": count}, __file__),
    }  # fmt: skip
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")


def row(places: list[Path], keep: float) -> dict[str, Any]:
    """Accuracy minus random by both ways of scoring, and of one minus the other, in points."""
    right = {
        arm: np.stack([np.load(file_of(place, arm, keep))["right"] for place in places])
        for arm in (CHEAP, "default", "random")
    }
    return {
        "keep": keep,
        "features_minus_random": points(difference(right[CHEAP], right["random"])),
        "network_minus_random": points(difference(right["default"], right["random"])),
        "features_minus_network": points(difference(right[CHEAP], right["default"])),
    }


def agreement(place: Path) -> dict[str, float]:
    """Rank correlations of the two records of one seed: DUAL scores, and mean true-label probabilities."""
    from scipy.stats import spearmanr

    records = [dp.load(place / which) for which in ("dynamics", "features")]
    scores = [dp.score(record, "dual", window=WINDOW).score for record in records]
    prob = [np.asarray(record.channels["target_prob"]).mean(0) for record in records]
    return {"dual": float(spearmanr(*scores)[0]), "mean_prob": float(spearmanr(*prob)[0])}


if __name__ == "__main__":
    main()
