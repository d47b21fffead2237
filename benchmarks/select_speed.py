"""Time and memory of the selection rules, each beside a plain transcription of its published procedure.

    python benchmarks/select_speed.py                      # pointwise rules at 50,000 and 1,281,167
    python benchmarks/select_speed.py --part pointwise --sizes 14200000
    python benchmarks/select_speed.py --part d2 --sizes 50000 1281167 --width 512
    python benchmarks/select_speed.py --part greedy --sizes 50000
    python benchmarks/select_speed.py --part classes --sizes 5000000   # select inside each of ten classes
    python benchmarks/select_speed.py --part table --sizes 5000000     # every example and why it stays, as Parquet

Every case runs in its own process, so that its memory is its own. Results are merged, case by case, into
benchmarks/results/select_speed.json. 30 % of the examples are kept; the plain transcriptions are ours, from the
formulas, in numpy and scipy, run after the rule on the same arrays where `plain` says so.
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
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "select_speed.json"
SEED, KEEP, EPOCHS, K = 0, 0.3, 60, 10
POINTWISE = ["top", "random", "window", "flex_rand", "two_ended", "ccs", "beta"]
GREEDY = ["k_center", "herding", "graph_cut"]
CLASSES = 10
TABLES = ["table", "table of rows"]
PLAIN_LIMIT = {"d2": 20_000, "k_center": 50_000}  # of the others 2,000,000: transcriptions take too long beyond
PLAIN_PICKS = {"herding": 200, "d2": 15_000}  # picks of a transcription that would take too long for all


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=list(PARTS), default="pointwise")
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of examples")
    parser.add_argument("--width", type=int, default=512, help="width of the embedding")
    parser.add_argument("--only", help="one rule")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        name, total, width = given.case[0], int(given.case[1]), int(given.case[2])
        special = {"table": table, "table of rows": table_of_rows, "classes": per_class}
        run = special.get(name.partition(":")[0])
        print(json.dumps(measure(name, total, width) if run is None else run(name.partition(":")[2], total)))
        return
    rules, usual = PARTS[given.part]
    sizes = given.sizes or usual
    for total in sizes:
        for name in rules if given.only is None else [given.only]:
            width = given.width if given.part in {"d2", "greedy"} else 0
            command = [sys.executable, __file__, "--case", name, str(total), str(width)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            case = json.loads(done.stdout)
            print(f"{name} {total:,} x {width}: {json.dumps(case)}", flush=True)
            write(f"{name} {total} {width}" if width else f"{name} {total}", case)


PARTS = {
    "pointwise": (POINTWISE, [50_000, 1_281_167]),
    "d2": (["d2"], [50_000]),
    "greedy": (GREEDY, [50_000]),
    "classes": (["classes:beta", "classes:mixed"], [5_000_000]),
    "table": (TABLES, [5_000_000]),
}


def per_class(rule: str, total: int) -> dict[str, object]:
    """Time `select` inside each of ten classes, as `datapare select` calls it."""
    from datapare.artifacts import Dynamics, Scores
    from datapare.methods.selection import select

    rng = np.random.default_rng(SEED)
    prob = rng.random((EPOCHS, total), dtype=np.float32)
    dynamics = Dynamics({"target_prob": prob}, rng.integers(0, CLASSES, total))
    scores = Scores(rng.random(total))
    before, load = memory(), os.getloadavg()[0]
    seconds, processor_seconds = [], []
    for _ in range(3):
        started, used = time.perf_counter(), time.process_time()
        subset = select(scores, rule, keep=KEEP, seed=SEED, dynamics=dynamics)
        seconds.append(round(time.perf_counter() - started, 3))
        processor_seconds.append(round(time.process_time() - used, 3))
    return {
        "examples": total,
        "kept": len(subset),
        "classes": CLASSES,
        "epochs": EPOCHS,
        "seconds": min(seconds),
        "all_seconds": seconds,
        "processor_seconds": min(processor_seconds),
        "inputs_mb": before,
        "more_mb": memory() - before,
        "loadavg": round(load, 2),
        "seed": SEED,
    }


def opened(total: int) -> list[object]:
    """A dataset of numbers, its scores, a subset and mean probabilities."""
    from datapare.artifacts import Scores
    from datapare.data import open_dataset
    from datapare.methods.selection import select

    rng = np.random.default_rng(SEED)
    data = open_dataset((rng.random((total, 2), dtype=np.float32), rng.integers(0, CLASSES, total)))
    scores = Scores(rng.random(total), key=data.key)
    return [data, scores, select(scores, "top", keep=KEEP), rng.random(total)]


def table(_: str, total: int) -> dict[str, object]:
    """Time the table of examples that `datapare prune` writes."""
    from datapare.data import write_examples
    from datapare.data.example_table import example_blocks
    from datapare.pipeline.reasons import reasons

    data, scores, subset, mean_prob = opened(total)

    def write_to(file: Path) -> None:
        write_examples(example_blocks(data, subset, scores, mean_prob, why=reasons(scores, subset)), file)

    return written(write_to, total)


def table_of_rows(_: str, total: int) -> dict[str, object]:
    """The same table from a list of Python objects per column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data, scores, subset, mean_prob = opened(total)

    def write_to(file: Path) -> None:
        rank = np.empty(total, np.int64)
        rank[np.argsort(-scores.score, kind="stable")] = np.arange(1, total + 1)
        action = {True: "kept by top", False: "below the cut of top"}
        kept = subset.mask.tolist()
        columns = {
            "name": list(data.name),
            "key": pa.array(data.key.tolist(), pa.uint64()),
            "label": data.label.tolist(),
            "class": [data.classes[i] for i in data.label],
            "score": scores.score,
            "mean_prob": mean_prob,
            "kept": kept,
            "why": [f"{action[k]}: score rank {r:,} of {total:,}" for k, r in zip(kept, rank, strict=True)],
        }
        pq.write_table(pa.table(columns), file, compression="zstd")

    return written(write_to, total)


def written(write_to: Callable[[Path], None], total: int) -> dict[str, object]:
    """Time and memory of one table, and a digest of what it says."""
    import pyarrow.parquet as pq

    before, load = memory(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "examples.parquet"
        started, used = time.perf_counter(), time.process_time()
        write_to(file)
        case = {
            "examples": total,
            "seconds": round(time.perf_counter() - started, 3),
            "processor_seconds": round(time.process_time() - used, 3),
            "inputs_mb": before,
            "more_mb": memory() - before,
            "loadavg": round(load, 2),
            "seed": SEED,
            "file_mb": round(file.stat().st_size / 2**20),
        }
        head = pq.ParquetFile(file).read_row_group(0).slice(0, 100_000).to_pylist()
        return case | {"digest_of_100000_rows": hashlib.sha256(repr(head).encode()).hexdigest()[:16]}


def measure(name: str, total: int, width: int) -> dict[str, object]:
    """Time one rule, then its transcription, on the same arrays."""
    rule = getattr(import_module(f"datapare.methods.select.{name}"), name)
    n = int(KEEP * total)
    arrays = inputs(name, total, width)
    before = memory()
    load = os.getloadavg()[0]
    repeat = 3 if not width else 1
    seconds, processor_seconds = [], []
    for _ in range(repeat):
        started, used = time.perf_counter(), time.process_time()
        index = rule(*arrays, n, *([np.random.default_rng(SEED)] if name in DRAWING else []), **params(name))
        seconds.append(round(time.perf_counter() - started, 4))
        processor_seconds.append(round(time.process_time() - used, 4))
    if not len(index) == n == len(np.unique(index)):
        raise AssertionError(f"{name} kept {len(index)} instead of {n}")
    case = {
        "examples": total,
        "kept": n,
        "width": width,
        "seconds": min(seconds),
        "all_seconds": seconds,
        "processor_seconds": min(processor_seconds),
        "inputs_mb": before,
        "more_mb": memory() - before,
        "loadavg": round(load, 2),
        "seed": SEED,
    }
    if name == "d2":
        case |= {"k": K, "recall": recall(arrays[1])}
    if name in PLAIN and total <= PLAIN_LIMIT.get(name, 2_000_000):
        picks = min(n, PLAIN_PICKS.get(name, n))
        started = time.perf_counter()
        plain = PLAIN[name](*arrays, picks)
        case["plain"] = {"seconds": round(time.perf_counter() - started, 4), "kept": picks}
        if name not in DRAWING or name == "k_center":
            own = index if picks == n else rule(*arrays, picks, **params(name))
            case["plain"]["same"] = round(len(np.intersect1d(own, plain)) / picks, 4)
    return case


DRAWING = {"random", "flex_rand", "ccs", "beta", "k_center"}


def params(name: str) -> dict[str, object]:
    return {"d2": {"k": K}, "ccs": {"cut": 0.2}, "two_ended": {"cut": 0.3}}.get(name, {})


def inputs(name: str, total: int, width: int) -> list[np.ndarray]:
    rng = np.random.default_rng(SEED)
    score = rng.random(total, dtype=np.float32).astype(np.float64)
    if name in {"top", "random", "window", "flex_rand"}:
        return [score]
    if not width:
        channel = rng.random((EPOCHS, total), dtype=np.float32)
        if name != "beta":
            channel -= np.float32(0.5)
        return [channel] if name == "two_ended" else [score, channel]
    h = embedding(total, width, rng)
    return [score, h, np.zeros((1, total), dtype=np.float32)] if name == "d2" else [h]


def embedding(total: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Penultimate features as trained ReLU networks have them: 1000 classes, variances that fall as 1 / rank, >= 0."""
    classes, scale = 1000, np.arange(1, width + 1, dtype=np.float32) ** -0.5
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0].astype(np.float32)
    centre = rng.standard_normal((classes, width), dtype=np.float32)
    h = np.empty((total, width), dtype=np.float32)
    for start in range(0, total, 50_000):
        part = h[start : start + 50_000]
        own = centre[rng.integers(0, classes, len(part))]
        own += 0.5 * rng.standard_normal(part.shape, dtype=np.float32)
        np.maximum((own * scale) @ turn + 0.05, 0, out=part)
    return h


def recall(h: np.ndarray, queries: int = 500) -> float:
    """Share of the true K nearest that the graph's search finds, over a sample of queries."""
    import faiss

    from datapare.numerics.neighbors import EXACT_PAIRS, neighbours

    sample = np.random.default_rng(1).choice(len(h), queries, replace=False)
    _, found = neighbours(h, h[sample], K + 1, exact=len(h) ** 2 <= EXACT_PAIRS)
    _, exact = faiss.knn(h[sample], h, K + 1)
    hits = sum(len(np.intersect1d(a, b)) - 1 for a, b in zip(found, exact, strict=True))
    return round(hits / (queries * K), 4)


# --- plain transcriptions of the published procedures -----------------------------------------------------------------


def plain_top(score, n):
    return np.argsort(score)[-n:]


def plain_window(score, n):
    start = int(0.05 * len(score))
    return np.argsort(-score)[start : start + n]


def plain_two_ended(margin, n):
    start = int(0.3 * margin.shape[1])
    return np.argsort(margin.sum(axis=0))[start : start + n]


def plain_ccs(score, margin, n):
    kept = np.argsort(margin.sum(axis=0))[int(0.2 * len(score)) :]
    value = score[kept]
    edge = np.linspace(value.min(), 1.0001 * value.max(), 51)
    member = [kept[(value >= edge[s]) & (value < edge[s + 1])] for s in range(50)]
    left, chosen = n, []
    for visited, s in enumerate(np.argsort([len(m) for m in member])):
        share = min(len(member[s]), left // (50 - visited))
        chosen.append(np.random.permutation(member[s])[:share])  # noqa: NPY002 - as published, not seeded
        left -= share
    return np.concatenate(chosen)


def plain_beta(score, prob, n):
    from scipy.stats import beta

    mean = prob.mean(axis=0)
    b = 15 * (1 - mean[score.argmax()]) * (1 - (1 - n / len(score)) ** 4.0)
    weight = beta.pdf(mean, 15 - b, b) * score
    return np.random.choice(len(score), n, replace=False, p=weight / weight.sum())  # noqa: NPY002


def plain_d2(score, h, _, n):
    import faiss

    distance, target = faiss.knn(h, h, K + 1)
    edges = [dict() for _ in h]  # noqa: C408
    for i in range(len(h)):
        for j, d in zip(target[i, 1:], np.sqrt(np.maximum(distance[i, 1:], 0)), strict=True):
            edges[i][int(j)] = edges[int(j)][i] = float(d)
    u = np.array([score[i] + sum(np.exp(-d) * score[j] for j, d in edges[i].items()) for i in range(len(h))])
    chosen = []
    for _ in range(n):
        best = int(u.argmax())
        chosen.append(best)
        for j, d in edges[best].items():
            u[j] -= np.exp(-0.1 * d) * max(u[best], 0)
        u[best] = -np.inf
    return np.array(chosen)


def plain_k_center(h, n):
    h = h - h.mean(axis=0)
    square = (h * h).sum(axis=1)
    chosen = [int(square.argmin())]
    nearest = np.full(len(h), np.inf)
    while len(chosen) < n:
        c = chosen[-1]
        nearest = np.minimum(nearest, square - 2 * (h @ h[c]) + square[c])
        nearest[c] = -np.inf
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def plain_herding(h, n):
    mu, total, chosen = h.mean(axis=0), np.zeros(h.shape[1]), []
    for step in range(n):
        distance = np.linalg.norm((step + 1) * mu - total - h, axis=1)
        distance[chosen] = np.inf
        chosen.append(int(distance.argmin()))
        total += h[chosen[-1]]
    return np.array(chosen)


PLAIN = {
    "top": plain_top,
    "window": plain_window,
    "two_ended": plain_two_ended,
    "ccs": plain_ccs,
    "beta": plain_beta,
    "d2": plain_d2,
    "k_center": plain_k_center,
    "herding": plain_herding,
}


def memory() -> int:
    """Largest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def write(key: str, case: dict[str, object]) -> None:
    """Merge one case into the results file."""
    known = json.loads(RESULTS.read_text())["cases"] if RESULTS.exists() else {}
    conditions = {
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy", "scikit-learn", "faiss-cpu")},
        "machine": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "script": hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16],
    }
    cases = {**known, key: {**case, "conditions": conditions}}
    result = {"claim": "seconds and memory of the selection rules at 30 % kept", "cases": dict(sorted(cases.items()))}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
