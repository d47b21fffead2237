"""`datapare export`."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from datapare.cli.flags import As, Keep, Run, parse_keep


def export(
    run: Run,
    keep: Keep,
    *,
    out: Annotated[Path | None, Option(help="Folder for the smaller dataset.  [default: inside RUN]")] = None,
    as_: As = "copy",
    decisions: Annotated[
        Path | None, Option(help="Edited file of datapare suspects: its new labels, as a save_to_disk folder.")
    ] = None,
) -> None:
    """Write the kept examples as the same kind of dataset as the original."""
    from datapare.data import export
    from datapare.pipeline import run_folder
    from datapare.pipeline.label_decisions import decided, read_decisions

    place = run_folder.keep_folder(run, parse_keep(keep))
    data, subset = run_folder.dataset_of(run), run_folder.subset_of(place)
    if decisions is not None:
        data, subset, told = decided(data, subset, read_decisions(decisions, data))
        typer.echo(told)
    typer.echo(export(data, subset, out or place / "dataset", as_=as_))
