"""Pruning where there are no classes: patches for super-resolution, scored by their loss, the very hardest left out.

    python examples/super_resolution.py FOLDER [RESULT.json]

FOLDER holds t91_subset.parquet and set5.parquet (a column `image` of encoded pictures). A small SRCNN is trained
briefly on all patches, and the squared error of each patch is its score, as in arXiv:2403.17083: drop the hardest 5 %,
keep the next half. The same network is then trained anew, for equally many updates, on that half, on the hardest half,
on a random one and on everything, with three seeds each; PSNR on Set5 says what it was worth. About three minutes on
one thread. The network is thin, the training short and T91 half of itself: the published gains are not to be expected.
"""

import hashlib
import io
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

import datapare as dp

SCALE, SIDE, PER_IMAGE = 3, 24, 40
EPOCHS, UPDATES, BATCH, KEEP, SKIP, SEEDS = 6, 300, 32, 0.5, 0.05, 3


def pictures(file):
    """The luminance of each picture, float32 (H, W) in 0..1, its sides multiples of the scale."""
    found = []
    for cell in pq.read_table(file, columns=["image"])["image"].to_pylist():
        picture = Image.open(io.BytesIO(cell["bytes"] if isinstance(cell, dict) else cell)).convert("YCbCr")
        luminance = np.asarray(picture, dtype=np.float32)[..., 0] / 255
        height, width = (side - side % SCALE for side in luminance.shape)
        found.append(luminance[:height, :width])
    return found


def blurred(picture):
    """The picture made smaller and larger again by bicubic interpolation: what the network has to repair."""
    height, width = picture.shape
    small = Image.fromarray(picture).resize((width // SCALE, height // SCALE), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def patches(images, seed=0):
    """Blurred and sharp patches (N, 1, S, S), as many of each picture, at places drawn from the seed."""
    rng = np.random.default_rng(seed)
    pairs = []
    for sharp in images:
        blunt = blurred(sharp)
        for _ in range(PER_IMAGE):
            row, column = (int(rng.integers(0, side - SIDE + 1)) for side in sharp.shape)
            window = np.s_[row : row + SIDE, column : column + SIDE]
            pairs.append((blunt[window], sharp[window]))
    return [torch.from_numpy(np.stack(part))[:, None] for part in zip(*pairs, strict=True)]


def srcnn(seed):
    """A thin SRCNN that predicts what the blur has lost."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 32, 9, padding=4), nn.ReLU(), nn.Conv2d(32, 16, 1), nn.ReLU(), nn.Conv2d(16, 1, 5, padding=2)
    )


def step(network, optimizer, blunt, sharp):
    """One update; the squared error of each example (B,)."""
    error = (blunt + network(blunt) - sharp).square().mean((1, 2, 3))
    optimizer.zero_grad()
    error.mean().backward()
    optimizer.step()
    return error.detach()


def record(blunt, sharp, *, epochs=EPOCHS, seed=0):
    """Train briefly on everything and note each example's loss: a record without classes."""
    network, count = srcnn(seed), len(blunt)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loss = np.full((epochs, count), np.nan, dtype=np.float32)
    for epoch in range(epochs):
        for index in torch.randperm(count).split(BATCH):
            loss[epoch, index] = step(network, optimizer, blunt[index], sharp[index])
    return dp.Dynamics({"loss": loss}, label=np.zeros(count, dtype=np.int64))


def subsets(dynamics, keep=KEEP, skip=SKIP):
    """The hardest without the very hardest, and the hardest with them."""
    scores = dp.score(dynamics, "loss")
    return {
        "window": dp.select(scores, "window", keep=keep, skip=skip, dynamics=dynamics),
        "top": dp.select(scores, "top", keep=keep, dynamics=dynamics),
    }


def trained(blunt, sharp, index, seed, updates=UPDATES):
    """A network after so many updates on the examples at `index`."""
    network, rng = srcnn(seed), np.random.default_rng([seed, 1])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(updates):
        batch = torch.from_numpy(rng.choice(index, BATCH, replace=False))
        step(network, optimizer, blunt[batch], sharp[batch])
    return network


@torch.no_grad()
def psnr(network, images):
    """Mean peak signal-to-noise ratio in dB over whole pictures, the border left out as usual."""
    values = []
    for sharp in images:
        blunt = torch.from_numpy(np.array(blurred(sharp)))[None, None]
        made = (blunt if network is None else blunt + network(blunt)).clamp(0, 1)[0, 0].numpy()
        error = np.square(made - sharp)[SCALE:-SCALE, SCALE:-SCALE].mean()
        values.append(-10 * np.log10(error))
    return float(np.mean(values))


def main(folder, result=None):
    start = time.perf_counter()
    blunt, sharp = patches(pictures(folder / "t91_subset.parquet"))
    test = pictures(folder / "set5.parquet")
    chosen = subsets(record(blunt, sharp))
    scoring, total = time.perf_counter() - start, len(blunt)
    size = len(chosen["window"])
    arms = {name: [subset.index] * SEEDS for name, subset in chosen.items()}
    arms["random"] = [np.random.default_rng([seed, 2]).choice(total, size, replace=False) for seed in range(SEEDS)]
    arms["full"] = [np.arange(total)] * SEEDS
    found = {}
    for name, indices in arms.items():
        found[name] = [psnr(trained(blunt, sharp, index, seed), test) for seed, index in enumerate(indices)]
        print(f"{name:8} {len(indices[0]):5,} patches  {np.mean(found[name]):.3f} dB  {np.round(found[name], 3)}")
    told = {
        "claim": "PSNR on Set5 of a thin SRCNN after equally many updates on half of the patches and on all",
        "psnr": found,
        "mean": {name: float(np.mean(values)) for name, values in found.items()},
        "bicubic": psnr(None, test),
        "window_minus_random": [a - b for a, b in zip(found["window"], found["random"], strict=True)],
        "patches": total,
        "kept": size,
        "settings": {"scale": SCALE, "side": SIDE, "epochs": EPOCHS, "updates": UPDATES, "batch": BATCH, "skip": SKIP},
        "seconds": {"scoring": scoring, "all": time.perf_counter() - start},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "loadavg": os.getloadavg(),
        "machine": platform.platform(),
        "versions": {name: version(name) for name in ("datapare", "torch", "numpy")},
        "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    print(f"bicubic  {told['bicubic']:.3f} dB; window minus random {np.round(told['window_minus_random'], 3)}")
    if result is not None:
        result.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
