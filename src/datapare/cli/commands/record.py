"""`datapare record`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from datapare.cli.console import bars
from datapare.cli.flags import Data, opening, recording

GROUPS = {"opening": opening, "recording": recording}


def record(
    path: Data,
    *,
    out: Annotated[Path | None, Option(help="Run folder.  [default: NAME.datapare]")] = None,
    fraction: Annotated[
        float | None, Option(help="Train on so much of every class only; the other scores are to be extrapolated.")
    ] = None,
    seed: Annotated[int, Option(help="Seed of the training, and of the draw of the fraction.")] = 0,
    opening: Mapping[str, Any],
    recording: Mapping[str, Any],
) -> None:
    """Train for the first epochs of a schedule and record what the model believed about each example."""
    from datapare.data import check_outside, open_dataset
    from datapare.lock import hold
    from datapare.methods.extrapolation import check_possible
    from datapare.pipeline import run_folder
    from datapare.pipeline.pruning import default_folder
    from datapare.pipeline.steps import record_into

    data = open_dataset(path, **opening)
    folder = out or default_folder(data)
    check_outside(data, folder)
    run_folder.check_free(folder)
    if fraction is not None:
        check_possible(data.label, fraction, seed)
    with hold(folder, "working"), bars() as progress:
        run_folder.begin(folder, data, opening)
        dynamics = record_into(folder, data, typer.echo, progress, seed=seed, fraction=fraction, **recording)
    typer.echo(f"{len(dynamics):,} examples, {dynamics.epochs} epochs: {folder}")
