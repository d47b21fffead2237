"""What recording costs: a training step with and without it, alternating in one process.

    python benchmarks/record_overhead.py            writes benchmarks/results/record_overhead.json

A step is forward, loss, backward and update of a ResNet-18 (3 × 3 stem) on a batch of 128 images of 32 px; the record
is the default six channels of 50,000 examples. `paired_percent` compares neighbouring steps, so it holds everything,
the noise of a shared machine included; `own_percent` is the time inside observe plus the epoch's share of end_epoch,
measured in the same steps. `calls` and `mlp` stand beside recorders written by hand for one channel and for all six, in
turns; where a machine is shared the fastest of several rounds is what they cost. With one thread (the default) all
times are processor seconds of that thread, which other programs on the machine change less; with more they are
wall-clock seconds, and the machine should be idle.
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from datapare.recording import Recorder
from datapare.recording.logit_signals import CHANNELS
from datapare.training.networks.resnet import ResNet

EXAMPLES, CLASSES, BATCH, SEED = 50_000, 10, 128, 0
STEPS_PER_EPOCH = -(-EXAMPLES // BATCH)
CALLS = 64  # timed together, because observe measures several batches at once


def forward(model, images, target, bf16):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        logits = model(images)
        loss = torch.nn.functional.cross_entropy(logits, target)
    return logits, loss


def measure(width, bf16, pairs, folder):
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    torch.manual_seed(SEED)
    label = np.random.default_rng(SEED).integers(0, CLASSES, EXAMPLES)
    model = ResNet("resnet18", CLASSES, channels=3, width=width).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    images = torch.randn(BATCH, 3, 32, 32).to(memory_format=torch.channels_last)
    seconds = {True: [], False: []}
    inside = []
    with Recorder(folder / f"{width}-{bf16}", label, epochs=2) as recorder:
        for pair in range(-2, pairs):  # two pairs to warm up
            index = torch.randint(0, EXAMPLES, (BATCH,))
            target = torch.from_numpy(label)[index]
            for recording in (True, False) if pair % 2 else (False, True):
                start = clock()
                logits, loss = forward(model, images, target, bf16)
                before = clock()
                if recording:
                    recorder.observe(index, logits, target)
                after = clock()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if pair >= 0:
                    seconds[recording].append(clock() - start)
                    if recording:
                        inside.append(after - before)
        start = clock()
        recorder.end_epoch()
        end_epoch = clock() - start
    step = statistics.median(seconds[False])
    paired = [with_ - without for with_, without in zip(seconds[True], seconds[False], strict=True)]
    share = statistics.median(inside) + end_epoch / STEPS_PER_EPOCH
    quartiles = [100 * quartile / step for quartile in statistics.quantiles(paired, n=4)]
    return {
        "width": width,
        "precision": "bfloat16 autocast" if bf16 else "float32",
        "pairs": pairs,
        "step_ms": round(1e3 * step, 2),
        "observe_ms": round(1e3 * statistics.median(inside), 4),
        "end_epoch_ms": round(1e3 * end_epoch, 2),
        "own_percent": round(100 * share / step, 3),
        "paired_percent": round(quartiles[1], 2),
        "paired_percent_quartiles": [round(quartiles[0], 2), round(quartiles[2], 2)],
    }


def by_hand_p(rows, index, logits, target):
    prob = torch.softmax(logits, dim=1)
    rows[0, index] = prob.gather(1, target[:, None])[:, 0]


def by_hand_six(rows, index, logits, target):
    at = target[:, None]
    log_prob = torch.log_softmax(logits, dim=1)
    prob = log_prob.exp()
    own = prob.gather(1, at)[:, 0]
    rows[0, index] = own
    rows[1, index] = logits.gather(1, at)[:, 0] - logits.scatter(1, at, -torch.inf).amax(dim=1)
    rows[2, index] = own - prob.scatter(1, at, -1.0).amax(dim=1)
    rows[3, index] = (prob - torch.nn.functional.one_hot(target, logits.shape[1])).norm(dim=1)
    rows[4, index] = -(prob * log_prob).sum(dim=1)
    rows[5, index] = -log_prob.gather(1, at)[:, 0]


def calls(classes, repeats, folder):
    torch.manual_seed(SEED)
    label = torch.randint(0, classes, (EXAMPLES,))
    rows = torch.full((6, EXAMPLES), torch.nan)
    seconds = {"observe": [], "by hand: p": [], "by hand: six": []}
    with Recorder(folder / f"calls-{classes}", label.numpy(), epochs=1) as recorder:
        acts = (recorder.observe, partial(by_hand_p, rows), partial(by_hand_six, rows))
        for _ in range(repeats):
            index = torch.randint(0, EXAMPLES, (CALLS, BATCH))
            batches = [(i, torch.randn(BATCH, classes), label[i]) for i in index]
            for act, times in zip(acts, seconds.values(), strict=True):
                start = time.thread_time()
                for batch in batches:
                    act(*batch)
                times.append((time.thread_time() - start) / CALLS)
        recorder.end_epoch()
    return {
        "classes": classes,
        "batch": BATCH,
        "repeats": repeats,
        "ms_fastest": {name: round(1e3 * min(times), 4) for name, times in seconds.items()},
        "ms_median": {name: round(1e3 * statistics.median(times), 4) for name, times in seconds.items()},
    }


def mlp(folder, rounds=25, examples=12_800):
    torch.manual_seed(SEED)
    images, label = torch.randn(examples, 784), torch.randint(0, CLASSES, (examples,))
    model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, CLASSES))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    rows = torch.full((6, examples), torch.nan)
    seconds = {"without": [], "by hand: p": [], "by hand: six": [], "recorded": []}
    with Recorder(folder / "mlp", label.numpy(), epochs=rounds) as recorder:
        acts = (None, partial(by_hand_p, rows), partial(by_hand_six, rows), recorder.observe)
        for turn in range(rounds):
            for which in np.roll(range(len(acts)), turn):
                start = time.thread_time()
                mlp_epoch(model, optimizer, images, label, acts[which])
                if acts[which] == recorder.observe:
                    recorder.end_epoch()
                list(seconds.values())[which].append(time.thread_time() - start)
    fastest = {name: min(times) for name, times in seconds.items()}
    return {
        "examples": examples,
        "rounds": rounds,
        "epoch_ms_fastest": {name: round(1e3 * took, 1) for name, took in fastest.items()},
        "epoch_ms_median": {name: round(1e3 * statistics.median(times), 1) for name, times in seconds.items()},
        "growth_percent": {name: round(100 * (took / fastest["without"] - 1), 1) for name, took in fastest.items()},
    }


def mlp_epoch(model, optimizer, images, label, act):
    for index in torch.randperm(len(label)).split(BATCH):
        logits, target = model(images[index]), label[index]
        if act is not None:
            act(index, logits.detach(), target)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, target).backward()
        optimizer.step()


def sizes(folder):
    epochs = 10
    with Recorder(folder / "sizes", np.zeros(EXAMPLES, int), epochs) as recorder:
        recorder.observe(torch.arange(BATCH), torch.randn(BATCH, CLASSES))
        buffer = recorder._buffer  # noqa: SLF001
        on_device = sum(tensor.nbytes for tensor in (buffer._value, buffer._turn, buffer._label))  # noqa: SLF001
        on_disk = sum(file.stat().st_size for file in (folder / "sizes").glob("channels.*.npy"))
        recorder.end_epoch()
    return {
        "disk_bytes_per_example_epoch_channel": round(on_disk / EXAMPLES / epochs / len(CHANNELS), 4),
        "device_bytes_per_example": round(on_device / EXAMPLES, 3),
        "channels": len(CHANNELS),
    }


def conditions():
    script = Path(__file__)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "script": script.name,
        "script_sha256": hashlib.sha256(script.read_bytes()).hexdigest(),
        "seed": SEED,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads",
        "load_average": round(os.getloadavg()[0], 1),  # above the number of cores, the machine was shared
        "amx": torch.cpu._is_amx_tile_supported(),  # noqa: SLF001
        "versions": {
            "datapare": version("datapare"),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "step": f"ResNet-18, 3x3 stem, batch {BATCH}, 32 px, {CLASSES} classes, SGD, {EXAMPLES} examples",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40, help="pairs of thin steps; a quarter for the wide")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "record_overhead.json")
    parser.add_argument("--widths", type=int, nargs="*", default=[16, 64], help="of the ResNet's first stage")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        small = {
            "sizes": sizes(Path(scratch)),
            "calls": [calls(classes, 40, Path(scratch)) for classes in (10, 1000)],
            "mlp": mlp(Path(scratch)),
        }
        steps = [
            measure(width, bf16, arguments.pairs if width == 16 else max(4, arguments.pairs // 4), Path(scratch))
            for width in arguments.widths
            for bf16 in ((False, True) if torch.cpu._is_amx_tile_supported() else (False,))  # noqa: SLF001
        ]
        result = {**conditions(), **small, "steps": steps}
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
