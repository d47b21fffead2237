"""How much faster are many trainings on two one-core Ray nodes than on one, and are the results the same?

    python benchmarks/ray_scaling.py [--trainings 24]

Trains a small network on generated points with so many seeds, on a cluster of one node and on a cluster of two, both of
one core on this machine. The first trainings of each node, which load the libraries, are done before the clock starts.
Writes benchmarks/results/ray_scaling.json.
"""

import argparse
import json
import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import datapare as dp
from datapare.training import TrainingConfig

RESULTS = Path(__file__).parent / "results" / "ray_scaling.json"
TRAINING = TrainingConfig(epochs=40, batch_size=32, lr=0.005, optimizer="adamw", model="mlp", width=128)


def points(count: int, seed: int) -> dp.Dataset:
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 4
    return dp.open_dataset(((rng.normal(size=(count, 32)) + np.eye(4, 32)[label]).astype(np.float32), label))


def run(nodes: int, trainings: int) -> tuple[float, Any]:
    """Seconds that the trainings took on a cluster of so many nodes, and the comparison."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    ray.init(address=cluster.address, log_to_driver=False)
    options: dict[str, Any] = {"test": points(500, 1), "training": TRAINING, "full": False, "on": "auto"}
    data, subset = points(4000, 0), dp.Subset(np.arange(0, 4000, 2), 4000)
    dp.compare(data, subset, seeds=range(100, 100 + 2 * nodes), **options)
    start = time.perf_counter()
    compared = dp.compare(data, subset, seeds=trainings // 2, **options)
    seconds = time.perf_counter() - start
    ray.shutdown()
    cluster.shutdown()
    return seconds, compared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainings", type=int, default=24)
    trainings = parser.parse_args().trainings
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    (one, first), (two, second) = run(1, trainings), run(2, trainings)
    table = {
        "claim": "many trainings on two one-core Ray nodes against one",
        "trainings": trainings, "seconds_one_node": round(one, 2), "seconds_two_nodes": round(two, 2),
        "speedup": round(one / two, 2), "identical": bool(np.array_equal(first.outcomes, second.outcomes)),
        "load_at_start": os.getloadavg()[0], "cores": os.cpu_count(), "machine": platform.platform(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in ("datapare", "ray", "torch", "numpy")},
    }  # fmt: skip
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
