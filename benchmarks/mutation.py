"""Plant one small defect at a time in a method's file, and see whether any test turns red.

    python benchmarks/mutation.py src/datapare/methods/score [more folders or files] [--jobs 2] [--only dual]

Each mutant runs the file's doctest and those tests of its room whose name holds the method's name, in a forked process
on a copied tree, under a time limit. Results are merged, file by file, into benchmarks/results/mutation.json; a file's
entry is its own run, with the digest of the code that was mutated. A survivor is shown as its changed lines.
"""

import argparse
import ast
import difflib
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
from dataclasses import dataclass
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "mutation.json"
LIMIT = 30  # seconds of processor time a mutant may run; an endless loop counts as noticed, a busy machine does not
TOO_SLOW = {-signal.SIGXCPU, -signal.SIGKILL}
RELAXED = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded before pytest starts
GREEN, RED, BROKEN_IMPORT, NO_TESTS = 0, 1, 2, 5  # exit codes of pytest; no law may name a room's methods

ARITHMETIC = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.FloorDiv: [ast.Div],
    ast.Mod: [ast.Mult],
    ast.MatMult: [ast.Mult],
    ast.BitAnd: [ast.BitOr],
    ast.BitOr: [ast.BitAnd],
}
COMPARISON = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
PAIRS = [
    ("sum", "mean"),
    ("min", "max"),
    ("minimum", "maximum"),
    ("argmin", "argmax"),
    ("any", "all"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("floor", "ceil"),
    ("std", "var"),
    ("exp", "expm1"),
    ("log", "log1p"),
    ("sqrt", "square"),
    ("add", "subtract"),
    ("multiply", "divide"),
]
SWAPS = {**dict(PAIRS), **{b: a for a, b in PAIRS}}


@dataclass(frozen=True)
class Mutant:
    """One defect: the file it is planted in, the line, and the whole defective source."""

    file: Path
    line: int
    source: str

    @property
    def diff(self) -> list[str]:
        """The lines that differ from the original, with - and +."""
        before = (ROOT / self.file).read_text().splitlines()
        lines = list(difflib.unified_diff(before, self.source.splitlines(), lineterm="", n=0))[2:]
        return [line for line in lines if not line.startswith("@@")]


def mutants(file: Path) -> list[Mutant]:
    """Every defect of a file; two that read the same are one."""
    source = (ROOT / file).read_text()
    found = {}
    for node in formulas(ast.parse(source)):
        for text in variants(node):
            changed = replace(source, node, text)
            if changed != source and compiles(changed):
                found.setdefault(changed, Mutant(file, node.lineno, changed))
    return list(found.values())


def formulas(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that compute: no docstrings, annotations, error messages, imports, presets and block sizes."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_comment"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, (ast.Raise, ast.Import, ast.ImportFrom)):
                if is_data(child):
                    continue
                if hasattr(child, "lineno"):
                    yield child
                yield from formulas(child)


def is_data(node: ast.AST) -> bool:
    """Whether this assigns published settings or a block size, which are no formula."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return any(name.startswith("PRESETS") or name in {"BLOCK", "CHUNK", "UNVERIFIED"} for name in names)


def variants(node: ast.AST) -> Iterator[str]:  # noqa: C901, PLR0912 - one case per kind of node
    """What may stand in a node's place."""
    match node:
        case ast.BinOp(left, op, right):
            for other in ARITHMETIC.get(type(op), []):
                yield f"({ast.unparse(ast.BinOp(left, other(), right))})"
        case ast.AugAssign(target, op, value):
            yield "pass"
            for other in ARITHMETIC.get(type(op), []):
                yield ast.unparse(ast.AugAssign(target, other(), value))
        case ast.Compare(left, ops, comparators):
            for i, op in enumerate(ops):
                for other in COMPARISON[type(op)]:
                    yield f"({ast.unparse(ast.Compare(left, [*ops[:i], other(), *ops[i + 1 :]], comparators))})"
        case ast.BoolOp(op, values):
            yield f"({ast.unparse(ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), values))})"
        case ast.UnaryOp(_, operand):
            yield f"({ast.unparse(operand)})"
        case ast.IfExp(test, body, orelse):
            yield f"({ast.unparse(ast.IfExp(test, orelse, body))})"
        case ast.Constant(value):
            yield from constants(value)
        case ast.Slice(lower, upper, step):
            if lower:
                yield ast.unparse(ast.Slice(None, upper, step))
            if upper:
                yield ast.unparse(ast.Slice(lower, None, step))
        case ast.Attribute(value, attr) if attr in SWAPS:
            yield f"{ast.unparse(value)}.{SWAPS[attr]}"
        case ast.Name(name) if name in SWAPS and name in {"min", "max", "any", "all"}:
            yield SWAPS[name]
        case ast.Expr(ast.Call()):
            yield "pass"


def constants(value: object) -> Iterator[str]:
    """Neighbours of a number, the other truth value; strings stay."""
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, (int, float)):
        yield f"({value + 1!r})"
        yield f"({value - 1!r})"


def replace(source: str, node: ast.AST, text: str) -> str:
    """The source with a node's characters exchanged (offsets of ast count bytes)."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    stop = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    whole = b"".join(lines)
    return (whole[:start] + text.encode() + whole[stop:]).decode()


def compiles(source: str) -> bool:
    try:
        return bool(compile(source, "mutant", "exec"))
    except SyntaxError:
        return False


def arguments_for(file: Path, *, laws: bool) -> list[str]:
    """Arguments for pytest: the file's doctest and the tests of its room that name it, or the laws that name it."""
    is_method = file.parent.parent.name == "methods"
    room = file.parent.name if is_method else file.stem
    tests = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(f"tests/test_{'laws' if laws else room}*.py"))]
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
