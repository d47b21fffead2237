"""One recording by torchrun on two hosts: two network namespaces of this machine that a virtual cable connects.

    sudo python benchmarks/two_hosts.py           writes benchmarks/results/two_hosts.json

Each namespace has a host name and an address of its own, and sees neither the loopback nor the network of the machine.
The digits of scikit-learn are recorded by one process, by two on one host, by one on each host, and once more on both
hosts, where the one of the second host is killed after the first epoch and the same commands are given again.
Differences are those of the probability of the label from the recording by one process, which kinks of the network
amplify (processes.py); `as_on_one_host` says whether the record has the bits of that by two processes on one host.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

import datapare as dp
from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "two_hosts.json"
ADDRESS, PORT = ("10.77.0.1", "10.77.0.2"), 29511
RECORD = ("-m", "datapare", "record", "digits.npz", "--kind", "image", "--model", "resnet8", "--epochs", "4")
LIMIT = 900


def main() -> None:
    from sklearn.datasets import load_digits

    work = Path(tempfile.mkdtemp())
    os.chdir(work)
    image, label = load_digits(return_X_y=True)
    np.savez("digits.npz", images=(15 * image).astype(np.uint8).reshape(-1, 8, 8), label=label)
    load, cases = os.getloadavg(), {}
    start = time.perf_counter()
    subprocess.run([sys.executable, *RECORD, "--out", "alone"], check=True, capture_output=True)
    cases["one process"] = {"seconds": round(time.perf_counter() - start, 1)}
    start = time.perf_counter()
    subprocess.run([sys.executable, *RECORD, "--processes", "2", "--out", "both"], check=True, capture_output=True)
    cases["two processes"] = {"seconds": round(time.perf_counter() - start, 1), **apart("both")}
    with hosts():
        for name, killed in (("two hosts", False), ("two hosts, one killed and resumed", True)):
            start = time.perf_counter()
            exits = together(name, killed=True) if killed else []
            exits += together(name)
            cases[name] = {"exit_codes": exits, "seconds": round(time.perf_counter() - start, 1), **apart(name)}
            print(name, cases[name], flush=True)
    table = {"conditions": conditions({}, __file__), "load": load, "examples": len(label), "cases": cases}
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")
    os.chdir("/")
    shutil.rmtree(work)


@contextmanager
def hosts() -> Iterator[None]:
    """Two namespaces, connected by a pair of virtual interfaces."""

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    names = ("datapare0", "datapare1")
    for name in names:
        ip("netns", "add", name)
    try:
        ip("link", "add", names[0], "netns", names[0], "type", "veth", "peer", "name", names[1], "netns", names[1])
        for name, address in zip(names, ADDRESS, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", name)
            ip("-n", name, "link", "set", name, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in names:
            ip("netns", "del", name)


def together(out: str, *, killed: bool = False) -> list[int]:
    """Run the command on both hosts; the exit codes."""
    started = [start(number, out if number == 0 else f"elsewhere {out}") for number in range(2)]
    if killed:
        wait_for_epoch(Path(out))
        ours = psutil.Process(started[1].pid)
        for process in [*ours.children(recursive=True), ours]:
            process.kill()
    codes = [process.wait(LIMIT) for process in started]
    if not killed and any(codes):
        raise RuntimeError(f"exit codes {codes}: {Path('host0.log').read_text()[-2000:]}")
    return codes


def start(number: int, out: str) -> subprocess.Popen[bytes]:
    torchrun = [
        sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(number), "--nproc-per-node",
        "1", "--master-addr", ADDRESS[0], "--master-port", str(PORT),
    ]  # fmt: skip
    inside = ["ip", "netns", "exec", f"datapare{number}", "unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"']
    command = [*inside, f"host{number}", *torchrun, *RECORD, "--out", out]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": f"datapare{number}", "OMP_NUM_THREADS": "1"}
    with Path(f"host{number}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def wait_for_epoch(folder: Path) -> None:
    """Wait until an epoch of the record is complete."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        found = [*folder.rglob("progress.json")]
        if found and json.loads(found[0].read_text()).get("coverage"):
            return
        time.sleep(0.1)
    raise RuntimeError("no epoch was completed")


def apart(out: str) -> dict[str, object]:
    """How far a record is from that by one process."""
    one, both, other = (dp.load(next(Path(folder).rglob("meta.json")).parent) for folder in ("alone", "both", out))
    difference = np.abs(one.channels["target_prob"] - other.channels["target_prob"])
    return {
        "largest_difference": [float(f"{value:.3g}") for value in difference.max(axis=1)],
        "median_difference": [float(f"{value:.3g}") for value in np.median(difference, axis=1)],
        "as_on_one_host": bool(np.array_equal(both.channels["target_prob"], other.channels["target_prob"])),
        "same_examples": bool(np.array_equal(one.key, other.key)),
        "observed_once": bool(not np.isnan(other.channels["target_prob"]).any()),
        "processes": other.provenance.params.get("processes"),
    }


if __name__ == "__main__":
    main()
