"""One HTML file about a subset, to look at offline: what was kept, whether it paid, and which examples to doubt."""

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from datapare.artifacts import Comparison, Dynamics, Scores, Subset, check_same_dataset
from datapare.errors import MismatchError
from datapare.evaluation.costs import duration
from datapare.evaluation.record_summary import percent
from datapare.evaluation.verdicts import points
from datapare.reporting.context import ReportContext
from datapare.reporting.sections import contents, headline, is_beta
from datapare.reporting.tables import glossary

if TYPE_CHECKING:
    from markupsafe import Markup

    from datapare.data import Dataset

__all__ = ["report"]


def report(
    subset: Subset,
    *,
    scores: Scores | None = None,
    dynamics: Dynamics | None = None,
    data: "Dataset | None" = None,
    comparison: Comparison | None = None,
    others: Mapping[str, Scores] | None = None,
    curve: Comparison | None = None,
    within: float = 1.0,
    title: str = "",
) -> str:
    """A self-contained HTML page (text) about a subset; every part appears only when its nouns are given.

    `scores` bring the score histogram; `dynamics` the moon plot, the mean probabilities, keep rates per class and
    coverage; `data` names, galleries and skipped examples; `comparison` the verdict, the arms and their cost; `others`,
    scores of the same examples by other methods, how far they agree; `curve` accuracy and cost against the kept
    fraction, and the smallest subset `within` so many percentage points of full. The page loads nothing from anywhere
    and shows names from the data as they are, never as markup.

    Raises MismatchError when the parts describe different datasets.

    >>> page = report(Subset(index=[0, 2], total=5))
    >>> "Kept 2 of 5 examples (40 %)" in page
    True
    """
    parts = ReportContext(subset, scores, dynamics, data, comparison, others or {}, curve, within)
    _check(parts)
    return _render(title or _title(data), parts)


def _check(parts: ReportContext) -> None:
    check_same_dataset(parts.subset, parts.scores, parts.dynamics, *parts.others.values())
    data = parts.data
    if data is None:
        return
    if len(data) != parts.subset.total:
        raise MismatchError(
            f"the subset describes {parts.subset.total:,} examples and the dataset holds {len(data):,}: "
            "open the dataset that the subset was made from."
        )
    for artifact in (parts.subset, parts.scores, parts.dynamics):
        if artifact is not None and artifact.key is not None and not np.array_equal(artifact.key, data.key):
            raise MismatchError(
                f"the {type(artifact).__name__.lower()} and the dataset describe different examples, or the same in "
                "another order: open the dataset that it was made from."
            )


def _title(data: "Dataset | None") -> str:
    return "datapare report" if data is None or data.path is None else f"datapare report: {data.path.name}"


def _render(title: str, parts: ReportContext) -> str:
    from jinja2 import Environment, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, points=points, breakable=_breakable, duration=duration)
    template = environment.from_string(files("datapare.reporting").joinpath("page.html.j2").read_text(encoding="utf-8"))
    content = contents(parts)
    shown = {name for name, part in content.items() if part} | ({"beta"} if is_beta(parts) else set())
    drawn = json.dumps(parts.figures, allow_nan=False, separators=(",", ":"))
    page = template.render(
        title=title,
        headline=headline(parts),
        glossary=glossary(shown),
        figures=_in_script(drawn),
        nonce=hashlib.sha256(drawn.encode()).hexdigest()[:32],
        plotly=get_plotlyjs() if parts.figures else "",
        **content,
    )
    return page.encode("utf-8", "replace").decode("utf-8")  # file names may hold bytes that are no text


def _breakable(path: str) -> "Markup":
    from markupsafe import Markup, escape

    return Markup("/<wbr>").join(escape(part) for part in path.split("/"))


def _in_script(content: str) -> str:
    """JSON that no HTML parser can mistake for the end of its script element."""
    return content.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
