"""`datapare report`."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from datapare.cli.flags import Keep, Run, parse_keep


def report(
    run: Run,
    keep: Keep,
    *,
    within: Annotated[float, Option(help="Percentage points below full that are still fine, for the curve.")] = 1.0,
    out: Annotated[Path | None, Option(help="HTML file to write.  [default: inside RUN]")] = None,
) -> None:
    """Write one HTML file to look at: what was kept, whether it paid, which labels to doubt."""
    from datapare.methods.extrapolation import score_label
    from datapare.pipeline import run_folder
    from datapare.pipeline.steps import write_text
    from datapare.reporting import report

    place = run_folder.keep_folder(run, parse_keep(keep))
    subset = run_folder.subset_of(place)
    scored = [score_label(parent) for parent in subset.provenance.parents if parent.step in {"score", "extrapolate"}]
    page = report(
        subset, scores=run_folder.scores_of(run, scored[0]) if scored else None, dynamics=run_folder.dynamics_of(run),
        data=run_folder.dataset_of(run), comparison=run_folder.comparison_of(run),
        curve=run_folder.comparison_of(run, "curve"),
        within=within,
        others=run_folder.all_scores_of(run),
    )  # fmt: skip
    write_text(out or place / "report.html", page)
    typer.echo(out or place / "report.html")
