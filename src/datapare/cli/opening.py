"""Every command opens data here: with progress, and with the same first lines on what was read."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from datapare.cli.console import say
from datapare.cli.progress import CheckProgress
from datapare.options import OpenOptions

if TYPE_CHECKING:
    from datapare.data import Dataset
    from datapare.pipeline.run_folder import RunFolder


def open_shown(source: str, **options: Unpack[OpenOptions]) -> "Dataset":
    """Open a dataset as `open_dataset` does, and print what was read of it and what was left out."""
    from datapare.data import inspect, open_dataset

    with CheckProgress() as progress:
        data = open_dataset(source, progress=progress, **options)
    for line in inspect(data).summary():
        say(line)
    return data


def open_run(path: Path, data: str | None = None) -> "RunFolder":
    """Return the handle of a run folder, which shows its dataset when something reads it."""
    from datapare.pipeline.run_folder import RunFolder

    return RunFolder.open(path, data, reader=open_shown)
