"""The examples themselves: filters over all that the page holds, and galleries of those worth looking at first."""

import math
from dataclasses import dataclass

from datapare.evaluation.record_summary import Floats, names_of
from datapare.reporting.content import Content, contents
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import Section


@dataclass(frozen=True)
class Card:
    """One example of a gallery; `predicted` is the class the model preferred on average, empty if it is the label."""

    position: int
    name: str
    label: str
    predicted: str
    kept: bool
    mean_prob: str
    margin: str
    score: str
    content: Content


def build(context: ReportContext) -> Section | None:
    """Show galleries and filters; None without a dataset or anything known of its examples."""
    if context.data is None or not context.galleries:
        return None
    galleries = [(gallery, cards(context, gallery.index.tolist())) for gallery in context.galleries]
    return Section(
        "Examples",
        {
            "galleries": galleries,
            "kind": context.data.kind,
            "classes": names_of(len(context.classes), context.classes),
            "scored": context.score is not None,
            "guesses": context.predicted is not None,
            "held": len(context.shown),
            "total": context.subset.total,
        },
        terms=("mean probability", "margin", "score"),
    )


def cards(context: ReportContext, index: list[int]) -> list[Card]:
    """Describe the examples at some positions."""
    return [] if context.data is None else [_card(context, i, content) for i, content in contents(context.data, index)]


def _card(context: ReportContext, i: int, content: Content) -> Card:
    label = -1 if context.label is None else int(context.label[i])
    predicted = label if context.predicted is None else int(context.predicted[i])
    names = names_of(max(label, predicted) + 1, context.classes)
    return Card(
        i,
        str(context.names[i]),
        names[label] if label >= 0 else "",
        "" if predicted == label else names[predicted],
        bool(context.mask[i]),
        _entry(context.mean_prob, i, ".3f"),
        _entry(context.margin, i, ".2f"),
        _entry(context.score, i, ".3g"),
        content,
    )


def _entry(values: Floats | None, i: int, form: str) -> str:
    return "" if values is None or math.isnan(values[i]) else format(values[i], form).replace("-", "−")
