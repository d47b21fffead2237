"""Start two commands at once on one run folder, and see that they end as if one had come after the other.

    python benchmarks/races.py [race …] [--trials 6] [--seed 0] [--out FILE]

The calls are those of `kills.py` and some more that want the same place. Each race begins in a copy of a small run
folder, in real processes. In one half of the trials both are released at the same instant through a pipe and rest now
and then before they touch the disk; in the other half one is stopped before a touch of the disk drawn at random, while
the other runs from its start to its end. Each must end in exit code 0, or in 2 with a sentence, and one of them in 0.
The files must be those of one call alone, or of both one after the other, without drafts; and the call that was refused
must end, when it is made again, as it does after the other. Times in files are left out.
"""

import argparse
import importlib.util
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("benchmarks_kills", HERE / "kills.py")
assert SPEC is not None  # noqa: S101 - the file is there
assert SPEC.loader is not None  # noqa: S101
KILLS = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(KILLS)

from simultaneous import Ended, alone, at_once, in_the_midst  # noqa: E402

from datapare.cli import app  # noqa: E402
from training_speed import conditions  # noqa: E402

RESULTS = HERE / "results" / "races.json"
PART = ("points.npz", "--out", "part", "--window", "3", "--score-fraction", "0.5", *KILLS.FAST)
BEFORE = (("select", "run", "--keep", "0.75"),)
OTHER = {
    "prune anew": ("prune", *PART, "--keep", "0.25"),
    "prune another seed": (*KILLS.CALLS["prune"], "--seed", "1"),
    "prune another size": ("prune", "points.npz", "--keep", "0.2", "--out", "pruned", "--window", "3", *KILLS.FAST),
    "record another seed": (*KILLS.CALLS["record"], "--seed", "1"),
    "record, as prune would": ("record", "points.npz", "--out", "pruned", *KILLS.FAST),
    "score all": ("score", "run", "--all"),
    "select by another rule": ("select", "run", "--keep", "0.25", "--rule", "top"),
    "export another subset elsewhere": ("export", "run", "--keep", "0.75", "--as", "index", "--out", "small"),
    "perturb another seed": (*KILLS.CALLS["perturb"], "--seed", "1"),
    "embed again": ("embed", "run"),
    "label-issues by another method": ("label-issues", "run", "--method", "confidence", "--out", "decisions.csv"),
    "label-issues by aum": ("label-issues", "run", "--method", "aum", "--out", "decisions.csv"),
    "report elsewhere": ("report", "run", "--keep", "0.5", "--out", "page.html"),
    "report of another elsewhere": ("report", "run", "--keep", "0.75", "--out", "page.html"),
    "compare part": ("compare", "part", "--keep", "0.5", *KILLS.TRAIN),
    "compare another": ("compare", "run", "--keep", "0.75", *KILLS.TRAIN),
    "demo": ("demo", "--out", "digits"),
}
CALLS = KILLS.CALLS | OTHER
RACES = (
    *((name, name) for name in (*KILLS.CALLS, "score all", "demo")),
    ("prune", "prune another seed"), ("prune", "prune another size"), ("prune", "record, as prune would"),
    ("record", "record another seed"), ("compare part", "prune anew"), ("compare", "select another"),
    ("compare", "compare another"), ("compare", "sweep"), ("compare", "embed"), ("score", "score all"),
    ("score again", "select"), ("score again", "report"), ("select", "select by another rule"),
    ("select another", "report"), ("select another", "export"), ("select another", "export elsewhere"),
    ("export elsewhere", "export another subset elsewhere"), ("export", "export soft labels"),
    ("export", "export decisions"), ("perturb", "perturb another seed"), ("embed", "embed again"),
    ("embed", "score all"),
    ("label-issues by another method", "label-issues by aum"), ("label-issues by aum", "export decisions"),
    ("report elsewhere", "report of another elsewhere"), ("extrapolate", "prune anew"),
    ("extrapolate", "compare part"),
)  # fmt: skip


class Outcome(NamedTuple):
    """The exit codes of two calls, and the files that they leave."""

    codes: tuple[int, int]
    files: dict[str, bytes]


class Race:
    """Two calls on copies of one folder."""

    def __init__(self, names: tuple[str, str], whole: Path, at: Path) -> None:
        self.acts = tuple(_act(CALLS[name]) for name in names)
        self.whole, self.at, self.log = whole, at, at.with_name("told")
        self.touches = [self.alone(number)[0].touches for number in (0, 1)]
        single = [self.alone(number) for number in (0, 1)]
        self.single = [Outcome((end.code, end.code), files) for end, files in single]
        self.serial = [self.in_turn(first) for first in (0, 1)]

    def prepare(self) -> None:
        """Copy the folder, and work in the copy."""
        os.chdir(self.whole)
        shutil.rmtree(self.at, ignore_errors=True)
        shutil.copytree(self.whole, self.at)
        os.chdir(self.at)

    def alone(self, number: int) -> tuple[Ended, dict[str, bytes]]:
        """How one call ends in a copy of its own, and the files that it leaves."""
        self.prepare()
        return alone(self.acts[number], self.log), compared(self.at)

    def in_turn(self, first: int) -> Outcome:
        """The outcome of one call and then the other."""
        self.prepare()
        codes = {number: alone(self.acts[number], self.log).code for number in (first, 1 - first)}
        return Outcome((codes[0], codes[1]), compared(self.at))

    def run(self, trial: int, rng: random.Random) -> tuple[str, list[Ended]]:
        """One trial: what is wrong, and how the calls ended."""
        self.prepare()
        if trial % 2:
            ends = at_once(self.acts, self.log, rng.randrange(2**32))
        else:
            first = rng.randrange(2)
            event = rng.randint(1, max(self.touches[first], 1))
            ends = in_the_midst(self.acts[first], self.acts[1 - first], self.log, event)
            ends = ends if first == 0 else ends[::-1]
        return self.fault(ends), ends

    def fault(self, ends: list[Ended]) -> str:
        """What is wrong with how two calls ended; empty when nothing is."""
        for end in ends:
            if what := fault(end):
                return what
        codes, files = (ends[0].code, ends[1].code), compared(self.at)
        if 0 not in codes:
            return "none of both did its work"
        if codes == (0, 0):
            return _other(files, [one.files for one in self.serial if one.codes == codes])
        winner = codes.index(0)
        usual = [one.files for one in self.serial if one.codes == codes]
        if what := _other(files, [self.single[winner].files, *usual]):
            return f"{what}, after one was refused"
        again = alone(self.acts[1 - winner], self.log)
        after = self.serial[winner]
        if again.code != after.codes[1 - winner]:
            return f"the refused call then ends with {again.code}: {again.told[-300:]}"
        what = _other(compared(self.at), [after.files])
        return what and f"{what}, when the refused call is made again"


def compared(at: Path) -> dict[str, bytes]:
    """What must be equal: contents, and of what holds times the names; of `meta.json` all but times."""
    found = KILLS.files(at)
    for name in [name for name in found if name.endswith("meta.json")]:
        found[name] = json.dumps(_timeless(json.loads((at / name).read_text())), sort_keys=True).encode()
    return found


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {name: _timeless(one) for name, one in value.items() if name not in {"seconds", "digest"}}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def fault(end: Ended) -> str:
    """What is wrong with how one call ended; empty when nothing is."""
    if end.code not in {0, 2}:
        return f"exit code {end.code}"
    for word in ("Traceback", "a fault of datapare", "Aborted", "damaged", "Warning:"):
        if word in end.told:
            return f"{word} is printed"
    if end.code == 2 and not end.told.rstrip().split("\n")[-1].startswith("datapare: "):
        return "it is refused without a sentence"
    return ""


def _other(files: dict[str, bytes], allowed: list[dict[str, bytes]]) -> str:
    """Which files are not those of any allowed outcome; empty when they are."""
    if files in allowed:
        return ""
    if not allowed:
        return "both ended well, which they do in no order"
    differing = [{name for name in files.keys() | one.keys() if files.get(name) != one.get(name)} for one in allowed]
    return f"other {', '.join(sorted(min(differing, key=len))[:3])}"


def _act(argv: tuple[str, ...]) -> Callable[[], object]:
    return lambda: app.main(list(argv))


def measure(names: tuple[str, str], whole: Path, at: Path, trials: int, seed: int) -> dict[str, object]:
    """Run the trials of one race."""
    started, wrong, refused = time.monotonic(), [], 0
    race, rng = Race(names, whole, at), random.Random(f"{seed} {names}")  # noqa: S311
    for trial in range(trials):
        what, ends = race.run(trial, rng)
        refused += sum(end.code == 2 for end in ends)
        if what:
            wrong.append({"trial": trial, "what": what, "told": [end.told[-500:] for end in ends]})
    seconds = round(time.monotonic() - started, 1)
    return {"trials": trials, "refused": refused, "in_turn": [one.codes for one in race.serial], "wrong": wrong,
            "seconds": seconds}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("races", nargs="*", help="names of calls; races in which one of them takes part")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    out = given.out.absolute()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "whole").mkdir()
        whole = KILLS.prepared(Path(folder) / "whole")
        for call in BEFORE:
            if alone(_act(call), Path(folder) / "told").code != 0:
                sys.exit(f"{' '.join(call)} fails before anything else runs")
        for names in RACES:
            if given.races and not {*given.races} & {*names, " | ".join(names)}:
                continue
            found = measure(names, whole, Path(folder) / "at", given.trials, given.seed)
            print(" | ".join(names), json.dumps(found), flush=True)
            os.chdir(HERE)
            write(" | ".join(names), found, out)


def write(name: str, found: dict[str, object], out: Path) -> None:
    """Put one race into the file, beside what is there of others."""
    before = json.loads(out.read_text())["races"] if out.exists() else {}
    results = {**before, name: found}
    report = {
        "pairs": len(results), "trials": sum(one["trials"] for one in results.values()),
        "refused": sum(one["refused"] for one in results.values()),
        "wrong": sum(len(one["wrong"]) for one in results.values()), "conditions": conditions([], __file__),
        "races": results,
    }  # fmt: skip
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
