"""Run trainings on a Ray cluster: this machine alone, or all machines of a cluster.

The data are put into the object store once; each training is one remote task on one thread, and its small result comes
back to the driver, which writes it. A task whose worker or node is lost runs again elsewhere. Results do not depend on
where a task ran, so the files and numbers are those of a local run.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from datapare.errors import DatapareError, MissingExtraError
from datapare.evaluation.jobs import Job, Result, Task, Trainer, execute

if TYPE_CHECKING:
    from ray import ObjectRef

Ray = Any  # the module ray, which is imported on demand and not checked
ANSWER_SECONDS = 10.0  # for a head node to accept a connection
RETRIES = 20  # of one training whose worker or node was lost


def run_ray(tasks: Sequence[Task], address: str, at_once: int, gpus: float | None) -> Iterator[tuple[int, Result]]:
    """Yield the number and the result of each task as it finishes.

    Args:
        tasks: The trainings; their checkpoint folders are not used, as other machines may not see them.
        address: "ray" for this machine, "ray://HOST:PORT" or "auto" for a cluster.
        at_once: On this machine, how many trainings run at a time; 1 uses all cores. A cluster uses all of its own.
        gpus: GPUs of one training, also a fraction; None asks for one where this machine has any.

    Raises:
        MissingExtraError: When Ray is not installed.
        DatapareError: When there is no cluster at the address, or a training fails or is lost again and again.
    """
    if not tasks:
        return
    ray = _ray()
    started = _connect(ray, address, at_once)
    pending: dict[ObjectRef, int] = {}
    try:
        share = _gpus(ray) if gpus is None else gpus
        remote = ray.remote(num_cpus=1, num_gpus=share, max_retries=RETRIES, retry_exceptions=False)(_execute)
        trainer = ray.put(tasks[0].trainer)  # the same for all: its data travel to each node once
        pending = {remote.remote(trainer, task.number, task.job): task.number for task in tasks}
        while pending:
            done, _ = ray.wait(list(pending), num_returns=1)
            yield _result(ray, done[0])
            del pending[done[0]]
    finally:  # also after Ctrl-C, and when whoever reads the results stops early
        for reference in pending:
            ray.cancel(reference, force=True)
        if started:
            ray.shutdown()


def _execute(trainer: Trainer, number: int, job: Job) -> tuple[int, Result]:
    return execute(Task(number, trainer, job, None))


def _result(ray: Ray, reference: "ObjectRef") -> tuple[int, Result]:
    try:
        number, result = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise DatapareError(
            f"a training was lost {RETRIES + 1} times ({type(error).__name__}), most likely for want of memory; run "
            "fewer at a time: the same command resumes where it stopped."
        ) from error
    return number, result


def _ray() -> Ray:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "running trainings on Ray") from error
    return ray


def _connect(ray: Ray, address: str, at_once: int) -> bool:
    """Connect to the cluster, or start one on this machine; whether it has to be left again."""
    if ray.is_initialized():
        return False
    _check_reachable(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)  # as Ray reads it
    local: dict[str, object] = {"num_cpus": at_once if at_once > 1 else None, "include_dashboard": False}
    options = {"address": "local", **local} if address == "ray" else {"address": address}
    try:
        ray.init(**options, log_to_driver=False, logging_level="warning")
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise _no_cluster(address, error) from error
    return True


def _check_reachable(address: str) -> None:
    """Raise DatapareError where nothing answers at an address with a port; Ray itself would try for minutes."""
    place = urlsplit(address if "//" in address else f"//{address}")
    if place.port is None:
        return
    try:
        socket.create_connection((place.hostname, place.port), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> DatapareError:
    return DatapareError(
        f"there is no Ray cluster at {address!r} ({error}); start one with ray start --head, or give --on ray to use "
        "this machine."
    )


def _gpus(ray: Ray) -> float:
    """One GPU for each training where a local run would use one, so that results are computed alike."""
    import torch

    return 1.0 if torch.cuda.is_available() and ray.cluster_resources().get("GPU", 0) else 0.0
