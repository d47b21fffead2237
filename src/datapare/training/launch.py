"""The processes of one training: started on this machine, or already started by torchrun or accelerate launch."""

import logging
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.queues import SimpleQueue
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import ProcessContext, ProcessExitedException, start_processes

from datapare.errors import DatapareError
from datapare.recording.process_group import PATIENCE

HOST = "127.0.0.1"
POLL_SECONDS = 0.1
LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun and accelerate launch set
Message = Any  # what the work reports, or an error as (class, text)
Messages = SimpleQueue[Message]


def launch(count: int, work: Callable[..., None], *arguments: object, report: Callable[[Message], None]) -> None:
    """Call `work(report, *arguments)` in so many processes of this machine, which torch.distributed connects.

    Args:
        count: How many processes.
        work: A function of a module; with its arguments it is pickled on its way.
        *arguments: What it is called with.
        report: Receives, here, what `work` reports in the first process.

    Raises:
        DatapareError: What a process raised, or that one was killed. All others are ended first.
    """
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # it names each process that it ends
    store = _store(0, first=True)
    messages: Messages = multiprocessing.get_context("spawn").SimpleQueue()
    given = (count, store.port, messages, work, arguments)
    started: ProcessContext = start_processes(_child, given, count, join=False, daemon=True, start_method="spawn")  # type: ignore[no-untyped-call]
    raised: list[DatapareError] = []
    try:
        while not started.join(timeout=POLL_SECONDS):
            raised += _passed_on(messages, report)
    except ProcessExitedException as lost:
        raised += _passed_on(messages, report)
        if not raised:
            raise _killed(count, lost) from lost
    finally:  # also after Ctrl-C
        for process in started.processes:
            process.terminate()
    raised += _passed_on(messages, report)
    if raised:
        raise raised[0]


@contextmanager
def connected(**found: object) -> Iterator[None]:
    """Communicate with the other processes of the training, found through the environment unless given otherwise."""
    local = int(os.environ.get("LOCAL_RANK", str(found.get("rank", 0))))
    if torch.cuda.is_available():
        torch.cuda.set_device(local % torch.cuda.device_count())
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE, **found)  # type: ignore[arg-type] # rank, world_size and store
    dist.barrier()  # one that fails at once would take the store along, while others still look for it
    yield
    leave()  # not after an error: the others would take that for the cause


def leave() -> None:
    """Go on alone, where there are other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def is_launched() -> bool:
    """Say whether a launcher started this process as one of several."""
    return all(name in os.environ for name in LAUNCHED) and int(os.environ["WORLD_SIZE"]) > 1


def is_about_others(error: BaseException) -> bool:
    """Say whether an error means that another process is lost, which is the one that knows why."""
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in ("gloo", "nccl", "connection", "store"))


def _child(rank: int, count: int, port: int, messages: Messages, work: Callable[..., None], given: tuple[Any]) -> None:
    if rank > 0:
        warnings.simplefilter("ignore")  # the first process says it
    try:
        store = _store(port)
        with connected(rank=rank, world_size=count, store=store):
            work(messages.put if rank == 0 else None, *given)
    except DatapareError as error:
        messages.put((type(error), str(error)))
        raise SystemExit(error.exit_code) from None
    except RuntimeError as error:
        if is_about_others(error):
            raise SystemExit(1) from None
        raise


def _store(port: int, *, first: bool = False) -> "dist.TCPStore":  # type: ignore[name-defined] # torch exports it late
    return dist.TCPStore(HOST, port, is_master=first, wait_for_workers=False)  # type: ignore[attr-defined]


def _passed_on(messages: Messages, report: Callable[[Message], None]) -> list[DatapareError]:
    """Pass on what was reported; return the errors."""
    errors = []
    while not messages.empty():
        message = messages.get()
        if type(message) is tuple and isinstance(message[0], type):
            kind, text = message
            errors.append(kind.__new__(kind, text))  # some are made of other arguments than their text
        else:
            report(message)
    return errors


def _killed(count: int, lost: ProcessExitedException) -> DatapareError:
    name = ""
    with suppress(ValueError, TypeError):
        name = f" ({signal.Signals(-lost.exit_code).name})"
    return DatapareError(
        f"one of {count} training processes was killed{name}, most likely for want of memory; use fewer --processes: "
        "the same command resumes where it stopped."
    )
