"""Plant one small defect at a time in a method's file, and see whether any test turns red.

    python benchmarks/mutation.py src/datapare/methods/score [more folders or files] [--jobs 2] [--only dual]

Each mutant runs the file's doctest and those tests of its room whose name holds the method's name, in a forked process
on a copied tree, under a time limit. Results are merged, file by file, into benchmarks/results/mutation.json; a file's
entry is its own run, with the digest of the code that was mutated. A survivor is shown as its changed lines.
"""

import argparse
import ast
import hashlib
import json
import os
import platform
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from mutants import ROOT, Mutant, is_data, mutants

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

RESULTS = ROOT / "benchmarks" / "results" / "mutation.json"
LIMIT = 30  # seconds of processor time a mutant may run; an endless loop counts as noticed, a busy machine does not
TOO_SLOW = {-signal.SIGXCPU, -signal.SIGKILL}
RELAXED = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded before pytest starts
GREEN, RED, BROKEN_IMPORT, NO_TESTS = 0, 1, 2, 5  # exit codes of pytest; no law may name a room's methods


def arguments_for(file: Path, *, laws: bool) -> list[str]:
    """Arguments for pytest: the file's doctest and the tests of its room that name it, or the laws that name it."""
    is_method = file.parent.parent.name == "methods"
    group_name = file.parent.name if is_method else file.stem
    tests = [
        str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(f"tests/test_{'laws' if laws else group_name}*.py"))
    ]
    return [*([] if laws else [str(file)]), *tests, *(["-k", file.stem] if is_method else [])]


def run(tree: Path, arguments: list[str]) -> int:
    """Run pytest in a forked process, which starts with the heavy libraries loaded; returns the process id."""
    child = os.fork()
    if child:
        return child
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 1))
        with (tree / "log.txt").open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.chdir(tree)
        sys.path.insert(0, str(tree / "src"))
        os._exit(pytest_exit(tree, arguments))
    except BaseException:  # noqa: BLE001 - a forked process must end here
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(9)


def pytest_exit(tree: Path, arguments: list[str]) -> int:
    import hypothesis
    import pytest

    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # a mutant need not be shrunk
    hypothesis.settings.register_profile("mutation", phases=phases, database=None, deadline=None, derandomize=True)
    hypothesis.settings.load_profile("mutation")
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--tb=line", "--assert=plain", *RELAXED, *arguments])
    import datapare

    if not str(datapare.__file__).startswith(str(tree)):
        raise AssertionError(f"the tests ran against {datapare.__file__}, not the copy in {tree}")
    return int(code)


def plant_tree(folder: Path) -> Path:
    """Copy what the tests need; each concurrent process has its own."""
    for part in ("src", "tests", "benchmarks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def check(jobs: list[tuple[Path, str, list[str]]], trees: list[Path]) -> Iterator[tuple[int, int, str]]:
    """Run (file, source, arguments) jobs on the trees side by side; yields job, exit code and log."""
    waiting = list(enumerate(jobs))
    free = list(trees)
    running: dict[int, tuple[int, Path]] = {}
    while waiting or running:
        while waiting and free:
            number, (file, source, arguments) = waiting.pop(0)
            tree = free.pop()
            (tree / file).write_text(source)
            running[run(tree, arguments)] = (number, tree)
        child, status = os.wait()
        number, tree = running.pop(child)
        shutil.copy(ROOT / jobs[number][0], tree / jobs[number][0])
        free.append(tree)
        yield number, os.waitstatus_to_exitcode(status), (tree / "log.txt").read_text()


def files_in(paths: list[str], only: str | None) -> list[Path]:
    found = []
    for path in map(Path, paths):
        inside = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        found += [f.resolve().relative_to(ROOT) for f in inside if f.name != "__init__.py"]
    return [file for file in found if only is None or re.fullmatch(only, file.stem)]


def measure(files: list[Path], trees: list[Path]) -> dict[str, dict[str, object]]:
    """First every file as it is, which must be green; then every mutant; then the laws on those that survive."""
    whole = [(file, (ROOT / file).read_text(), arguments_for(file, laws=False)) for file in files]
    for number, code, log in check(whole, trees):
        if code != GREEN:
            sys.exit(f"{files[number]} is not green before anything is planted ({code}):\n{log}")
    planted = [mutant for file in files for mutant in mutants(file)]
    alive = survivors(planted, trees, laws=False)
    under_law = [file for file in {mutant.file for mutant in alive} if file.parent.parent.name == "methods"]
    unmutated = [Mutant(file, 1, (ROOT / file).read_text()) for file in under_law]
    lawful = {mutant.file for mutant in survivors(unmutated, trees, laws=True)}
    judged = [mutant for mutant in alive if mutant.file in lawful]
    alive = [mutant for mutant in alive if mutant.file not in lawful] + survivors(judged, trees, laws=True)
    report = {}
    for file in files:
        own = [{"line": m.line, "diff": m.diff} for m in sorted(alive, key=lambda m: m.line) if m.file == file]
        count = sum(mutant.file == file for mutant in planted)
        report[str(file)] = {
            "digest": code_digest(ROOT / file),
            "mutants": count,
            "killed": count - len(own),
            "survived": own,
        }
    return report


def survivors(planted: list[Mutant], trees: list[Path], *, laws: bool) -> list[Mutant]:
    """The mutants that no test notices."""
    alive = []
    for number, code, log in check([(m.file, m.source, arguments_for(m.file, laws=laws)) for m in planted], trees):
        if code not in {GREEN, RED, BROKEN_IMPORT, NO_TESTS} | TOO_SLOW:
            sys.exit(f"pytest failed to run on {planted[number].diff} ({code}):\n{log}")
        if code == GREEN:
            alive.append(planted[number])
    return alive


def code_digest(path: Path) -> str:
    """Digest of what can be mutated: the code without comments, docstrings, imports and published settings."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if not isinstance(node, (ast.Import, ast.ImportFrom)) and not is_data(node)]
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]


def write(report: dict[str, dict[str, object]]) -> dict[str, object]:
    """Merge this run into the results file; entries of files that are gone go too."""
    known = json.loads(RESULTS.read_text())["files"] if RESULTS.exists() else {}
    files = {name: entry for name, entry in sorted({**known, **report}.items()) if (ROOT / name).exists()}
    planted = sum(entry["mutants"] for entry in files.values())
    killed = sum(entry["killed"] for entry in files.values())
    result = {
        "claim": "share of planted defects that the tests notice",
        "mutants": planted,
        "killed": killed,
        "share": round(killed / max(planted, 1), 4),
        "script": code_digest(Path(__file__)),
        "python": platform.python_version(),
        "files": files,
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    return result


def preload() -> None:
    """Load once what every forked run needs; never the package under test."""
    for name in ("numpy", "scipy.stats", "sklearn.cluster", "hypothesis", "pytest", "jaxtyping", "beartype", "torch"):
        __import__(name)
    sys.dont_write_bytecode = True  # a mutant of the same size within the same second must not meet a stale .pyc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", help="folders or files under src/")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", help="regular expression a file's name must match")
    given = parser.parse_args()
    preload()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trees = [plant_tree(Path(folder) / str(job)) for job in range(given.jobs)]
        report = measure(files_in(given.paths, given.only), trees)
    planted, killed = (sum(e[key] for e in report.values()) for key in ("mutants", "killed"))
    write(report)
    for name, entry in report.items():
        for one in entry["survived"]:
            print(f"survived {name}:{one['line']}", *one["diff"], sep="\n    ")
    print(f"{killed} of {planted} noticed ({killed / max(planted, 1):.1%}) in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
