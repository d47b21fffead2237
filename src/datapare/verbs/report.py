"""`datapare report`."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from datapare.flags import Keep, Run, parse_keep


def report(
    run: Run,
    keep: Keep,
    *,
    within: Annotated[float, Option(help="Percentage points below full that are still fine, for the curve.")] = 1.0,
    out: Annotated[Path | None, Option(help="HTML file to write.  [default: inside RUN]")] = None,
) -> None:
    """Write one HTML file to look at: what was kept, whether it paid, which labels to doubt."""
    from datapare import runs
    from datapare.extrapolation import called
    from datapare.page import report
    from datapare.stages import write_text

    place = runs.keep_folder(run, parse_keep(keep))
    subset = runs.subset_of(place)
    scored = [called(parent) for parent in subset.recipe.parents if parent.verb in {"score", "extrapolate"}]
    page = report(
        subset, scores=runs.scores_of(run, scored[0]) if scored else None, dynamics=runs.dynamics_of(run),
        data=runs.dataset_of(run), comparison=runs.comparison_of(run), curve=runs.comparison_of(run, "curve"),
        within=within,
        others=runs.all_scores_of(run),
    )  # fmt: skip
    write_text(out or place / "report.html", page)
    typer.echo(out or place / "report.html")
