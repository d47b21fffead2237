"""Run trainings on a Ray cluster: this machine alone, or all machines of a cluster.

The data are put into the object store once; each training is one remote task on one thread, and its small result comes
back to the driver, which writes it. A task whose worker or node is lost runs again elsewhere. Results do not depend on
where a task ran, so the files and numbers are those of a local run.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from datapare.errors import DatapareError, InputError, MissingExtraError
from datapare.evaluation.jobs import Job, Result, Task, Trainer, execute

if TYPE_CHECKING:
    from ray import ObjectRef

T = TypeVar("T")
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
        InputError: When no node has so many GPUs.
        DatapareError: When there is no cluster at the address, or a training fails or is lost again and again.
    """
    if not tasks:
        return
    with _cluster(address, at_once) as ray:
        remote = _remote(ray, gpus, _train)
        trainer = ray.put(tasks[0].trainer)  # the same for all: its data travel to each node once
        yield from _finished(ray, lambda: [remote.remote(versions(), trainer, task.number, task.job) for task in tasks])


def call_ray(calls: Sequence[Callable[[], T]], address: str, gpus: float | None) -> Iterator[tuple[int, T]]:
    """Yield the number and the value of each function that is called on a node, for the same options and errors."""
    if not calls:
        return
    with _cluster(address, 1) as ray:
        remote = _remote(ray, gpus, _call)
        yield from _finished(ray, lambda: [remote.remote(versions(), *numbered) for numbered in enumerate(calls)])


def versions() -> dict[str, str]:
    """Return the versions of what decides the bits of a training."""
    return {name: version(name) for name in ("datapare", "numpy", "torch")}


def check_versions(wanted: Mapping[str, str]) -> None:
    """Raise DatapareError where this node has other versions than the machine that the command runs on."""
    other = {name: (here, wanted[name]) for name, here in versions().items() if here != wanted[name]}
    if other:
        listed = ", ".join(f"{name} {here} instead of {there}" for name, (here, there) in other.items())
        raise DatapareError(
            f"the node {socket.gethostname()} of the Ray cluster has {listed}, and results would depend on where a "
            "training ran; install the same versions there as on the machine of the command."
        )


def _train(wanted: Mapping[str, str], trainer: Trainer, number: int, job: Job) -> tuple[int, Result]:
    check_versions(wanted)
    return execute(Task(number, trainer, job, None))


def _call(wanted: Mapping[str, str], number: int, call: Callable[[], T]) -> tuple[int, T]:
    check_versions(wanted)
    return number, call()


def _finished(ray: Ray, submit: Callable[[], "list[ObjectRef]"]) -> Iterator[Any]:  # what the tasks return
    """Yield the results of tasks as they finish; those that are no longer waited for are ended."""
    pending: list[ObjectRef] = []
    try:
        pending = submit()
        while pending:
            done, _ = ray.wait(pending, num_returns=1)
            pending.remove(done[0])
            yield _result(ray, done[0])
    finally:  # also after Ctrl-C, and when whoever reads the results stops early
        _cancel(ray, pending)


def _cancel(ray: Ray, pending: "list[ObjectRef]") -> None:
    """End what still runs; Ray aborts this process when a task is cancelled whose result has just come back."""
    if pending:
        _, running = ray.wait(pending, num_returns=len(pending), timeout=0)
        for reference in running:
            ray.cancel(reference, force=True)


def _result(ray: Ray, reference: "ObjectRef") -> Any:  # what the task returned
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise _own(error) from error
    except ray.exceptions.RayError as error:
        raise DatapareError(
            f"a training was lost {RETRIES + 1} times ({type(error).__name__}), most likely for want of memory; run "
            "fewer at a time: the same command resumes where it stopped."
        ) from error


def _own(error: Any) -> BaseException:  # a RayTaskError
    """Return what a task raised, or a sentence where the node could not even read the task."""
    cause: BaseException = error.cause
    if isinstance(cause, ImportError) or "failed to import" in str(cause):
        return DatapareError(
            f"a node of the Ray cluster lacks what the training needs ({cause.args[0] if cause.args else cause}); "
            "install datapare and what your own code imports on every node."
        )
    return cause


def _remote(ray: Ray, gpus: float | None, function: Callable[..., object]) -> Any:  # a remote function
    share = _gpus(ray) if gpus is None else gpus
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= 1 and node.get("GPU", 0) >= share for node in nodes):
        most = max((node.get("GPU", 0) for node in nodes), default=0)
        raise InputError(
            f"each training takes a core and {share:g} GPUs, and no node of the Ray cluster has both: of GPUs, none "
            f"has more than {most:g}; give fewer with --gpus, or add a node."
        )
    return ray.remote(num_cpus=1, num_gpus=share, max_retries=RETRIES, retry_exceptions=False)(function)


@contextmanager
def _cluster(address: str, at_once: int) -> Iterator[Ray]:
    """Connect to the cluster, or start one on this machine, and leave it again unless the caller was connected."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "running trainings on Ray") from error
    if ray.is_initialized():
        yield ray
        return
    _connect(ray, address, at_once)
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Ray, address: str, at_once: int) -> None:
    _check_reachable(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)  # as Ray reads it
    local: dict[str, object] = {"num_cpus": at_once if at_once > 1 else None, "include_dashboard": False}
    options = {"address": "local", **local} if address == "ray" else {"address": address}
    try:
        ray.init(**options, log_to_driver=False, logging_level="warning")
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "reaching a Ray cluster from outside") from error
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise _no_cluster(address, error) from error


def _check_reachable(address: str) -> None:
    """Raise DatapareError where nothing answers at an address with a port; Ray itself would try for minutes."""
    place = urlsplit(address if "//" in address else f"//{address}")
    try:
        if place.port is not None:
            socket.create_connection((place.hostname, place.port), timeout=ANSWER_SECONDS).close()
    except (OSError, ValueError) as error:  # nothing answers, or the port is none
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
