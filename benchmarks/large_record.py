"""Seconds and memory of scores and selection rules on records that lie in mapped files and need not fit in memory.

    python benchmarks/large_record.py [--sizes 1000000 10000000 30000000] [--classes 1000] [--folder /tmp]

For each size a record of 30 epochs is written to the disk, in blocks: the channels target_prob and prob_margin (120
bytes an example each), labels and keys. Each step runs in a process of its own, twice with a warm cache (the smaller
time counts). `own_mb` is the memory of the process that is its own (RssAnon, sampled each 10 ms) beyond what it holds
before the step, `held_mb`: the imports, and of selections the scores. Pages of the mapped files, which the system may
drop, are in neither. Merged by case into benchmarks/results/large_record.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import datapare as dp
from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "large_record.json"
EPOCHS, KEEP, BLOCK = 30, 0.3, 1_000_000
RULES = ("top", "random", "window", "beta", "ccs", "two_ended")
STEPS = ("score", *(f"{rule}, {balance}" for rule in RULES for balance in ("proportional", "none")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000, 30_000_000])
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--steps", nargs="+", default=STEPS)
    parser.add_argument("--folder", default=None, help="where the records are written")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(Path(given.case[0]), given.case[1])))
        return
    for size in given.sizes:
        folder = Path(tempfile.mkdtemp(dir=given.folder))
        try:
            write_record(folder, size, given.classes)
            for step in given.steps:
                done = subprocess.run(
                    [sys.executable, __file__, "--case", str(folder), step], capture_output=True, text=True, check=True
                )
                case = {"examples": size, "classes": given.classes, "load": os.getloadavg()[0]} | json.loads(
                    done.stdout
                )
                print(step, json.dumps(case), flush=True)
                merge(f"{step}, {size} x {given.classes}", case)
        finally:
            shutil.rmtree(folder)


def write_record(folder: Path, size: int, classes: int) -> None:
    """Write the files of a record whose probabilities rise over the epochs, from as low as the example is hard."""
    rng = np.random.default_rng(0)
    names = {"target_prob": np.float32, "prob_margin": np.float32}
    opened = {name: _file(folder / f"{name}.npy", (EPOCHS, size), kind) for name, kind in names.items()}
    label, key = _file(folder / "label.npy", (size,), np.int64), _file(folder / "key.npy", (size,), np.uint64)
    progress = np.linspace(0, 1, EPOCHS, dtype=np.float32)[:, None]
    for start in range(0, size, BLOCK):
        count = min(BLOCK, size - start)
        part = slice(start, start + count)
        easy = rng.random(count, dtype=np.float32)
        prob = easy * progress * np.float32(0.9) + rng.random((EPOCHS, count), dtype=np.float32) * np.float32(0.1)
        opened["target_prob"][:, part], opened["prob_margin"][:, part] = prob, 2 * prob - 1
        label[part] = rng.integers(0, classes, count)
        key[part] = np.arange(start, start + count, dtype=np.uint64)


def measure(folder: Path, step: str) -> dict[str, object]:
    """Time a step and its memory."""
    files = {file.stem: np.load(file, mmap_mode="r") for file in folder.glob("*.npy")}
    channels = {name: files[name] for name in ("target_prob", "prob_margin")}
    dynamics = dp.Dynamics(channels, files["label"], key=files["key"])
    scores = None if step == "score" else dp.Scores(files["prob_margin"][-1].astype(np.float64) + 1, key=files["key"])
    seconds, before = [], own_memory()
    peak = [before]
    stop = threading.Event()
    watch = threading.Thread(target=_watch, args=(peak, stop))
    watch.start()
    for _ in range(2):
        start = time.perf_counter()
        if scores is None:
            made: dp.Scores | dp.Subset = dp.score(dynamics, "dual")
        else:
            rule, balance = step.split(", ")
            balanced = None if balance == "none" else "proportional"
            made = dp.select(scores, rule, keep=KEEP, dynamics=dynamics, balance=balanced)
        seconds.append(round(time.perf_counter() - start, 2))
    stop.set()
    watch.join()
    kept = {} if scores is None else {"kept": len(made)}
    return {
        "seconds": min(seconds),
        "all_seconds": seconds,
        "own_mb": round(peak[0] - before),
        "held_mb": round(before),
        **kept,
    }


def own_memory() -> float:
    """Memory of this process alone, MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not say how much memory is a process's own")


def _watch(peak: list[float], stop: threading.Event) -> None:
    while not stop.wait(0.01):
        peak[0] = max(peak[0], own_memory())


def _file(path: Path, shape: tuple[int, ...], kind: type) -> np.ndarray:
    return np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)


def merge(key: str, case: dict[str, object]) -> None:
    """Merge one case into the results file."""
    known = json.loads(RESULTS.read_text())["cases"] if RESULTS.exists() else {}
    result = {"conditions": conditions({}, __file__), "epochs": EPOCHS, "cases": {**known, key: case}}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
