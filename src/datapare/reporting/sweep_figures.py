"""The figures of the curve: accuracy and total cost against the kept fraction."""

from collections.abc import Sequence
from math import isfinite

from datapare.evaluation.advice import Size
from datapare.evaluation.statistics import Interval
from datapare.reporting.figures import DROPPED, KEPT, QUIET, Figure, figure


def accuracy(tried: Sequence[Size], full: Interval) -> Figure:
    """Accuracy of subsets and of random ones against the kept fraction in percent; a band for full."""
    kept = _kept(tried)
    traces = [_band(kept, full)] if isfinite(full.low) else []
    traces.append(_line([*kept[:1], *kept[-1:]], [100 * full.mean] * 2, "full", QUIET, dash="dot"))
    with_random = [size for size in tried if size.random is not None]
    random = [size.random for size in with_random if size.random is not None]
    traces.append(_with_bars(_kept(with_random), random, "random", DROPPED))
    traces.append(_with_bars(kept, [size.arm.accuracy for size in tried], "subset", KEPT))
    return figure(traces, "kept, %", "held-out accuracy, %", height=400)


def cost(tried: Sequence[Size]) -> Figure:
    """Epochs of scoring, selection and so many trainings, in percent of as many on everything."""
    traces = []
    for place, colour in enumerate((DROPPED, KEPT)):
        trainings = tried[0].savings[place].trainings
        share = [100 * s.savings[place].pruned.epochs / s.savings[place].full.epochs for s in tried]
        name = f"{trainings} training{'' if trainings == 1 else 's'}"
        traces.append(_line(_kept(tried), share, name, colour))
    kept = _kept(tried)
    traces.append(_line([*kept[:1], *kept[-1:]], [100.0, 100.0], "no pruning", QUIET, dash="dot"))
    return figure(traces, "kept, %", "total cost, % of training on everything", yaxis={"rangemode": "tozero"})


def _kept(tried: Sequence[Size]) -> list[float]:
    return [100 * size.keep for size in tried]


def _with_bars(x: list[float], values: Sequence[Interval], name: str, colour: str) -> Figure:
    ends = [_number(100 * (value.high - value.mean)) for value in values]
    line = _line(x, [100 * value.mean for value in values], name, colour)
    return {**line, "error_y": {"type": "data", "array": ends, "thickness": 2, "width": 6, "color": colour}}


def _line(x: list[float], y: list[float], name: str, colour: str, dash: str = "solid") -> Figure:
    return {
        "type": "scatter",
        "mode": "lines" if dash == "dot" else "lines+markers",
        "x": x,
        "y": [_number(value) for value in y],
        "name": name,
        "line": {"color": colour, "dash": dash},
        "marker": {"color": colour, "size": 9},
        "hovertemplate": "%{x:.3g} % kept: %{y:.2f} %<extra>" + name + "</extra>",
    }


def _band(x: list[float], full: Interval) -> Figure:
    ends = [min(x), max(x)]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*ends, *ends[::-1]],
        "y": [100 * full.low] * 2 + [100 * full.high] * 2,
        "fill": "toself",
        "fillcolor": "rgba(138,143,152,0.18)",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "name": "full, 95 % interval",
        "showlegend": False,
    }


def _number(value: float) -> float | None:
    return float(f"{value:.5g}") if isfinite(value) else None
