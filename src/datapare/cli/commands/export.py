"""`datapare export`."""

from pathlib import Path
from typing import Annotated

import typer

from datapare.cli.console import show_dataset
from datapare.cli.flags import As, Flag, Keep, Run, parse_keep


def export(
    run: Run,
    keep: Keep,
    *,
    out: Annotated[str | None, Flag(help="Folder or URL for the smaller dataset.  [default: inside RUN]")] = None,
    as_: As = "copy",
    decisions: Annotated[
        Path | None, Flag(help="Edited file of datapare label-issues: its new labels, as a save_to_disk folder.")
    ] = None,
) -> None:
    """Write the kept examples as the same kind of dataset as the original."""
    from datapare.data import export
    from datapare.pipeline.label_decisions import apply_decisions, read_decisions
    from datapare.pipeline.run_folder import RunFolder

    folder, fraction = RunFolder.open(run), parse_keep(keep)
    data, subset = folder.dataset, folder.subset(fraction)
    show_dataset(data)
    if decisions is not None:
        data, subset, message = apply_decisions(data, subset, read_decisions(decisions, data))
        typer.echo(message)
    typer.echo(export(data, subset, out or folder.dataset_path(fraction), as_=as_))
