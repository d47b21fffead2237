"""What each row of the table of compute settings costs and gains: layout, threads and precision of a training step.

    python benchmarks/compute_table.py [--steps 12]    a few minutes; on a quiet machine

For every network the fastest of `steps` steps counts (forward and backward, one batch), in rounds over all settings, so
that a busy moment meets all of them. `datapare.training.compute.TABLE` follows it: fp32, channels-last, two
threads for large networks, one elsewhere. Data are random: only time is measured.
"""

import argparse
import json
import math
import os
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch

from datapare.data import Encoding, Inputs
from datapare.training.autotune import step_seconds
from datapare.training.compute import network_class, with_defaults
from datapare.training.config import TrainingConfig
from datapare.training.networks.factory import build
from training_speed import conditions

RESULT = Path(__file__).parent / "results" / "compute_table.json"
IMAGES = {  # name: (network, width, pixels, channels, batch)
    "resnet8 width 16, 8 px": ("resnet8", 16, 8, 1, 64),
    "resnet8 width 16, 28 px": ("resnet8", 16, 28, 1, 64),
    "resnet18 width 16, 32 px": ("resnet18", 16, 32, 3, 64),
    "resnet18 width 64, 32 px": ("resnet18", 64, 32, 3, 128),
}


def cases():
    """Yield name, encoded inputs and settings of each network."""
    rng = np.random.default_rng(0)
    for name, (model, width, pixels, channels, batch) in IMAGES.items():
        array = rng.integers(0, 256, (batch, pixels, pixels, channels), dtype=np.uint8)
        encoding = Encoding("image", pixels, pixels, channels)
        yield name, Inputs(array, encoding), TrainingConfig(epochs=1, batch_size=batch, model=model, width=width)
    tokens = rng.integers(1, 5000, (128, 40), dtype=np.int32)
    text = TrainingConfig(epochs=1, batch_size=128, model="textnet", width=64, optimizer="adamw")
    yield "textnet width 64, 40 words", Inputs(tokens, Encoding("text", tokens=5000)), text
    table = rng.normal(size=(256, 64)).astype(np.float32)
    mlp = TrainingConfig(epochs=1, batch_size=256, model="mlp", width=256, optimizer="adamw")
    yield "mlp width 256, 64 numbers", Inputs(table, Encoding("embedding", width=64)), mlp


def measure(inputs, training, steps):
    """Milliseconds of the fastest step under each combination of settings."""
    label = torch.from_numpy(np.random.default_rng(1).integers(0, 10, len(inputs.array)))
    network, batch = build(training, inputs, 10), torch.from_numpy(inputs.array)
    usual = with_defaults(training, inputs)
    layouts = ("channels-last", "contiguous") if inputs.encoding.kind == "image" else ("channels-last",)
    ways = list(product(("fp32", "bf16"), layouts, (1, 2)))
    best = dict.fromkeys(ways, math.inf)
    for _ in range(3):
        for precision, layout, threads in ways:
            settings = replace(usual, precision=precision, layout=layout, threads=threads)
            took = step_seconds(network, batch, label, settings, steps=max(1, steps // 3))
            best[precision, layout, threads] = min(best[precision, layout, threads], took)
    rows = {f"{p}, {layout}, {n} thread{'s' * (n > 1)}": round(1000 * took, 3) for (p, layout, n), took in best.items()}
    return {
        "class": network_class(training, inputs),
        "table": [usual.precision, usual.layout, usual.threads],
        "ms": rows,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    arguments = vars(parser.parse_args())
    torch.manual_seed(0)
    result = {"claim": "milliseconds of one training step by precision, layout and threads", "cases": {}}
    before = os.getloadavg()[0]
    for name, inputs, training in cases():
        result["cases"][name] = measure(inputs, training, arguments["steps"])
        print(name, result["cases"][name]["ms"])
    result["loadavg"] = [before, os.getloadavg()[0]]
    result["conditions"] = conditions(arguments, __file__)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
