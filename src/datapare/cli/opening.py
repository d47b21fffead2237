"""Every command opens what it reads here: with progress, and with the same first lines on what was read."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from datapare.cli.console import say
from datapare.cli.progress import CheckProgress
from datapare.options import OpenOptions

if TYPE_CHECKING:
    from datapare.artifacts import Dynamics, Scores, Subset
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
    """Return the handle of a run folder, print what it holds; its dataset is shown when something reads it."""
    from datapare.pipeline.run_folder import RunFolder
    from datapare.storage import is_finished

    folder = RunFolder.open(path, data, reader=open_shown)
    if is_finished(folder.dynamics_path):
        say(f"read {path}: {describe_record(folder.dynamics)}")
    else:
        say(f"read {path}: a run on {folder.examples:,} examples of {folder.source}, without a finished record")
    return folder


def read_scores(folder: "RunFolder", name: str) -> "Scores":
    """Return the scores of this name in a run folder, and print how many there are."""
    scores = folder.scores(name)
    say(f"read the scores {name}: {describe_scores(scores)}")
    return scores


def read_subset(folder: "RunFolder", keep: float | str) -> "Subset":
    """Return the subset of this size or name in a run folder, and print how it was chosen."""
    from datapare.pipeline.steps import describe_choice

    subset = folder.subset(keep)
    made = describe_choice(subset.provenance)
    say(
        f"read the subset {folder.keep_path(keep).name}: {len(subset):,} of {subset.total:,} examples, made with {made}"
    )
    return subset


def describe_record(dynamics: "Dynamics") -> str:
    """Return what a record holds, in one line: examples, classes, epochs, network and channels.

    >>> from datapare.artifacts import Dynamics
    >>> describe_record(Dynamics({"loss": [[0.5, 0.1], [0.25, 0.1]]}, [0, 1], classes=("cat", "dog")))
    'record of 2 examples of 2 classes, 2 epochs: loss'
    """
    classes = f" of {len(dynamics.classes):,} classes" if dynamics.classes else ""
    network = f" of {dynamics.provenance.method}" if dynamics.provenance.method else ""
    held = ", ".join([*dynamics.channels, *dynamics.arrays])
    return f"record of {len(dynamics):,} examples{classes}, {dynamics.epochs} epochs{network}: {held}"


def describe_scores(scores: "Scores") -> str:
    """Return how many examples scores are of and how many of them are missing or predicted.

    >>> from datapare.artifacts import Scores
    >>> describe_scores(Scores([0.5, float("nan"), 0.25]))
    'of 3 examples, 1 of them not scored'
    """
    import numpy as np

    missing = int(np.isnan(scores.score).sum())
    predicted = 0 if scores.predicted is None else int(scores.predicted.sum())
    notes = {"not scored": missing, "predicted": predicted}
    return f"of {len(scores):,} examples" + "".join(f", {n:,} of them {what}" for what, n in notes.items() if n)
