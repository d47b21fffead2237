"""Small pictures of arrays as SVG text, for notebooks: a histogram, a scatter plot, rows of dots."""

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, SIDE = 320, 90, 240  # CSS pixels
ROW = 16
BINS = 40
POINTS = 2_000  # of a scatter plot; more are thinned out evenly
STYLE = 'style="color:#2b7bba;background:#fff;border:1px solid #ddd"'


def histogram_svg(values: NDArray[np.generic]) -> str:
    """Return a histogram of the finite values of an array.

    >>> histogram_svg(np.array([0.0, 1.0, np.nan])).count("<rect")
    2
    """
    finite = np.asarray(values, dtype=np.float64)[np.isfinite(values)]
    count, _ = np.histogram(finite, BINS) if len(finite) else (np.zeros(BINS), None)
    height, step = HEIGHT * count / max(count.max(), 1), WIDTH / BINS
    bars = (
        f'<rect x="{i * step:.1f}" y="{HEIGHT - h:.1f}" width="{step:.1f}" height="{h:.1f}"/>'
        for i, h in enumerate(height.tolist())
        if h
    )
    return _svg(WIDTH, HEIGHT, f'<g fill="currentColor">{"".join(bars)}</g>')


def scatter_svg(x: NDArray[np.generic], y: NDArray[np.generic]) -> str:
    """Return a scatter plot of the finite ones of M points, larger y higher.

    >>> scatter_svg(np.array([0.0, 1.0]), np.array([0.0, np.nan])).count("h0")
    1
    """
    seen = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    seen = seen[:: max(1, -(-len(seen) // POINTS))]
    places = (6 + (SIDE - 12) * _unit(np.asarray(values, dtype=np.float64)[seen]) for values in (x, y))
    dots = "".join(f"M{a:.0f} {SIDE - b:.0f}h0" for a, b in zip(*places, strict=True))
    marks = (
        f'<path d="{dots}" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" opacity="0.5"/>'
    )
    return _svg(SIDE, SIDE, marks)


def rows_svg(values: NDArray[np.generic]) -> str:
    """Return a row of dots for each row of a matrix (A, S), all on one scale, the first row on top.

    >>> rows_svg(np.array([[0.5, 0.6], [0.7, np.nan]])).count("h0")
    3
    """
    row, place = np.nonzero(np.isfinite(values))
    x = 8 + (WIDTH - 16) * _unit(np.asarray(values, dtype=np.float64)[row, place])
    lines = "".join(f"M0 {ROW * (i + 0.5):.0f}H{WIDTH}" for i in range(len(values)))
    dots = "".join(f"M{a:.0f} {ROW * (i + 0.5):.0f}h0" for a, i in zip(x, row, strict=True))
    marks = (
        f'<path d="{lines}" stroke="#ddd"/>'
        f'<path d="{dots}" stroke="currentColor" stroke-width="8" stroke-linecap="round" opacity="0.6"/>'
    )
    return _svg(WIDTH, ROW * len(values), marks)


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale values to 0..1."""
    low, span = values.min(initial=np.inf), np.ptp(values) if len(values) else 0.0
    return (values - low) / span if span > 0 else np.full(len(values), 0.5)


def _svg(width: int, height: int, marks: str) -> str:
    return f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" {STYLE} role="img">{marks}</svg>'
