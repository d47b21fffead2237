"""Change bytes of datasets and damage run folders, far more often than the tests do, and count what came of it.

    python benchmarks/fuzz.py [--readers 200] [--folders 1]      writes benchmarks/results/fuzz.json

*readers*: so many changed copies of a small dataset of each format are opened and encoded; each is read or refused in
one sentence. *folders*: every file of a run folder in every kind of damage, with one command that reads it in turn;
each ends with exit code 0 or 2. Anything else is a failure, and listed with the seed that makes it.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from itertools import cycle
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/cli"), str(ROOT / "benchmarks")]

from damages import damages, every_value_replaced, files_read, put  # noqa: E402
from mutations import mutate_one  # noqa: E402
from sources import FORMATS  # noqa: E402
from test_damaged_folders import CALLS, READING, verdict  # noqa: E402

from datapare.cli import app  # noqa: E402
from datapare.data import encode, open_dataset  # noqa: E402
from datapare.errors import DatapareError  # noqa: E402
from training_speed import conditions  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "fuzz.json"
IN_MEMORY = {"hub_object", "pair"}


def copied(whole: Path, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    if whole.is_dir():
        return Path(shutil.copytree(whole, place / whole.name))
    place.mkdir()
    return Path(shutil.copy2(whole, place / whole.name))


def readers(name: str, trials: int, folder: Path) -> dict[str, object]:
    """Open changed copies of a dataset; returns how many were read and refused, and what else was raised."""
    whole = FORMATS[name](folder)
    whole = whole if whole.exists() else whole.parent
    read, refused, failures = 0, 0, []
    for seed in range(trials):
        copy = copied(whole, folder / "copy")
        file = mutate_one(copy, seed)
        try:
            encode(open_dataset(copy, on_bad_example=("fail", "skip")[seed % 2]))
            read += 1
        except DatapareError:
            refused += 1
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            failures.append(f"seed {seed}, {file.name}: {type(error).__name__}: {error}")
    return {"read": read, "refused": refused, "failures": failures}


def called(*argv: object) -> tuple[int, str, str]:
    """Exit code of a command in this process, what it printed and what it complained."""
    told, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(complaint):
        try:
            app.main([str(part) for part in argv])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, told.getvalue(), complaint.getvalue()


def folders(folder: Path) -> dict[str, object]:
    """Damage every file of a run folder in every way; returns how the commands took it."""
    from sources import write_points

    whole, place = folder / "whole", folder / "copy"
    whole.mkdir()
    os.chdir(whole)
    write_points(whole / "points.npz", 40)
    for call in CALLS:
        if called(*call)[0] != 0:
            sys.exit(f"{call} fails before anything is damaged")
    by_file: dict[Path, list[str]] = {}
    for name, call in READING.items():
        shutil.copytree(whole, place)
        os.chdir(place)
        for file in files_read(lambda call=call: called(*call), place):
            by_file.setdefault(file, []).append(name)
        os.chdir(whole)
        shutil.rmtree(place)
    counts, failures = {"made again or not needed": 0, "refused": 0}, []
    for file, names in sorted(by_file.items()):
        if len(file.parts) < 2:
            continue
        turn = cycle(names)
        kinds = [*damages(whole / file), *(every_value_replaced(whole / file) if file.suffix == ".json" else ())]
        for damage, content in kinds:
            call = READING[next(turn)]
            shutil.copytree(whole, place)
            os.chdir(place)
            put(place / file, content)
            outcome = called(*call)
            os.chdir(whole)
            shutil.rmtree(place)
            counts["refused" if outcome[0] else "made again or not needed"] += 1
            if wrong := verdict(call, file, damage, outcome):
                failures.append(wrong)
    return {"files": len(by_file), **counts, "failures": failures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readers", type=int, default=200, help="changed copies of each format")
    parser.add_argument("--folders", type=int, default=1, help="0 leaves the damaged run folders out")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    started, report = time.monotonic(), {"readers": {}, "folders": {}}
    for name in FORMATS:
        if name not in IN_MEMORY:
            with tempfile.TemporaryDirectory() as folder:
                report["readers"][name] = readers(name, given.readers, Path(folder))
            print(name, report["readers"][name], flush=True)
    if given.folders:
        with tempfile.TemporaryDirectory() as folder:
            report["folders"] = folders(Path(folder))
            os.chdir(ROOT)
        print(report["folders"], flush=True)
    report["seconds"] = round(time.monotonic() - started)
    report["conditions"] = conditions(vars(given), __file__)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
