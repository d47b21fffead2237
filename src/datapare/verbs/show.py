"""`datapare show`."""

from pathlib import Path
from typing import Annotated

import typer

from datapare.screen import show_recipe, show_run


def show(
    path: Annotated[Path, typer.Argument(help="A run folder, or a saved record, scores, subset or comparison.")],
) -> None:
    """Say in words what an artefact holds and how it was made."""
    from datapare import runs, store

    if (path / runs.RUN).is_file():
        show_run(path, runs.facts_of(path))
        return
    meta = store.read_meta(path)
    typer.echo(meta["noun"])
    for name, described in meta["arrays"].items():
        typer.echo(f"  {name:24} {described['dtype']:8} {tuple(described['shape'])}")
    show_recipe(meta["fields"]["recipe"])
