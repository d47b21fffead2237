"""Seconds and memory of what is done with a record that lies in mapped files and need not fit in memory.

    python benchmarks/large_record.py [--sizes 1000000 10000000 30000000] [--classes 1000] [--half] [--folder /tmp]

For each size a record of 30 epochs is written to the disk, in blocks: the channels target_prob and prob_margin (120
bytes an example each; with --half in float16, 60 bytes), labels and keys. The steps are a score, each
selection rule, the lists of what is kept and dropped (`export --as index`), the table of all examples (Parquet), and
the report. Each step runs in a process of its own; scores and rules of up to 30 million examples twice with a warm
cache (the smaller time counts). `cpu_seconds` are those of the processor, whatever else it did. `own_mb` is the memory
of the process that is its own (RssAnon, sampled each 10 ms) beyond what it holds before the step, `held_mb`: the
imports, and of selections the scores. Pages of the mapped files, which the system may drop, are in neither. Merged by
case into benchmarks/results/large_record.json.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import datapare as dp
from datapare.data.example_table import example_blocks, write_examples
from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "large_record.json"
EPOCHS, KEEP, BLOCK, TWICE = 30, 0.3, 1_000_000, 30_000_000
RULES = ("top", "random", "window", "beta", "ccs", "two_ended")
STEPS = (
    "score",
    *(f"{rule}, {balance}" for rule in RULES for balance in ("proportional", "none")),
    "lists",
    "table",
    "report",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000, 30_000_000])
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--steps", nargs="+", default=STEPS)
    parser.add_argument("--half", action="store_true", help="channels in float16")
    parser.add_argument("--folder", default=None, help="where the records are written")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(Path(given.case[0]), given.case[1])))
        return
    for size in given.sizes:
        folder = Path(tempfile.mkdtemp(dir=given.folder))
        try:
            write_record(folder, size, given.classes, half=given.half)
            for step in given.steps:
                done = subprocess.run(
                    [sys.executable, __file__, "--case", str(folder), step], stdout=subprocess.PIPE, check=True
                )
                case = {"examples": size, "classes": given.classes, "load": os.getloadavg()[0]} | json.loads(
                    done.stdout
                )
                print(step, json.dumps(case), flush=True)
                merge(f"{step}, {size} x {given.classes}{', float16' if given.half else ''}", case)
        finally:
            shutil.rmtree(folder)


def write_record(folder: Path, size: int, classes: int, *, half: bool) -> None:
    """Write the files of a record whose probabilities rise over the epochs, from as low as the example is hard."""
    rng = np.random.default_rng(0)
    kind = np.float16 if half else np.float32
    opened = {name: _file(folder / f"{name}.npy", (EPOCHS, size), kind) for name in ("target_prob", "prob_margin")}
    label, key = _file(folder / "label.npy", (size,), np.int64), _file(folder / "key.npy", (size,), np.uint64)
    score = _file(folder / "score.npy", (size,), np.float64)
    progress = np.linspace(0, 1, EPOCHS, dtype=np.float32)[:, None]
    for start in range(0, size, BLOCK):
        count = min(BLOCK, size - start)
        part = slice(start, start + count)
        easy = rng.random(count, dtype=np.float32)
        prob = easy * progress * np.float32(0.9) + rng.random((EPOCHS, count), dtype=np.float32) * np.float32(0.1)
        opened["target_prob"][:, part], opened["prob_margin"][:, part] = prob, 2 * prob - 1
        label[part] = rng.integers(0, classes, count)
        key[part] = np.arange(start, start + count, dtype=np.uint64)
        score[part] = 2 * prob[-1]


def measure(folder: Path, step: str) -> dict[str, object]:
    """Time a step and its memory."""
    files = {file.stem: np.load(file, mmap_mode="r") for file in folder.glob("*.npy")}
    channels = {name: files[name] for name in ("target_prob", "prob_margin")}
    classes = tuple(f"class {i}" for i in range(int(files["label"].max()) + 1))
    dynamics = dp.Dynamics(channels, files["label"], key=files["key"], classes=classes)
    scores = dp.Scores(files["score"], key=files["key"])
    run, repeats = _step(step, dynamics, scores, folder)
    seconds, processor, before = [], [], own_memory()
    with watch_memory() as peak:
        for _ in range(repeats):
            start, used = time.perf_counter(), time.process_time()
            made = run()
            seconds.append(round(time.perf_counter() - start, 2))
            processor.append(round(time.process_time() - used, 2))
    return {
        "seconds": min(seconds),
        "all_seconds": seconds,
        "cpu_seconds": min(processor),
        "own_mb": round(peak[0] - before),
        "held_mb": round(before),
        **made,
    }


def _step(
    step: str, dynamics: dp.Dynamics, scores: dp.Scores, folder: Path
) -> tuple[Callable[[], dict[str, object]], int]:
    """What a step does, and how often it is timed."""
    repeats = 2 if len(dynamics) <= TWICE else 1
    if step == "score":
        return lambda: dp.score(dynamics, "dual") and {}, repeats
    if "," in step:
        rule, balance = step.split(", ")
        balanced = None if balance == "none" else "proportional"
        return lambda: {"kept": len(dp.select(scores, rule, keep=KEEP, dynamics=dynamics, balance=balanced))}, repeats
    subset = dp.select(scores, "top", keep=KEEP, dynamics=dynamics, balance=None)
    data = _dataset(dynamics)
    if step == "lists":
        return lambda: {"lists_mb": _written(dp.export(data, subset, folder / "lists", as_="index"))}, 1
    if step == "table":
        blocks = example_blocks(data, subset, scores)
        return lambda: {"table_mb": _written(write_examples(blocks, folder / "examples.parquet"))}, 1
    return lambda: {"page_mb": _written(_saved(data, subset, scores, dynamics, folder))}, 1


def _dataset(dynamics: dp.Dynamics) -> dp.Dataset:
    """Return a dataset of embeddings without columns, which is all that lists and the report need of so many rows."""
    import datasets

    from datapare.data.dataset import RowNames

    row = np.arange(len(dynamics))
    return dp.Dataset(
        datasets.Dataset.from_dict({}), "embedding", (), "label", dynamics.label, dynamics.classes, dynamics.key,
        RowNames(row), "", "arrays", None, row=row,
    )  # fmt: skip


def _saved(data: dp.Dataset, subset: dp.Subset, scores: dp.Scores, dynamics: dp.Dynamics, folder: Path) -> Path:
    place = folder / "report.html"
    dp.report(subset, scores=scores, dynamics=dynamics, data=data).save(place)
    return place


def _written(place: Path) -> float:
    files = [place] if place.is_file() else [*place.iterdir()]
    return round(sum(file.stat().st_size for file in files) / 1e6, 2)


def own_memory() -> float:
    """Memory of this process alone, MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not say how much memory is a process's own")


@contextmanager
def watch_memory() -> Iterator[list[float]]:
    """Keep the largest memory of this process alone in the first place of a list."""
    peak, stop = [own_memory()], threading.Event()
    thread = threading.Thread(target=_watch, args=(peak, stop))
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


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
