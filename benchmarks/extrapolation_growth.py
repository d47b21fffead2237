"""Can scores of a million examples be predicted without a GPU? Seconds and memory of knn and gnn by size.

    python benchmarks/extrapolation_growth.py [--most 200000]    half an hour on one thread; 9 GB at a million

Embeddings of width 512, as of a ResNet-18: 100 classes around random centres, variances falling as 1 / rank; a tenth
scored, ten neighbours. Every cell runs in a process of its own, whose peak memory is its own, the embeddings of 2 GB a
million included. Seconds are of the processor, which other work on the machine does not lengthen much. The graph
network trains for one epoch: the seconds of its parts are told apart, so that those of all epochs can be added up.
Approximate searches are compared with exact ones of TRIAL queries (recall). A killed benchmark goes on where it
stopped; the result holds the cells that are done.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from datapare.methods.extrapolate import gnn, knn
from datapare.numerics.neighbors import neighbours
from datapare.storage import write_json

RESULT = Path(__file__).parent / "results" / "extrapolation_growth.json"
WORK = Path(__file__).parents[1] / "demo" / "extrapolation_growth"  # ignored by git
NODES = (10_000, 50_000, 200_000, 1_000_000)
WIDTH, CLASSES, SCORED, K = 512, 100, 0.1, 10
TRIAL = 500
BLOCK = 50_000


def scene(nodes):
    rng = np.random.default_rng(0)
    scale = np.arange(1, WIDTH + 1, dtype=np.float32) ** -0.5
    centre = rng.standard_normal((CLASSES, WIDTH), dtype=np.float32)
    label = rng.integers(0, CLASSES, nodes)
    embedding = np.empty((nodes, WIDTH), dtype=np.float32)
    for start in range(0, nodes, BLOCK):
        part = embedding[start : start + BLOCK]
        rng.standard_normal(out=part, dtype=np.float32)
        part += centre[label[start : start + BLOCK]]
        part *= scale
    score = np.where(rng.random(nodes) < SCORED, np.tanh(embedding[:, 1]), np.nan)
    return score, embedding, label, rng


def of_gnn(nodes):
    score, embedding, label, rng = scene(nodes)
    truth = np.tanh(embedding[:, 1])
    known = np.flatnonzero(~np.isnan(score))
    start = time.process_time()
    graph = gnn.neighbour_graph(embedding, K)
    graphed = time.process_time()
    features = gnn.spread(graph, embedding, label)
    spread = time.process_time()
    guess = gnn._learnt(score, known, graph, features, rng, 1)  # noqa: SLF001
    learnt, peak = time.process_time(), peak_bytes()
    hidden = np.isnan(score)
    return {
        "exact": nodes**2 <= knn.EXACT, "graph_seconds": graphed - start, "features_seconds": spread - graphed,
        "epoch_seconds": learnt - spread, "peak_bytes": peak, "scored": len(known),
        "pearson_after_one_epoch": float(np.corrcoef(guess[hidden], truth[hidden])[0, 1]),
        "recall": recall(embedding, np.arange(nodes), graph.target[:, :K], itself=True),
    }  # fmt: skip


def of_knn(nodes, *, exact):
    score, embedding, _, _ = scene(nodes)
    reference, query = np.flatnonzero(~np.isnan(score)), np.flatnonzero(np.isnan(score))
    there, here = embedding[reference], embedding[query]
    told = {"scored": len(reference), "pairs": len(reference) * len(query)}
    told["switched_to"] = "exact" if told["pairs"] <= knn.EXACT else "approximate"
    start = time.process_time()
    _, position = neighbours(there, here, K, exact=exact)
    told |= {"seconds": time.process_time() - start, "peak_bytes": peak_bytes()}
    return told if exact else told | {"recall": recall(there, here, position)}


def recall(reference, query, found, *, itself=False):
    """The share of the true nearest of TRIAL queries that were found; `query` are rows, or places where `itself`."""
    trial = np.linspace(0, len(query) - 1, TRIAL).astype(int)
    rows = reference[query[trial]] if itself else query[trial]
    _, truth = neighbours(reference, rows, K + itself, exact=True)
    hits = [
        len(np.setdiff1d(np.intersect1d(true, some), [place]))
        for true, some, place in zip(truth, found[trial], trial if itself else np.full(TRIAL, -1), strict=True)
    ]
    return sum(hits) / (TRIAL * K)


def peak_bytes():
    status = Path("/proc/self/status").read_text().split()  # not ru_maxrss: a child starts with its parent's
    return int(status[status.index("VmHWM:") + 1]) * 1024


CELLS = {
    "gnn": of_gnn,
    "knn approximate": lambda nodes: of_knn(nodes, exact=False),
    "knn exact": lambda nodes: of_knn(nodes, exact=True),
}


def place(name, nodes):
    return WORK / f"{name.replace(' ', '-')}-{nodes}.json"


def cell(name, nodes):
    """The result of one cell: read, or made in a process of its own."""
    file = place(name, nodes)
    if not file.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, "--cell", name, "--most", str(nodes)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        write_json(file, json.loads(done.stdout.splitlines()[-1]))
        print(name, nodes, done.stdout.splitlines()[-1], flush=True)
    return {"method": name, "nodes": nodes, **json.loads(file.read_text())}


def main():
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=NODES[-1], help="largest number of examples")
    parser.add_argument("--cell", choices=CELLS, help="only this cell, in this process")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the cells' processes, and so of faiss
    if asked.cell:
        print(json.dumps(CELLS[asked.cell](asked.most) | {"loadavg": os.getloadavg()[0]}))
        return
    wanted = [(name, nodes) for nodes in NODES for name in CELLS if name != "knn exact" or nodes < NODES[-1]]  # hours
    for name, nodes in wanted:
        if nodes <= asked.most:
            cell(name, nodes)
    rows = [cell(name, nodes) for name, nodes in wanted if place(name, nodes).exists()]
    result = {
        "claim": "processor seconds and peak memory of predicting scores from a tenth of them, without a GPU, by size",
        "rows": rows,
        "width": WIDTH,
        "classes": CLASSES,
        "fraction_scored": SCORED,
        "k": K,
        "gnn_epochs": 1,
        "recall_queries": TRIAL,
        "exact_up_to_pairs": knn.EXACT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": 1,
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("datapare", "torch", "numpy", "faiss-cpu")},
        "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
