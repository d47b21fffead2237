"""The figures of the page: nouns and numbers in, plotly figures out, as plain dicts that are ready for JSON.

Names from the data enter a figure through `plain` only: plotly reads `<b>`, `<a href>` and `&lt;` in any text.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.evaluation.record_summary import Floats
from datapare.evaluation.verdicts import Arm, is_baseline

Figure = dict[str, Any]
Mask = NDArray[np.bool_]

KEPT, DROPPED, QUIET = "#2b7bba", "#d9730d", "#8a8f98"  # blue and orange: apart for every colour vision
POINTS = 20_000  # examples above which the map shows densities: an SVG point costs 60 bytes and 50 µs
BINS = 60


def plain(name: object) -> str:
    """A name as plotly will show it verbatim: markup neutralised, over-long names cut in the middle.

    >>> plain("<b>cat</b> & dog")
    '&lt;b&gt;cat&lt;/b&gt; &amp; dog'
    """
    text = " ".join(str(name).split())
    return escape(text if len(text) <= 60 else f"{text[:20]}…{text[-39:]}", quote=False)


def accuracy(rows: Sequence[Arm]) -> Figure:
    """Mean accuracy of each arm with its 95 % interval, and a faint dot for every seed."""
    places = list(range(len(rows)))
    means = [100 * row.accuracy.mean for row in rows]
    ends = [100 * (row.accuracy.high - row.accuracy.mean) for row in rows]
    seeds = [(100 * value, place) for place, row in zip(places, rows, strict=True) for value in row.values]
    colours = [QUIET if is_baseline(row.name) else KEPT for row in rows]
    dots = {
        **_scatter([x for x, _ in seeds], [y for _, y in seeds], "one seed", QUIET, size=6, opacity=0.45),
        "hovertemplate": "%{x:.2f} %<extra>one seed</extra>",
    }
    interval = {"type": "data", "array": numbers(np.array(ends)), "thickness": 2, "width": 7, "color": QUIET}
    mean = {
        **_scatter(numbers(np.array(means)), places, "mean and 95 % interval", KEPT, size=11),
        "error_x": interval,
        "hovertemplate": "%{x:.2f} %<extra>mean</extra>",
    }
    mean["marker"] = {**mean["marker"], "color": colours}
    names = {"tickvals": places, "ticktext": [plain(row.name) for row in rows], "autorange": "reversed"}
    return figure([dots, mean], "held-out accuracy, %", "", height=110 + 42 * len(rows), yaxis=names)


def moon(mean: Floats, deviation: Floats, mask: Mask, names: Sequence[str]) -> Figure:
    """Each example as a point: x = deviation, y = mean of its true-label probability; `names` one per example."""
    traces = []
    for name, colour, chosen in (("dropped", DROPPED, ~mask), ("kept", KEPT, mask)):
        place = np.flatnonzero(chosen & np.isfinite(mean) & np.isfinite(deviation))
        trace = _scatter(numbers(deviation[place]), numbers(mean[place]), name, colour, size=4, opacity=0.6)
        trace["text"] = [plain(names[int(i)]) for i in place]
        trace["hovertemplate"] = "%{text}<br>mean %{y:.3f}, deviation %{x:.3f}<extra>" + name + "</extra>"
        traces.append(trace)
    return _moon_figure(traces, height=520)


def moon_counts(mean: Floats, deviation: Floats, mask: Mask) -> tuple[Figure, Figure]:
    """The map for many examples: how many lie in each cell (logarithmic), and which share of them is kept."""
    seen = np.isfinite(mean) & np.isfinite(deviation)
    reach = float(deviation[seen].max(initial=0.0)) or 1.0
    edges = (np.linspace(0, reach, BINS + 1), np.linspace(0, 1, BINS + 1))
    whole = np.histogram2d(deviation[seen], mean[seen], edges)[0].T  # (mean, deviation)
    kept = np.histogram2d(deviation[seen & mask], mean[seen & mask], edges)[0].T
    counts = np.where(whole > 0, whole, np.nan)
    grid = {"type": "heatmap", "x": numbers(_centres(edges[0])), "y": numbers(_centres(edges[1]))}
    where = "mean %{y:.2f}, deviation %{x:.2f}<br>"
    decades = list(range(int(np.log10(max(whole.max(), 1))) + 1))
    many = {
        **grid,
        "z": _rows(np.log10(counts)),
        "customdata": whole.astype(int).tolist(),
        "colorscale": "Cividis",
        "hovertemplate": where + "%{customdata:,} examples<extra></extra>",
        "colorbar": {"title": {"text": "examples"}, "tickvals": decades, "ticktext": [f"{10**d:,}" for d in decades]},
    }
    share = {
        **grid,
        "z": _rows(100 * kept / counts),
        "zmin": 0,
        "zmax": 100,
        "colorscale": _around(float(mask.mean())),
        "hovertemplate": where + "%{z:.1f} % kept<extra></extra>",
        "colorbar": {"title": {"text": "kept, %"}},
    }
    return _moon_figure([many], height=430), _moon_figure([share], height=430)


def scores(score: Floats, mask: Mask) -> Figure:
    """Histogram of the finite scores, kept on top of dropped; the outermost bins hold what lies beyond."""
    finite = np.isfinite(score)
    edges = score_edges(score[finite])
    inside = np.clip(score, edges[0], edges[-1])
    traces = [
        _bars(edges, np.histogram(inside[finite & chosen], edges)[0], name, colour)
        for name, colour, chosen in (("kept", KEPT, mask), ("dropped", DROPPED, ~mask))
    ]
    return figure(traces, "score (larger = keep first)", "examples", barmode="stack")


def score_edges(score: Floats) -> Floats:
    """Bin edges (61,) that cover the scores, except for tails more than twice as long as the middle 99.8 %."""
    if not len(score):
        return np.linspace(0.0, 1.0, BINS + 1)
    low, low_body, high_body, high = np.quantile(score, [0.0, 0.001, 0.999, 1.0])
    reach = 2 * (high_body - low_body)
    if reach > 0:
        low, high = max(low, low_body - reach), min(high, high_body + reach)
    pad = 0.0 if high > low else max(abs(float(low)), 1.0) / 2
    return np.linspace(low - pad, high + pad, BINS + 1)


def probabilities(mean: Floats, mask: Mask, curve: tuple[Floats, Floats] | None = None) -> Figure:
    """Densities of the mean probability, all and kept, and the weighting curve (x, y) if there is one."""
    edges = np.linspace(0, 1, BINS + 1)
    seen = np.isfinite(mean)
    traces = [
        {**_bars(edges, _density(mean[seen], edges), "all", QUIET), "opacity": 0.45},
        {**_bars(edges, _density(mean[seen & mask], edges), "kept", KEPT), "opacity": 0.65},
    ]
    if curve is not None:
        line = {"color": DROPPED, "width": 3}
        x, y = (numbers(values) for values in curve)
        traces.append({"type": "scatter", "mode": "lines", "x": x, "y": y, "name": "Beta density", "line": line})
    top = max(float(_density(mean[seen & chosen], edges).max()) for chosen in (mask, np.ones_like(mask)))
    top = max(top, 0.0 if curve is None else float(np.quantile(curve[1], 0.98)), 1e-9)
    limits = {"range": [0, 1.08 * top]}  # a Beta density may be infinite at an end
    return figure(traces, "mean probability of the label", "density", barmode="overlay", yaxis=limits)


def agreement(names: Sequence[str], correlation: Floats) -> Figure:
    """Rank correlation (M, M) between the scores of M methods."""
    words = [plain(name) for name in names]
    trace = {
        "type": "heatmap",
        "x": words,
        "y": words,
        "z": [numbers(row) for row in correlation],
        "zmin": -1,
        "zmax": 1,
        "colorscale": [[0, DROPPED], [0.5, "#f4f4f4"], [1, KEPT]],
        "hovertemplate": "%{y} and %{x}: %{z:.2f}<extra></extra>",
    }
    return figure([trace], "", "", height=200 + 22 * len(words), yaxis={"autorange": "reversed"})


def observed(share: Floats) -> Figure:
    """Percentage of the examples observed in each epoch."""
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(range(len(share))),
        "y": numbers(100 * share),
        "line": {"color": KEPT},
        "hovertemplate": "epoch %{x}: %{y:.2f} %<extra></extra>",
    }
    return figure([trace], "epoch", "observed, %", height=260)


def numbers(values: NDArray[Any]) -> list[float | None]:
    """Floats as JSON wants them: five significant digits, None for what is not finite."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.tolist()]


def _scatter(x: list[Any], y: list[Any], name: str, colour: str, *, size: int, opacity: float = 1.0) -> Figure:
    marker = {"color": colour, "size": size, "opacity": opacity}
    return {"type": "scatter", "mode": "markers", "x": x, "y": y, "name": name, "marker": marker}


def _bars(edges: Floats, heights: NDArray[Any], name: str, colour: str) -> Figure:
    return {
        "type": "bar",
        "x": numbers(_centres(edges)),
        "y": numbers(heights.astype(np.float64)),
        "width": float(edges[1] - edges[0]),
        "name": name,
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": "%{x:.3g}: %{y:,.4~g}<extra>" + name + "</extra>",
    }


def _moon_figure(traces: list[Figure], height: int) -> Figure:
    return figure(
        traces,
        "deviation of the probability over epochs",
        "mean probability of the label",
        height=height,
        xaxis={"rangemode": "tozero"},
        yaxis={"range": [-0.02, 1.02]},
    )


def figure(
    traces: list[Figure],
    x: str,
    y: str,
    *,
    height: int = 340,
    xaxis: Figure | None = None,
    yaxis: Figure | None = None,
    **layout: Any,
) -> Figure:
    """A figure of these traces, with the titles of its axes and our look."""
    axis = {"automargin": True, "zeroline": False}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "itemsizing": "constant"}
    return {
        "data": traces,
        "layout": {
            "height": height,
            "margin": {"l": 60, "r": 16, "t": 40, "b": 48},
            "legend": legend,
            "showlegend": len(traces) > 1,
            "hovermode": "closest",
            "bargap": 0,
            "xaxis": {**axis, "title": {"text": x}, **(xaxis or {})},
            "yaxis": {**axis, "title": {"text": y}, **(yaxis or {})},
            **layout,
        },
    }


def _around(keep: float) -> list[list[float | str]]:
    middle = min(max(keep, 0.02), 0.98)  # a share as kept as the whole is pale; orange below, blue above
    return [[0.0, DROPPED], [middle, "#e9e6e0"], [1.0, KEPT]]


def _density(values: Floats, edges: Floats) -> Floats:
    counts = np.histogram(values, edges)[0].astype(np.float64)
    density: Floats = counts / max(counts.sum(), 1.0) / (edges[1] - edges[0])
    return density


def _centres(edges: Floats) -> Floats:
    return (edges[1:] + edges[:-1]) / 2


def _rows(grid: Floats) -> list[list[float | None]]:
    return [numbers(row) for row in grid]
