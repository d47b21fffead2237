"""How far apart are recordings by one, two and three processes, and what does a process cost on one machine?

    python benchmarks/processes.py            writes benchmarks/results/processes.json

The digits of scikit-learn are recorded by a small ResNet and by a smooth network (tanh), both with batch norm over the
whole batch and crops. `largest_difference` is that of the probability of the label between a recording by so many
processes and by one, by epoch, over all examples, `median_difference` the median; `first_steps` is the largest one in
each of the first eight steps, `agreement` Spearman's correlation of the mean probabilities of the examples. For scale
there are two more recordings by one process: from weights changed by one part in ten million, and with another seed.
"""

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

import datapare as dp
from datapare.training import TrainingConfig, loop
from datapare.training.seeding import generator
from training_speed import conditions

INITIAL = loop._initial  # noqa: SLF001 - where every training begins
RESULTS = Path(__file__).parent / "results" / "processes.json"
RESNET = TrainingConfig(epochs=5, batch_size=64, lr=0.05, model="resnet8", width=8, augment=("crop",), precision="fp32")
CASES = {"resnet8": RESNET, "smooth": replace(RESNET, model="processes:smooth")}
COUNTS = (1, 2, 3)
NUDGE = 1e-7  # of each weight, relative


def smooth(n_classes: int) -> nn.Module:
    """A network without kinks, across which a rounding moves an activation."""
    normed = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Tanh())
    return nn.Sequential(normed, nn.Flatten(), nn.Linear(8 * 64, n_classes))


def nudged(*given: object) -> nn.Module:
    """The network a training begins with, its weights a rounding away."""
    network = INITIAL(*given)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1 + NUDGE * torch.randn_like(weight))
    return network


def digits() -> dp.Dataset:
    from sklearn.datasets import load_digits

    images, label = load_digits(return_X_y=True)
    return dp.open_dataset((images.reshape(-1, 8, 8).astype(np.uint8) * 15, label), kind="image")


def measure(name: str, training: TrainingConfig) -> list[dict[str, object]]:
    data, rows = digits(), []
    made = {}
    for count in COUNTS:
        start = time.perf_counter()
        made[count] = dp.record(data, preset=training, processes=count)
        seconds = time.perf_counter() - start
        rows.append(
            {
                "network": name,
                "processes": count,
                "examples": len(data),
                **apart(made[count], made[1]),
                "seconds_with_start": round(seconds, 1),
                "seconds_of_epochs": [round(float(epoch), 2) for epoch in made[count].seconds],
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    with patch.object(loop, "_initial", nudged):
        other = dp.record(data, preset=training)
    rows.append({"network": name, "one process": f"weights changed by {NUDGE}", **apart(other, made[1])})
    print(json.dumps(rows[-1]), flush=True)
    other = dp.record(data, preset=training, seed=1)
    rows.append({"network": name, "one process": "other seed", **apart(other, made[1])})
    return rows


def apart(one: dp.Dynamics, other: dp.Dynamics) -> dict[str, object]:
    """How far the probabilities of two recordings are apart, by epoch and in the mean over epochs."""
    here, there = one.channels["target_prob"], other.channels["target_prob"]
    difference = np.abs(here - there)
    order = torch.randperm(len(one), generator=generator(0, 0, 0)).numpy()  # in which the first epoch trains
    steps = [order[step * RESNET.batch_size :][: RESNET.batch_size] for step in range(8)]
    return {
        "largest_difference": [float(f"{value:.3g}") for value in difference.max(axis=1)],
        "median_difference": [float(f"{value:.3g}") for value in np.median(difference, axis=1)],
        "first_steps": [float(f"{difference[0, step].max():.3g}") for step in steps],
        "agreement": round(float(spearmanr(here.mean(axis=0), there.mean(axis=0)).statistic), 4),
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    load = os.getloadavg()
    rows = [row for name, training in CASES.items() for row in measure(name, training)]
    result = {"conditions": conditions({}, __file__), "load": load, "rows": rows}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
