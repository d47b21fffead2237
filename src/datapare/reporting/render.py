"""One HTML file about a subset, to read offline: what was kept, whether it paid, which examples to look at."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

from datapare.artifacts import Comparison, Dynamics, Scores, Subset, check_same_dataset
from datapare.errors import MismatchError
from datapare.evaluation.arms import points
from datapare.evaluation.costs import duration
from datapare.options import validated
from datapare.reporting.context import ReportContext
from datapare.reporting.document import Report
from datapare.reporting.explorer import explorer
from datapare.reporting.glossary import glossary
from datapare.reporting.sections import build_sections, folders
from datapare.reporting.text import lineage, percent, visible

if TYPE_CHECKING:
    from jinja2 import Environment

    from datapare.data import Dataset


@validated()
def report(
    subset: Subset,
    *,
    scores: Scores | None = None,
    dynamics: Dynamics | None = None,
    data: object = None,  # a Dataset, or whatever open_dataset reads
    comparison: Comparison | None = None,
    others: Mapping[str, Scores] | None = None,
    sweep: Comparison | None = None,
    within: float = 1.0,
    title: str = "",
) -> Report:
    """Make a self-contained HTML page about a subset; each section appears when the artifacts it shows are given.

    The page loads nothing from anywhere and shows names from the data as text, never as markup.

    Args:
        subset: The subset, of N examples.
        scores: The scores it was selected by: histogram, ranks.
        dynamics: The record: data map, mean probabilities, curves, coverage, embedding map where it has an embedding.
        data: The dataset, or what `open_dataset` opens: names, galleries, skipped examples.
        comparison: A comparison that holds the subset: verdict, arms, cost.
        others: Scores of the same examples by other methods, by name: how far they agree.
        sweep: A comparison over keep fractions: accuracy and cost against the kept fraction.
        within: Accepted loss of accuracy against all data, in percentage points, for the advice of the sweep.
        title: Title of the page; made from the dataset's name by default.

    Returns:
        The page; `.save(path)` writes it, `.show()` opens it, `str()` is its HTML.

    Raises:
        MismatchError: The artifacts describe different datasets.

    Example:
        >>> page = report(Subset(index=[0, 2], total=5))
        >>> "Kept 2 of 5 examples (40 %)" in str(page)
        True
    """
    opened = None if data is None else _opened(data, subset)
    context = ReportContext(subset, scores, dynamics, opened, comparison, others or {}, sweep, within)
    _check(context)
    return Report(_render(title or _title(opened), context))


def headline(context: ReportContext) -> dict[str, object]:
    """Return the sentence at the top, the facts below it, and the verdict."""
    subset, data = context.subset, context.data
    steps = [step for step in lineage(subset.provenance) if step.method]
    facts = {
        "dataset": "" if data is None or data.path is None else data.path.name,
        "format": "" if data is None else data.format,
        "kind": "" if data is None else data.kind,
        "classes": f"{len(context.classes):,}" if context.classes else "",
        "method": " → ".join(f"{step.step} {step.method}" for step in steps),
        "seed": "" if subset.provenance.seed is None else str(subset.provenance.seed),
        "digest": subset.provenance.dataset or ("" if data is None else data.digest),
    }
    return {
        "sentence": f"Kept {len(subset):,} of {subset.total:,} examples ({percent(subset.keep)})",
        "facts": {name: fact for name, fact in facts.items() if fact},
        "verdict": context.verdict,
    }


def _opened(data: object, subset: Subset) -> "Dataset":
    from datapare.data import as_dataset
    from datapare.data.former_keys import in_keys_of

    return in_keys_of(as_dataset(data), subset.provenance.dataset)


def _check(context: ReportContext) -> None:
    check_same_dataset(context.subset, context.scores, context.dynamics, *context.others.values())
    data = context.data
    if data is None:
        return
    if len(data) != context.subset.total:
        raise MismatchError(
            f"the subset describes {context.subset.total:,} examples and the dataset holds {len(data):,}: "
            "open the dataset that the subset was made from."
        )
    for artifact in (context.subset, context.scores, context.dynamics):
        if artifact is not None and artifact.key is not None and not np.array_equal(artifact.key, data.key):
            raise MismatchError(
                f"the {type(artifact).__name__.lower()} and the dataset describe different examples, or the same in "
                "another order: open the dataset that it was made from."
            )


def _title(data: "Dataset | None") -> str:
    return "datapare report" if data is None or data.path is None else f"datapare report: {data.path.name}"


def _render(title: str, context: ReportContext) -> str:
    environment = _environment()
    built = list(build_sections(context))
    bodies = [
        Markup(environment.get_template(f"{name}.html.j2").render(**section.data, figures=section.figures))  # noqa: S704 - escaped by the template
        for name, section in built
    ]
    needs_script = any(name in {"data_map", "embedding_map", "examples"} for name, _ in built)
    columns = _in_script(json.dumps(explorer(context), allow_nan=False, separators=(",", ":"))) if needs_script else ""
    page = environment.get_template(
        "page.html.j2"
    ).render(
        title=title,
        headline=headline(context),
        sections=[(name, section, body) for (name, section), body in zip(built, bodies, strict=True)],
        glossary=glossary(term for _, section in built for term in section.terms),
        explorer=Markup(columns),  # noqa: S704 - escaped by _in_script
        nonce=hashlib.sha256(columns.encode()).hexdigest()[:32] if columns else "",
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([Path(__file__).parent, *folders()]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "percent": percent, "points": points, "breakable": _breakable, "duration": duration,
    }  # fmt: skip
    made.filters.update(filters)
    made.globals["ui"] = made.get_template("ui.html.j2").module
    return made


def _shown(value: object) -> object:
    """Show control characters of names; markup is ours and stays."""
    return value if isinstance(value, Markup) else visible(str(value))


def _breakable(path: str) -> Markup:
    return Markup("/<wbr>").join(escape(visible(part)) for part in path.split("/"))


def _in_script(content: str) -> str:
    """Return JSON that no HTML parser can mistake for the end of its script element."""
    return content.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
