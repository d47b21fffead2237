"""Do the methods that prune inside one training keep what they promise? Fashion-MNIST, three seeds, cost counted.

    python benchmarks/during.py --data FOLDER    writes benchmarks/results/during.json, 20 minutes of one core

FOLDER holds the four files of Fashion-MNIST (idx, .xz or .gz). 6,000 training images, all 10,000 test images, the
thin ResNet `resnet8` of width 8, 12 epochs; every arm has the same networks, batch size and schedule over its epochs.
Finished trainings stay in --jobs and an interrupted one goes on, so the same command can be repeated.

    full, shorter           everything for 12 epochs, and for 8: the plain way to save a third
    infobatch, kakurenbo    as published
    dual_switch             everything for 4 epochs, then the half that DUAL and Beta choose; window 3 instead of 10
    dual_switch-fitted      the same with c_d fitted to the record and a budget for each class, as `prune` selects
    random_switch           the same with half of the examples drawn at random
    tdds_half, -weighted    the half with the highest TDDS score from the start, without and with tdds_weighting
    entropy_bonus           everything; RMD in the embedding of the scoring run instead of a pre-trained network's

Scores of the last three come from one recorded training with another seed, whose cost is given beside them.
"""

import argparse
import gzip
import hashlib
import json
import lzma
import os
import platform
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

import datapare as dp
from datapare.data import Encoding, Inputs
from datapare.evaluation.statistics import mean_interval, paired_interval
from datapare.storage import write_json
from datapare.training import TrainingConfig, train
from datapare.training.inference import embed
from datapare.training.online import (
    Plan,
    Rule,
    Sampler,
    dual_switch,
    entropy_bonus,
    infobatch,
    kakurenbo,
    tdds_weighting,
)

RESULT = Path(__file__).parent / "results" / "during.json"
COUNT, EPOCHS, SHORTER, AFTER, KEEP, SEEDS, SCORING_SEED = 6_000, 12, 8, 4, 0.5, (0, 1, 2), 100
TRAINING = TrainingConfig(
    epochs=EPOCHS, batch_size=64, lr=0.1, augment=("flip", "crop"), model="resnet8", width=8, precision="fp32"
)


def read(folder, name):
    """Read an idx file: a magic number whose last byte counts the dimensions, their sizes, bytes."""
    file = next(file for file in sorted(folder.glob(f"{name}*")) if file.suffix in {".xz", ".gz"})
    raw = (lzma if file.suffix == ".xz" else gzip).open(file).read()
    sizes = np.frombuffer(raw, dtype=">i4", offset=4, count=raw[3])
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)


def fashion(folder):
    """Return (inputs, label) to train on, as many of each class, and to test on."""
    label = read(folder, "train-labels").astype(np.int64)
    rng = np.random.default_rng(0)
    members = [rng.choice(np.flatnonzero(label == k), COUNT // 10, replace=False) for k in range(10)]
    index = np.sort(np.concatenate(members))
    image, test = read(folder, "train-images")[index][..., None], read(folder, "t10k-images")[..., None]
    encoding = Encoding("image")
    return (Inputs(image, encoding), label[index]), (Inputs(test, encoding), read(folder, "t10k-labels").astype(int))


def random_switch(label, epochs, seed):
    """Return the control of dual_switch: as many examples, drawn at random."""
    index = np.sort(np.random.default_rng(seed).choice(len(label), int(KEEP * len(label)), replace=False))

    def plan(epoch, past, rng):
        del past, rng
        return Plan(np.arange(len(label)) if epoch < AFTER else index)

    return Sampler(label, epochs, Rule("random_switch", {"after": AFTER}, ("loss",), lambda _, __: {}, plan), seed=seed)


def scores_of(train_set, folder):
    """Record one training and return its TDDS and RMD scores and what it cost."""
    inputs, label = train_set
    file = folder / "scores.npz"
    if not file.exists():
        with dp.Recorder(folder / "dynamics", label, EPOCHS, channels=["kl_step"]) as recorder:
            trained = train(
                inputs, label, 10, TRAINING, seed=SCORING_SEED, recorder=recorder, folder=folder / "scoring"
            )
            dynamics = recorder.dynamics()
        dynamics = replace(dynamics, arrays={"embedding": embed(trained.model, inputs)})
        scores = {name: dp.score(dynamics, name).score for name in ("tdds", "rmd")}
        half = folder / "half.npz"
        np.savez(half, **scores, seconds=trained.seconds, examples=trained.examples_seen)
        half.replace(file)
    return dict(np.load(file))


def arms(label, scores):
    """Return by name what each arm passes to `train`, given the seed."""
    half = np.sort(np.argsort(-scores["tdds"], kind="stable")[: int(KEEP * len(label))])
    switch = partial(dual_switch, label, EPOCHS, keep=KEEP, after=AFTER, window=3)
    return {
        "full": lambda _: {},
        "shorter": lambda _: {"training": replace(TRAINING, epochs=SHORTER, schedule_epochs=SHORTER)},
        "infobatch": lambda seed: {"sampler": infobatch(label, EPOCHS, seed=seed)},
        "kakurenbo": lambda seed: {"sampler": kakurenbo(label, EPOCHS, seed=seed)},
        "dual_switch": lambda seed: {"sampler": switch(seed=seed)},
        "dual_switch-fitted": lambda seed: {"sampler": switch(c_d=None, balance="proportional", seed=seed)},
        "random_switch": lambda seed: {"sampler": random_switch(label, EPOCHS, seed)},
        "tdds_half": lambda _: {"index": half},
        "tdds_half-weighted": lambda _: {"index": half, "loss": tdds_weighting(scores["tdds"])},
        "entropy_bonus": lambda _: {"loss": entropy_bonus(scores["rmd"])},
    }


def run(given, seed, train_set, test_set, folder):
    """Train once and return what came of it; a finished training is read again."""
    file = folder / "result.json"
    if file.exists():
        return json.loads(file.read_text())
    inputs, label = train_set
    start = time.process_time()
    trained = train(inputs, label, 10, **{"training": TRAINING, **given}, seed=seed, folder=folder, evaluate=test_set)
    result = {
        "accuracy": trained.accuracy,
        **calibration(trained.logits, test_set[1]),
        "examples": trained.examples_seen,
        "revisited": trained.examples_revisited,
        "updates": trained.iterations,
        "seconds": trained.seconds,
        "cpu_seconds": time.process_time() - start,  # with the evaluation; of a resumed training, its last part
    }
    write_json(file, result)
    return result


def calibration(logits, label):
    """Return the expected calibration error in 15 equal bins and the mean negative log-likelihood."""
    log_prob = torch.from_numpy(logits).double().log_softmax(1).numpy()
    confidence, right = np.exp(log_prob.max(1)), log_prob.argmax(1) == label
    part = np.minimum((confidence * 15).astype(int), 14)
    gaps = [abs((confidence - right)[part == k].sum()) for k in range(15)]
    return {"ece": sum(gaps) / len(label), "nll": float(-log_prob[np.arange(len(label)), label].mean())}


def summary(name, runs, against):
    """Return an arm's means over seeds, and its paired differences with other arms."""
    values = {key: [float(one[key]) for one in runs[name]] for key in runs[name][0]}
    row = {"arm": name, **values, "accuracy_mean": mean_interval(values["accuracy"])}
    for other in against:
        for key in ("accuracy", "ece", "nll"):
            row[f"{key}_minus_{other}"] = paired_interval(values[key], [one[key] for one in runs[other]])
    for key in ("examples", "seconds", "cpu_seconds"):
        row[f"{key}_of_full"] = float(np.mean(values[key]) / np.mean([one[key] for one in runs["full"]]))
    return row


AGAINST = {
    "dual_switch": ("full", "shorter", "random_switch"),
    "dual_switch-fitted": ("full", "dual_switch", "random_switch"),
    "infobatch": ("full", "shorter"),
    "kakurenbo": ("full", "shorter"),
    "tdds_half-weighted": ("full", "tdds_half"),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--jobs", type=Path, default=Path("during-jobs"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    train_set, test_set = fashion(asked.data)
    scores = scores_of(train_set, asked.jobs)
    chosen, runs = arms(train_set[1], scores), {}
    for seed in SEEDS:
        for name, given in chosen.items():
            result = run(given(seed), seed, train_set, test_set, asked.jobs / f"{name}-{seed}")
            runs.setdefault(name, []).append(result)
            print(seed, name, json.dumps(result), flush=True)
    rows = [summary(name, runs, AGAINST.get(name, ("full",))) for name in chosen]
    result = {
        "claim": "accuracy, calibration and cost of pruning inside one training on 6,000 images of Fashion-MNIST",
        "arms": rows,
        "scoring": {"examples": int(scores["examples"]), "seconds": float(scores["seconds"])},
        "seeds": SEEDS,
        "train": COUNT,
        "test": len(test_set[1]),
        "epochs": EPOCHS,
        "intervals": "mean, low, high: 95 % t-intervals over seeds, differences paired by seed",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "loadavg": os.getloadavg(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "machine": platform.platform(),
        "versions": {name: version(name) for name in ("datapare", "torch", "numpy")},
        "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
