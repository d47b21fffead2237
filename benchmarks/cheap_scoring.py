"""Scoring for a twentieth: does a cheap way of scoring choose as well as the network itself, and at what cost?

    python benchmarks/cheap_scoring.py --data DATA                               # all of it, half an hour of one core
    python benchmarks/cheap_scoring.py --data DATA --cell adult --way features   # a part; nothing is done twice

For every seed of the ten cells of evidence.py the network's own record (8 epochs), random examples and a cheap way each
choose a tenth, by the same rule, and the same training follows. The ways:

    features           a linear layer on features that no training made: record(model="features")
    proxy              a network half as wide, on images of half the side, for half of the epochs (texts and tables: a
                       network half as wide, for a quarter of the epochs)
    a fifth            a fifth is scored, knn predicts the rest: record(fraction=0.2), extrapolate
    a fifth, level     the same, its probabilities shifted, as logits, to the mean of the record of everything: what a
                       perfect correction of their level would be worth

Compared are accuracy, paired with random and with the network's choice, the rank correlation with the network's record,
and processor time: of the whole record, and of what it takes beside encoding the dataset, which the trainings need too.
Writes benchmarks/results/cheap_scoring.json; finished trainings are not repeated.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import spearmanr

import datapare as dp
from datapare.data import Inputs, encode
from datapare.evaluation.statistics import MIN_SEEDS, difference
from datapare.methods.binding import channel_mean
from datapare.training import retraining, train
from evidence import CELLS, UNSEEN_CELLS, WINDOW, Cell, file_of, opened, place_of, points, recorded
from evidence import run as run_evidence
from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "cheap_scoring.json"
NAMES = tuple(name for name in CELLS if name not in UNSEEN_CELLS)
KEEP, FIFTH = 0.1, 0.2
GAIN, COST = 0.9, 0.05  # the goal: so much of the network's gain, at so much of its cost
Scored = tuple[dp.Scores, dp.Dynamics]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--cell", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--way", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for way in given.way:
        for name in given.cell:
            cell = replace(CELLS[name], keeps=(KEEP,))
            for seed in range(given.seeds):
                run_evidence(name, cell, given.data, seed, ["random", "default"])
                run(name, cell, given.data, seed, way)
            write(name, given.seeds)


def run(name: str, cell: Cell, folder: Path, seed: int, way: str) -> None:
    """Score one seed of a cell in one way, and train on what is kept."""
    place = place_of(name, seed)
    if file_of(place, way, KEEP).exists():
        return
    data, test, _ = opened(cell, folder)
    recorded(cell, data, seed, place)  # made anew where its time is not known
    start = time.process_time()
    inputs = encode(data, image_size=cell.image_size)
    encoding = time.process_time() - start
    held_out = (Inputs(encode(test, inputs.encoding).array, inputs.encoding), test.label)
    shutil.rmtree(place / way, ignore_errors=True)
    start = time.process_time()
    scores, record = WAYS[way](cell, data, seed, place)
    cost = time.process_time() - start
    subset = dp.select(scores, "mixed", keep=KEEP, seed=seed, dynamics=record, balance="proportional")
    done = train(
        inputs, data.label, len(data.classes), retraining(cell.training, KEEP), seed=seed, index=subset.index,
        evaluate=held_out,
    )  # fmt: skip
    right, prob = done.logits.argmax(1) == test.label, channel_mean("target_prob", record, scores)
    np.savez(file_of(place, way, KEEP), right=right, cost=cost, encoding=encoding, score=scores.score, prob=prob)
    print(name, seed, way, f"{right.mean():.3f}, scored in {cost:.1f} s, encoded in {encoding:.1f}", flush=True)


def features(cell: Cell, data: dp.Dataset, seed: int, place: Path) -> Scored:
    """A linear layer on features that no training made."""
    made = dp.record(data, model="features", image_size=cell.image_size, seed=seed, out=place / "features")
    return dp.score(made, "dual", window=WINDOW), made


def proxy(cell: Cell, data: dp.Dataset, seed: int, place: Path) -> Scored:
    """A smaller network of the same kind, for fewer epochs of its schedule."""
    of, size = cell.training, cell.image_size
    epochs = of.epochs // (4 if size is None else 2)
    smaller = replace(of, width=of.width // 2, epochs=epochs, schedule_epochs=of.schedule)
    made = dp.record(data, preset=smaller, image_size=size and size // 2, seed=seed, out=place / "proxy")
    return dp.score(made, "dual", window=2), made


def a_fifth(cell: Cell, data: dp.Dataset, seed: int, place: Path) -> Scored:
    """A fifth scored, the rest predicted."""
    part = dp.record(
        data, preset=cell.training, fraction=FIFTH, channels=("target_prob", "embedding"), image_size=cell.image_size,
        seed=seed, out=place / "a fifth",
    )  # fmt: skip
    return dp.extrapolate(dp.score(part, "dual", window=WINDOW), part, "knn", seed=seed), part


def at_level(cell: Cell, data: dp.Dataset, seed: int, place: Path) -> Scored:
    """The same, with probabilities whose mean is that of the record of everything."""
    scores, part = a_fifth(cell, data, seed, place)
    whole = mean_prob(dp.load(place / "dynamics"))
    odds = logit(np.clip(mean_prob(part, scores), 1e-6, 1 - 1e-6))
    shift = brentq(lambda by: expit(odds + by).mean() - whole.mean(), -20, 20)
    level = expit(odds + shift).astype(np.float32)
    return replace(scores, means={}), replace(part, channels={"target_prob": level[None]})


def mean_prob(record: dp.Dynamics, scores: dp.Scores | None = None) -> NDArray[np.float64]:
    """Mean probability of the true label over epochs (N,), predicted where it was not observed."""
    return np.asarray(channel_mean("target_prob", record, scores), dtype=np.float64)


WAYS: dict[str, Callable[[Cell, dp.Dataset, int, Path], Scored]] = {
    "features": features, "proxy": proxy, "a fifth": a_fifth, "a fifth, level": at_level,
}  # fmt: skip


def write(name: str, count: int) -> None:
    """Merge one cell, and how many cells reach the goal, into the results."""
    table = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    cells = table.get("cells", {})
    places = [place_of(name, seed) for seed in range(count)]
    rows = {way: row(places, way) for way in WAYS if all(file_of(place, way, KEEP).exists() for place in places)}
    cells[name] = {"ways": rows, **conditions({"seeds": count}, __file__)}
    reached = {
        way: [name for name, cell in cells.items() if cell["ways"].get(way, {}).get("reaches_goal")] for way in WAYS
    }
    table = {
        "claim": "accuracy of what cheap scores keep, against the network's scores and random, and what scoring costs",
        "keep": KEEP, "goal": {"share_of_gain": GAIN, "share_of_cost": COST}, "cells_that_reach_it": reached,
        "cells": cells,
    }  # fmt: skip
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")


def row(places: list[Path], way: str) -> dict[str, Any]:
    """What one way gains over random and over the network's choice, in points, what it costs, how far they agree."""
    made = [np.load(file_of(place, way, KEEP)) for place in places]
    right, network, random = (
        np.stack([np.load(file_of(place, arm, KEEP))["right"] for place in places])
        for arm in (way, "default", "random")
    )
    usual = [json.loads((place / "record_seconds.json").read_text()) for place in places]
    paid = [np.load(file_of(place, way.removesuffix(", level"), KEEP)) for place in places]  # the level is given
    cost, encoding = ([float(one[key]) for one in paid] for key in ("cost", "encoding"))
    gain, of = right.mean() - random.mean(), network.mean() - random.mean()
    share, beside = sum(cost) / sum(usual), (sum(cost) - sum(encoding)) / (sum(usual) - sum(encoding))
    found = {
        "share_of_gain": round(gain / of, 3) if of > 0 else None,
        "share_of_cost": round(share, 4), "share_of_cost_beside_encoding": round(beside, 4),
        "seconds": {"way": cost, "network": usual, "encoding": encoding}, "agreement": agreement(places, made),
        "reaches_goal": bool(gain >= GAIN * of and share <= COST),
    }  # fmt: skip
    if len(places) < MIN_SEEDS:
        return found
    return {
        "minus_random": points(difference(right, random)), "network_minus_random": points(difference(network, random)),
        "minus_network": points(difference(right, network)), **found,
    }  # fmt: skip


def agreement(places: list[Path], made: list[Any]) -> dict[str, float]:
    """Rank correlations with the network's record, mean over seeds: DUAL scores, and mean true-label probabilities."""
    records = [dp.load(place / "dynamics") for place in places]
    scores = [
        spearmanr(one["score"], dp.score(of, "dual", window=WINDOW).score)[0]
        for one, of in zip(made, records, strict=True)
    ]
    probs = [spearmanr(one["prob"], mean_prob(of))[0] for one, of in zip(made, records, strict=True)]
    return {"dual": round(float(np.mean(scores)), 3), "mean_prob": round(float(np.mean(probs)), 3)}


if __name__ == "__main__":
    main()
