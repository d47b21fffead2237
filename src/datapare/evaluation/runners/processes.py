"""Run trainings in several processes of this machine, one thread each."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence

from datapare.errors import DatapareError
from datapare.evaluation.jobs import Result, Task, execute


def run_processes(tasks: Sequence[Task], at_once: int) -> Iterator[tuple[int, Result]]:
    """Yield the number and the result of each task as it finishes, `at_once` of them at a time.

    Raises:
        DatapareError: When a process is killed.
    """
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if len(tasks) < 2:
        yield from map(execute, tasks)
        return
    # examples in memory are mapped from a file on disk, since in /dev/shm, as by default, they take memory again
    with parallel_config(backend="loky", inner_max_num_threads=1, temp_folder=tempfile.gettempdir()):
        pool = Parallel(n_jobs=min(at_once, len(tasks)), return_as="generator_unordered", batch_size=1)
        try:
            yield from pool(delayed(_execute_child)(os.getpid(), task) for task in tasks)
        except TerminatedWorkerError as error:
            raise DatapareError(
                "a training process was killed, most likely for want of memory; use fewer --jobs: the same command "
                "resumes where it stopped."
            ) from error


def _execute_child(parent: int, task: Task) -> tuple[int, Result]:
    """Run in a process that ends with its parent, so that nothing trains on behind a killed command."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.1)
        os._exit(1)

    if not any(thread.name == "datapare-watch" for thread in threading.enumerate()):
        threading.Thread(target=watch, name="datapare-watch", daemon=True).start()
    return execute(task)
