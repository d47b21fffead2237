"""Plant a mutant in a process that has the package imported already: its functions get the code of the mutant.

Starting a process and importing everything takes longer than most tests. A mutant inside a function needs neither: the
code objects of the changed source take the place of those that live functions of the file have. For a changed default
or constant, the module is run once more beside itself, and what is plain data goes over. That may miss something, so a
mutant of this kind that no test notices is to be tried once more in a process that has not imported the module.
"""

import ast
import gc
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from mutants import ROOT, Mutant

PLAIN = (bool, int, float, str, tuple, frozenset, set, dict)


def is_inside_a_function(mutant: Mutant) -> bool:
    """Whether the changed line is of a function's body, neither a default nor a decorator nor a class or module."""
    return any(
        node.body[0].lineno <= mutant.line <= (node.end_lineno or 0)
        for node in ast.walk(ast.parse((ROOT / mutant.file).read_text()))
        if isinstance(node, ast.FunctionDef) and not _defines(node, mutant.line)
    )


def _defines(function: ast.FunctionDef, line: int) -> bool:
    """Whether the line is of a class or of the head of a function inside this one."""
    inside = [node for node in ast.walk(function) if node is not function]
    return any(
        node.lineno <= line < node.body[0].lineno for node in inside if isinstance(node, ast.FunctionDef | ast.ClassDef)
    )


def plant(mutant: Mutant, file: Path) -> bool:
    """Give all live functions of a file the code of its mutant; returns whether that was possible."""
    before, after = (_codes(compile(text, str(file), "exec")) for text in (file.read_text(), mutant.source))
    if before.keys() != after.keys() or any(len(same) > 1 for same in after.values()):
        return False
    file.write_text(mutant.source)  # for processes that the tests start, and modules that are not imported yet
    module = next((one for one in [*sys.modules.values()] if getattr(one, "__file__", None) == str(file)), None)
    if module is None:
        return True
    if not is_inside_a_function(mutant):
        _run_beside(module, mutant, file)
    for function in _functions(file):
        (code,) = after[function.__code__.co_qualname, function.__code__.co_firstlineno]
        if code.co_freevars != function.__code__.co_freevars:
            return False
        function.__code__ = code
    return True


def _run_beside(module: ModuleType, mutant: Mutant, file: Path) -> None:
    """Run the mutant's module in a namespace of its own, and take over defaults and plain data."""
    old = {(one.__qualname__, one.__code__.co_firstlineno): one for one in _functions(file)}
    beside = {"__name__": module.__name__, "__file__": str(file)}
    exec(compile(mutant.source, str(file), "exec"), beside)  # noqa: S102 - our own source
    for function in _functions(file):
        known = old.get((function.__qualname__, function.__code__.co_firstlineno))
        if function.__globals__ is beside and known is not None:
            known.__defaults__, known.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    for name, value in beside.items():
        now = module.__dict__.get(name)
        if isinstance(now, PLAIN) and now != value:
            for other in [*sys.modules.values()]:
                if other.__dict__.get(name) is now:
                    other.__dict__[name] = value


def _functions(file: Path) -> list[FunctionType]:
    live = [one for one in gc.get_objects() if type(one) is FunctionType]  # isinstance would ask lazy objects
    return [one for one in live if one.__code__.co_filename == str(file)]


def _codes(module: CodeType) -> dict[tuple[str, int], list[CodeType]]:
    """The code objects of all functions in a module, by name and first line."""
    found = defaultdict(list)
    for code in _nested(module):
        found[code.co_qualname, code.co_firstlineno].append(code)
    return dict(found)


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)
