"""What a Ray cluster leaves when a driver is interrupted or killed, or a worker or a node is lost.

    python benchmarks/ray_kills.py

Two one-core nodes on this machine train a small network with several seeds, for `dp.compare`. Each case starts the
script, waits until some trainings are done, and then: interrupts it (SIGINT), kills it (SIGKILL), kills a worker that
trains, or removes a node. After the first two, nothing may train on, and the same script must train only what is
missing; after the others it must end by itself. In all cases the files of the trainings must be those of a local run.
The script also reaches the cluster from outside (ray://HOST:PORT). Writes benchmarks/results/ray_kills.json.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil

from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "ray_kills.json"
SCRIPT = """
import sys
import numpy as np
import psutil
import datapare as dp
from datapare.training import TrainingConfig

training = TrainingConfig(epochs=30, batch_size=32, lr=0.005, optimizer="adamw", model="mlp", width=128)
data, test = dp.open_dataset("train.npz"), dp.open_dataset("test.npz")
print("ready", flush=True)
compared = dp.compare(
    data, dp.Subset(np.arange(0, len(data), 2), len(data)), test=test, training=training, full=False, seeds=5,
    folder=sys.argv[1], on=sys.argv[2], progress=lambda done, total, arm: print(f"{done}/{total}", flush=True),
)
"""
TOTAL = 10


def main() -> None:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    work = Path(tempfile.mkdtemp())
    os.chdir(work)
    rng = np.random.default_rng(0)
    for name, count in (("train", 4000), ("test", 500)):
        label = np.arange(count) % 4
        np.savez(f"{name}.npz", x=(rng.normal(size=(count, 32)) + np.eye(4, 32)[label]).astype(np.float32), y=label)
    (work / "compare.py").write_text(SCRIPT)
    here = _finish(_start("here", "here"))
    cases = {"here": {"trained": here}}
    expected = _files("here")
    with _cluster() as (cluster, client):
        for name, act in _cases(cluster).items():
            begun = time.monotonic()
            cases[name] = act(name)
            cases[name] |= {"seconds": round(time.monotonic() - begun, 1), "files_equal": _files(name) == expected}
            print(name, cases[name], flush=True)
        cases["from outside"] = {
            "trained": _finish(_start("outside", client)),
            "files_equal": _files("outside") == expected,
        }
        print("from outside", cases["from outside"], flush=True)
    versions = {package: version(package) for package in ("datapare", "ray", "torch", "numpy")}
    table = {"conditions": conditions({}, __file__), "versions": versions, "trainings": TOTAL, "cases": cases}
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")
    os.chdir("/")
    shutil.rmtree(work)


def _cases(cluster: object) -> dict[str, Callable[[str], dict[str, object]]]:
    """What is done in each case, by its name."""

    def stopped(kind: signal.Signals) -> Callable[[str], dict[str, object]]:
        def act(name: str) -> dict[str, object]:
            process = _start(name, "auto")
            done = _wait_for(process, 2)
            process.send_signal(kind)
            code = process.wait(60)
            idle = _seconds_until_idle()
            return {"done": done, "exit": code, "idle_after_s": idle, "trained_later": _finish(_start(name, "auto"))}

        return act

    def worker_lost(name: str) -> dict[str, object]:
        process = _start(name, "auto")
        done = _wait_for(process, 2)
        lost = _training_workers()[0]
        os.kill(lost, signal.SIGKILL)
        return {"done": done, "trained": done + _finish(process, done)}

    def node_lost(name: str) -> dict[str, object]:
        process = _start(name, "auto")
        done = _wait_for(process, 2)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        trained = done + _finish(process, done)
        cluster.add_node(num_cpus=1)
        return {"done": done, "trained": trained}

    return {
        "interrupted": stopped(signal.SIGINT), "killed": stopped(signal.SIGKILL), "worker lost": worker_lost,
        "node lost": node_lost,
    }  # fmt: skip


@contextmanager
def _cluster() -> Iterator[tuple[object, str]]:
    """Two nodes of one core each, and the address for clients."""
    import socket

    from ray.cluster_utils import Cluster

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    head = {"num_cpus": 1, "include_dashboard": False, "ray_client_server_port": port}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        yield cluster, f"ray://127.0.0.1:{port}"
    finally:
        cluster.shutdown()


def _start(folder: str, place: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "compare.py", folder, place], stdout=subprocess.PIPE, text=True)


def _wait_for(process: subprocess.Popen[str], count: int) -> int:
    """Wait until so many trainings are done."""
    while line := process.stdout.readline():  # not more, since the others are read later
        if line[:1].isdigit() and int(line.split("/")[0]) >= count:
            return count
    raise RuntimeError("the command ended before")


def _finish(process: subprocess.Popen[str], done: int = 0) -> int:
    """Wait for the end; return the number of trainings that were reported one by one, after so many."""
    printed = process.stdout.read()
    if process.wait():
        raise RuntimeError(f"the command ended with exit code {process.returncode}")
    counts = [int(line.split("/")[0]) for line in printed.splitlines() if line[:1].isdigit()]
    return len([1 for before, after in zip([done, *counts], counts, strict=False) if after == before + 1])


def _files(folder: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(Path(folder).glob("*.npy"))}


def _training_workers() -> list[int]:
    """Processes of this script's cluster that run a training right now; those of other clusters are left alone."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::_train"):
                found.append(process.pid)
    return found


def _seconds_until_idle(limit: float = 30.0) -> float | None:
    """Seconds until no training runs any more; None where one still runs after the limit."""
    start = time.monotonic()
    while time.monotonic() - start < limit:
        if not _training_workers():
            return round(time.monotonic() - start, 2)
        time.sleep(0.05)
    return None


if __name__ == "__main__":
    main()
