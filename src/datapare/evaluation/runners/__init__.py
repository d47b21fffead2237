"""Where trainings run: here (inline), in several processes of this machine, or on a Ray cluster.

A runner takes tasks and yields the number and the result of each as it finishes. Whoever called it writes the files.
"""

from functools import partial

from datapare.errors import InputError
from datapare.evaluation.jobs import Runner


def runner_for(jobs: int = 1, on: str = "here", gpus: float | None = None) -> Runner:
    """Return the runner for these options.

    Args:
        jobs: Trainings that run at a time on this machine.
        on: "here", "ray" for Ray on this machine, "ray://HOST:PORT" or "auto" for a Ray cluster.
        gpus: GPUs of one training on Ray, also a fraction.

    Raises:
        InputError: For another place.
    """
    from datapare.evaluation.runners.inline import run_inline
    from datapare.evaluation.runners.processes import run_processes
    from datapare.evaluation.runners.ray import run_ray

    if on in {"ray", "auto"} or on.startswith("ray://"):
        return partial(run_ray, address=on, at_once=jobs, gpus=gpus)
    if on != "here":
        raise InputError(f"--on is here, ray (this machine), ray://HOST:PORT or auto (a cluster), not {on!r}.")
    return run_inline if jobs == 1 else partial(run_processes, at_once=jobs)
