"""Seconds, memory and recall of a search for nearest neighbours among rows that lie in a mapped file.

    python benchmarks/neighbours.py [--sizes 1000000 3000000 10000000] [--width 128] [--folder /tmp]

For each size, rows of float16 are written to the disk in blocks: 1,000 clusters whose spread falls with the direction,
as that of embeddings does. Each size runs in a process of its own, which looks for the 6 nearest of every row. `own_mb`
is the memory of the process that is its own (RssAnon, sampled each 10 ms) beyond the imports; `resident_mb` (VmHWM)
also counts pages of the mapped file, which the system may drop. Recall is that of 1,024 queries other than those by
which the search chose its way, against an exact search, whose time per query is that of the rival: faiss over all rows
in memory, on one thread. `cpu_seconds` are those of the processor, on all cores together, whatever else these did.
Merged by size into benchmarks/results/neighbours.json; `--again` repeats the sizes that are there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from datapare.numerics import neighbors
from large_record import own_memory, watch_memory
from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "neighbours.json"
BLOCK, CLUSTERS, K = 250_000, 1000, 6
QUERIES = 1024  # of fewer than 128,000 / width faiss takes no matrix products, and several times as long for each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--folder", default=None, help="where the rows are written")
    parser.add_argument("--again", action="store_true", help="measure sizes that are in the result")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(np.load(given.case, mmap_mode="r"))))
        return
    for size in given.sizes:
        if f"{size} x {given.width}" in known() and not given.again:
            continue
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            file = Path(folder) / "rows.npy"
            write_rows(file, size, given.width)
            done = subprocess.run([sys.executable, __file__, "--case", str(file)], stdout=subprocess.PIPE, check=True)
        case = {"rows": size, "width": given.width, "k": K, "load": os.getloadavg()[0]} | json.loads(done.stdout)
        print(json.dumps(case), flush=True)
        merge(f"{size} x {given.width}", case)


def write_rows(file: Path, size: int, width: int) -> None:
    rng = np.random.default_rng(0)
    scale = np.arange(1, width + 1, dtype=np.float32) ** -0.5
    centre = rng.normal(size=(CLUSTERS, width)).astype(np.float32)
    rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(size, width))
    for start in range(0, size, BLOCK):
        count = min(BLOCK, size - start)
        own = centre[rng.integers(0, CLUSTERS, count)] + 0.5 * rng.standard_normal((count, width), dtype=np.float32)
        rows[start : start + count] = own * scale


def measure(rows: np.ndarray) -> dict[str, object]:
    """Time the search of all rows among themselves; then its recall."""
    before = own_memory()
    with watch_memory() as peak:
        start, used = time.perf_counter(), time.process_time()
        _, position = neighbors.neighbours(rows, rows, K)
        seconds, processor = time.perf_counter() - start, time.process_time() - used
    at = np.random.default_rng(1).choice(len(rows), min(QUERIES, len(rows)), replace=False)
    exact_seconds, truth = exact(rows, at)
    hits = [len(np.intersect1d(a, b)) for a, b in zip(position[at], truth, strict=True)]
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(processor, 1),
        "own_mb": round(peak[0] - before),
        "resident_mb": round(_status("VmHWM")),
        "recall": round(float(np.mean(hits)) / K, 4),
        "exact_cpu_seconds_for_all": round(exact_seconds / len(at) * len(rows)),
    }


@threadpool_limits.wrap(limits=1)
def exact(rows: np.ndarray, at: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds and positions of an exact search of some rows, a part of all rows at a time; reading is not counted."""
    import faiss

    query, seconds = rows[at].astype(np.float32), 0.0  # of the processor
    squared, position = [], []
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK].astype(np.float32)
        began = time.process_time()
        found = faiss.knn(query, part, K)
        seconds += time.process_time() - began
        squared.append(found[0])
        position.append(found[1] + start)
    order = np.argsort(np.hstack(squared), axis=1, kind="stable")[:, :K]
    return seconds, np.take_along_axis(np.hstack(position), order, axis=1)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def known() -> dict[str, dict[str, object]]:
    return json.loads(RESULTS.read_text())["cases"] if RESULTS.exists() else {}


def merge(key: str, case: dict[str, object]) -> None:
    """Merge one case into the results file."""
    result = {"conditions": conditions({}, __file__), "cases": {**known(), key: case}}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
