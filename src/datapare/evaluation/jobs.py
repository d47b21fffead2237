"""Many independent trainings: each is done once, on one thread, here or in several processes, with the same results.

A training that is finished leaves `<arm>-<seed>-<mark>.json` (accuracy and cost) and, where it is known, `.npy` (which
held-out examples came out right). The mark is a digest of all that decides the result, so a finished training is
found again by whatever asks for it, and never mistaken for another.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datapare.data import Dataset, Inputs, take
from datapare.errors import DatapareError, InputError
from datapare.storage import write_json
from datapare.training.config import deciding


@dataclass(frozen=True, eq=False)
class Job:
    """One training: an arm, a seed, the positions (n,) it trains on, the settings, and what the choice took."""

    arm: str
    seed: int
    index: NDArray[np.int64]
    training: Any
    select_seconds: float = float("nan")


class Result(NamedTuple):
    """Held-out accuracy 0..1, examples seen, seconds, and which held-out examples were right (M,), where known."""

    accuracy: float
    seen: int
    seconds: float
    correct: NDArray[np.bool_] | None


Trainer = Callable[[Job, Path | None], Result]
Counting = Callable[[int, int, str], None]


def ours(
    inputs: Inputs,
    label: NDArray[np.int64],
    n_classes: int,
    held_out: tuple[Inputs, NDArray[np.int64]],
    job: Job,
    folder: Path | None,
) -> Result:
    """Train one of our networks on the job's examples and ask it about the held-out ones."""
    from datapare.training import train

    trained = train(
        inputs, label, n_classes, job.training, seed=job.seed, index=job.index, folder=folder, evaluate=held_out
    )
    assert trained.logits is not None  # noqa: S101 - we evaluate
    correct = trained.logits.argmax(1) == held_out[1]
    return Result(float(correct.mean()), trained.examples_seen, trained.seconds, correct)


def theirs(function: Any, data: Dataset, test: Dataset, job: Job, folder: Path | None) -> Result:
    """Call a person's own training with the job's examples and the held-out ones."""
    from datapare.evaluation import user_training

    del folder  # a function of theirs that is killed starts over
    epochs = job.training.epochs
    accuracy, correct, seconds = user_training.call(function, take(data, job.index), test, seed=job.seed, epochs=epochs)
    return Result(accuracy, epochs * len(job.index), seconds, correct)


def run_all(
    jobs: Sequence[Job],
    trainer: Trainer,
    facts: Sequence[str],
    *,
    folder: Path | None,
    at_once: int = 1,
    progress: Counting | None = None,
) -> list[Result]:
    """The result of every job, in their order; finished ones are read from `folder`, others are run and kept there.

    `facts` say what all jobs share (data, held-out examples, code); `at_once` > 1 runs so many processes.
    Raises InputError for fewer than one, DatapareError when a process is killed.
    """
    if at_once < 1:
        raise InputError(f"--jobs is how many trainings run at a time, at least 1, not {at_once}.")
    marks = [mark(job, facts) for job in jobs]
    files = [
        None if folder is None else folder / f"{_slug(j.arm)}-{j.seed}-{m[:12]}.json"
        for j, m in zip(jobs, marks, strict=True)
    ]
    results = {n: done for n, file in enumerate(files) if (done := _finished(file)) is not None}
    todo = [n for n in range(len(jobs)) if n not in results]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    tasks = [(n, trainer, jobs[n], files[n]) for n in todo]
    tell = progress or (lambda *_: None)
    if results:
        tell(len(results), len(jobs), "already trained")
    for number, result in _here(tasks) if at_once == 1 or len(tasks) < 2 else _elsewhere(tasks, at_once):
        results[number] = result
        tell(len(results), len(jobs), jobs[number].arm)
    return [results[n] for n in range(len(jobs))]


def mark(job: Job, facts: Sequence[str]) -> str:
    """Digest of everything that decides the result of a job; a precision left open is decided by the machine."""
    settings = deciding(job.training)
    digest = hashlib.sha256(json.dumps([list(facts), settings, job.seed]).encode())
    digest.update(np.ascontiguousarray(job.index, dtype=np.int64).tobytes())
    return digest.hexdigest()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that results do not depend on how many trainings run at a time."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


Task = tuple[int, Trainer, Job, Path | None]


def _here(tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
    for task in tasks:
        yield _run(*task)


def _elsewhere(tasks: Sequence[Task], at_once: int) -> Iterator[tuple[int, Result]]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=min(at_once, len(tasks)), return_as="generator_unordered", batch_size=1)
        try:
            yield from pool(delayed(_run_orphan)(os.getpid(), *task) for task in tasks)
        except TerminatedWorkerError as error:
            raise DatapareError(
                "a training process was killed, most likely for want of memory; use fewer --jobs: the same command "
                "goes on where it stopped."
            ) from error


def _run_orphan(parent: int, *task: Any) -> tuple[int, Result]:
    """Run in a process that ends with the one that started it, so that nothing trains on behind a killed command."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.1)
        os._exit(1)

    if not any(thread.name == "datapare-watch" for thread in threading.enumerate()):
        threading.Thread(target=watch, name="datapare-watch", daemon=True).start()
    return _run(*task)


def _run(number: int, trainer: Trainer, job: Job, file: Path | None) -> tuple[int, Result]:
    folder = None if file is None else file.with_suffix("")  # for what a training keeps until it is finished
    with one_thread():
        result = trainer(job, folder)
    if folder is not None and file is not None:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        if result.correct is not None:
            draft = file.with_suffix(".draft.npy")
            np.save(draft, result.correct, allow_pickle=False)
            draft.replace(file.with_suffix(".npy"))
        write_json(file, {**result._asdict(), "correct": result.correct is not None})
    return number, result


def _finished(file: Path | None) -> Result | None:
    """The result of an earlier call."""
    if file is None or not file.is_file():
        return None
    done: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    correct = np.load(file.with_suffix(".npy"), allow_pickle=False) if done["correct"] else None
    return Result(done["accuracy"], done["seen"], done["seconds"], correct)


def _slug(arm: str) -> str:
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in arm)
