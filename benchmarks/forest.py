"""A forest plot as plain SVG: rows of intervals in columns that share an axis, small enough to be read in a diff."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

BETTER, WORSE, OPEN, RULE = "#2b7bba", "#d9730d", "#8a8f98", "#d5d8dc"
LABEL, DETAIL, PANEL, GAP, LINE, HEAD, TOP = 230, 90, 220, 44, 18, 30, 96
FONT = "font-family='system-ui, sans-serif'"


class Row(NamedTuple):
    """A name, a few words beside it, and one (mean, low, high) per column, None where there is none."""

    name: str
    detail: str
    intervals: Sequence[Sequence[float] | None]


class Block(NamedTuple):
    """Rows under a heading."""

    name: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Column:
    """A column's heading and the ends of its axis; what lies beyond ends in an arrow."""

    name: str
    low: float
    high: float


def forest(title: str, note: Sequence[str], detail: str, columns: Sequence[Column], blocks: Sequence[Block]) -> str:
    """The whole figure; blue where an interval lies above zero, orange below, grey where it holds zero."""
    beside = DETAIL if detail else 0
    lefts = [LABEL + beside + i * (PANEL + GAP) for i in range(len(columns))]
    width = lefts[-1] + PANEL + GAP
    bottom = TOP + sum(HEAD + LINE * len(block.rows) for block in blocks)
    height = bottom + 44 + 16 * len(note)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}'>",
        f"<rect width='{width}' height='{height}' fill='white'/>",
        _text(16, 30, title, size=17, weight=600),
        _text(LABEL, TOP - 14, detail, size=11, colour="#5b6168"),
    ]
    for column, left in zip(columns, lefts, strict=True):
        parts += _axis(column, left, bottom)
    y = TOP
    for block in blocks:
        parts.append(_text(16, y + 20, block.name, size=13, weight=600))
        y += HEAD
        for row in block.rows:
            parts += [_text(24, y + 12, row.name, size=12), _text(LABEL, y + 12, row.detail, size=11, colour="#5b6168")]
            for column, left, interval in zip(columns, lefts, row.intervals, strict=True):
                parts += [] if interval is None else _interval(column, left, y + 8, interval)
            y += LINE
    parts += [_text(16, bottom + 44 + 16 * i, line, size=11, colour="#5b6168") for i, line in enumerate(note)]
    return "\n".join(part for part in [*parts, "</svg>"] if part) + "\n"


def _axis(column: Column, left: float, bottom: float) -> list[str]:
    parts = [_text(left, TOP - 32, column.name, size=12, weight=600)]
    step = 10 if column.high - column.low > 24 else 5 if column.high - column.low > 9 else 1
    for tick in range(math.ceil(column.low / step) * step, math.floor(column.high) + 1, step):
        x = _place(column, left, tick)
        parts.append(_line(x, TOP, x, bottom, "#8a8f98" if tick == 0 else RULE, 1.2 if tick == 0 else 0.7))
        told = f"{tick:+d}".replace("-", "−") if tick else "0"
        parts += [_text(x, y, told, size=11, anchor="middle") for y in (TOP - 14, bottom + 16)]
    return parts


def _interval(column: Column, left: float, y: float, interval: Sequence[float]) -> list[str]:
    mean, low, high = interval
    colour = BETTER if low > 0 else WORSE if high < 0 else OPEN
    x, start, end = (_place(column, left, min(max(v, column.low), column.high)) for v in (mean, low, high))
    parts = [_line(start, y, end, y, colour, 2.4)]
    for beyond, tip, way in ((low < column.low, start, -1), (high > column.high, end, 1)):
        if beyond:
            parts.append(f"<path d='M{tip + 5 * way:.1f} {y} l{-6 * way} -4 v8 z' fill='{colour}'/>")
    dot = f"<circle cx='{x:.1f}' cy='{y}' r='4' fill='{colour}'/>" if column.low <= mean <= column.high else ""
    told = f"{mean:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "−")
    return ["<g>", f"<title>{told}</title>", *parts, dot, "</g>"]


def _place(column: Column, left: float, value: float) -> float:
    return left + (value - column.low) / (column.high - column.low) * PANEL


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1}' x2='{x2:.1f}' y2='{y2}' stroke='{colour}' stroke-width='{width}'/>"


def _text(
    x: float, y: float, text: str, *, size: int, weight: int = 400, colour: str = "#22262b", anchor: str = "start"
) -> str:
    style = f"font-size='{size}' font-weight='{weight}' fill='{colour}' text-anchor='{anchor}'"
    style += " paint-order='stroke' stroke='white' stroke-width='4'"  # readable across the lines of an axis
    return f"<text x='{x:.1f}' y='{y}' {FONT} {style}>{escape(text)}</text>" if text else ""
