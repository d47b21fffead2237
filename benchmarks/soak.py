"""A large record from the training loop to the report in a limited memory, killed again and again on the way.

    python benchmarks/soak.py [--examples 14000000] [--epochs 60] [--gib 8] [--kills 10] [--seed 0] [--folder /tmp]

A dataset of points with two classes is written, and recorded by a loop of its own whose logits follow from the epoch.
Then `datapare score`, `select`, `export --as index` and `report` run on the record. All of it happens twice: in one
folder undisturbed, in another each step is killed (SIGKILL) after a share of its processor time drawn at random,
whatever else the machine does, and repeated until it ends. At the end both folders must hold files of the same SHA-256:
the record, scores, subset, lists of examples. Seconds in `meta.json` are left out; of the report and `seconds.npy`,
which hold times, the existence is compared.
Every process may have so much private memory (RLIMIT_DATA); the pages of mapped files, which the system may drop, do
not count. Written to benchmarks/results/soak.json.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "soak.json"
CLASSES, BLOCK, KEEP = 2, 500_000, "0.3"
STEPS = (("record", 4), ("score", 2), ("select", 1), ("export", 2), ("report", 1))  # and kills, of ten
TIMED = ("report.html", "seconds.npy", "progress.json", ".lock")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=14_000_000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--gib", type=float, default=8.0)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where all of it is written, 2 * examples * epochs * 4 bytes and more")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--loop", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.loop:
        loop(Path(given.loop[0]), Path(given.loop[1]), given.epochs)
        return
    out = given.out.absolute()
    place = Path(tempfile.mkdtemp(dir=given.folder)).resolve()
    try:
        result = measure(place, given)
    finally:
        shutil.rmtree(place)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['kills']} kills, {len(result['differing'])} files differ")


def measure(place: Path, given: argparse.Namespace) -> dict[str, object]:
    write_dataset(place / "points", given.examples)
    rng = random.Random(given.seed)  # noqa: S311
    steps, deaths = {}, 0
    for name, share in STEPS:
        steps[name] = step(name, place, given, rng, round(share * given.kills / 10))
        deaths += steps[name]["codes"].count(-signal.SIGKILL)
        print(name, json.dumps(steps[name]), flush=True)
    calm, killed = digests(place / "calm"), digests(place / "killed")
    return {
        "examples": given.examples, "epochs": given.epochs, "limit_gib": given.gib, "kills": deaths,
        "differing": sorted(name for name in calm.keys() | killed.keys() if calm.get(name) != killed.get(name)),
        "compared": len(calm), "steps": steps, "digests": calm,
        "record_gib": round(sum(file.stat().st_size for file in (place / "calm/dynamics").iterdir()) / 2**30, 2),
        "load": os.getloadavg()[0],
        "conditions": conditions({"examples": given.examples, "epochs": given.epochs, "kills": given.kills}, __file__),
    }  # fmt: skip


def step(name: str, place: Path, given: argparse.Namespace, rng: random.Random, kills: int) -> dict[str, object]:
    """Run one step undisturbed in one folder, and in the other killed so often before it may end."""
    early, late = (0.1, 0.25) if name == "record" else (0.3, 0.85)  # a record goes on where it was
    whole = attempt(command(name, place / "calm", place, given.epochs), given.gib, None)
    if whole["code"] != 0:
        sys.exit(f"{name} fails undisturbed, {whole['code']}: {whole['told']}")
    tries = []
    for _ in range(kills):
        moment = rng.uniform(early, late) * whole["processor_seconds"]
        tries.append(attempt(command(name, place / "killed", place, given.epochs), given.gib, moment))
    last = attempt(command(name, place / "killed", place, given.epochs), given.gib, None)
    if last["code"] != 0:
        sys.exit(f"{name} fails after it was killed, {last['code']}: {last['told']}")
    tries.append(last)
    return {
        "seconds": whole["seconds"], "processor_seconds": whole["processor_seconds"],
        "private_gib": max(one["private_gib"] for one in (whole, *tries)),
        "codes": [one["code"] for one in tries],
        "killed_after_processor_seconds": [one["processor_seconds"] for one in tries[:-1]],
        "repeated_seconds": last["seconds"],
    }  # fmt: skip


def command(name: str, run: Path, place: Path, epochs: int) -> list[str]:
    """The call of one step on a run folder."""
    if name == "record":
        return [sys.executable, __file__, "--loop", str(run), str(place / "points"), "--epochs", str(epochs)]
    more = {
        "score": (),
        "select": ("--keep", KEEP),
        "export": ("--keep", KEEP, "--as", "index", "--data", str(place / "points")),
        "report": ("--keep", KEEP, "--data", str(place / "points")),
    }[name]
    return [sys.executable, "-m", "datapare", name, str(run), *more]


def write_dataset(folder: Path, examples: int) -> None:
    """Points x (N, 2) and labels y (N,) as files that are mapped."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (examples, 2))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.int64, (examples,))
    for start in range(0, examples, BLOCK):
        part = slice(start, min(start + BLOCK, examples))
        y[part] = rng.integers(0, CLASSES, part.stop - start)
        x[part] = rng.random((part.stop - start, 2), dtype=np.float32)


def loop(run: Path, points: Path, epochs: int) -> None:
    """A loop of a user's own: in each epoch the logit of the label rises, from as low as the example is hard."""
    import torch

    from datapare.recording import Recorder

    torch.set_num_threads(1)
    label, easy = np.array(np.load(points / "y.npy")), np.load(points / "x.npy", mmap_mode="r")
    noise = torch.randn(BLOCK, generator=torch.Generator().manual_seed(0))
    with Recorder(run / "dynamics", label, epochs, channels=("target_prob",)) as recorder:
        for epoch in range(recorder.epoch, epochs):
            for start in range(0, len(label), BLOCK):
                part = slice(start, min(start + BLOCK, len(label)))
                risen = easy[part, 0] * np.float32(6 * epoch / epochs) * (2 * label[part] - 1).astype(np.float32)
                logits = noise.roll(epoch)[: len(risen)] + torch.from_numpy(risen)
                recorder.observe(np.arange(part.start, part.stop), logits)  # (B,), the logit of class 1
            recorder.end_epoch()


def attempt(argv: list[str], gib: float, seconds: float | None) -> dict[str, object]:
    """Run one process, which may be killed after so much processor time: its end, time and largest private memory."""
    limit = int(gib * 2**30)
    started = time.monotonic()
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),  # noqa: PLW1509 - no threads yet
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    seen = {"private_gib": 0.0, "processor_seconds": 0.0}
    watch = threading.Thread(target=_watch, args=(process, seen, seconds))
    watch.start()
    _, told = process.communicate()
    watch.join()
    took = round(time.monotonic() - started, 1)
    rounded = {name: round(value, 2) for name, value in seen.items()}
    return {"code": process.returncode, "seconds": took, **rounded, "told": told[-2000:]}


def _watch(process: "subprocess.Popen[str]", seen: dict[str, float], seconds: float | None) -> None:
    """Look at a process until it ends, and kill it once it has used so much processor time."""
    place, ticks = Path(f"/proc/{process.pid}"), os.sysconf("SC_CLK_TCK")
    while True:
        time.sleep(0.02)
        try:
            words = (place / "stat").read_text().rpartition(")")[2].split()
            status = (place / "status").read_text()
        except OSError:
            return
        seen["processor_seconds"] = (int(words[11]) + int(words[12])) / ticks
        private = [int(line.split()[1]) / 2**20 for line in status.splitlines() if line.startswith("RssAnon")]
        if not private:  # it has ended
            return
        seen["private_gib"] = max(seen["private_gib"], *private)
        if seconds is not None and seen["processor_seconds"] >= seconds:
            process.kill()
            return


def digests(run: Path) -> dict[str, str]:
    """The SHA-256 of every file but of those that hold times, which are named alone."""
    return {str(file.relative_to(run)): _digest(file) for file in sorted(run.rglob("*")) if file.is_file()}


def _digest(file: Path) -> str:
    if file.name in TIMED:
        return "times"
    if file.suffix == ".json":
        timed = {"seconds", "digest"} if file.name == "meta.json" else set()  # the digest is of the seconds too
        known = _without(json.loads(file.read_text()), timed)
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _without(value: object, left_out: set[str]) -> object:
    if isinstance(value, dict):
        return {name: _without(one, left_out) for name, one in value.items() if name not in left_out}
    return [_without(one, left_out) for one in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
