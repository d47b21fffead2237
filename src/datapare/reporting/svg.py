"""Charts as HTML: a plot area in SVG that stretches to any width, labels in HTML that keep their size.

Marks are placed in a square of 1000 by 1000 units that the browser stretches; strokes keep their width in pixels. The
colours are classes of the style sheet, so that a chart follows the theme and prints.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from datapare.artifacts import Floats
from datapare.reporting.text import visible

SIZE = 1000
CHUNK = 200  # points in a path: paths are translucent, so that crowded places look darker


@dataclass(frozen=True)
class Axis:
    """The range `low` to `high` of an axis, its title, and its ticks (value, label) where they are not numbers."""

    low: float
    high: float
    title: str = ""
    ticks: tuple[tuple[float, str], ...] | None = None

    def place(self, values: Floats | Sequence[float]) -> NDArray[np.float64]:
        """Return where values lie along the axis, 0..1000."""
        span = self.high - self.low or 1.0
        placed: NDArray[np.float64] = SIZE * (np.asarray(values, dtype=np.float64) - self.low) / span
        return placed

    @property
    def labels(self) -> tuple[tuple[float, str], ...]:
        """The ticks: those given, else round numbers."""
        return round_ticks(self.low, self.high) if self.ticks is None else self.ticks


def round_ticks(low: float, high: float, count: int = 6) -> tuple[tuple[float, str], ...]:
    """Return at most about `count` round numbers between `low` and `high`, each with its label.

    >>> round_ticks(0, 1)
    ((0.0, '0'), (0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8'), (1.0, '1'))
    """
    if not high > low:
        return ((low, f"{low:g}"),)
    power = 10.0 ** math.floor(math.log10((high - low) / count))
    step = next(f * power for f in (1, 2, 5, 10, 20) if (high - low) / (f * power) <= count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    values = [round(i * step, digits + 1) for i in range(first, last + 1)]
    return tuple((value, _tick(value)) for value in values)


def plot(
    marks: Iterable[str], x: Axis, y: Axis, *, label: str, height: int = 320, legend: Sequence[tuple[str, str]] = (),
    interactive: str = "",
    labels: Sequence[tuple[float, float, str]] = (),
) -> Markup:  # fmt: skip
    """Return a chart of `marks` over two axes.

    Args:
        marks: SVG elements in the units of `Axis.place`, from the functions below.
        x: Horizontal axis.
        y: Vertical axis.
        label: What the chart shows, for screen readers.
        height: Height of the plot area in CSS pixels.
        legend: Pairs of (class, name).
        labels: Texts beside placed coordinates (x, y, text).
        interactive: Name of the map that the page's script attaches to, if any.
    """
    grid = [f'<path class="grid" d="M{p:.1f} 0V{SIZE}"/>' for p in x.place([v for v, _ in x.labels])]
    grid += [f'<path class="grid" d="M0 {SIZE - p:.1f}H{SIZE}"/>' for p in y.place([v for v, _ in y.labels])]
    ticks = [_span("tick x", "left", x.place([v])[0], text) for v, text in x.labels]
    ticks += [_span("tick y", "top", SIZE - y.place([v])[0], text) for v, text in y.labels]
    ticks += [_beside(*place) for place in labels]
    keys = "".join(f'<li class="{css}">{_text(name)}</li>' for css, name in legend)
    legend_list = f'<ul class="legend">{keys}</ul>' if keys else ""
    name = f' data-map="{_text(interactive)}"' if interactive else ""
    return Markup(  # noqa: S704 - all texts pass through _text
        f'<div class="chart" role="img" aria-label="{_text(label)}">'
        f'<div class="head"><span class="y-title">{_text(y.title)}</span>'
        f"{legend_list}</div>"
        f'<div class="plot" style="height:{height}px" data-x="{x.low:.8g} {x.high:.8g}" '
        f'data-y="{y.low:.8g} {y.high:.8g}"{name}>'
        f'{canvas([*grid, *marks])}{"".join(ticks)}</div><span class="x-title">{_text(x.title)}</span></div>'
    )


def strips(rows: Sequence[tuple[str, Sequence[str]]], x: Axis, *, label: str) -> Markup:
    """Return one strip per row (name, marks) over a common horizontal axis."""
    grid = [f'<path class="grid" d="M{p:.1f} 0V{SIZE}"/>' for p in x.place([v for v, _ in x.labels])]
    ticks = "".join(_span("tick x", "left", x.place([v])[0], text) for v, text in x.labels)
    body = "".join(
        f'<span class="strip-name name">{_text(name)}</span><div class="strip">{canvas([*grid, *marks])}</div>'
        for name, marks in rows
    )
    return Markup(  # noqa: S704 - all texts pass through _text
        f'<div class="chart" role="img" aria-label="{_text(label)}"><div class="strips" '
        f'data-x="{x.low:.8g} {x.high:.8g}">{body}<span></span><div class="ticks">{ticks}</div></div>'
        f'<span class="x-title">{_text(x.title)}</span></div>'
    )


def canvas(marks: Iterable[str]) -> str:
    """Return the stretching SVG element around marks."""
    return f'<svg viewBox="0 0 {SIZE} {SIZE}" preserveAspectRatio="none" aria-hidden="true">{"".join(marks)}</svg>'


def points(x: Floats, y: Floats, css: str) -> list[str]:
    """Return dots at placed coordinates (M,), larger y higher; a dot is a line of no length with round ends.

    >>> points(np.array([10.0]), np.array([900.0]), "kept")
    ['<path class="dots kept" d="M10 100h0"/>']
    """
    dots = [f"M{_short(a)} {_short(SIZE - b)}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    return [f'<path class="dots {css}" d="{"".join(dots[i : i + CHUNK])}"/>' for i in range(0, len(dots), CHUNK)]


def line(x: Floats, y: Floats, css: str) -> str:
    """Return a line through the finite ones of the placed coordinates (M,)."""
    seen = np.isfinite(x) & np.isfinite(y)
    steps = [f"{_short(a)} {_short(SIZE - b)}" for a, b in zip(x[seen].tolist(), y[seen].tolist(), strict=True)]
    return f'<path class="line {css}" d="M{"L".join(steps)}"/>' if steps else ""


def bars(left: Floats, right: Floats, low: Floats, high: Floats, css: str, titles: Sequence[str]) -> list[str]:
    """Return rectangles between placed coordinates (M,), each with a tooltip; empty ones are left out."""
    sides = zip(left.tolist(), right.tolist(), low.tolist(), high.tolist(), titles, strict=True)
    return [
        f'<rect class="{css}" x="{_short(a)}" y="{_short(SIZE - d)}" width="{_short(b - a)}" '
        f'height="{_short(d - c)}"><title>{_text(title)}</title></rect>'
        for a, b, c, d, title in sides
        if d > c
    ]


def cell(x: float, y: float, width: float, height: float, style: str, title: str) -> str:
    """Return one cell of a grid, its lower left corner at a placed coordinate."""
    return (
        f'<rect x="{_short(x)}" y="{_short(SIZE - y - height)}" width="{_short(width)}" height="{_short(height)}" '
        f'style="{style}"><title>{_text(title)}</title></rect>'
    )


def _span(css: str, side: str, place: float, text: str) -> str:
    return f'<span class="{css}" style="{side}:{place / 10:.2f}%">{_text(text)}</span>'


def _beside(x: float, y: float, text: str) -> str:
    side = f"right:{100 - x / 10:.2f}%" if x > SIZE / 2 else f"left:{x / 10:.2f}%"
    return f'<span class="beside name" style="{side};top:{100 - y / 10:.2f}%">{_text(text)}</span>'


def _text(text: str) -> str:
    return str(escape(visible(text)))


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _tick(value: float) -> str:
    return (f"{value:,.10g}" if abs(value) < 1e6 else f"{value:.3g}").replace("-", "−")
