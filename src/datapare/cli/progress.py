"""Progress on standard error: a bar in a terminal, one line per epoch or training elsewhere."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datapare.training.epoch import Progress


class TrainingProgress(AbstractContextManager["Callable[[Progress], None]"]):
    """A progress bar for the recorded training, drawn on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("{task.fields[stage]}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[speed]}"), TimeRemainingColumn(), console=Console(stderr=True),
        )  # fmt: skip
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[Any], None]:
        return self.step

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def step(self, p: Any) -> None:
        """Draw where the training stands."""
        fields: dict[str, Any] = {
            "stage": p.making or f"epoch {p.epoch + 1}/{p.epochs}",
            "speed": f"{p.per_second:,.0f} examples/s, loss {p.loss:.3f}",
        }
        done = p.examples_done if p.making else p.epoch * p.examples_total + p.examples_done
        self.bar.start()  # not before there is something to draw, or it leaves an empty line above an error
        if p.making not in self.tasks:
            total = p.examples_total if p.making else p.epochs * p.examples_total
            self.tasks[p.making] = self.bar.add_task("", total=total, **fields)
        self.bar.update(self.tasks[p.making], completed=done, **fields)


class JobProgress(AbstractContextManager[Callable[[int, int, str], None]]):
    """A progress bar for many trainings."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self.bar = Progress(console=Console(stderr=True))
        self.task = self.bar.add_task(what, total=None)

    def step(self, done: int, total: int, arm: str) -> None:
        """Draw how many trainings are done."""
        self.bar.start()
        self.bar.update(self.task, completed=done, total=total, description=arm)

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self.step

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
