"""Run trainings in as many processes as there are cores, where they are long enough to be worth the start of those."""

import os
import time
from collections.abc import Iterator, Sequence

from datapare.evaluation.jobs import Result, Task, execute
from datapare.evaluation.runners.processes import run_processes
from datapare.numerics.threads import cores

STARTING_SECONDS = 10.0  # of processes, which import the libraries again
MEMORY = 1 << 30  # bytes of one process: the libraries, a network and its activations


def run_automatically(tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
    """Yield the number and the result of each task as it finishes: the first one's time decides for the others.

    Raises:
        DatapareError: When a process is killed.
    """
    if len(tasks) < 2 or (at_once := _cores()) == 1:
        yield from map(execute, tasks)
        return
    start = time.process_time()  # of the processor, which does not depend on what else runs
    first = execute(tasks[0])
    seconds = time.process_time() - start
    yield first
    others = tasks[1:]
    saved = seconds * sum(map(_examples, others)) / _examples(tasks[0]) * (1 - 1 / at_once)
    yield from run_processes(others, at_once) if saved > STARTING_SECONDS else map(execute, others)


def _examples(task: Task) -> int:
    return len(task.job.index) * task.job.training.epochs


def _cores() -> int:
    """Cores that this process may use, each with memory; on a GPU, trainings would not be faster side by side."""
    import torch

    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 if torch.cuda.is_available() else max(1, min(cores(), memory // MEMORY))
