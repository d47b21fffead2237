"""Where trainings run: here (inline), in several processes of this machine (or whichever is faster), or on Ray.

A runner takes tasks and yields the number and the result of each as it finishes. Whoever called it writes the files.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from datapare.errors import InputError
from datapare.evaluation.jobs import Runner

T = TypeVar("T")


def runner_for(jobs: int | None = 1, on: str = "here", gpus: float | None = None) -> Runner:
    """Return the runner for these options.

    Args:
        jobs: Trainings that run at a time on this machine; None for as many as it has cores where that saves time.
        on: "here", "ray" for Ray on this machine, "ray://HOST:PORT" or "auto" for a Ray cluster.
        gpus: GPUs of one training on Ray, also a fraction.

    Raises:
        InputError: For another place, and for GPUs that Ray does not give.
    """
    from datapare.evaluation.runners.automatic import run_automatically
    from datapare.evaluation.runners.inline import run_inline
    from datapare.evaluation.runners.processes import run_processes
    from datapare.evaluation.runners.ray import run_ray

    if is_on_ray(on, gpus):
        return partial(run_ray, address=on, at_once=jobs or 1, gpus=gpus)
    if jobs is None:
        return run_automatically
    return run_inline if jobs == 1 else partial(run_processes, at_once=jobs)


def call_on(on: str, gpus: float | None, calls: Sequence[Callable[[], T]]) -> Iterator[tuple[int, T]]:
    """Yield the number and the value of each function that is called at the place of these options.

    For Ray they are pickled, and their values come as they finish.
    """
    from datapare.evaluation.runners.ray import call_ray

    if is_on_ray(on, gpus):
        yield from call_ray(calls, on, gpus)
    else:
        yield from ((number, call()) for number, call in enumerate(calls))


def is_on_ray(on: str, gpus: float | None = None) -> bool:
    """Say whether trainings run on Ray.

    Raises:
        InputError: For a place that is none, and for GPUs that Ray does not give.

    >>> is_on_ray("here"), is_on_ray("ray://head:10001", 0.5)
    (False, True)
    """
    ray = on in {"ray", "auto"} or _is_client_address(on)
    if not ray and on != "here":
        raise InputError(f"--on is here, ray (this machine), ray://HOST:PORT or auto (a cluster), not {on!r}.")
    if gpus is not None and not ray:
        raise InputError("--gpus shares the GPUs of Ray among trainings; give it with --on ray, or leave it out.")
    if gpus is not None and gpus > 1 and gpus % 1:
        raise InputError(f"a training gets a fraction of one GPU or whole GPUs, not {gpus:g}.")
    return ray


def _is_client_address(on: str) -> bool:
    """Whether a text is ray://HOST:PORT.

    >>> [_is_client_address(on) for on in ("ray://head:10001", "ray://head", "ray://head:x", "head:6379")]
    [True, False, False, False]
    """
    place = urlsplit(on)
    try:
        return place.scheme == "ray" and bool(place.hostname) and bool(place.port)
    except ValueError:  # no number, or too large a one
        return False
