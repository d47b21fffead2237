"""Plant small defects in the package, one at a time, and see whether any test turns red.

    python benchmarks/mutation.py recording storage data evaluation training/online [--sample 80] [--seed 0] [--jobs 2]
                                  [--again] [--out FILE]

Of all defects of a part, `mutants.py` lists them, so many are drawn at random. The part's tests run once, traced, which
tells the lines that each reaches and the time it takes. Then each defect is planted in a copied tree, and the tests
that reach its statement run there in a forked process, the quickest first, until one fails or a limit of processor
time is met, which counts as noticed: an endless loop is. Tests marked slow are left out. A defect in a line that no
test reaches survives untried. Results are merged, part by part, into benchmarks/results/mutation.json.
"""

import argparse
import ast
import json
import os
import platform
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mutants import ROOT, Mutant, mutants

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

RESULTS = ROOT / "benchmarks" / "results" / "mutation.json"
TESTS = {
    "recording": ["tests/recording"],
    "storage": ["tests/pipeline/test_storage.py", "tests/pipeline/test_exports.py", "tests/pipeline/test_format_1.py",
                "tests/pipeline/test_storage_kills.py", "tests/pipeline/test_storage_promises.py",
                "tests/test_artifacts.py", "tests/cli/test_guards.py"],
    "data": ["tests/data"],
    "evaluation": ["tests/evaluation"],
    "training/online": ["tests/training/test_online*.py"],
    "methods": ["tests/methods", "tests/laws"],
    "numerics": ["tests/numerics", "tests/methods", "tests/laws"],
}  # fmt: skip
LIMIT = 60  # seconds of processor time a mutant may run; a busy machine does not count
ENOUGH = 25.0  # seconds of tests that a mutant meets, the quickest first
TOO_SLOW = {-signal.SIGXCPU, -signal.SIGKILL}
GREEN, RED, INTERRUPTED, USAGE = 0, 1, 2, 4  # exit codes of pytest; a mutant may break the import of a test
OPTIONS = [
    "-q", "-p", "no:cacheprovider", "--tb=line", "--assert=plain", "-m", "not slow",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # hypothesis is loaded before pytest starts
]  # fmt: skip


@dataclass(eq=False)
class Reach:
    """A plugin of pytest that traces which lines of the package each test reaches, and how long it takes."""

    root: str
    lines: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def pytest_runtest_logstart(self) -> None:
        """Begin to trace a test."""
        self.found: set[tuple[str, int]] = set()
        self.started = time.process_time()
        sys.settrace(self.enter)
        threading.settrace(self.enter)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Keep what a test has reached."""
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type] # as the documentation has it
        self.lines[nodeid] = sorted(self.found)
        self.seconds[nodeid] = time.process_time() - self.started

    def enter(self, frame: object, event: str, argument: object) -> object:  # noqa: ARG002
        """Trace the frames of the package alone."""
        return self.step if frame.f_code.co_filename.startswith(self.root) else None

    def step(self, frame: object, event: str, argument: object) -> object:  # noqa: ARG002
        """Note a line."""
        if event == "line":
            self.found.add((frame.f_code.co_filename, frame.f_lineno))
        return self.step


def forked(tree: Path, arguments: list[str], *, traced: Path | None = None) -> int:
    """Run pytest in a forked process, which starts with the heavy libraries loaded; returns the process id."""
    child = os.fork()
    if child:
        return child
    try:
        if traced is None:
            resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 1))
        with (tree / "log.txt").open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.chdir(tree)
        sys.path.insert(0, str(tree / "src"))
        os.environ["PYTHONPATH"] = str(tree / "src")
        os._exit(pytest_exit(tree, arguments, traced))
    except BaseException:  # noqa: BLE001 - a forked process must end here
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(9)


def pytest_exit(tree: Path, arguments: list[str], traced: Path | None) -> int:
    import hypothesis
    import pytest

    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # a mutant need not be shrunk
    hypothesis.settings.register_profile("mutation", phases=phases, database=None, deadline=None, derandomize=True)
    hypothesis.settings.load_profile("mutation")
    reach = Reach(str(tree / "src"))
    code = pytest.main([*OPTIONS, *arguments], plugins=[reach] if traced is not None else [])
    import datapare

    if not str(datapare.__file__).startswith(str(tree)):
        raise AssertionError(f"the tests ran against {datapare.__file__}, not the copy in {tree}")
    if traced is not None:
        seen = {
            node: [(str(Path(file).relative_to(tree)), line) for file, line in lines]
            for node, lines in reach.lines.items()
        }
        traced.write_text(json.dumps({"lines": seen, "seconds": reach.seconds}))
    return int(code)


def plant_tree(folder: Path) -> Path:
    """Copy what the tests need; each concurrent process has its own."""
    for part in ("src", "tests", "benchmarks", "docs", "examples"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, folder)
    return folder


def reached(part: str, files: list[Path], tree: Path) -> "tuple[dict[tuple[str, int], set[str]], dict[str, float]]":
    """The tests that reach each line of the files, and the seconds that each test takes."""
    traced = tree / "reach.json"
    paths = [str(path.relative_to(ROOT)) for pattern in TESTS[part] for path in sorted(ROOT.glob(pattern))]
    child = forked(tree, [*map(str, files), *paths], traced=traced)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != GREEN:
        sys.exit(f"the tests of {part} are not green before anything is planted:\n{(tree / 'log.txt').read_text()}")
    found = json.loads(traced.read_text())
    tests: dict[tuple[str, int], set[str]] = {}
    for node, lines in found["lines"].items():
        for file, line in lines:
            tests.setdefault((file, line), set()).add(node)
    return tests, found["seconds"]


def statement(file: Path, line: int) -> range:
    """The lines of the innermost statement that a line is in; of a compound one up to that line."""
    inside = [
        node for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or line)
    ]  # fmt: skip
    innermost = max(inside, key=lambda node: (node.lineno, -(node.end_lineno or 0)))
    compound = hasattr(innermost, "body")
    return range(innermost.lineno, (line if compound else innermost.end_lineno or line) + 1)


def tests_of(mutant: Mutant, tests: dict[tuple[str, int], set[str]], seconds: dict[str, float]) -> list[str]:
    """The tests that reach a mutant's statement, the quickest first; those of its file for what runs at import."""
    file = str(mutant.file)
    nodes = {node for line in statement(mutant.file, mutant.line) for node in tests.get((file, line), ())}
    inside = any(
        isinstance(node, (ast.FunctionDef, ast.Lambda)) and node.body
        and (node.body[0] if isinstance(node.body, list) else node.body).lineno <= mutant.line <= (node.end_lineno or 0)
        for node in ast.walk(ast.parse((ROOT / mutant.file).read_text()))
    )  # fmt: skip
    if not nodes and not inside:
        nodes = {node for (name, _), found in tests.items() if name == file for node in found}
    chosen, total = [], 0.0
    for node in sorted(nodes, key=lambda node: (seconds[node], node)):
        total += seconds[node]
        if chosen and total > ENOUGH:
            break
        chosen.append(node)
    return chosen


def verdicts(jobs: list[tuple[Mutant, list[str]]], trees: list[Path]) -> Iterator[tuple[Mutant, bool]]:
    """Run every mutant's tests on the trees side by side; yields the mutant and whether it was noticed."""
    waiting, free = list(jobs), list(trees)
    running: dict[int, tuple[Mutant, Path]] = {}
    while waiting or running:
        while waiting and free:
            mutant, nodes = waiting.pop(0)
            if not nodes:
                yield mutant, False
                continue
            tree = free.pop()
            (tree / mutant.file).write_text(mutant.source)
            running[forked(tree, ["-x", *nodes])] = (mutant, tree)
        if not running:
            return
        child, status = os.wait()
        mutant, tree = running.pop(child)
        shutil.copy(ROOT / mutant.file, tree / mutant.file)
        free.append(tree)
        code = os.waitstatus_to_exitcode(status)
        if code not in {GREEN, RED, INTERRUPTED, USAGE} | TOO_SLOW:
            sys.exit(f"pytest failed to run on {mutant.diff} ({code}):\n{(tree / 'log.txt').read_text()}")
        yield mutant, code != GREEN


def measure(part: str, given: argparse.Namespace, trees: list[Path]) -> dict[str, object]:
    """Draw the defects of one part, or take those that survived before, and try them."""
    place = ROOT / "src/datapare" / part
    files = [file.relative_to(ROOT) for file in sorted(place.rglob("*.py")) if file.name != "__init__.py"]
    possible = [mutant for file in files for mutant in mutants(file)]
    before = json.loads(given.out.read_text())["parts"][part] if given.again else None
    if before is None:
        drawn = random.Random(given.seed).sample(possible, min(given.sample, len(possible)))  # noqa: S311
        count, kept = len(drawn), []
    else:
        shown = {(str(mutant.file), *mutant.diff): mutant for mutant in possible}
        places = [(one["file"], *one["diff"]) for one in before["survived"]]
        drawn, count = [shown[place] for place in places if place in shown], before["drawn"]
        kept = [one for one, place in zip(before["survived"], places, strict=True) if place not in shown]
    tests, seconds = reached(part, files, trees[0])
    survived = [*kept, *survivors(part, [(mutant, tests_of(mutant, tests, seconds)) for mutant in drawn], trees)]
    return {
        "possible": len(possible), "drawn": count, "seed": given.seed, "noticed": count - len(survived),
        "share": round(1 - len(survived) / max(count, 1), 4), "tests": len(seconds),
        "survived": sorted(survived, key=lambda one: (str(one["file"]), one["line"])),
    }  # fmt: skip


def survivors(part: str, jobs: list[tuple[Mutant, list[str]]], trees: list[Path]) -> list[dict[str, object]]:
    """Try defects; what is said of those that no test notices."""
    survived: list[dict[str, object]] = []
    for number, (mutant, noticed) in enumerate(verdicts(jobs, trees)):
        if not noticed:
            reaching = next(len(nodes) for one, nodes in jobs if one == mutant)
            survived.append({"file": str(mutant.file), "line": mutant.line, "diff": mutant.diff, "tests": reaching})
            print(f"survived {mutant.file}:{mutant.line} ({reaching} tests)", *mutant.diff, sep="\n    ", flush=True)
        if number % 20 == 19:
            print(f"{part}: {number + 1} of {len(jobs)}, {len(survived)} survived", flush=True)
    return survived


def write(out: Path, measured: dict[str, dict[str, object]]) -> None:
    """Merge this run into the results file."""
    known = json.loads(out.read_text()).get("parts", {}) if out.exists() else {}
    parts = dict(sorted({**known, **measured}.items()))
    drawn, noticed = (sum(int(str(one[key])) for one in parts.values()) for key in ("drawn", "noticed"))
    result = {
        "claim": "share of planted defects, drawn at random, that the tests notice",
        "drawn": drawn, "noticed": noticed, "share": round(noticed / max(drawn, 1), 4),
        "python": platform.python_version(), "parts": parts,
    }  # fmt: skip
    out.write_text(json.dumps(result, indent=1) + "\n")


def preload() -> None:
    """Load once what every forked run needs; never the package under test."""
    for name in ("numpy", "scipy.stats", "sklearn.cluster", "hypothesis", "pytest", "jaxtyping", "beartype", "torch"):
        __import__(name)
    for name in ("datasets", "pandas", "pyarrow.parquet", "PIL.Image"):
        __import__(name)
    sys.dont_write_bytecode = True  # a mutant of the same size within the same second must not meet a stale .pyc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=list(TESTS))
    parser.add_argument("--sample", type=int, default=80, help="defects drawn of each part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="try what survived in the results file, with new tests")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    given.out = given.out.absolute()
    preload()
    with tempfile.TemporaryDirectory() as folder:
        trees = [plant_tree(Path(folder).resolve() / str(job)) for job in range(given.jobs)]
        for part in given.parts:
            measured = measure(part, given, trees)
            write(given.out, {part: measured})
            print(f"{part}: {measured['noticed']} of {measured['drawn']} noticed", flush=True)


if __name__ == "__main__":
    main()
