"""The small defects that mutation.py plants: one changed operator, constant, call or keyword at a time."""

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

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
    """Whether this assigns published settings or a size of blocks or lists, which are no formula."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return any(
        name.startswith(("PRESETS", "MOST_")) or name in {"BLOCK", "CHUNK", "MANY", "HEAD", "UNVERIFIED"}
        for name in names
    )


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
