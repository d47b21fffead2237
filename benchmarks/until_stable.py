"""Scoring that stops once the ranking is stable, against a fixed T = 30: epochs, overlap, accuracy of the subsets.

    python benchmarks/until_stable.py [--data FASHION_MNIST_FOLDER]     about five minutes on one thread

One record of T = 30 epochs per dataset and seed; the stopped record is its beginning (a test proves that they are
equal), so both subsets come from the same run. Each is retrained with the preset `tiny` and judged on held-out data.
"""

import argparse
import hashlib
import json
import lzma
import os
import platform
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import datapare as dp
from datapare.evaluation.statistics import mean_interval, paired_interval
from datapare.methods.scoring import rank_correlation
from datapare.training import preset
from datapare.training.ranking_stability import RULE, ranking_converged

RESULT = Path(__file__).parent / "results" / "until_stable.json"
T, SEEDS, KEEP, COUNT = 30, 3, (0.3, 0.1), 3000


def fashion(folder):
    def read(name, skip):
        return np.frombuffer(lzma.open(Path(folder) / name).read(), np.uint8, offset=skip)

    x, y = read("train-images-idx3-ubyte.xz", 16).reshape(-1, 28, 28), read("train-labels-idx1-ubyte.xz", 8)
    some = np.random.default_rng(0).choice(len(y), COUNT, replace=False)
    return x[some, ::2, ::2].copy(), y[some].astype(np.int64)  # 14 px: every other row and column


def digits():
    found = load_digits()
    return (found.images * (255 / 16)).astype(np.uint8), found.target


def measured(image, label, seed):
    x, x_test, y, y_test = train_test_split(image, label, test_size=0.25, random_state=seed, stratify=label)
    data = dp.open_dataset((x, y))
    test = dp.open_dataset((x_test, y_test), classes=data.classes)
    full = dp.record(data, preset="tiny", epochs=T, schedule_epochs=40, seed=seed)
    p = full.channels["target_prob"]
    stop = next((t for t in range(T + 1) if ranking_converged(p[:t])), T)
    short = replace(full, channels={name: rows[:stop] for name, rows in full.channels.items()})
    scores = {"fixed": dp.score(full, "dual"), "stopped": dp.score(short, "dual")}
    records = {"fixed": full, "stopped": short}
    row = {"seed": seed, "epochs": stop, "seconds": [float(full.seconds[:t].sum()) for t in (stop, T)]}
    row["rank_correlation"] = float(rank_correlation(scores)[1][0, 1])
    for keep in KEEP:
        subsets = {
            name: dp.select(scores[name], "beta", keep=keep, seed=seed, dynamics=records[name], balance="proportional")
            for name in scores
        }
        made = dp.compare(data, subsets, test=test, training=preset("tiny"), seeds=(seed,), full=False)
        same = len(np.intersect1d(subsets["fixed"].index, subsets["stopped"].index)) / len(subsets["fixed"])
        row[f"keep {keep:g}"] = {
            "accuracy": dict(zip(made.arms, made.accuracy[:, 0].tolist(), strict=True)),
            "same_examples": same,
        }
    print(json.dumps(row), flush=True)
    return row


def summary(rows):
    told = {"epochs": [row["epochs"] for row in rows], "of": T}
    for keep in KEEP:
        name = f"keep {keep:g}"
        arms = {arm: [row[name]["accuracy"][arm] for row in rows] for arm in ("stopped", "fixed", f"random {name}")}
        told[name] = {arm: mean_interval(values) for arm, values in arms.items()}
        told[name]["stopped minus fixed"] = paired_interval(arms["stopped"], arms["fixed"])
    return told


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data")
    folder = parser.parse_args().data
    sets = {"digits": digits(), **({} if folder is None else {f"fashion_mnist, {COUNT} at 14 px": fashion(folder)})}
    runs = {name: [measured(*pair, seed) for seed in range(SEEDS)] for name, pair in sets.items()}
    result = {
        "claim": "scoring that stops when the ranking is stable, against 30 epochs: DUAL and Beta, preset tiny",
        "rule": RULE,
        "summary": {name: summary(rows) for name, rows in runs.items()},
        "runs": runs,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "loadavg": os.getloadavg(),
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "versions": {name: version(name) for name in ("datapare", "torch", "numpy", "scikit-learn")},
        "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["summary"], indent=1))


if __name__ == "__main__":
    main()
