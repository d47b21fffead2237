"""Where trainings run: here (inline), in several processes of this machine, or on a Ray cluster.

A runner takes tasks and yields the number and the result of each as it finishes. Whoever called it writes the files.
"""

from functools import partial

from datapare.errors import InputError
from datapare.evaluation.jobs import Runner


def runner_for(jobs: int) -> Runner:
    """Return the runner that runs so many trainings at a time.

    Raises:
        InputError: If `jobs` is less than one.
    """
    from datapare.evaluation.runners.inline import run_inline
    from datapare.evaluation.runners.processes import run_processes

    if jobs < 1:
        raise InputError(f"jobs is how many trainings run at a time, at least 1, not {jobs}.")
    return run_inline if jobs == 1 else partial(run_processes, at_once=jobs)
