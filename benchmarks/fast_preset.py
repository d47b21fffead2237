"""Does the preset `fast` choose as ResNet-18 does, and what does it save? Both are recorded in the same run.

    python benchmarks/fast_preset.py --data DATA [--dataset cifar10] [--seeds 3] [--examples 1000] [--minutes 8]

For each dataset and seed the first images are recorded with the preset `fast` and with `small`, which is ResNet-18 of
width 16 and what such images are scored with by default. Reported are the rank correlation of their DUAL scores,
beside that of ResNet-18 with itself under another seed, which is as much as can be expected; the processor time of
both recordings; and the accuracy after pruning: a third network, resnet8 of width 16, is trained from its own start on
what each record keeps, on a random choice, and on everything. Accuracies are compared in pairs, image by image and seed
by seed.

The call ends after --minutes with exit code 3 and the same call goes on; benchmarks/results/fast_preset.json holds what
is done.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

import datapare as dp
import evidence_data
from datapare.data import Inputs, encode
from datapare.evaluation.statistics import difference
from datapare.training import preset
from datapare.training.config import retraining
from datapare.training.loop import train
from evidence import points
from training_speed import conditions

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "fast_preset.json"
WORK = HERE / ".work" / "fast_preset"
SOURCES = {"cifar10": evidence_data.cifar10, "fashion_mnist": evidence_data.fashion}
RECORDED = ("fast", "small")
WINDOW = 4  # epochs of DUAL, of 8 and of 12
KEEPS = (0.3, 0.5)
HELD_OUT = 2_000
RULE = "beta"  # by scores alone; the default, mixed, draws half of the budget at random


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--dataset", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=8)
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    torch.set_num_threads(1)
    trainings = [f"{which} {keep}" for keep in KEEPS for which in (*RECORDED, "random")] + ["full"]
    for arms in (RECORDED, trainings):
        for seed, name in product(range(given.seeds), given.dataset):
            data, test = opened(name, given)
            for arm in arms:
                if time.monotonic() > until:
                    print("the time is over; the same call goes on", flush=True)
                    return 3
                piece(name, arm, seed, data, test)
                write(name, given)
    return 0


def opened(name: str, given: argparse.Namespace) -> tuple[dp.Dataset, dp.Dataset]:
    """The first images of a dataset, decoded once, and held-out ones."""
    file = WORK / f"{name}-{given.examples}.npz"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        pair = SOURCES[name](given.data)
        n, m = given.examples, HELD_OUT
        np.savez(file, x0=encode(pair.data).array[:n], y0=pair.data.label[:n],
                 x1=encode(pair.test).array[:m], y1=pair.test.label[:m])  # fmt: skip
    held = np.load(file)
    return dp.open_dataset((held["x0"], held["y0"])), dp.open_dataset((held["x1"], held["y1"]))


def piece(name: str, arm: str, seed: int, data: dp.Dataset, test: dp.Dataset) -> None:
    """One recording or one training, unless it is done."""
    file = WORK / f"{name}-{len(data)}-{arm}-{seed}.npz"
    if file.exists():
        return
    start, load = time.process_time(), os.getloadavg()[0]
    if arm in RECORDED:
        made = dp.record(data, preset=replace(preset(arm), threads=1), seed=seed, progress=False)
        found = {"target_prob": np.asarray(made.channels["target_prob"])}
    else:
        found = {"right": trained(name, arm, seed, data, test)}
    np.savez(file, seconds=time.process_time() - start, load=load, **found)
    print(file.stem, f"{time.process_time() - start:.1f} s of processor time", flush=True)


def trained(name: str, arm: str, seed: int, data: dp.Dataset, test: dp.Dataset) -> np.ndarray:
    """Which held-out images resnet8 has right after training on what an arm keeps, (M,)."""
    which, _, share = arm.partition(" ")
    keep = float(share or 1)
    if which == "full":
        index = np.arange(len(data))
    else:
        recorded = "fast" if which == "random" else which
        prob = np.load(WORK / f"{name}-{len(data)}-{recorded}-{seed}.npz")["target_prob"]
        record = dp.Dynamics({"target_prob": prob}, np.asarray(data.label))
        rule = "random" if which == "random" else RULE
        scores = dp.score(record, "dual", window=WINDOW)
        index = dp.select(scores, rule, keep=keep, dynamics=record, balance="proportional", seed=seed).index
    settings = replace(preset("small"), model="resnet8", schedule_epochs=20)
    inputs, held = encode(data), encode(test)
    done = train(inputs, np.asarray(data.label), 10, retraining(settings, keep), seed=seed, index=index,
                 evaluate=(Inputs(held.array, inputs.encoding), np.asarray(test.label)))  # fmt: skip
    assert done.logits is not None  # noqa: S101 - it was evaluated
    return done.logits.argmax(1) == np.asarray(test.label)


def write(name: str, given: argparse.Namespace) -> None:
    """Merge what is known of one dataset into the results."""
    known = {file.stem.removeprefix(f"{name}-{given.examples}-"): np.load(file)
             for file in sorted(WORK.glob(f"{name}-{given.examples}-*.npz"))}  # fmt: skip
    records = {which: {s: known[f"{which}-{s}"] for s in range(given.seeds) if f"{which}-{s}" in known}
               for which in RECORDED}  # fmt: skip
    both = [seed for seed in records["fast"] if seed in records["small"]]
    scores = {which: {s: dual(z["target_prob"]) for s, z in found.items()} for which, found in records.items()}
    row: dict[str, Any] = {
        "examples": given.examples,
        "spearman_of_dual": [rounded(spearmanr(scores["fast"][s], scores["small"][s])[0]) for s in both],
        "spearman_of_resnet18_with_itself": between(scores["small"]),
        "spearman_of_fast_with_itself": between(scores["fast"]),
        "processor_seconds": {which: [round(float(z["seconds"]), 1) for z in found.values()]
                              for which, found in records.items()},
        "load": [round(float(z["load"]), 1) for z in known.values()],
        "accuracy_after_pruning": [at(known, keep, given.seeds) for keep in KEEPS],
        "accuracy_full": [rounded(known[f"full-{s}"]["right"].mean()) for s in range(given.seeds)
                          if f"full-{s}" in known],
        **conditions({"seeds": given.seeds, "examples": given.examples}, __file__),
    }  # fmt: skip
    table = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"datasets": {}}
    table["claim"] = "the preset fast against ResNet-18 of width 16: agreement of scores, accuracy after pruning, time"
    table["datasets"][name] = row
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")


def dual(target_prob: np.ndarray) -> np.ndarray:
    """DUAL scores (N,)."""
    return dp.score(dp.Dynamics({"target_prob": target_prob}, np.zeros(target_prob.shape[1], np.int64)), "dual",
                    window=WINDOW).score  # fmt: skip


def between(scores: dict[int, np.ndarray]) -> list[float]:
    """Rank correlations between seeds."""
    return [rounded(spearmanr(scores[a], scores[b])[0]) for a, b in combinations(scores, 2)]


def at(known: dict[str, Any], keep: float, seeds: int) -> dict[str, Any]:
    """Accuracy of each choice at one fraction, and their paired differences in points."""
    arms = {which: [f"{which} {keep}-{s}" for s in range(seeds)] for which in (*RECORDED, "random")}
    done = [s for s in range(seeds) if all(names[s] in known for names in arms.values())]
    right = {which: [known[names[s]]["right"] for s in done] for which, names in arms.items()}
    row: dict[str, Any] = {"keep": keep, "seeds": len(done)}
    row |= {which: [rounded(one.mean()) for one in found] for which, found in right.items()}
    if len(done) > 1:
        stacked = {which: np.stack(found) for which, found in right.items()}
        row["fast_minus_resnet18"] = points(difference(stacked["fast"], stacked["small"]))
        row["fast_minus_random"] = points(difference(stacked["fast"], stacked["random"]))
        row["resnet18_minus_random"] = points(difference(stacked["small"], stacked["random"]))
    return row


def rounded(value: float) -> float:
    return round(float(value), 3)


if __name__ == "__main__":
    sys.exit(main())
