"""Plant small defects in the package, one at a time, and see whether any test turns red.

    python benchmarks/mutation.py recording storage data evaluation training/online [--sample 80] [--seed 0] [--again]
                                  [--seconds 60] [--kept FOLDER] [--out FILE]

Of all defects of a part, `mutants.py` lists them, so many are drawn at random. The part's tests are collected once in a
copied tree and run once, traced, which tells the lines that each reaches, in processes that it starts too, and the time
it takes. Then each defect is planted in a process forked from there (`planted.py`), and the tests that reach its
statement run, the quickest first, then others of their files, until one fails or a limit of processor time is met,
which counts as noticed: an endless loop is. A defect in a line that no test reaches survives untried. Those that cannot
change what anyone observes stand, with the reason, in equivalent_mutants.json and are not tried; the result repeats
them. A run that is interrupted, or stops after so many seconds of processor time (exit code 3), goes on with the same
command. Results are merged, part by part, into benchmarks/results/mutation.json.
"""

import argparse
import ast
import contextlib
import functools
import hashlib
import json
import math
import os
import platform
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reached_lines
from mutants import ROOT, Mutant, mutants
from planted import is_inside_a_function, plant

if TYPE_CHECKING:
    import pytest

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

RESULTS = ROOT / "benchmarks" / "results" / "mutation.json"
TESTS = {
    "recording": ["tests/recording"],
    "storage": ["tests/pipeline/test_storage*.py", "tests/pipeline/test_exports.py", "tests/pipeline/test_format_1.py",
                "tests/test_artifacts.py", "tests/cli/test_guards.py"],
    "data": ["tests/data"],
    "evaluation": ["tests/evaluation"],
    "training/online": ["tests/training/test_online*.py", "tests/training/test_soft_labels.py"],
    "methods": ["tests/methods", "tests/laws"],
    "numerics": ["tests/numerics", "tests/methods", "tests/laws"],
}  # fmt: skip
EQUIVALENT = ROOT / "benchmarks" / "equivalent_mutants.json"
ENOUGH = 60.0  # seconds of tests that a mutant meets, the quickest first
SPARE, TIMES = 20.0, 3.0  # seconds of processor time a test may take: so many more and so many times as much, traced
HUNG = 400.0  # seconds in which a mutant that needs no processor time is taken to wait for ever
GREEN, RED, UNFINISHED, BROKEN, ELSEWHERE = 0, 1, 3, 98, 99  # exit codes; ELSEWHERE: the module is to be imported anew
OPTIONS = [
    "-q", "-p", "no:cacheprovider", "--tb=line", "--assert=plain", "-o", "tmp_path_retention_policy=none",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # hypothesis is loaded before pytest starts
]  # fmt: skip


@dataclass(eq=False)
class Reach:
    """A plugin of pytest that keeps which lines of the package each test reaches, and how long it takes."""

    root: str
    lines: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def pytest_runtest_logstart(self) -> None:
        """Begin to trace a test."""
        Path(os.environ[reached_lines.FILE]).write_text("")
        self.started = processor_time()
        reached_lines.start(self.root)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Keep what a test and the processes that it started have reached."""
        reached_lines.stop()
        self.lines[nodeid] = sorted(set(Path(os.environ[reached_lines.FILE]).read_text().split("\n")) - {""})
        self.seconds[nodeid] = processor_time() - self.started


def processor_time() -> float:
    """Seconds of this process and of the ended ones that it started."""
    return sum(os.times()[:4])


def forked(act: Callable[[], int], limit: float = 0.0, *, ends: bool = True) -> int:
    """Do something in a forked process; returns its exit code, negative for a signal. What it started ends with it."""
    child = os.fork()
    if child:
        return ended(child, limit)
    try:
        os.setsid()
        if limit and ends:
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 1))
        os._exit(act())
    except BaseException:  # noqa: BLE001 - a forked process must end here
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(BROKEN)


def ended(child: int, limit: float) -> int:
    """Wait for a process, and kill one that waits for ever."""
    started, killed = time.monotonic(), False
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        if limit and not killed and time.monotonic() - started > HUNG + TIMES * limit:
            os.kill(child, signal.SIGKILL)
            killed = True
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(found[1])


def run_pytest(tree: Path, arguments: list[str], plugin: object | None = None) -> int:
    """Run pytest in this process, on the copied tree; returns its exit code."""
    import hypothesis
    import pytest

    with (tree / "log.txt").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.chdir(tree)
    sys.path.insert(0, str(tree / "src"))
    os.environ["PYTHONPATH"] = str(tree / "src")
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # a mutant need not be shrunk
    hypothesis.settings.register_profile("mutation", phases=phases, database=None, deadline=None, derandomize=True)
    hypothesis.settings.load_profile("mutation")
    code = pytest.main([*OPTIONS, "--basetemp", str(tree / "tmp"), *arguments], plugins=[plugin] if plugin else [])
    import datapare

    if not str(datapare.__file__).startswith(str(tree)):
        raise AssertionError(f"the tests ran against {datapare.__file__}, not the copy in {tree}")
    return int(code)


class Kept:
    """What a run that is interrupted need not find out again, in a folder; all of it is of the same sources and tests.

    Args:
        folder: Where it is.
        part: The part whose sources and tests must be the same.
        seconds: How much processor time may be spent.
    """

    def __init__(self, folder: Path, part: str, seconds: float) -> None:
        self.folder, self.until = folder, processor_time() + seconds
        folder.mkdir(parents=True, exist_ok=True)
        self.sources = sources = hashlib.sha256(part.encode())
        for file in sorted((ROOT / "src/datapare" / part).rglob("*.py")):
            sources.update(file.read_bytes())
        self.tests = sources.copy()
        for pattern in TESTS[part]:
            for path in sorted(ROOT.glob(pattern)):
                for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                    self.tests.update(file.read_bytes())

    def has_time(self) -> bool:
        """Whether there is processor time left."""
        return processor_time() < self.until

    def has(self, *name: str) -> bool:
        """Whether this is known: the lines that the tests of a file reach, or what a mutant met."""
        return self._file(name).exists()

    def read(self, *name: str) -> dict[str, Any]:
        """Return what is known."""
        return json.loads(self._file(name).read_text())

    def write(self, value: dict[str, Any], *name: str) -> None:
        """Keep what was found out."""
        draft = self.folder / "draft"
        draft.write_text(json.dumps(value))
        draft.replace(self._file(name))

    def _file(self, name: tuple[str, ...]) -> Path:
        digest = (self.sources if len(name) == 1 else self.tests).copy()  # one name is that of a file of tests
        digest.update("\n".join(name).encode())
        if len(name) == 1:
            digest.update((ROOT / name[0]).read_bytes())
        return self.folder / f"{digest.hexdigest()[:32]}.json"


@dataclass
class Host:
    """A plugin of pytest that collects the tests once; every trial is a process that it forks."""

    tree: Path
    drawn: list[Mutant]
    kept: Kept

    def pytest_runtestloop(self, session: "pytest.Session") -> bool:
        """Trace the tests, then try the mutants, as long as there is time."""
        by_file: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            by_file.setdefault(item.nodeid.partition("::")[0], []).append(item)
        for file, items in by_file.items():
            if not self.kept.has(file) and self.kept.has_time():
                forked(functools.partial(self.trace, session, file, items))
        if session.testsfailed or not all(map(self.kept.has, by_file)):
            return True
        tests: dict[tuple[str, int], set[str]] = {}
        seconds: dict[str, float] = {}
        for file in by_file:
            found = self.kept.read(file)
            seconds |= found["seconds"]
            for node, lines in found["lines"].items():
                for reached_file, line in lines:
                    tests.setdefault((reached_file, line), set()).add(node)
        for mutant in self.drawn:
            if not self.kept.has(*key(mutant)) and self.kept.has_time():
                self.meet(session, mutant, tests_of(mutant, tests, seconds), seconds)
        return True

    def meet(self, session: "pytest.Session", mutant: Mutant, nodes: list[str], seconds: dict[str, float]) -> None:
        """Try a mutant in a process of its own."""
        limit = SPARE + TIMES * sum(seconds[node] for node in nodes)
        act = functools.partial(self.try_here, session, mutant, nodes, seconds)
        code = forked(act, limit, ends=False) if nodes else GREEN
        shutil.copy(ROOT / mutant.file, self.tree / mutant.file)
        self.kept.write({"nodes": nodes, "limit": limit, "code": code, "of": len(seconds)}, *key(mutant))

    def trace(self, session: "pytest.Session", file: str, items: "list[pytest.Item]") -> int:
        """Run the tests of a file, and write down which lines they reach."""
        os.environ |= {reached_lines.FILE: str(self.tree / "reached"), reached_lines.ROOT: str(self.tree / "src")}
        os.environ["PYTHONPATH"] += f":{self.tree / 'trace'}"
        reach = Reach(str(self.tree / "src"))
        session.config.pluginmanager.register(reach)
        if run(session, items) == GREEN:
            lines = {
                node: [(str(Path(file).relative_to(self.tree)), int(line)) for file, _, line in map(parted, lines)]
                for node, lines in reach.lines.items()
            }
            self.kept.write({"lines": lines, "seconds": reach.seconds}, file)
            return GREEN
        with (self.tree / "log.txt").open("a") as log:
            log.write(f"\n{file} is not green before anything is planted: {session.testsfailed} failed\n")
        return RED

    def try_here(
        self, session: "pytest.Session", mutant: Mutant, nodes: list[str], seconds: Mapping[str, float]
    ) -> int:
        """Plant a mutant in this process and run tests until one fails."""
        try:
            planted = plant(mutant, self.tree / mutant.file)
        except Exception:  # noqa: BLE001 - it may be the mutant's, which a new process will show
            planted = False
        if not planted:
            return ELSEWHERE
        items = {item.nodeid: item for item in session.items}
        try:
            code = run(session, [items[node] for node in nodes], seconds)
        except BaseException:  # noqa: BLE001 - what even pytest lets through, as an interrupt
            code = RED
        return code if code != GREEN or is_inside_a_function(mutant) else ELSEWHERE


def parted(line: str) -> tuple[str, str, str]:
    return line.rpartition(":")


def run(session: "pytest.Session", items: "list[pytest.Item]", seconds: Mapping[str, float] | None = None) -> int:
    """Run tests that were collected; with the seconds that each usually takes, until one fails or takes far longer."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        if seconds is not None:
            until = int(time.process_time() + SPARE + TIMES * seconds[item.nodeid])
            resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if seconds is not None and session.testsfailed:
            return RED
    return RED if session.testsfailed else GREEN


def plant_tree(folder: Path) -> Path:
    """Copy what the tests need."""
    for part in ("src", "tests", "benchmarks", "docs", "examples"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, folder)
    (folder / "trace").mkdir()
    shutil.copy(reached_lines.__file__, folder / "trace" / "sitecustomize.py")
    return folder


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
    if not is_inside_a_function(mutant):  # it ran at import, before any test
        nodes = {node for (name, _), found in tests.items() if name == file for node in found}
    modules = {node.partition("::")[0] for node in nodes}
    beside = {node for node in seconds if node.partition("::")[0] in modules} - nodes  # they may share a fixture
    chosen, total = [], 0.0
    for node in [*sorted(nodes, key=lambda node: (seconds[node], node)), *sorted(beside, key=seconds.__getitem__)]:
        total += seconds[node]
        if chosen and total > ENOUGH:
            break
        chosen.append(node)
    return chosen


def verdicts(part: str, drawn: list[Mutant], kept: Kept) -> Iterator[tuple[Mutant, bool, dict[str, Any]]]:
    """Try mutants one after the other; yields each, whether it was noticed, and what it met."""
    place = ROOT / "src/datapare" / part
    files = [str(file.relative_to(ROOT)) for file in sorted(place.rglob("*.py")) if file.name != "__init__.py"]
    paths = [str(path.relative_to(ROOT)) for pattern in TESTS[part] for path in sorted(ROOT.glob(pattern))]
    with tempfile.TemporaryDirectory() as folder:
        tree = plant_tree(Path(folder).resolve())
        code = GREEN
        if not all(kept.has(*key(mutant)) for mutant in drawn):
            code = forked(lambda: run_pytest(tree, [*files, *paths], Host(tree, drawn, kept)))
        for mutant in drawn:
            met = kept.read(*key(mutant)) if kept.has(*key(mutant)) else {"code": ELSEWHERE}
            if met["code"] == ELSEWHERE and len(met) > 1 and kept.has_time():
                (tree / mutant.file).write_text(mutant.source)
                met["code"] = forked(functools.partial(run_pytest, tree, ["-x", *met["nodes"]]), met["limit"])
                shutil.copy(ROOT / mutant.file, tree / mutant.file)
                kept.write(met, *key(mutant))
        known = [kept.read(*key(mutant)) for mutant in drawn if kept.has(*key(mutant))]
        if any(met["code"] == BROKEN for met in known):
            sys.exit(f"a trial of {part} failed by itself:\n{(tree / 'log.txt').read_text()}")
        if len(known) < len(drawn) or any(met["code"] == ELSEWHERE for met in known):
            print(f"{part}: {len(known)} of {len(drawn)} tried ({code})\n{(tree / 'log.txt').read_text()[-2000:]}")
            sys.exit(UNFINISHED)
    for mutant, met in zip(drawn, known, strict=True):
        yield mutant, met["code"] != GREEN, met


def measure(part: str, given: argparse.Namespace) -> dict[str, object]:
    """Draw the defects of one part, or take those that survived before, and try them."""
    place = ROOT / "src/datapare" / part
    files = [file.relative_to(ROOT) for file in sorted(place.rglob("*.py")) if file.name != "__init__.py"]
    possible = [mutant for file in files for mutant in mutants(file)]
    equivalent = {(one["file"], *one["diff"]): one["reason"] for one in json.loads(EQUIVALENT.read_text())}
    before = json.loads(given.out.read_text())["parts"][part] if given.again else None
    if before is None:
        drawn = random.Random(given.seed).sample(possible, min(given.sample, len(possible)))  # noqa: S311
        count, gone = len(drawn), []
    else:
        shown = {key(mutant): mutant for mutant in possible}
        places = [(one["file"], *one["diff"]) for one in [*before["survived"], *before["equivalent"]]]
        drawn, count = [shown[place] for place in places if place in shown], before["drawn"]
        gone = [one for one, place in zip(before["survived"], places, strict=False) if place not in shown]
    same = [shown_as(mutant) | {"reason": equivalent[key(mutant)]} for mutant in drawn if key(mutant) in equivalent]
    survived, tests = list(gone), 0
    kept = Kept(given.kept, part, given.seconds)
    for mutant, noticed, met in verdicts(part, [mutant for mutant in drawn if key(mutant) not in equivalent], kept):
        tests = met["of"]
        if not noticed:
            survived.append(shown_as(mutant) | {"tests": len(met["nodes"])})
            print(f"survived {mutant.file}:{mutant.line} ({len(met['nodes'])} tests)", *mutant.diff, sep="\n    ")
    tried = count - len(same)
    return {
        "possible": len(possible), "drawn": count, "seed": given.seed, "tried": tried,
        "noticed": tried - len(survived), "share": round(1 - len(survived) / max(tried, 1), 4), "tests": tests,
        "noticed_at_once": before["noticed_at_once"] if before else tried - len(survived),
        "equivalent": same, "survived": sorted(survived, key=lambda one: (str(one["file"]), one["line"])),
    }  # fmt: skip


def key(mutant: Mutant) -> tuple[str, ...]:
    """What a mutant is recognised by when lines above it have moved."""
    return (str(mutant.file), *mutant.diff)


def shown_as(mutant: Mutant) -> dict[str, object]:
    return {"file": str(mutant.file), "line": mutant.line, "diff": mutant.diff}


def write(out: Path, measured: dict[str, dict[str, object]]) -> None:
    """Merge this run into the results file."""
    known = json.loads(out.read_text()).get("parts", {}) if out.exists() else {}
    parts = dict(sorted({**known, **measured}.items()))
    tried = sum(int(str(one.get("tried", one["drawn"]))) for one in parts.values())  # all were, of earlier results
    noticed = sum(int(str(one["noticed"])) for one in parts.values())
    result = {
        "claim": "share of planted defects, drawn at random, that the tests notice",
        "tried": tried, "noticed": noticed, "share": round(noticed / max(tried, 1), 4),
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
    parser.add_argument("--again", action="store_true", help="try what survived in the results file, with new tests")
    parser.add_argument("--seconds", type=float, default=math.inf, help="processor time after which to stop for now")
    parser.add_argument("--kept", type=Path, default=ROOT / "build" / "mutation", help="what an interrupted run knows")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    given.out, given.kept = given.out.absolute(), given.kept.absolute()
    preload()
    for part in given.parts:
        measured = measure(part, given)
        write(given.out, {part: measured})
        print(f"{part}: {measured['noticed']} of {measured['tried']} noticed", flush=True)


if __name__ == "__main__":
    main()
