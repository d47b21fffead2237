"""Run trainings one after the other in this process."""

from collections.abc import Iterator, Sequence

from datapare.evaluation.jobs import Result, Task, execute


def run_inline(tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
    """Yield the number and the result of each task, in order."""
    yield from map(execute, tasks)
