"""`datapare suspects`."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from datapare.cli.console import bars, show_checked
from datapare.cli.flags import Run
from datapare.methods.label_issues import Detector


def label_issues(
    run: Run,
    *,
    method: Annotated[Detector, Option(help="What doubts a label; soft_label needs --channel logit_mean.")] = "aum",
    check: Annotated[
        bool,
        Option("--check", help="Train once more with labels flipped on purpose, to estimate precision and recall."),
    ] = False,
    share: Annotated[float, Option(help="Share of the labels that --check flips.")] = 0.1,
    seed: Annotated[int, Option(help="Seed of the flips and of their training.")] = 0,
    out: Annotated[Path | None, Option(help="CSV to decide in.  [default: suspects.csv in RUN]")] = None,
) -> None:
    """Rank the labels that look wrong, and write a file in which to keep, drop or relabel each."""
    from datapare.evaluation.label_issue_check import check_suspects
    from datapare.lock import hold
    from datapare.methods.label_issues import label_issues
    from datapare.pipeline import run_folder
    from datapare.pipeline.label_decisions import write_decisions

    data, dynamics, cut = run_folder.dataset_of(run), run_folder.dynamics_of(run), None
    label_issues(dynamics, method)
    if check:
        typer.echo(f"training once more with {share:.0%} of the labels flipped: {run_folder.cost_of(dynamics)}")
        with hold(run, "working"), bars() as progress:
            checked = check_suspects(
                data, dynamics, share=share, seed=seed, training=run_folder.training_of(run),
                image_size=run_folder.image_size_of(run), folder=run / f"label-issues-check-{share:g}-{seed}",
                progress=progress,
            )  # fmt: skip
        show_checked(checked)
        cut = checked[method].cut
    found = label_issues(dynamics, method, cut=cut)
    place = write_decisions(out or run / "suspects.csv", data, found, method)
    typer.echo(f"{len(found.index):,} of {len(data):,} labels look wrong to {method} (doubt above {found.cut:.3g})")
    if not check:
        typer.echo(f"how many of them are wrong is not known; --check estimates it: {run_folder.cost_of(dynamics)}")
    typer.echo(place)
