"""The figures of the page: arrays in, charts out."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from markupsafe import Markup

from datapare.evaluation.arms import Arm
from datapare.evaluation.frontier import Offer
from datapare.evaluation.record_summary import Floats
from datapare.reporting import svg
from datapare.reporting.counting import Mask, histogram, histogram_2d
from datapare.reporting.svg import Axis

MIDDLE = 1_000_000  # scores of which quantiles are taken
POINTS = 20_000  # examples above which a map shows densities and a sample of points
BINS = 60
KEPT_OR_DROPPED = (("kept", "kept"), ("dropped", "dropped"))
KEPT, DROPPED, PALE = (43, 123, 186), (217, 115, 13), (233, 230, 224)  # apart for every colour vision


def accuracy(rows: Sequence[Arm]) -> Markup:
    """Chart the mean accuracy of each arm with its 95 % interval, and a faint dot for every seed."""
    ends = [end for row in rows for end in (row.accuracy.low, row.accuracy.high, *row.values) if np.isfinite(end)]
    x = _around(100 * np.array(ends or [0.0, 1.0]), "accuracy on held-out examples, %")
    marks = []
    for row in rows:
        css = "quiet" if row.role in {"random", "full"} else "kept"
        mean, low, high = x.place([100 * row.accuracy.mean, 100 * row.accuracy.low, 100 * row.accuracy.high])
        middle = np.full(len(row.values), 500.0)
        own = [svg.line(np.array([low, high]), np.full(2, 500.0), css)] if np.isfinite([low, high]).all() else []
        own += svg.points(x.place([100 * value for value in row.values]), middle, f"{css} seed")
        own += svg.points(np.array([mean]), np.array([500.0]), f"{css} mean") if np.isfinite(mean) else []
        marks.append((row.name, own))
    return svg.strips(marks, x, label="Accuracy of each arm with its 95 % interval; the table above has the numbers")


def frontier(offers: Sequence[Offer], title: str) -> Markup:
    """Chart the accuracy of each arm against its total cost in epochs, numbered as in the table of arms."""
    shown = [offer for offer in offers if np.isfinite([offer.cost.epochs, offer.arm.accuracy.mean]).all()]
    costs = np.array([offer.cost.epochs for offer in shown])
    ends = 100 * np.array([offer.arm.accuracy for offer in shown]).reshape(-1, 3)  # mean, low, high
    x, y = Axis(0, 1.15 * float(costs.max(initial=1.0)), title), _around(ends.ravel(), "accuracy, %")
    best = [i for i in np.argsort(costs, kind="stable") if shown[i].unbeaten]
    marks = [svg.line(x.place(costs[best]), y.place(ends[best, 0]), "quiet dotted")]
    for offer, (mean, low, high) in zip(shown, ends, strict=True):
        css, at = "quiet" if offer.arm.role in {"random", "full"} else "kept", x.place([offer.cost.epochs] * 2)
        marks += [svg.line(at, y.place([low, high]), f"{css} thin")] if np.isfinite([low, high]).all() else []
        marks += svg.points(at[:1], y.place([mean]), f"{css} mean")
    places = _apart(x.place(costs), y.place(ends[:, 0]))
    labels = [(a, b, str(offer.number)) for offer, (a, b) in zip(shown, places.tolist(), strict=True)]
    return svg.plot(marks, x, y, label=f"Accuracy of each arm against {title}", height=260, labels=labels)


def _apart(x: Floats, y: Floats, width: float = 50.0, height: float = 60.0) -> Floats:
    """Return a place (M, 2) for the label of each point: beside it, or the nearest free place, inside the plot."""
    steps = sorted(product(range(6), range(-6, 7)), key=lambda step: 2 * step[0] + abs(step[1]))
    points, places = list(zip(x.tolist(), y.tolist(), strict=True)), list[tuple[float, float]]()
    for a, b in points:
        side = -width if a > svg.SIZE / 2 else width  # labels lie left of points in the right half
        tried = [(a + side * right, b + height * up) for right, up in steps]
        free = [
            (c, d)
            for c, d in tried
            if 0 <= d <= svg.SIZE
            and not any(abs(c - e) < width and abs(d - f) < height for e, f in places)
            and not any(abs(c - e) < width / 2 and abs(d - f) < height / 2 for e, f in points)
        ]
        places.append(free[0] if free else (a, b))
    return np.array(places).reshape(-1, 2)


def data_map(mean: Floats, deviation: Floats, mask: Mask, reach: float | None = None) -> Markup:
    """Chart examples as points: x is the standard deviation, y the mean of the label's probability over epochs."""
    x, y = map_axes(deviation if reach is None else np.array([reach]))
    marks = _kept_and_dropped(x.place(deviation), y.place(mean), mask)
    label = "Each example by standard deviation and mean of its label's probability, kept in blue, dropped in orange"
    return svg.plot(marks, x, y, label=label, height=520, legend=KEPT_OR_DROPPED, interactive="data-map")


def map_axes(deviation: Floats) -> tuple[Axis, Axis]:
    """Return the axes of a data map: the probability from 0 to 1, the standard deviation up to its largest value."""
    reach = float(deviation[np.isfinite(deviation)].max(initial=0.0)) or 1.0
    x = Axis(-0.01 * reach, 1.02 * reach, "standard deviation of the label's probability over epochs")
    return x, Axis(-0.02, 1.02, "mean probability of the label")


def embedding_map(place: Floats, mask: Mask) -> Markup:
    """Chart examples at two coordinates (M, 2) of their embedding."""
    x, y = (_around(place[:, i], f"principal component {i + 1}") for i in (0, 1))
    marks = _kept_and_dropped(x.place(place[:, 0]), y.place(place[:, 1]), mask)
    label = "Each example by the two principal components of its embedding, kept in blue, dropped in orange"
    return svg.plot(marks, x, y, label=label, height=520, legend=KEPT_OR_DROPPED, interactive="embedding-map")


def map_densities(mean: Floats, deviation: Floats, mask: Mask) -> tuple[Markup, Markup]:
    """Chart a data map of many examples: how many lie in each cell, and which fraction of them is kept."""
    reach = float(np.max(deviation, where=np.isfinite(deviation), initial=0.0)) or 1.0
    edges = (np.linspace(0, reach, BINS + 1), np.linspace(0, 1, BINS + 1))
    whole = histogram_2d(deviation, mean, edges)  # (deviation, mean)
    kept = histogram_2d(deviation, mean, edges, mask)
    x = Axis(0, reach, "standard deviation of the label's probability over epochs")
    y = Axis(0, 1, "mean probability of the label")
    most, overall, size = np.log1p(whole.max()), float(mask.mean()), svg.SIZE / BINS
    many, share = [], []
    for i, j in zip(*np.nonzero(whole), strict=True):
        count, part = int(whole[i, j]), kept[i, j] / whole[i, j]
        at = (size * i, size * j, size, size)
        many.append(svg.cell(*at, f"fill-opacity:{np.log1p(count) / most:.2f}", f"{count:,} examples"))
        share.append(svg.cell(*at, f"fill:{_mixed(part, overall)}", f"{100 * part:.1f} % of {count:,} kept"))
    return (
        svg.plot(many, x, y, label="Number of examples by standard deviation and mean probability", height=430),
        svg.plot(share, x, y, label="Kept fraction by standard deviation and mean probability", height=430),
    )


def scores(score: Floats, mask: Mask) -> Markup:
    """Chart a histogram of the finite scores, dropped on top of kept; the outermost bins hold what lies beyond."""
    edges = score_edges(score)
    kept, whole = histogram(score, edges, mask), histogram(score, edges)
    x = Axis(float(edges[0]), float(edges[-1]), "score (larger = keep first)")
    y = Axis(0, 1.05 * max(whole.max(initial=0), 1), "examples")
    sides, nothing = (x.place(edges[:-1]), x.place(edges[1:])), np.zeros(BINS)
    texts = [
        f"score {a:.3g} to {b:.3g}: {k:,} kept, {n - k:,} dropped"
        for a, b, k, n in zip(edges[:-1], edges[1:], kept, whole, strict=True)
    ]
    marks = svg.bars(*sides, nothing, y.place(kept), "kept", texts)
    marks += svg.bars(*sides, y.place(kept), y.place(whole), "dropped", texts)
    return svg.plot(marks, x, y, label="Histogram of the scores, kept and dropped stacked", legend=KEPT_OR_DROPPED)


def score_edges(score: Floats) -> Floats:
    """Return bin edges (61,) that cover the finite scores, except for tails twice as long as the middle 99.8 %.

    Of more than a million scores the middle is that of a million of them.
    """
    finite = np.isfinite(score)
    if not finite.any():
        return np.linspace(0.0, 1.0, BINS + 1)
    low = float(np.min(score, where=finite, initial=np.inf))
    high = float(np.max(score, where=finite, initial=-np.inf))
    some = score[:: max(1, len(score) // MIDDLE)]
    body = some[np.isfinite(some)]
    low_body, high_body = np.quantile(body, [0.001, 0.999]) if len(body) else (low, high)
    reach = 2 * (high_body - low_body)
    if reach > 0:
        low, high = max(low, low_body - reach), min(high, high_body + reach)
    pad = 0.0 if high > low else max(abs(float(low)), 1.0) / 2
    return np.linspace(low - pad, high + pad, BINS + 1)


def probabilities(mean: Floats, mask: Mask, curve: tuple[Floats, Floats] | None = None) -> Markup:
    """Chart the densities of the mean probability, all and kept, and the weighting curve (x, y) if there is one."""
    edges = np.linspace(0, 1, BINS + 1)
    whole, kept = _density(mean, edges), _density(mean, edges, mask)
    top = max(whole.max(), kept.max(), 0.0 if curve is None else float(np.quantile(curve[1], 0.98)), 1e-9)
    x, y = Axis(0, 1, "mean probability of the label"), Axis(0, 1.08 * top, "density")
    sides, nothing = (x.place(edges[:-1]), x.place(edges[1:])), np.zeros(BINS)
    texts = [f"{a:.3g}: {n:.3g} all, {k:.3g} kept" for a, n, k in zip(edges[:-1], whole, kept, strict=True)]
    marks = svg.bars(*sides, nothing, y.place(whole), "quiet half-bar", texts)
    marks += svg.bars(*sides, nothing, y.place(kept), "kept half-bar", texts)
    legend = [("quiet", "all"), ("kept", "kept")]
    if curve is not None:
        marks.append(svg.line(x.place(curve[0]), y.place(curve[1]), "dropped"))
        legend.append(("dropped", "Beta density"))
    return svg.plot(marks, x, y, label="Densities of the mean probability, all and kept examples", legend=legend)


def observed(share: Floats) -> Markup:
    """Chart the percentage of the examples observed in each epoch."""
    x = Axis(
        -0.5, len(share) - 0.5, "epoch", tuple((t, s) for t, s in svg.round_ticks(0, len(share) - 1) if t % 1 == 0)
    )
    y = _around(np.append(100 * share, 100.0), "observed, %")
    epochs = np.arange(len(share), dtype=np.float64)
    marks = [svg.line(x.place(epochs), y.place(100 * share), "kept")]
    marks += svg.points(x.place(epochs), y.place(100 * share), "kept seed")
    return svg.plot(marks, x, y, label="Percentage of the examples observed in each epoch", height=200)


def _kept_and_dropped(x: Floats, y: Floats, mask: Mask) -> list[str]:
    seen = np.isfinite(x) & np.isfinite(y)
    return [
        mark
        for css, chosen in (("dropped", ~mask), ("kept", mask))
        for mark in svg.points(x[seen & chosen], y[seen & chosen], css)
    ]


def _around(values: Floats, title: str) -> Axis:
    """Return an axis that holds the finite values with a margin."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    pad = 0.05 * (high - low) or max(abs(low), 1.0) / 100
    return Axis(low - pad, high + pad, title)


def _mixed(part: float, overall: float) -> str:
    """Return the colour of a kept fraction: pale at the overall one, blue above, orange below."""
    end, far = (KEPT, (part - overall) / (1 - overall or 1)) if part >= overall else (DROPPED, 1 - part / overall)
    channels = (round(a + (b - a) * far) for a, b in zip(PALE, end, strict=True))
    return "#" + "".join(f"{value:02x}" for value in channels)


def _density(values: Floats, edges: Floats, among: Mask | None = None) -> Floats:
    counts = histogram(values, edges, among).astype(np.float64)
    density: Floats = counts / max(counts.sum(), 1.0) / (edges[1] - edges[0])
    return density
