"""Call every command with flags of every kind of value, and see that it does what it is asked or says why not.

    python benchmarks/flag_fuzz.py [command …] [--examples 300] [--seed 0] [--out FILE]

Hypothesis draws calls from the signatures of the commands (`tests/support/flag_values.py`): values in range, out of
range, of another type, and flags that contradict each other. Each call runs in a copy of a small run folder, in a
process of its own. It must end in exit code 0, 2 or 3, without a traceback or an "unexpected" fault, within a limit of
processor time; a refusal says something; the dataset and the user's other files stay as they are; and nothing is
written but the run folder and what --out names.
"""

import argparse
import atexit
import contextlib
import json
import multiprocessing.util
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # names that are nowhere are not asked for

import numpy as np
import pyarrow.parquet  # noqa: F401 - so that no process has to load it
import torch
from joblib.externals.loky import process_executor

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "benchmarks")]

import hypothesis  # noqa: E402
from flag_values import calls  # noqa: E402
from sources import write_points  # noqa: E402

import datapare.data  # noqa: E402
import datapare.evaluation  # noqa: E402
import datapare.pipeline.cost_estimate  # noqa: E402
import datapare.pipeline.pruning  # noqa: E402
import datapare.reporting  # noqa: E402
import datapare.training  # noqa: E402, F401
from datapare.cli import app  # noqa: E402
from training_speed import conditions  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "flag_fuzz.json"
SECONDS = 60  # of processor time in which a call ends
ENDS = {0, 2, 3}
OWN = (
    "run",
    "part",
    "fresh",
    "points.npz.datapare",
    "points.datapare",
    "test.datapare",
    "datapare-demo",
    "dist",
    "runs",
)
PREPARED = (
    ("record", "points.npz", "--out", "run", "--epochs", "4", "--schedule-epochs", "8", "--model", "mlp",
     "--channel", "embedding", "--channel", "logit_mean"),
    ("score", "run", "--window", "3"),
    ("select", "run", "--keep", "0.5"),
    ("prune", "points.npz", "--keep", "0.5", "--out", "part", "--score-fraction", "0.5", "--epochs", "2",
     "--schedule-epochs", "4", "--model", "mlp", "--window", "2"),
)  # fmt: skip


def prepared(whole: Path) -> Path:
    """The dataset, lists of its examples, files of the user, and two run folders."""
    os.chdir(whole)
    write_points(whole / "points.npz", 24)
    write_points(whole / "test.npz", 12, seed=1)
    (whole / "table.csv").write_text("a,b,y\n" + "".join(f"{i},{i * i % 7},{'uv'[i % 2]}\n" for i in range(24)))
    (whole / "mine.txt").write_text("years of work")
    (whole / "decisions.csv").write_text("key,suggested,decision\n")
    (whole / "list.csv").write_text("name\n0\n1\n")
    np.save(whole / "features.npy", np.random.default_rng(1).normal(size=(24, 4)).astype(np.float32))
    np.save(whole / "short.npy", np.zeros((3, 4), np.float32))
    (whole / "empty").mkdir()
    for call in PREPARED:
        code, told = ended(list(call), whole / ".." / "told")
        if code != 0:
            sys.exit(f"{' '.join(call)} fails: {told}")
    return whole


def ended(argv: list[str], log: Path) -> tuple[int, str]:
    """Run a command line in a forked process: its exit code, or minus the signal, and what it printed."""
    child = os.fork()
    if child == 0:
        code = 99
        with contextlib.suppress(BaseException):
            atexit._clear()  # noqa: SLF001 - what the first process removes at its end is not this one's
            atexit.register(multiprocessing.util._exit_function)  # noqa: SLF001 - semaphores of this one's processes
            atexit.register(process_executor._python_exit)  # noqa: SLF001 - first their pool
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
            resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
            place = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(place, 1)
            os.dup2(place, 2)
            try:
                app.main(argv)
                code = 0
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 98
            atexit._run_exitfuncs()  # noqa: SLF001 - as at a usual end
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, log.read_text(encoding="utf-8", errors="replace")


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of everything that is no run folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for entry in folder.iterdir() if entry.name not in OWN
        for file in ([entry] if entry.is_file() else entry.rglob("*")) if file.is_file()
    }  # fmt: skip


def fault(argv: list[str], code: int, told: str, before: dict[str, bytes], after: dict[str, bytes]) -> str:
    """What is wrong with how a call ended; empty when nothing is."""
    if code not in ENDS:
        return f"exit code {code}"
    for word in ("Traceback", "a fault of datapare", "Aborted", "Warning:"):
        if word in told:
            return f"{word} is printed"
    if code == 2 and not told.rstrip().split("\n")[-1].startswith(("datapare: ", "Error: ")):
        return "it is refused without a sentence"
    named = [os.path.normpath(argv[i + 1]) for i, word in enumerate(argv[:-1]) if word == "--out"]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    foreign = [
        name for name in changed if not any(name == one or name.startswith((f"{one}/", f"{one}.")) for one in named)
    ]
    if foreign:
        return f"{foreign[0]} has changed"
    if lost := [name for name in changed & before.keys() if "--force" not in argv or name == "points.npz"]:
        return f"{lost[0]} is overwritten"
    return ""


def measure(name: str, whole: Path, at: Path, given: argparse.Namespace) -> dict[str, object]:
    """Draw calls of one command."""
    before, codes, wrong = files(whole), Counter[int](), {}
    started = time.monotonic()

    def one(argv: list[str]) -> None:
        os.chdir(whole)
        shutil.rmtree(at, ignore_errors=True)
        shutil.copytree(whole, at)
        os.chdir(at)
        code, told = ended(argv, at.with_name("told"))
        codes[code] += 1
        if what := fault(argv, code, told, before, files(at)):
            wrong[json.dumps(argv)] = {"what": what, "told": told[-1500:]}

    settings = hypothesis.settings(
        max_examples=given.examples, database=None, deadline=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    hypothesis.seed(given.seed)(settings(hypothesis.given(calls(name))(one)))()
    seconds = round(time.monotonic() - started, 1)
    return {"calls": sum(codes.values()), "codes": dict(sorted(codes.items())), "wrong": wrong, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", default=app.names())
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    out = given.out.absolute()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "whole").mkdir()
        whole = prepared(Path(folder) / "whole")
        for name in given.commands:
            found = measure(name, whole, Path(folder) / "at", given)
            print(name, {**found, "wrong": len(found["wrong"])}, flush=True)
            for argv, one in found["wrong"].items():
                print("   ", argv, one["what"], one["told"][-300:], sep="\n      ", flush=True)
            os.chdir(ROOT)
            write(name, found, out)


def write(name: str, found: dict[str, object], out: Path) -> None:
    """Put one command into the file, beside what is there of others."""
    before = json.loads(out.read_text())["commands"] if out.exists() else {}
    results = {**before, name: found}
    count, wrong = (sum(one["calls"] for one in results.values()), sum(len(one["wrong"]) for one in results.values()))
    report = {"calls": count, "wrong": wrong, "conditions": conditions([], __file__), "commands": results}
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
