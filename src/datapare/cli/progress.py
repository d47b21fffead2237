"""Progress on standard error: a bar in a terminal, one line per epoch or training elsewhere."""

import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import typer

from datapare.cli import console

MANY_IMAGES = 20_000
LONG, ENOUGH_SEEN = 600, 15  # seconds: a training that is long, and what its speed is judged by
SHORTER = (
    "for less time, give a smaller --image-size (images), fewer --epochs, or --score-fraction 0.2 of prune and "
    "--fraction 0.2 of record, which train on a fifth; --dry-run of prune estimates each"
)

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from datapare.training.epoch import Progress


class TrainingProgress(AbstractContextManager["Callable[[Progress], None]"]):
    """The state of the recorded training: epoch, loss, speed, time left."""

    def __init__(self) -> None:
        self.tasks: dict[str, TaskID | None] = {}
        self.bar: Bar | None = _bar() if _in_terminal() else None
        self.reported, self.warned = 0, False
        self.last: Progress | None = None

    def __enter__(self) -> "Callable[[Progress], None]":
        return self.step if self.bar is not None else self.report

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            _stop(self.bar)

    def step(self, p: "Progress") -> None:
        """Draw the bar."""
        assert self.bar is not None  # noqa: S101 - in a terminal there is one
        stage = p.making or f"epoch {p.epoch + 1}/{p.epochs}"
        speed = f"{p.per_second:,.0f} examples/s, loss {format_loss(p.loss)}"
        done = p.examples_done if p.making else p.epoch * p.examples_total + p.examples_done
        _start(self.bar)
        if hint := self.wait(p):
            self.bar.console.print(hint, highlight=False)
        if (task := self.tasks.get(p.making)) is None:
            total = p.examples_total if p.making else p.epochs * p.examples_total
            task = self.tasks[p.making] = self.bar.add_task("", total=total, stage=stage, speed=speed)
        self.bar.update(task, completed=done, stage=stage, speed=speed)

    def report(self, p: "Progress") -> None:
        """Print one line for each epoch that is complete, and for each signal of the trained network."""
        if p.making and p.making not in self.tasks:
            self.tasks[p.making] = None
            _print(f"{p.making} of {p.examples_total:,} examples")
        if not p.making and p.epoch > self.reported:
            from datapare.evaluation.costs import duration

            self.reported = p.epoch
            speed = (self.last or p).per_second  # over all of that epoch
            left = (p.epochs - p.epoch) * p.examples_total / speed if speed else math.nan
            ends = "done" if p.epoch == p.epochs else f"{duration(left)} left"
            _print(f"epoch {p.epoch}/{p.epochs}: loss {format_loss(p.loss)}, {speed:,.0f} examples/s, {ends}")
        if hint := self.wait(p):
            _print(hint)
        self.last = p

    def wait(self, p: "Progress") -> str:
        """Return once how long the training takes, where that is long."""
        hint = "" if self.warned or p.making else describe_wait(p)
        self.warned |= bool(hint)
        return hint


class CheckProgress(AbstractContextManager[Callable[[int, int], None]]):
    """How many images were decoded once, as a check; elsewhere than in a terminal a line per quarter of very many."""

    def __init__(self) -> None:
        self.bar: Bar | None = _bar() if _in_terminal() else None
        self.task: TaskID | None = None
        self.quarters = 0

    def __enter__(self) -> Callable[[int, int], None]:
        return self.step if self.bar is not None else self.report

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def step(self, done: int, total: int) -> None:
        """Draw the bar."""
        assert self.bar is not None  # noqa: S101 - in a terminal there is one
        self.bar.start()
        if self.task is None:
            self.task = self.bar.add_task("", total=total, stage="checking images", speed="skip with --trust-images")
        self.bar.update(self.task, completed=done)

    def report(self, done: int, total: int) -> None:
        """Print one line for each quarter."""
        if total >= MANY_IMAGES and 4 * done >= (self.quarters + 1) * total:
            self.quarters = 4 * done // total
            _print(f"checked {done:,} of {total:,} images; --trust-images skips this")


class JobProgress(AbstractContextManager[Callable[[int, int, str], None]]):
    """How many trainings of a comparison are done."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.start = time.monotonic()
        self.bar: Bar | None = _bar() if _in_terminal() else None
        self.task: TaskID | None = None

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self.step if self.bar is not None else self.report

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            _stop(self.bar)

    def step(self, done: int, total: int, arm: str) -> None:
        """Draw the bar."""
        assert self.bar is not None  # noqa: S101 - in a terminal there is one
        _start(self.bar)
        if self.task is None:
            self.task = self.bar.add_task("", total=total, stage=self.title, speed=arm)
        self.bar.update(self.task, completed=done, stage=self.title, speed=arm)

    def report(self, done: int, total: int, arm: str) -> None:
        """Print one line for each training."""
        from datapare.evaluation.costs import duration

        left = (time.monotonic() - self.start) / done * (total - done) if done else math.nan
        _print(f"training {done}/{total}: {arm}, {duration(left)} left")


def describe_wait(p: "Progress") -> str:
    """Return how long a training takes yet and what makes it shorter; "" where it is not long, or not yet known.

    >>> from datapare.training.epoch import Progress
    >>> describe_wait(Progress(0, 13, 10, 50, 0.5, 0.7)).partition(";")[0]
    'about 21 min left'
    >>> describe_wait(Progress(0, 13, 10, 50, 5000.0, 0.7)), describe_wait(Progress(0, 13, 1, 50, 0.5, 0.7))
    ('', '')
    """
    from datapare.evaluation.costs import duration

    done, speed = p.epoch * p.examples_total + p.examples_done, p.per_second or math.inf
    left = (p.epochs * p.examples_total - done) / speed
    return f"about {duration(left)} left; {SHORTER}" if done / speed > ENOUGH_SEEN and left > LONG else ""


def format_loss(loss: float) -> str:
    """Return a loss as text, a dash before the first epoch is complete.

    >>> format_loss(0.12345), format_loss(float("nan"))
    ('0.123', '–')
    """
    return "–" if math.isnan(loss) else f"{loss:.3f}"


def _bar() -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.fields[stage]}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[speed]}"), TimeRemainingColumn(), console=Console(stderr=True),
    )  # fmt: skip


def _start(bar: "Bar") -> None:
    """Draw the bar; not before there is something to draw, or it leaves an empty line above an error."""
    bar.start()
    console.live = bar


def _stop(bar: "Bar") -> None:
    bar.stop()
    console.live = None


def _in_terminal() -> bool:
    return sys.stderr.isatty() and not console.quiet


def _print(line: str) -> None:
    if not console.quiet:
        typer.echo(line, err=True)
