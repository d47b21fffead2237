"""Log a training's numbers to an experiment tracker: any object with `log(values, step=)`, or one of three by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from datapare.errors import InputError

PROJECT = "datapare"
MEANS = {"loss": "loss", "accuracy": "margin", "target_prob": "target_prob"}  # what is logged, by the channel it is of
TRACKERS = ("trackio", "wandb", "tensorboard")


class RunLog(Protocol):
    """What numbers are logged to, as runs of wandb and trackio are."""

    def log(self, values: dict[str, float], *, step: int) -> object:
        """Log values by name at a step."""


class _TensorBoard:
    """A run of TensorBoard, in `runs/NAME` of the working directory."""

    def __init__(self, name: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(Path("runs") / name)

    def log(self, values: dict[str, float], *, step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def finish(self) -> None:
        self.writer.close()


def check_log(log: RunLog | str | None) -> None:
    """Raise InputError for a name that is none of TRACKERS, one that is not installed, or an object without `log`.

    >>> check_log(None)
    """
    if not (log is None or (log in TRACKERS if isinstance(log, str) else callable(getattr(log, "log", None)))):
        raise InputError(f"expected log as {', '.join(TRACKERS)} or an object with log(values, step=), got {log!r}.")
    if isinstance(log, str) and find_spec(log) is None:
        raise InputError(f"logging to {log} needs it; install it with: pip install {log}")


@contextmanager
def open_log(log: RunLog | str | None, name: str) -> Iterator[RunLog | None]:
    """Open a tracker by name and finish its run at the end; an object with `log` is used as it is and left open.

    Args:
        log: trackio, wandb, tensorboard, an object with `log(values, step=)`, or None.
        name: Name of the run.

    Raises:
        InputError: For another name, an object without `log`, or a tracker that is not installed.
    """
    check_log(log)
    if not isinstance(log, str):
        yield log
        return
    run = _TensorBoard(name) if log == "tensorboard" else _begun(log, name)
    try:
        yield run
    finally:
        run.finish()


def _begun(tracker: str, name: str) -> "_TensorBoard":
    """A run of trackio or wandb, whose interfaces are the same."""
    run: _TensorBoard = import_module(tracker).init(project=PROJECT, name=name)
    return run


class EpochLog:
    """Log what a record holds of each complete epoch, once."""

    def __init__(self, log: RunLog | None, folder: Path, done: int) -> None:
        self.log = log
        self.folder = folder
        self.done = done

    def __call__(self, done: int) -> None:
        """Log the last of so many complete epochs, unless it was."""
        if self.log is not None and done > self.done:
            self.log.log(epoch_means(self.folder, done), step=done)
        self.done = done


def epoch_means(folder: Path, epoch: int) -> dict[str, float]:
    """Return the mean loss, accuracy and mean probability of the label in an epoch, as far as they are recorded.

    Args:
        folder: A record, which may be unfinished.
        epoch: Number of the epoch, from 1.
    """
    files = {name: folder / f"channels.{channel}.npy" for name, channel in MEANS.items()}
    rows = {
        name: np.load(file, mmap_mode="r", allow_pickle=False)[epoch - 1]
        for name, file in files.items()
        if file.is_file()
    }
    seen = {name: row[~np.isnan(row)] for name, row in rows.items()}
    return {name: float(np.mean(row > 0 if name == "accuracy" else row)) for name, row in seen.items() if len(row)}
