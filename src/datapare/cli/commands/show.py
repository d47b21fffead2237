"""`datapare show`."""

from pathlib import Path
from typing import Annotated

import typer

from datapare.cli.console import say, show_result


def show(
    path: Annotated[
        Path, typer.Argument(help="A run folder, or a saved record, scores, subset or comparison.", metavar="PATH")
    ],
) -> None:
    """Describe a run folder or an artifact, and how it was made."""
    from datapare.pipeline.description import facts, show

    say(show(path))
    show_result(**facts(path))
