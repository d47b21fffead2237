"""A large record from end to end on a small machine, killed ten times on the way: record, score, select, list, report.

    python benchmarks/soak.py [--examples 1000000] [--epochs 60] [--gib 8] [--kills 10]

writes benchmarks/results/soak.json. The record is of a training loop of the user's own: random probabilities that rise
at a speed of each example's own, by the public Recorder, with a key for each example. Every step runs in a process of
its own, and the first `--kills` of them to get so far are killed (SIGKILL) after a random fraction of the time that
they take; the same step is then called again. Reported are the peak of resident memory over all processes, the seconds
of each step, how often each was killed, and the digest of the subset, which does not depend on the kills.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "soak.json"
CLASSES, BATCH, SEED = 10, 65_536, 0


def record(folder: Path, examples: int, epochs: int) -> None:
    """Record the epochs that are missing; observations follow from the epoch alone."""
    import torch

    from datapare.recording import Recorder

    label = np.random.default_rng(SEED).integers(0, CLASSES, examples)
    speed = torch.from_numpy(np.random.default_rng(SEED + 1).normal(0.1, 0.1, examples).astype(np.float32))
    key = np.arange(examples, dtype=np.uint64)
    with Recorder(folder / "dynamics", label, epochs, channels=("target_prob", "margin"), key=key) as recorder:
        target = torch.from_numpy(label)
        for epoch in range(recorder.epoch, epochs):
            noise = torch.Generator().manual_seed(epoch)
            for index in torch.arange(examples).split(BATCH):
                logits = torch.randn(len(index), CLASSES, generator=noise)
                logits[torch.arange(len(index)), target[index]] += epoch * speed[index]
                recorder.observe(index, logits)
            recorder.end_epoch()
        recorder.dynamics()


def steps(folder: Path) -> dict[str, list[str]]:
    run = str(folder)
    return {
        "score": ["score", run, "--score", "dual"],
        "select": ["select", run, "--keep", "0.3"],
        "list": ["export", run, "--keep", "0.3", "--as", "index"],
        "report": ["report", run, "--keep", "0.3"],
    }


def step(name: str, folder: Path, examples: int, epochs: int) -> None:
    """Do one step in this process."""
    if name == "record":
        record(folder, examples, epochs)
        return
    from datapare.cli import app

    if name == "list":
        write_list(folder)
        return
    app.main(steps(folder)[name])


def write_list(folder: Path) -> None:
    """The keys of the kept examples, one a line: the record is of a training loop, so there are no files to export."""
    import datapare as dp
    from datapare.storage import atomic_write

    subset = dp.load(folder / "keep-0.3" / "subset")
    with atomic_write(folder / "keep.txt") as draft, draft.open("w") as file:
        for start in range(0, len(subset), BATCH):
            file.writelines(f"{key}\n" for key in subset.key[subset.index[start : start + BATCH]])


def call(name: str, given: argparse.Namespace, folder: Path, deadline: float | None) -> tuple[int, float, int]:
    """Run a step in a process, killed after `deadline` seconds; returns exit code, seconds and peak bytes."""
    argv = [sys.executable, __file__, "--step", name, "--folder", str(folder), "--examples", str(given.examples)]
    started = time.monotonic()
    process = subprocess.Popen([*argv, "--epochs", str(given.epochs)], cwd=ROOT, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        if deadline is not None and time.monotonic() - started > deadline:
            os.kill(process.pid, signal.SIGKILL)
            deadline = None
        time.sleep(0.05)
    return process.returncode, time.monotonic() - started, peak


def resident(pid: int) -> int:
    """Peak bytes that a process alone holds in memory; pages of mapped files, which the system may drop, left out."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith(("RssAnon", "RssShmem")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--gib", type=float, default=8)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        limit = int(given.gib * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        step(given.step, given.folder, given.examples, given.epochs)
        return
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=os.environ.get("SOAK_DISK"))) / "run"
    folder.mkdir()
    try:
        report = soak(given, folder)
    finally:
        shutil.rmtree(folder.parent)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


def soak(given: argparse.Namespace, folder: Path) -> dict[str, object]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from training_speed import conditions

    rng, left, found = random.Random(SEED), given.kills, {}  # noqa: S311
    for name in ("record", "score", "select", "list", "report"):
        kills, peak, seconds, code = 0, 0, 0.0, -9
        while code != 0:
            planned = 2 if name == "report" else 1 if name in {"score", "select", "list"} else left
            dying = left > 0 and kills < (given.kills // 2 if name == "record" else planned)
            deadline = rng.uniform(4, 20) if dying else None
            code, took, high = call(name, given, folder, deadline)
            peak, seconds = max(peak, high), seconds + took
            if code == -signal.SIGKILL and dying:
                kills, left = kills + 1, left - 1
            elif code != 0:
                sys.exit(f"{name} ended with exit code {code}")
        found[name] = {"killed": kills, "seconds": round(seconds, 1), "peak_bytes": peak}
        print(name, found[name], flush=True)
    import datapare as dp
    from datapare.storage import array_digest

    subset = dp.load(folder / "keep-0.3" / "subset")
    return {
        "killed": given.kills - left,
        "peak_bytes": max(one["peak_bytes"] for one in found.values()),
        "limit_bytes": int(given.gib * 2**30),
        "subset": {"examples": len(subset), "digest": array_digest(np.asarray(subset.index))},
        "drafts_left": len(list(folder.rglob("*.draft"))),
        "steps": found,
        "conditions": conditions(vars(given) | {"folder": None}, __file__),
    }


if __name__ == "__main__":
    main()
