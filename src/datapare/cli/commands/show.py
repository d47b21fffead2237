"""`datapare show`."""

from pathlib import Path
from typing import Annotated

import typer

from datapare.cli.console import say, show_result
from datapare.cli.next_command import next_of_artifact, say_next


def show(
    path: Annotated[
        Path, typer.Argument(help="A run folder, or a saved record, scores, subset or comparison.", metavar="PATH")
    ],
) -> None:
    """Describe a run folder or an artifact, and how it was made."""
    from datapare.pipeline.description import facts, show

    say(f"read {path}: {show(path)}")
    say_next(*next_of_artifact(path))
    show_result(**facts(path))
