"""The figures of a sweep: accuracy and total cost against the kept fraction."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from datapare.evaluation.advice import Size
from datapare.evaluation.arms import Arm
from datapare.evaluation.record_summary import Floats
from datapare.evaluation.statistics import Interval
from datapare.reporting import svg
from datapare.reporting.svg import Axis


def accuracy(
    tried: Sequence[Size], full: Interval, strategies: Mapping[str, Sequence[tuple[float, Arm]]] | None = None
) -> Markup:
    """Chart accuracy against the kept fraction in percent: subsets, random ones, a band for full.

    Strategies are lines with their numbers at the end, in the order of their table.
    """
    drawn = [size for size in tried if size.random is not None]
    lines = [
        ("kept", "subset", _kept(tried), [size.arm.accuracy for size in tried]),
        ("dropped", "random", _kept(drawn), [size.random for size in drawn if size.random is not None]),
    ]
    others = [[(100 * keep, 100 * arm.accuracy.mean) for keep, arm in each] for each in (strategies or {}).values()]
    values = np.array([*full, *(end for _, _, _, each in lines for interval in each for end in interval)])
    values = np.concatenate([values, [mean / 100 for each in others for _, mean in each]])
    x, y = _percent_axis(tried), _axis(100 * values, "accuracy on held-out examples, %")
    marks = []
    if np.isfinite(full.low):
        low, high = y.place([100 * full.low, 100 * full.high])
        marks.append(
            f'<rect class="quiet band" x="0" width="{svg.SIZE}" y="{svg.SIZE - high:.1f}" height="{high - low:.1f}"/>'
        )
    marks.append(svg.line(np.array([0.0, svg.SIZE]), y.place([100 * full.mean] * 2), "quiet dotted"))
    places = [(x.place([keep for keep, _ in each]), y.place([mean for _, mean in each])) for each in others]
    for at, height in places:
        marks += [svg.line(at, height, "quiet thin"), *svg.points(at, height, "quiet seed")]
    for css, _, kept, intervals in lines:
        marks += _with_bars(x.place(kept), y, intervals, css)
    legend = [(css, name) for css, name, *_ in lines] + [("quiet", "full, strategies" if others else "full")]
    numbers = [(float(at[-1]) - 25, float(height[-1]), str(i)) for i, (at, height) in enumerate(places, 1)]
    label = f"Accuracy against the kept fraction: subsets, random{', strategies' if others else ''}"
    return svg.plot(marks, x, y, label=label, height=400, legend=legend, labels=numbers)


def cost(tried: Sequence[Size]) -> Markup:
    """Chart the epochs of scoring, selection and training, in percent of as many trainings on everything."""
    x, kept = _percent_axis(tried), _kept(tried)
    shares, legend = [], []
    for place, css in enumerate(("dropped", "kept")):
        shares.append(np.array([100 * s.savings[place].pruned.epochs / s.savings[place].full.epochs for s in tried]))
        trainings = tried[0].savings[place].trainings
        legend.append((css, f"{trainings} training{'' if trainings == 1 else 's'}"))
    finite = np.concatenate([*shares, [0.0, 100.0]])
    y = Axis(0, 1.05 * float(finite[np.isfinite(finite)].max()), "total cost, % of training on everything")
    marks = [svg.line(np.array([0.0, svg.SIZE]), y.place([100.0, 100.0]), "quiet dotted")]
    for (css, _), share in zip(legend, shares, strict=True):
        marks.append(svg.line(x.place(kept), y.place(share), css))
        seen = np.isfinite(share)
        marks += svg.points(x.place(kept)[seen], y.place(share)[seen], f"{css} mean")
    return svg.plot(
        marks, x, y, label="Total cost against the kept fraction", height=400, legend=[*legend, ("quiet", "no pruning")]
    )


def _kept(tried: Sequence[Size]) -> Floats:
    return np.array([100 * size.keep for size in tried])


def _percent_axis(tried: Sequence[Size]) -> Axis:
    return _axis(_kept(tried), "kept, %")


def _axis(values: Floats, title: str) -> Axis:
    finite = values[np.isfinite(values)]
    pad = 0.06 * (finite.max() - finite.min()) or 1.0
    return Axis(float(finite.min() - pad), float(finite.max() + pad), title)


def _with_bars(x: Floats, y: Axis, intervals: Sequence[Interval], css: str) -> list[str]:
    mean, low, high = y.place(100 * np.array(intervals, dtype=np.float64).reshape(-1, 3)).T
    known = np.isfinite(low) & np.isfinite(high)
    ends = zip(x[known], low[known], high[known], strict=True)
    bars = [svg.line(np.array([a, a]), np.array([b, c]), f"{css} thin") for a, b, c in ends]
    return [*bars, svg.line(x, mean, css), *svg.points(x, mean, f"{css} mean")]
