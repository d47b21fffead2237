"""Change bytes of datasets of every format, open them, and see that they are read or refused, and nothing else.

    python benchmarks/reader_fuzz.py [format …] [--trials 200] [--seed 1000] [--out FILE]

The datasets are the 24 examples of `tests/support/sources.py`, the changes those of `tests/support/mutations.py`: bits
flipped, bytes inserted, removed, repeated, replaced and cut off in one file of the dataset. Each is opened, checked and
encoded as for a training, by turns with `--on-bad-example fail` and `skip`, in a forked process with a limit of memory
and of processor time. It must be read or refused by an error of datapare; an error of another kind, a crash of the
process, a warning on its way, or a file that is written elsewhere is a fault.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import datasets  # noqa: F401 - so that no process has to load it
import pandas as pd  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "benchmarks")]

from mutations import mutate_one  # noqa: E402
from sources import FORMATS  # noqa: E402

from datapare.data import encode, open_dataset  # noqa: E402
from datapare.errors import DatapareError  # noqa: E402
from training_speed import conditions  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "reader_fuzz.json"
ON_DISK = [name for name in FORMATS if name not in {"hub_object", "pair"}]
ENDS = {0: "read", 2: "refused", 3: "another error"}
SECONDS, GIB = 30, 16


def opened(copy: Path, seed: int) -> int:
    """Open and encode a dataset: 0 when it is read, 2 when it is refused; raises whatever else happens."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encode(open_dataset(copy, on_bad_example=("fail", "skip")[seed % 2]))
    except DatapareError:
        return 2
    return 0


def forked(copy: Path, seed: int, log: Path) -> int:
    """Open a dataset in a process of its own; the exit code, or minus the signal."""
    child = os.fork()
    if child == 0:
        code = 3
        with contextlib.suppress(BaseException):
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
            resource.setrlimit(resource.RLIMIT_AS, (GIB << 30, GIB << 30))
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(1, 2)
            try:
                code = opened(copy, seed)
            except Exception as error:  # noqa: BLE001 - it is what is looked for
                log.write_text(f"{type(error).__name__}: {error}")
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def measure(name: str, folder: Path, trials: int, seed: int) -> dict[str, object]:
    """Change and open one format so many times."""
    whole = FORMATS[name](folder)
    whole = whole if whole.exists() else whole.parent  # a pattern of file names
    started, ends, wrong = time.monotonic(), Counter[str](), []
    for number in range(seed, seed + trials):
        at, log = folder / "trial", folder / "told"
        log.write_text("")
        at.mkdir()
        if whole.is_dir():
            shutil.copytree(whole, at / whole.name)
        else:
            shutil.copy2(whole, at / whole.name)
        file = mutate_one(at / whole.name, number)
        code = forked(at / whole.name, number, log)
        ends[ENDS.get(code, f"exit code {code}")] += 1
        foreign = sorted(entry.name for entry in at.iterdir() if entry.name != whole.name)
        if code not in {0, 2} or foreign:
            wrong.append({"seed": number, "file": file.name, "code": code, "told": log.read_text(), "left": foreign})
        shutil.rmtree(at)
    return {"trials": trials, "ends": dict(ends), "wrong": wrong, "seconds": round(time.monotonic() - started, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formats", nargs="*", default=ON_DISK)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.formats:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(name, Path(folder), given.trials, given.seed)
        print(name, json.dumps(found), flush=True)
        write(name, found, given.out)


def write(name: str, found: dict[str, object], out: Path) -> None:
    """Put one format into the file, beside what is there of others."""
    before = json.loads(out.read_text())["formats"] if out.exists() else {}
    results = {**before, name: found}
    trials = sum(one["trials"] for one in results.values())
    wrong = sum(len(one["wrong"]) for one in results.values())
    report = {"trials": trials, "wrong": wrong, "conditions": conditions([], __file__), "formats": results}
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
