"""Does it beat random on real data, and which strategy does? Datasets, kept fractions, strategies, seeds; all paired.

    python benchmarks/evidence.py --data DATA                              # all cells, an hour or two on one core
    python benchmarks/evidence.py --data DATA --cell adult --seeds 5       # one; finished trainings are not repeated

For each seed a network is trained for the first epochs of a schedule and recorded; what is kept is chosen from that
record. At a kept fraction every strategy makes as many updates, in batches of one size, with the same seed, and is
evaluated on clean held-out examples that chose nothing. So that one training takes seconds the sets are shortened and
images reduced to 14 or 16 px; `strategies` says what each trains on, and the rows how many examples that were.
`default` is what prune does. growth.py trains longer and wider.

Records and trainings stand in benchmarks/.work/evidence, so a killed run goes on; results are merged, cell by cell,
into benchmarks/results/evidence.json. Intervals are those of `datapare compare`: seeds and held-out examples.
"""

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import datapare as dp
from datapare.data import Inputs, encode, take
from datapare.evaluation.statistics import MIN_SEEDS, accuracy, difference
from datapare.numerics.sampling import budget
from datapare.training import PRESETS, TrainingConfig, subset_batch, train
from datapare.training.targets import soft_labels as softened
from evidence_data import (
    Pair,
    adult,
    ag_news,
    banking77,
    cifar10,
    cifar10_human,
    cifar100,
    clinc150,
    corrupted,
    fashion,
    imdb,
    long_tailed,
    noisy,
    sst2,
    subj,
    tiny_imagenet20,
    trec,
)
from training_speed import conditions

HERE = Path(__file__).parent
RESULTS, WORK = HERE / "results" / "evidence.json", HERE / ".work" / "evidence"
WINDOW = 4  # epochs, of DUAL
HELD_OUT = 2_500  # examples, at most

# strategy: what it trains on, whether that is a pool of which each epoch draws anew, and whether with soft labels
STRATEGIES = {
    "random": ("random", False, False),
    "random in classes": ("random in classes", False, False),
    "dual+beta": ("beta", False, False),
    "default": ("mixed", False, False),
    "random+soft": ("random", False, True),
    "default+soft": ("mixed", False, True),
    "random pool": ("random", True, False),
    "default pool": ("mixed", True, False),
    "random pool+soft": ("random", True, True),
    "default pool+soft": ("mixed", True, True),
    "short": ("all", False, False),
}
UNSEEN = ("random", "random in classes", "dual+beta", "default", "random+soft", "default+soft", "short")
THIN = TrainingConfig(epochs=8, schedule_epochs=20, batch_size=64, augment=("flip", "crop"), model="resnet8", width=8)
TEXT = replace(PRESETS["text"], epochs=8, schedule_epochs=12)
TABLE = replace(PRESETS["table"], epochs=8)


@dataclass(frozen=True)
class Cell:
    """One dataset in one condition: how to open it, how much of it, how to train, what to compare."""

    open: Callable[[Path], Pair]
    training: TrainingConfig
    examples: int
    image_size: int | None = None
    keeps: tuple[float, ...] = (0.1,)
    strategies: tuple[str, ...] = tuple(STRATEGIES)
    held_out: int = HELD_OUT


CELLS = {
    "adult": Cell(adult, TABLE, 16_000, keeps=(0.3, 0.1)),
    "banking77": Cell(banking77, TEXT, 10_003, keeps=(0.3, 0.1)),
    "sst2": Cell(sst2, TEXT, 8_000, keeps=(0.3, 0.1)),
    "fashion": Cell(fashion, THIN, 2_000, 14),
    "cifar10": Cell(cifar10, THIN, 2_000, 16),
    "tiny_imagenet20": Cell(tiny_imagenet20, THIN, 2_000, 16),
    "fashion, noise": Cell(noisy(fashion), THIN, 2_000, 14),
    "fashion, corruption": Cell(corrupted(fashion), THIN, 2_000, 14),
    "fashion, long tail": Cell(long_tailed(fashion), THIN, 1_727, 14),
    "cifar10, human labels": Cell(cifar10_human, THIN, 2_000, 16),
}
UNSEEN_CELLS = {  # no default of the selection was chosen on these
    "ag_news": Cell(ag_news, TEXT, 8_000, strategies=UNSEEN),
    "trec": Cell(trec, TEXT, 5_452, strategies=UNSEEN),
    "subj": Cell(subj, TEXT, 5_000, strategies=UNSEEN),
    "clinc150": Cell(clinc150, TEXT, 10_000, strategies=UNSEEN),
    "imdb": Cell(imdb, TEXT, 5_000, strategies=UNSEEN),
    "cifar100": Cell(cifar100, THIN, 2_000, 16, strategies=UNSEEN),
}
CELLS |= UNSEEN_CELLS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--strategy", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    given = parser.parse_args()
    for seed in range(given.seeds):
        for name in given.cell:
            run(name, CELLS[name], given.data, seed, given.strategy)
            write(name, CELLS[name], vars(given))


def run(name: str, cell: Cell, folder: Path, seed: int, strategies: list[str]) -> None:
    """Record one seed of a cell, and train and evaluate these of its strategies at every kept fraction."""
    place = place_of(name, seed)
    asked = [s for s in cell.strategies if s in strategies]
    missing = [(s, k) for k in cell.keeps for s in asked if not file_of(place, s, k).exists()]
    if not missing:
        return
    data, test, told = opened(cell, folder)
    place.mkdir(parents=True, exist_ok=True)
    (place / "facts.json").write_text(json.dumps({"train": len(data), "test": len(test), "condition": told}))
    dynamics = recorded(cell, data, seed, place)
    inputs = encode(data, image_size=cell.image_size)
    held_out = (Inputs(encode(test, inputs.encoding).array, inputs.encoding), test.label)
    for strategy, keep in missing:
        found = trained(strategy, keep, dynamics, inputs, held_out, cell.training, seed)
        np.savez(file_of(place, strategy, keep), **found)
        print(name, seed, strategy, keep, f"{found['right'].mean():.3f}, {found['seconds']:.1f} s", flush=True)


@cache
def opened(cell: Cell, folder: Path) -> Pair:
    """The cell's examples, shortened, and what was done to them."""
    data, test, told = cell.open(folder)
    return Pair(some(data, cell.examples), some(test, cell.held_out), told)


def recorded(cell: Cell, data: dp.Dataset, seed: int, place: Path) -> dp.Dynamics:
    """The record of one seed, which is made once, and beside it the processor time that it took."""
    channels, spent = ("target_prob", "margin", "prob_margin", "logit_mean"), place / "record_seconds.json"
    if not spent.exists():
        shutil.rmtree(
            place / "dynamics", ignore_errors=True
        )  # the rest of a killed run would tell the rest of its cost
    start = time.process_time()
    dynamics = dp.record(
        data, preset=cell.training, channels=channels, image_size=cell.image_size, seed=seed, out=place / "dynamics"
    )
    if not spent.exists():
        spent.write_text(json.dumps(time.process_time() - start))
    return dynamics


def trained(
    strategy: str,
    keep: float,
    dynamics: dp.Dynamics,
    inputs: Inputs,
    held_out: tuple[Inputs, NDArray[np.int64]],
    training: TrainingConfig,
    seed: int,
) -> dict[str, Any]:
    """Train by one strategy: which held-out examples it gets right, its updates and seconds, and what it trains on."""
    source, redrawn, soft = STRATEGIES[strategy]
    total, n, label = len(dynamics), budget(len(dynamics), keep), dynamics.label
    batch = subset_batch(training.batch_size, keep)
    epochs = training.schedule
    config = replace(training, epochs=epochs, schedule_epochs=None, batch_size=batch, threads=1)
    sampler, index = None, None
    if source == "all":
        index = np.arange(total)
        config = replace(config, epochs=max(1, round(epochs * n / total)))
    else:
        size = min(total, n + round((1.8 - keep) * 0.1 * total)) if redrawn else n
        index = chosen(source, size, dynamics, seed)
    if redrawn:
        sampler = dp.online.pool(label, epochs, keep=n, index=index, seed=seed)
    result = train(
        inputs, label, len(dynamics.classes), config, seed=seed, index=None if redrawn else index, sampler=sampler,
        loss=dp.online.soft_labels(softened(dynamics)) if soft else None, evaluate=held_out,
    )  # fmt: skip
    right = result.logits.argmax(1) == held_out[1]
    return {"right": right, "seconds": result.seconds, "updates": result.iterations, "examples": len(index)}


def chosen(source: str, n: int, dynamics: dp.Dynamics, seed: int) -> NDArray[np.int64]:
    """Positions of the n examples that a rule keeps."""
    scores = dp.score(dynamics, "dual", window=WINDOW)
    rule = "random" if source.startswith("random") else source
    balance = None if source == "random" else "proportional"
    return dp.select(scores, rule, keep=n, seed=seed, dynamics=dynamics, balance=balance).index


def some(data: dp.Dataset, count: int) -> dp.Dataset:
    """So many of the examples, drawn once and for all."""
    if len(data) <= count:
        return data
    return take(data, np.sort(np.random.default_rng(0).choice(len(data), count, replace=False)))


def place_of(name: str, seed: int) -> Path:
    """Where the record and the trainings of one seed stand."""
    return WORK / "".join(c if c.isalnum() else "-" for c in name) / str(seed)


def file_of(place: Path, strategy: str, keep: float) -> Path:
    """Where one training stands."""
    return place / f"{strategy} keep {keep:g}.npz"


def write(name: str, cell: Cell, arguments: dict[str, Any], results: Path = RESULTS) -> None:
    """Merge one cell, of all seeds that are finished, into the results."""
    table = json.loads(results.read_text()) if results.exists() else {"cells": {}}
    seeds = [seed for seed in range(int(arguments["seeds"])) if (place_of(name, seed) / "dynamics/meta.json").exists()]
    facts = json.loads((place_of(name, seeds[0]) / "facts.json").read_text())
    arms = [row for keep in cell.keeps for row in rows(name, cell, keep, seeds)]
    recorded = [float(dp.load(place_of(name, seed) / "dynamics").seconds.sum()) for seed in seeds]
    table["claim"] = "held-out accuracy (%) of strategies that make as many updates, and its difference from random"
    table["strategies"] = {s: dict(zip(("source", "pool", "soft"), of, strict=True)) for s, of in STRATEGIES.items()}
    table["cells"][name] = {
        **facts, "seeds": seeds, "arms": arms, "scoring": {"epochs": cell.training.epochs, "seconds": recorded},
        "training": asdict(cell.training), "image_size": cell.image_size, "loadavg": os.getloadavg(),
        **conditions({k: str(v) for k, v in arguments.items() if k != "data"}, __file__),
    }  # fmt: skip
    draft = results.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(table, indent=1) + "\n")
    draft.replace(results)


def rows(name: str, cell: Cell, keep: float, seeds: list[int]) -> list[dict[str, Any]]:
    """One row per strategy at a kept fraction: accuracy, difference from random, updates, examples, seconds.

    A strategy that not all seeds have is compared over those it has, where these are enough for an interval.
    """
    made = []
    for s in cell.strategies:
        made_of = {seed: file_of(place_of(name, seed), s, keep) for seed in seeds}
        of = {seed: np.load(file) for seed, file in made_of.items() if file.exists()}
        if not of:
            continue
        right = np.stack([one["right"] for one in of.values()])
        row = {"arm": f"{s} keep {keep:g}", "accuracy": percent(right.mean(1)), "mean": points(accuracy(right))}
        for other, key in (("random", "minus_random"), ("random+soft", "minus_random_soft")):
            files = [file_of(place_of(name, seed), other, keep) for seed in of]
            if s not in (other, "random") and len(of) >= MIN_SEEDS and all(file.exists() for file in files):
                row[key] = points(difference(right, np.stack([np.load(file)["right"] for file in files])))
        row |= {key: [float(one[key]) for one in of.values()] for key in ("updates", "examples", "seconds")}
        made.append({**row, "seeds": list(of)})
    return made


def percent(values: NDArray[np.float64]) -> list[float]:
    return (100 * values).round(3).tolist()


def points(estimate: Any) -> list[float]:
    return [None if np.isnan(x) else round(100 * x, 3) for x in estimate.interval]


if __name__ == "__main__":
    main()
