"""Kill every command before each of its changes of the disk, and see that the same call ends as if nothing had been.

    python benchmarks/kills.py [command …] [--out FILE]     writes benchmarks/results/kills.json

A small dataset of points and its run folder are made once. Then each command runs in a copy, in a process that is
killed (SIGKILL) before its first change of the disk, before its second, and so on until it lives. After each death the
same call must end with exit code 0, in the files of a call that was not killed, without drafts. Files that hold how
long something took (meta.json, those of single trainings, the report) must be there.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "benchmarks")]

import warm  # noqa: E402, F401
from sources import write_points  # noqa: E402

from datapare.cli import app  # noqa: E402
from kills import child, contents, killed_everywhere  # noqa: E402
from training_speed import conditions  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "kills.json"
FAST = ("--epochs", "4", "--schedule-epochs", "8", "--model", "mlp")
TRAIN = ("--seeds", "2", "--epochs", "1")
BEFORE = (
    ("record", "points.npz", "--out", "run", *FAST, "--channel", "embedding", "--channel", "logit_mean"),
    ("score", "run", "--window", "3"),
    ("select", "run", "--keep", "0.5"),
    ("label-issues", "run", "--method", "confidence", "--out", "decisions.csv"),
    ("prune", "points.npz", "--keep", "0.5", "--out", "part", "--window", "3", "--score-fraction", "0.5", *FAST),
)
CALLS = {
    "score": ("score", "run", "--score", "el2n"),
    "score again": ("score", "run", "--window", "2"),
    "select": ("select", "run", "--keep", "0.25"),
    "select another": ("select", "run", "--keep", "0.5", "--rule", "top", "--force"),
    "export": ("export", "run", "--keep", "0.5"),
    "export elsewhere": ("export", "run", "--keep", "0.5", "--as", "index", "--out", "small"),
    "export soft labels": ("export", "run", "--keep", "0.5", "--soft-labels"),
    "export decisions": ("export", "run", "--keep", "0.5", "--decisions", "decisions.csv", "--out", "decided"),
    "label-issues": ("label-issues", "run", "--method", "confidence"),
    "label-issues check": ("label-issues", "run", "--check", "--method", "confidence"),
    "perturb": ("perturb", "points.npz", "--out", "changed"),
    "embed": ("embed", "run", "--array", "features.npy"),
    "extrapolate": ("extrapolate", "part", "--k", "3"),
    "report": ("report", "run", "--keep", "0.5"),
    "compare": ("compare", "run", "--keep", "0.5", *TRAIN),
    "sweep": ("sweep", "run", "--keep", "0.5", *TRAIN),
    "record": ("record", "points.npz", "--out", "new", *FAST, "--channel", "kl_step", "--channel", "logit_mean"),
    "prune": ("prune", "points.npz", "--keep", "0.3", "--out", "pruned", "--window", "3", *FAST),
}
TIMED = (
    "meta.json",
    "report.html",
    "seconds.npy",
    "select_seconds.npy",
    "progress.json",
    "croissant.json",
    "README.md",
    "export.json",
)


def prepared(whole: Path) -> Path:
    """A dataset and its run folders; every command runs in a process of its own, so that this one has no threads."""
    os.chdir(whole)
    write_points(whole / "points.npz", 24)
    np.save(whole / "features.npy", np.random.default_rng(1).normal(size=(24, 4)).astype(np.float32))
    for call in BEFORE:
        if child(lambda call=call: app.main(list(call)), 0) != 0:
            sys.exit(f"{' '.join(call)} fails before anything is killed")
    return whole


def files(folder: Path) -> dict[str, bytes]:
    """What must be equal: contents, and of what holds times the names alone."""
    found = contents(folder)
    return {
        name: b"" if name.endswith(TIMED) or ("trainings/" in name and name.endswith(".json")) else content
        for name, content in found.items()
    }


def measure(name: str, whole: Path, at: Path) -> dict[str, object]:
    """Kill one command everywhere; returns how often, and what was wrong afterwards."""
    argv = list(CALLS[name])

    def prepare(_number: int) -> None:
        os.chdir(whole)
        shutil.rmtree(at, ignore_errors=True)
        shutil.copytree(whole, at)
        os.chdir(at)

    def act() -> None:
        app.main(argv)

    prepare(0)
    started = time.monotonic()
    if child(act, 0) != 0:
        return {"command": " ".join(argv), "deaths": 0, "wrong": ["it fails without being killed"]}
    calm, wrong, deaths = files(at), [], 0
    for number, code in killed_everywhere(act, prepare):
        ending = code
        if code == -9:
            deaths += 1
            ending = child(act, 0)
        after = files(at)
        differing = sorted(path for path in calm.keys() | after.keys() if calm.get(path) != after.get(path))
        if ending != 0 or differing:
            wrong.append(f"event {number}: exit code {ending}, other {', '.join(differing[:5]) or 'nothing'}")
    seconds = round(time.monotonic() - started, 1)
    return {"command": " ".join(argv), "deaths": deaths, "wrong": wrong, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", default=list(CALLS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    out = given.out.absolute()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "whole").mkdir()
        whole = prepared(Path(folder) / "whole")
        for name in given.commands:
            found = measure(name, whole, Path(folder) / "at")
            print(name, found, flush=True)
            os.chdir(ROOT)
            write(name, found, out)


def write(name: str, found: dict[str, object], out: Path) -> None:
    """Put what one command did into the file, beside what is there of others."""
    before = json.loads(out.read_text())["commands"] if out.exists() else {}
    results = {command: {**before, name: found}[command] for command in CALLS if command in {*before, name}}
    deaths, wrong = (sum(one["deaths"] for one in results.values()), sum(len(one["wrong"]) for one in results.values()))
    report = {"deaths": deaths, "wrong": wrong, "conditions": conditions([], __file__), "commands": results}
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
