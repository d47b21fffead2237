"""Images per second of one training epoch: the field's plain loop against ours, in turns, in the same process.

    python benchmarks/training_speed.py [--seconds 10] [--rounds 3]

*Plain* is what pruning papers release: a Dataset that flips, crops and normalises one image at a time (numpy, without
PIL), a DataLoader with two workers, float32, torch's default memory format, plain SGD. *Ours* is
`datapare.training.loop.train` as users get it; *ours, bf16* asks for `precision="bf16"` where the processor has
units for it. Data are random bytes: only time is measured. Each system
trains `rounds` times in turns, several epochs each, and its fastest epoch counts, since a shared machine only ever adds
time; all epochs are in the file. `steps` times one training step with one choice changed at a time.
"""

import argparse
import datetime as dt
import hashlib
import json
import os
import platform
import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from datapare.data import Encoding, Inputs
from datapare.training.config import TrainingConfig
from datapare.training.device import has_bf16_units
from datapare.training.loop import train
from datapare.training.networks.resnet import ResNet

RESULTS = Path(__file__).parent / "results" / "training_speed.json"
CASES = {  # name: (network, width, pixels, channels, batch, guess of images/s)
    "resnet18 width 64, 32 px": ("resnet18", 64, 32, 3, 128, 60),
    "resnet18 width 16, 32 px": ("resnet18", 16, 32, 3, 64, 600),
    "resnet8 width 16, 8 px": ("resnet8", 16, 8, 1, 64, 8000),
}
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Images(TorchDataset):
    """The field's way: every image is augmented and normalised by itself, in Python."""

    def __init__(self, array, label, margin):
        self.array, self.label, self.margin = array, label, margin
        channels = array.shape[-1]
        self.mean, self.std = np.float32(MEAN[:channels]), np.float32(STD[:channels])

    def __len__(self):
        return len(self.array)

    def __getitem__(self, i):
        image, margin = self.array[i], self.margin
        if np.random.random() < 0.5:  # noqa: NPY002 (as the field does)
            image = image[:, ::-1]
        padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)))
        top, left = np.random.randint(0, 2 * margin + 1, 2)  # noqa: NPY002
        window = padded[top : top + image.shape[0], left : left + image.shape[1]]
        return torch.from_numpy(
            ((window / np.float32(255) - self.mean) / self.std).transpose(2, 0, 1).copy()
        ), self.label[i]


def plain(case, array, label, epochs):
    """Train like released code; return images/s of each epoch."""
    name, width, pixels, channels, batch, _ = case
    loader = DataLoader(
        Images(array, label, max(1, pixels // 8)), batch, shuffle=True, num_workers=2, persistent_workers=True
    )
    net = ResNet(name, 10, channels=channels, width=width)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    speeds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for images, target in loader:
            loss = cross_entropy(net(images), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        speeds.append(len(array) / (time.perf_counter() - start))
    return speeds


def ours(case, array, label, epochs, precision="auto"):
    """Train with datapare; return images/s of each epoch."""
    name, width, _, channels, batch, _ = case
    training = TrainingConfig(epochs=epochs, batch_size=batch, augment=("flip", "crop"), model=name, width=width)
    training = replace(training, precision=precision)
    if channels == 3:
        training = replace(training, mean=MEAN, std=STD)
    speeds = []

    def note(now):
        if now.examples_done == now.examples_total:
            speeds.append(now.per_second)

    inputs = Inputs(array, Encoding("image", *array.shape[1:]))
    train(inputs, label, 10, training, seed=0, progress=note)
    return speeds


def compare(case, seconds, rounds):
    """All systems in turns."""
    _, _, pixels, channels, batch, guess = case
    count = max(2 * batch, round(seconds * guess / 2 / batch) * batch)
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (count, pixels, pixels, channels), dtype=np.uint8)
    label = rng.integers(0, 10, count)
    systems = {"plain": plain, "ours": ours}
    if has_bf16_units():
        systems["ours, bf16"] = partial(ours, precision="bf16")
    speeds = {name: [] for name in systems}
    for _ in range(rounds):
        for name, system in systems.items():
            speeds[name] += system(case, array, label, 2)
    best = {name: max(found) for name, found in speeds.items()}
    return {
        "images": count,
        "images_per_second": {name: round(speed, 1) for name, speed in best.items()},
        "ratio": round(best["ours"] / best["plain"], 3),
        "ratio_bf16": round(best["ours, bf16"] / best["plain"], 3) if "ours, bf16" in best else None,
        "every_epoch": {name: [round(speed, 1) for speed in found] for name, found in speeds.items()},
        "loadavg": os.getloadavg()[0],
    }


def steps(case, rounds):
    """Images/s of one step with one choice changed at a time; variants take turns, the fastest step counts."""
    name, width, pixels, channels, batch, guess = case
    batch = min(batch, max(16, guess // 2))  # half a second a step
    x = torch.randn(batch, channels, pixels, pixels)
    y = torch.randint(0, 10, (batch,))
    variants = {
        "default": {},
        "channels_last": {"last": True},
        "channels_last, foreach": {"last": True, "foreach": True},
        "channels_last, fused": {"last": True, "fused": True},
        "channels_last, fused, flush_denormal": {"last": True, "fused": True, "flush": True},
        "channels_last, fused, bf16": {"last": True, "fused": True, "bf16": True},
        "channels_last, fused, one thread": {"last": True, "fused": True, "threads": 1},
    }
    makers = {label: stepper(name, width, channels, x, y, **choice) for label, choice in variants.items()}
    repeat = max(1, round(guess / batch / 2))
    best = dict.fromkeys(variants, 0.0)
    for _ in range(1 + rounds):
        for label, step in makers.items():
            for _ in range(repeat):
                best[label] = max(best[label], batch / step())
    return {label: round(speed, 1) for label, speed in best.items()}


def stepper(name, width, channels, x, y, *, last=False, flush=False, bf16=False, threads=0, **optimizing):
    """A function that makes one training step and returns its seconds."""
    net: nn.Module = ResNet(name, 10, channels=channels, width=width)
    if last:
        net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4, **optimizing)

    def step():
        before = torch.get_num_threads()
        torch.set_flush_denormal(flush)
        torch.set_num_threads(threads or before)
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        taken = time.perf_counter() - start
        torch.set_num_threads(before)
        return taken

    return step


def conditions(arguments, script=__file__):
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    flags = set(re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)[1].split()) if text else set()
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "seed": 0,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cpu_flags": {name: name in flags for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")},
        "bf16_units": has_bf16_units(),
        "cuda": torch.cuda.is_available(),
        "arguments": arguments,
        "script_sha256": hashlib.sha256(Path(script).read_bytes()).hexdigest(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="about how long an epoch of each system takes")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = vars(parser.parse_args())
    torch.manual_seed(0)
    result = {"claim": "images per second of one training epoch, plain PyTorch against datapare", "cases": {}}
    for name, case in reversed(CASES.items()):  # the quick ones first; each is written when it is done
        measured = compare(case, arguments["seconds"], arguments["rounds"])
        measured["steps"] = steps(case, arguments["rounds"])
        result["cases"][name] = measured
        result["conditions"] = conditions(arguments)
        print(name, json.dumps(measured, indent=1), flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
