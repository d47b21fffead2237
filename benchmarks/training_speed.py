"""Images per second of one training epoch: the field's plain loop against ours, in turns, in the same process.

    python benchmarks/training_speed.py [--seconds 4] [--rounds 2] [--minutes 8]

*Plain* is what pruning papers release: a Dataset that flips, crops and normalises one image at a time (numpy, without
PIL), a DataLoader with two workers, float32, torch's default memory format, plain SGD. *Ours* is
`datapare.training.loop.train` as users get it; *ours, bf16* asks for `precision="bf16"` where the processor has
units for it. Data are random bytes: only time is measured. Each system
trains `rounds` times in turns, in a process of its own, two epochs each, and its fastest epoch counts, since a shared
machine only ever adds time; all epochs are in the file. `limit` is what the machine could do: three times the work
of a forward pass at the speed of its fastest product of matrices. `steps` times one training step with one choice
changed at a time.

The call ends after --minutes with exit code 3, and the same call goes on with the cases that are missing; cases of
another machine or of another version of this script are measured again.
"""

import argparse
import datetime as dt
import hashlib
import json
import os
import platform
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torch.utils.flop_counter import FlopCounterMode

from datapare.data import Encoding, Inputs
from datapare.training.config import TrainingConfig
from datapare.training.device import has_bf16_units
from datapare.training.loop import train
from datapare.training.memory import freed_memory_kept
from datapare.training.networks.factory import build
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
    torch.set_num_threads(os.cpu_count() or 1)
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
    """All systems in turns, each in a process of its own."""
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
        for system_name, system in systems.items():
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                speeds[system_name] += alone.submit(system, case, array, label, 2).result()
    best = {name: max(found) for name, found in speeds.items()}
    return {
        "images": count,
        "images_per_second": {name: round(speed, 1) for name, speed in best.items()},
        "limit": limit(case),
        "ratio": round(best["ours"] / best["plain"], 3),
        "ratio_bf16": round(best["ours, bf16"] / best["plain"], 3) if "ours, bf16" in best else None,
        "every_epoch": {name: [round(speed, 1) for speed in found] for name, found in speeds.items()},
        "loadavg": os.getloadavg()[0],
    }


def limit(case):
    """Images/s if every multiply-add of a step ran at the speed of the fastest product of matrices here."""
    name, width, pixels, channels, _, _ = case
    inputs = Inputs(np.zeros((2, pixels, pixels, channels), np.uint8), Encoding("image", pixels, pixels, channels))
    network = build(TrainingConfig(epochs=1, model=name, width=width), inputs, 10)
    with FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(inputs.array))
    flops = 3 * counter.get_total_flops() / len(inputs.array)  # forward, and twice as many backward
    peak = {"fp32": peak_flops(torch.float32), "bf16": peak_flops(torch.bfloat16)}
    return {
        "flops_per_image": round(flops),
        "peak_gflops": {kind: round(value / 1e9) for kind, value in peak.items()},
        "images_per_second": {kind: round(value / flops, 1) for kind, value in peak.items()},
    }


def peak_flops(kind, size=2048):
    """Flop/s of the fastest of some products of two square matrices on all cores."""
    torch.set_num_threads(os.cpu_count() or 1)
    one, best = torch.randn(size, size).to(kind), 0.0
    for _ in range(6):
        start = time.perf_counter()
        one @ one
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


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
        "channels_last, fused, bf16, memory kept": {"last": True, "fused": True, "bf16": True, "keep": True},
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


def stepper(name, width, channels, x, y, *, last=False, flush=False, bf16=False, threads=0, keep=False, **optimizing):
    """A function that makes one training step and returns its seconds."""
    net: nn.Module = ResNet(name, 10, channels=channels, width=width)
    if last:
        net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4, **optimizing)

    def step():
        loss = cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def timed():
        before = torch.get_num_threads()
        torch.set_flush_denormal(flush)
        torch.set_num_threads(threads or before)
        with freed_memory_kept() if keep else nullcontext(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            if keep:
                step()  # the memory that is kept has to be there
            start = time.perf_counter()
            step()
            taken = time.perf_counter() - start
        torch.set_num_threads(before)
        return taken

    return timed


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
    parser.add_argument("--seconds", type=float, default=4, help="about how long an epoch of each system takes")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=8, help="when to stop")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    torch.manual_seed(0)
    now = conditions({"seconds": given.seconds, "rounds": given.rounds})
    result = begun(given.out, now)
    for name, case in reversed(CASES.items()):  # the quick ones first; each is written when it is done
        if name in result["cases"]:
            continue
        if time.monotonic() > until:
            print("the time is over; the same call goes on", flush=True)
            return 3
        measured = compare(case, given.seconds, given.rounds)
        measured["steps"] = steps(case, given.rounds)
        result["cases"][name] = measured
        print(name, json.dumps(measured, indent=1), flush=True)
        given.out.parent.mkdir(exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def begun(file, now):
    """The result as far as it is measured under these conditions, or an empty one."""
    claim = "images per second of one training epoch, plain PyTorch against datapare"
    result = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    same = ("machine", "cores", "torch", "script_sha256", "arguments")
    if len(result.get("cases", CASES)) < len(CASES) and all(result["conditions"].get(key) == now[key] for key in same):
        return result
    return {"claim": claim, "cases": {}, "conditions": now}


if __name__ == "__main__":
    sys.exit(main())
