"""`datapare show`."""

from pathlib import Path
from typing import Annotated

import typer

from datapare.cli.console import show_recipe, show_run


def show(
    path: Annotated[Path, typer.Argument(help="A run folder, or a saved record, scores, subset or comparison.")],
) -> None:
    """Say in words what an artefact holds and how it was made."""
    from datapare import storage
    from datapare.pipeline import run_folder

    if (path / run_folder.RUN).is_file():
        show_run(path, run_folder.facts_of(path))
        return
    meta = storage.read_meta(path)
    typer.echo(meta["artifact"])
    for name, described in meta["arrays"].items():
        typer.echo(f"  {name:24} {described['dtype']:8} {tuple(described['shape'])}")
    show_recipe(meta["fields"]["provenance"])
