"""What a record takes: bytes on disk, on the device and in memory, per example, epoch and channel, and in seconds.

    python benchmarks/record_memory.py              writes benchmarks/results/record_memory.json

The size of CIFAR-100: 50,000 examples, 100 classes, 30 epochs, batches of 128, random logits; no network is trained.
Each configuration runs in a process of its own, whose peak of resident memory is compared with the moment before the
Recorder is made. The logits that the field keeps instead are (30, 50,000, 100) float32.
"""

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from datapare.recording import Recorder

EXAMPLES, CLASSES, EPOCHS, BATCH, SEED = 50_000, 100, 30, 128, 0
FIVE = ("target_prob", "margin", "prob_margin", "error_norm", "entropy")
CONFIGURATIONS = {
    "one channel": {"channels": ("target_prob",)},
    "five channels": {"channels": FIVE},
    "five channels and kl_step": {"channels": (*FIVE, "kl_step")},
    "five channels and logit_mean": {"channels": FIVE, "arrays": ("logit_mean",)},
}


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def size(folder, pattern="*"):
    return sum(file.stat().st_size for file in folder.glob(pattern))


def measured(name, folder):
    """Record in this process and return the bytes and seconds that it took."""
    torch.manual_seed(SEED)
    label = np.random.default_rng(SEED).integers(0, CLASSES, EXAMPLES)
    logits = torch.randn(EXAMPLES, CLASSES)  # 20 MB, before the first look at memory
    warm = torch.softmax(logits[:BATCH], dim=1).sum()
    before, start, observing, while_open = peak() + 0 * int(warm), time.thread_time(), 0.0, 0
    with Recorder(folder, label, EPOCHS, **CONFIGURATIONS[name]) as recorder:
        for _ in range(EPOCHS):
            for index in torch.randperm(EXAMPLES).split(BATCH):
                batch = logits[index]
                since = time.thread_time()
                recorder.observe(index, batch)
                observing += time.thread_time() - since
            recorder.end_epoch()
            while_open = max(while_open, size(folder))
        buffer = recorder._buffer  # noqa: SLF001
        on_device = sum(tensor.nbytes for tensor in (buffer._value, buffer._turn, buffer._label))  # noqa: SLF001
    return {
        "name": name,
        "disk_bytes": size(folder),
        "disk_bytes_while_recording": while_open,
        "bytes_per_example_epoch_channel": round(
            size(folder, "channels.*.npy") / EXAMPLES / EPOCHS / channels(name), 3
        ),
        "device_bytes_per_example": round(on_device / EXAMPLES, 2),
        "memory_peak_bytes_above_before": peak() - before,
        "observe_ms_per_batch": round(1e3 * observing / EPOCHS / -(-EXAMPLES // BATCH), 3),
        "processor_seconds_per_epoch": round((time.thread_time() - start) / EPOCHS, 3),
    }


def channels(name):
    return len(CONFIGURATIONS[name]["channels"])


def in_a_process_of_its_own(name):
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, __file__, "--only", name, "--out", Path(scratch) / "record"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return json.loads(done.stdout)


def conditions():
    script = Path(__file__)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "script": script.name,
        "script_sha256": hashlib.sha256(script.read_bytes()).hexdigest(),
        "seed": SEED,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, 1 torch thread",
        "load_average": round(os.getloadavg()[0], 1),
        "versions": {"datapare": version("datapare"), "torch": torch.__version__, "numpy": np.__version__},
        "size": {"examples": EXAMPLES, "classes": CLASSES, "epochs": EPOCHS, "batch": BATCH},
        "bytes_of_all_logits": 4 * EPOCHS * EXAMPLES * CLASSES,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CONFIGURATIONS, help="one configuration, in this process, to stdout")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "record_memory.json")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measured(arguments.only, arguments.out)))
        return
    result = {**conditions(), "records": [in_a_process_of_its_own(name) for name in CONFIGURATIONS]}
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
