"""Seconds and memory to score a record, beside a plain transcription of each published procedure.

    python benchmarks/scores_speed.py [--largest]            writes benchmarks/results/scores_speed.json

Ours goes through dp.score: blocks of columns, all cores, missing epochs looked for and filled. The rivals are written
from the formulas, in the manner of the released codes: whole-array numpy per window or epoch, or one example at a time
where the released code does that; these run on 50,000 examples only, and `rival_examples` says so. Best of three.
`--largest` adds 14 million examples x 60 epochs (3.4 GB a channel), without rivals.
"""

import argparse
import hashlib
import json
import os
import platform
import time
import tracemalloc
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

import datapare as dp
from datapare.methods.registry import find, names

SIZES = [(50_000, 30), (1_281_167, 60)]
LARGEST = (14_000_000, 60)
SLOW = 50_000  # examples that a one-at-a-time rival is given
CHANNELS = {
    "target_prob", "margin", "prob_margin", "error_norm", "entropy", "loss", "class_loss", "kl_step", "grad_norm"
}  # fmt: skip


def by_window(p, value, window=10):
    return np.mean([value(p[k : k + window]) for k in range(len(p) - window + 1)], axis=0)


def dual(p):
    return by_window(p, lambda w: (1 - np.mean(w, axis=0)) * np.std(w, axis=0, ddof=1))


def dyn_unc(p):
    return by_window(p, lambda w: np.std(w, axis=0, ddof=1))


def tdds(step, window=10, decay=0.9):
    total = np.zeros(step.shape[1])
    for k in range(1, len(step) - window + 2):
        inside = step[k : k + window - 1]
        spread = np.sqrt(np.sum((inside - np.mean(inside, axis=0)) ** 2, axis=0))
        total = (1 - decay) * total + decay * spread
    return total


def mean_of_rows(values):
    total = np.zeros(values.shape[1])
    for row in values:
        total += row
    return total / len(values)


def tov(loss):
    before, after = loss[0].astype(float), loss[-1].astype(float)
    return (before - after) / before


def one_at_a_time(value):
    def score(*channels):
        return np.array([value(*(channel[:, i] for channel in channels)) for i in range(channels[0].shape[1])])

    score.one_at_a_time = True
    return score


def forgotten(margin):
    correct = (margin > 0).astype(int)
    return np.sum(np.diff(correct) == -1) if correct.any() else len(correct)


RIVALS = {
    "tov": tov,
    "dual": dual,
    "dyn_unc": dyn_unc,
    "tdds": tdds,
    "el2n": mean_of_rows,
    "grand": mean_of_rows,
    "aum": lambda margin: -mean_of_rows(margin),
    "prob_aum": lambda margin: -mean_of_rows(margin),
    "entropy": lambda entropy: entropy[-1].astype(np.float64),
    "loss": lambda loss: loss[-1].astype(np.float64),
    "least_confidence": lambda p, gap: -np.maximum(p[-1], p[-1] - gap[-1]).astype(np.float64),
    "forgetting": one_at_a_time(forgotten),
    "correctness": one_at_a_time(lambda margin: -np.sum(margin > 0)),
    "confidence": one_at_a_time(lambda p: -np.mean(p)),
    "variability": one_at_a_time(np.std),
    "threshold_closeness": one_at_a_time(lambda p: np.mean(p) * (1 - np.mean(p))),
    "cld": one_at_a_time(lambda own, other: np.corrcoef(np.diff(own), np.diff(other))[0, 1]),
}


def channels_read(name):
    return ["margin" if read == "correct" else read for read in find("score", name).reads]


def make_channel(name, epochs, count):
    rng = np.random.default_rng(sum(name.encode()))
    values = rng.random((epochs, count), dtype=np.float32)
    if name in {"margin", "prob_margin"}:
        values -= np.float32(0.5)
    if name == "kl_step":
        values[0] = np.nan
    return values


def best_of(call, times=3):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def peak_megabytes(call):
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def measure(name, count, epochs, *, rival=True):
    read = channels_read(name)
    channels = {channel: make_channel(channel, epochs, count) for channel in read}
    record = dp.Dynamics(channels, np.zeros(count, dtype=np.int64))
    seconds, ours = best_of(lambda: dp.score(record, name))
    row = {
        "score": name,
        "examples": count,
        "epochs": epochs,
        "channels": len(read),
        "seconds": round(seconds, 4),
        "read_once_seconds": round(best_of(lambda: [values.max() for values in channels.values()])[0], 4),
        "extra_megabytes": round(peak_megabytes(lambda: dp.score(record, name)), 1),
    }
    if rival:
        slow = hasattr(RIVALS[name], "one_at_a_time")
        given = [channels[channel][:, : SLOW if slow else count] for channel in read]
        taken, theirs = best_of(lambda: RIVALS[name](*given), times=1 if slow else 3)
        examples = given[0].shape[1]
        row |= {
            "rival": "one example at a time" if slow else "whole arrays",
            "rival_examples": examples,
            "rival_seconds": round(taken, 4),
            "times_faster": round(taken / examples * count / seconds, 1),
            "largest_difference": float(np.abs(ours.score[:examples] - theirs).max()),
        }
    return row


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def conditions(before):
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_before": before,
        "load_after": os.getloadavg(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("datapare", "numpy")},
        "script": hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16],
        "date": datetime.now(UTC).date().isoformat(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", action="store_true", help="also 14 million examples x 60 epochs, without rivals")
    parser.add_argument("--only", help="one score")
    given = parser.parse_args()
    before = os.getloadavg()
    scores = [name for name in names("score") if set(channels_read(name)) <= CHANNELS]
    rows = []
    for count, epochs in SIZES + [LARGEST] * given.largest:
        for name in [given.only] if given.only else scores:
            rows.append(measure(name, count, epochs, rival=(count, epochs) != LARGEST))
            print(json.dumps(rows[-1]), flush=True)
    if not given.only:
        path = Path(__file__).parent / "results" / "scores_speed.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"conditions": conditions(before), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
