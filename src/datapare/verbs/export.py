"""`datapare export`."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from datapare.flags import As, Keep, Run, parse_keep


def export(
    run: Run,
    keep: Keep,
    *,
    out: Annotated[Path | None, Option(help="Folder for the smaller dataset.  [default: inside RUN]")] = None,
    as_: As = "copy",
) -> None:
    """Write the kept examples as the same kind of dataset as the original."""
    from datapare import runs
    from datapare.data import export

    place = runs.keep_folder(run, parse_keep(keep))
    typer.echo(export(runs.dataset_of(run), runs.subset_of(place), out or place / "dataset", as_=as_))
