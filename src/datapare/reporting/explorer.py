"""What the page's script knows of the examples it shows one by one: columns, curves, neighbours, pictures."""

import base64

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array
from datapare.errors import MissingExtraError
from datapare.evaluation.record_summary import Floats, names_of
from datapare.numerics.neighbors import neighbours
from datapare.reporting.content import contents
from datapare.reporting.context import ReportContext
from datapare.reporting.counting import rank
from datapare.reporting.text import visible

BYTES = 4_000_000  # of thumbnails and texts beside those of the galleries
IMAGES = 3_000  # beside those of the galleries, decoded at a few ms each
EPOCHS = 40  # of a curve; more are thinned out evenly
FIRST = 48  # in each order that the page offers, their pictures before those of others
NEIGHBOURS = 6
NOT_OBSERVED = 255  # in a curve, whose probabilities are 0..200


def explorer(context: ReportContext) -> dict[str, object]:
    """Return the columns of the examples that are shown, ready for JSON.

    Numbers are rounded to what can be seen; None stands for what is not known.
    """
    at = context.shown
    label = np.full(len(at), -1) if context.label is None else context.label[at]
    classes = names_of(1 + max(int(label.max(initial=-1)), len(context.classes) - 1), context.classes)
    channel = context.channel("target_prob")
    return {
        "total": context.subset.total,
        "rule": context.subset.provenance.method,
        "classes": [visible(name) for name in classes],
        "index": at.tolist(),
        "key": None if context.key is None else [f"#{int(key):016x}" for key in context.key[at]],
        "name": [visible(str(context.names[int(i)])) for i in at],
        "label": label.tolist(),
        "predicted": None if context.predicted is None else context.predicted[at].tolist(),
        "kept": context.mask[at].astype(int).tolist(),
        "score": _column(context.score, at),
        "rank": None if context.score is None else rank(context.score, at).tolist(),
        "mean": _column(context.mean_prob, at),
        "margin": _column(context.margin, at),
        "epochs": 0 if channel is None else min(len(channel), EPOCHS),
        "curves": "" if channel is None else curves(channel, at),
        "neighbours": near(context, at),
        "places": {name: [numbers(x), numbers(y)] for name, (x, y) in places(context, at).items()},
        "contents": looks(context),
    }


def places(context: ReportContext, at: NDArray[np.int64]) -> dict[str, tuple[Floats, Floats]]:
    """Return the two coordinates (M,) of some examples in each map, by its name."""
    found: dict[str, tuple[Floats, Floats]] = {}
    if context.moments is not None:
        mean, deviation = context.moments
        found["data-map"] = deviation[at], mean[at]
    if context.components is not None:
        place = context.components[0][at]
        found["embedding-map"] = place[:, 0], place[:, 1]
    return found


def curves(channel: Array, at: NDArray[np.int64]) -> str:
    """Return probabilities (T, N) of some examples as base64 of bytes (example, epoch): 0..200, 255 not observed.

    >>> list(base64.b64decode(curves(np.array([[0.5, np.nan], [1.0, 0.0]]), np.array([0, 1]))))
    [100, 200, 255, 0]
    """
    epochs = np.linspace(0, len(channel) - 1, min(len(channel), EPOCHS)).round().astype(int)
    values = np.stack([np.asarray(channel[epoch])[at] for epoch in epochs], axis=1)  # (M, T)
    steps = np.where(np.isnan(values), NOT_OBSERVED, np.clip(values, 0, 1) * 200).round().astype(np.uint8)
    return base64.b64encode(steps.tobytes()).decode("ascii")


def near(context: ReportContext, at: NDArray[np.int64]) -> list[list[int]] | None:
    """Return the nearest of the shown examples by embedding, as places among them; None without an embedding."""
    embedding = None if context.dynamics is None else context.dynamics.arrays.get("embedding")
    if embedding is None or len(at) <= NEIGHBOURS:
        return None
    rows = np.asarray(embedding, dtype=np.float32)[at]
    rows -= rows.mean(axis=0)
    try:
        found = neighbours(rows, rows, NEIGHBOURS + 1, exact=True)[1]
    except MissingExtraError:
        return None
    return [[int(j) for j in row if j != i][:NEIGHBOURS] for i, row in enumerate(found)]


def looks(context: ReportContext) -> dict[str, object]:
    """Return what there is to look at, by position: of the galleries, what comes first, others until the page is full.

    Images of the galleries are left out: the script takes them from there.
    """
    if context.data is None:
        return {}
    in_galleries = np.unique(np.concatenate([np.empty(0, np.int64), *(gallery.index for gallery in context.galleries)]))
    others = np.random.default_rng(0).permutation(np.setdiff1d(context.shown, in_galleries))
    others = others[np.argsort(~np.isin(others, leading(context)), kind="stable")]
    if context.data.kind == "image":
        in_galleries, others = in_galleries[:0], others[:IMAGES]
    found: dict[str, object] = {}
    size = 0
    for i, content in contents(context.data, [*in_galleries.tolist(), *others.tolist()]):
        size += content.size
        if size > BYTES:
            break
        found[str(i)] = content.as_json
    return found


def leading(context: ReportContext) -> NDArray[np.int64]:
    """Return the positions that come first in one of the orders that the page offers."""
    at = context.shown
    known = [values[at] for values in (context.mean_prob, context.margin, context.score) if values is not None]
    first = [at[np.argsort(sign * column, kind="stable")[:FIRST]] for column in known for sign in (1, -1)]
    return np.unique(np.concatenate([np.empty(0, np.int64), *first]))


def numbers(values: Floats) -> list[float | None]:
    """Return floats as JSON wants them: four significant digits, None for what is not finite."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values.tolist()]


def _column(values: Floats | None, at: NDArray[np.int64]) -> list[float | None] | None:
    return None if values is None else numbers(values[at])
