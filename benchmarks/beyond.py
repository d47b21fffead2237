"""How cheap may scoring be, and do other records or two short runs choose better? Real data, paired seeds.

    python benchmarks/beyond.py --data DATA                                # all: about 20 minutes of one core
    python benchmarks/beyond.py --data DATA --set fashion --seeds 3         # a part; what is finished is not repeated

Every way of beyond_ways.py scores a dataset; DUAL and Beta, as `datapare prune` has them, choose inside each class;
the chosen, as many random examples and everything are trained on for the whole schedule with the same seed and
evaluated on examples that chose nothing. On Fashion-MNIST other networks are also trained on what resnet8 chose.
The usual scoring is the preset `text`, and that of evidence.py on Fashion-MNIST.
What scoring takes is told in passes over the dataset and in processor time, both as a share of one full training.
Records and trainings stand in benchmarks/.work/beyond; benchmarks/results/beyond.json and .svg are written after every
seed. The committed results are of commit 89bfb6c, whose Beta fitted c_d to every record, between 0.05 and 64.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import datapare as dp
import figure
from beyond_ways import RUNS, WAYS, Scored, Usual, recorded, score
from datapare.evaluation.statistics import mean_interval, paired_interval
from datapare.training import PRESETS
from evidence import THIN
from evidence_data import Pair, banking77, fashion

HERE = Path(__file__).parent
RESULTS, WORK = HERE / "results" / "beyond.json", HERE / ".work" / "beyond"
KEEPS = (0.3, 0.1)
SHORT = ("usual", "4 epochs", "2 epochs", "a quarter scored, 4 epochs", "eval-pass")
PAIRS = ("two half runs, mean score", "two half runs, mean rank")
MORE = ("3 epochs", "half the width", "two-view", "ranks")
IMAGES = ("half the image size", "half the width and size, 4 epochs", "scored by a fully connected net")


@dataclass(frozen=True)
class Case:
    """A dataset, its usual scoring, the ways to compare with it, and other networks to train, by change of settings."""

    open: Callable[[Path], Pair]
    usual: Usual
    ways: tuple[str, ...]
    seeds: int
    others: tuple[str, ...] = ()


CASES = {
    "fashion": Case(fashion, Usual(THIN, 8, 4, 28), SHORT + PAIRS + IMAGES, 3, ("flat",)),
    "banking77": Case(banking77, Usual(PRESETS["text"], 10, 10), SHORT + PAIRS + MORE, 8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--set", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", type=int, help="how many; each set has its own number")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.set:
        case, done = CASES[name], []
        pair = case.open(given.data)
        warm(case, pair.data)
        for seed in range(given.seeds or case.seeds):
            done.append(run(name, case, pair, seed))
            write(name, case, pair, done)


def warm(case: Case, data: dp.Dataset) -> None:
    """Train a little: the first training of a process also loads and tunes libraries, which is not scoring."""
    dp.record(data, preset=replace(case.usual.training, epochs=1), fraction=0.05, image_size=case.usual.image_size)


def run(name: str, case: Case, pair: Pair, seed: int) -> dict[str, Any]:
    """One seed: score every way, choose, train, evaluate; accuracies by arm and costs by way."""
    place = WORK / name / str(seed)
    scored = {way: score(WAYS[way], case.usual, pair.data, seed, place) for way in case.ways}
    subsets = {f"{way} keep {keep:g}": choose(one, keep, seed) for way, one in scored.items() for keep in KEEPS}
    _, full = recorded("plain", case.usual, pair.data, seed, place)
    cost = {way: {**told(one), "time": one.cpu_seconds / full} for way, one in scored.items()}
    others = {other: transferred(name, case, pair, seed, other, scored["usual"]) for other in case.others}
    settings = case.usual.training
    accuracy = trained(name, pair, subsets, settings, case.usual, seed, place / "trainings", full=True)
    return {"seed": seed, "accuracy": accuracy, "cost": cost, "others": others, "full_cpu_seconds": full}


def told(scored: Scored) -> dict[str, float]:
    """What a way takes."""
    return {"epochs": scored.epochs, "passes": scored.passes, "cpu_seconds": scored.cpu_seconds}


def transferred(name: str, case: Case, pair: Pair, seed: int, other: str, scored: Scored) -> dict[str, float]:
    """Another network, trained on what the usual one chose and on what it chose itself: accuracies by arm."""
    place, usual = WORK / name / str(seed), case.usual
    own = score(replace(WAYS["usual"], runs=(other,)), usual, pair.data, seed, place)
    arms = {
        f"{by} keep {keep:g}": choose(one, keep, seed)
        for by, one in {"scored by resnet8": scored, "scored by itself": own}.items()
        for keep in KEEPS
    }
    training = replace(usual.training, **RUNS[other].settings)
    return trained(name, pair, arms, training, usual, seed, place / f"trainings-{other}", full=False)


def choose(scored: Scored, keep: float, seed: int) -> dp.Subset:
    """What `datapare prune` keeps of these scores."""
    return dp.select(scored.scores, "beta", keep=keep, seed=seed, dynamics=scored.dynamics, balance="proportional")


def trained(
    name: str,
    pair: Pair,
    arms: Mapping[str, dp.Subset],
    training: Any,
    usual: Usual,
    seed: int,
    folder: Path,
    *,
    full: bool,
) -> dict[str, float]:
    """Held-out accuracy in percent of every arm, of random ones and, if `full`, of everything."""
    done = dp.compare(
        pair.data, arms, test=pair.test, training=training, image_size=usual.image_size, seeds=[seed], folder=folder,
        full=full, progress=lambda *at: print(name, seed, *at, flush=True),
    )  # fmt: skip
    return {arm: float(done.accuracy[i, 0]) * 100 for i, arm in enumerate(done.arms)}


def rows(accuracy: list[dict[str, float]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every name at every kept fraction, and over both: accuracy, minus random, minus the first name."""
    made = []
    for name in names:
        for keep in (*KEEPS, None):
            kept = KEEPS if keep is None else (keep,)
            own, random, first = (
                [float(np.mean([one[f"{arm} keep {k:g}"] for k in kept])) for one in accuracy]
                for arm in (name, "random", names[0])
            )
            row = {"way": name, "keep": keep, "accuracy": own, "mean": mean_interval(own)}
            row["minus_random"] = paired_interval(own, random)
            made.append(row if name == names[0] else {**row, f"minus_{names[0]}": paired_interval(own, first)})
    return made


def write(name: str, case: Case, pair: Pair, done: list[dict[str, Any]]) -> None:
    """Merge a dataset's table into the results."""
    whole = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sets": {}}
    accuracy = [one["accuracy"] for one in done]
    random = {f"{keep:g}": [one[f"random keep {keep:g}"] for one in accuracy] for keep in KEEPS}
    costs = {
        way: {key: float(np.mean([one["cost"][way][key] for one in done])) for key in done[0]["cost"][way]}
        for way in case.ways
    }
    others = {
        other: rows([one["others"][other] for one in done], ("scored by resnet8", "scored by itself"))
        for other in case.others
    }
    whole["claim"] = "accuracy after pruning by cheaper and other ways of scoring, paired with random and the usual way"
    whole["sets"][name] = {
        "train": len(pair.data), "test": len(pair.test), "condition": pair.told, "seeds": [one["seed"] for one in done],
        "usual": asdict(case.usual), "full": [one["full"] for one in accuracy], "random": random, "cost": costs,
        "full_cpu_seconds": [one["full_cpu_seconds"] for one in done], "ways": rows(accuracy, case.ways),
        "others": others, **conditions(),
    }  # fmt: skip
    draft = RESULTS.with_suffix(".draft")
    draft.write_text(json.dumps(whole, indent=1) + "\n")
    draft.replace(RESULTS)
    RESULTS.with_suffix(".svg").write_text(figure.beyond(whole))


def conditions() -> dict[str, Any]:
    """When, where and with what."""
    scripts = (Path(__file__), HERE / "beyond_ways.py")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "loadavg": os.getloadavg(), "threads": 1,
        "commit": head.stdout.strip(), "machine": platform.platform(),
        "script_sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in scripts},
        "versions": {package: version(package) for package in ("datapare", "torch", "numpy", "faiss-cpu")},
    }  # fmt: skip


if __name__ == "__main__":
    main()
