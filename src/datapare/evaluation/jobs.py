"""Many independent trainings: each is run once, on one thread, wherever a runner runs it, with the same result.

A finished training leaves `<arm>-<seed>-<fingerprint>.json` (accuracy and cost) and, where it is known, `.npy` (which
held-out examples were predicted right). The fingerprint is a digest of all that decides the result, so a finished
training is found again by whatever asks for it, and never mistaken for another.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array
from datapare.data import Dataset, Inputs, take
from datapare.errors import InputError, is_refused
from datapare.evaluation.strategies import Draw
from datapare.evaluation.user_training import UserTraining, call_training
from datapare.storage import read_array, read_described, write_array, write_json
from datapare.training.config import TrainingConfig

if TYPE_CHECKING:
    from datapare.training import SoftLabels
    from datapare.training.online import Loss


@dataclass(frozen=True, eq=False)
class Job:
    """One training.

    Attributes:
        arm: Name of its arm, for display and file names; it decides nothing.
        seed: Seed of the training.
        index: Positions to train on, or to draw from, shape (n,).
        training: Settings of the training.
        weight: How much each of these examples counts, shape (n,); None for all alike.
        select_seconds: What choosing the examples took; NaN where unknown.
        draw: What each epoch draws from `index`; None for all of it.
        soft: Digest of the soft labels that the labels are mixed with; "" for labels alone.
    """

    arm: str
    seed: int
    index: NDArray[np.int64]
    training: TrainingConfig
    weight: NDArray[np.floating] | None = None
    select_seconds: float = float("nan")
    draw: Draw | None = None
    soft: str = ""


class Result(NamedTuple):
    """Held-out accuracy 0..1, examples seen, seconds, and which held-out examples were right (M,), where known.

    `distinct` of the examples were seen at least once, None for all that could be; `updates` is None where unknown.
    """

    accuracy: float
    seen: int
    seconds: float
    correct: NDArray[np.bool_] | None
    distinct: int | None = None
    updates: int | None = None


class StoredResult(TypedDict):
    """A `Result` as JSON; `correct` says whether the array lies beside it."""

    accuracy: float
    seen: int
    seconds: float
    correct: bool
    distinct: NotRequired[int | None]
    updates: NotRequired[int | None]


class Task(NamedTuple):
    """A job with its number among all jobs, how to train it, and a folder for its checkpoints."""

    number: int
    trainer: "Trainer"
    job: Job
    folder: Path | None


Trainer = Callable[[Job, Path | None], Result]
Runner = Callable[[Sequence[Task]], Iterator[tuple[int, Result]]]
CountProgress = Callable[[int, int, str], None]


def train_builtin(
    inputs: Inputs,
    label: NDArray[np.int64],
    n_classes: int,
    held_out: tuple[Inputs, NDArray[np.int64]],
    soft: "SoftLabels | None",
    job: Job,
    folder: Path | None,
) -> Result:
    """Train a built-in network on the job's examples and evaluate it on the held-out ones."""
    from datapare.evaluation.drawing import distinct, sampler_of
    from datapare.training import train

    sampler = None if job.draw is None else sampler_of(label, job)
    trained = train(
        inputs, label, n_classes, job.training, seed=job.seed, index=job.index if sampler is None else None,
        folder=folder, evaluate=held_out, sampler=sampler, loss=_loss(job, len(label), soft),
    )  # fmt: skip
    assert trained.logits is not None  # noqa: S101 - we evaluate
    correct = trained.logits.argmax(1) == held_out[1]
    return Result(
        float(correct.mean()), trained.examples_seen, trained.seconds, correct,
        None if sampler is None else distinct(sampler), trained.iterations,
    )  # fmt: skip


def train_user(function: UserTraining, data: Dataset, test: Dataset, job: Job, folder: Path | None) -> Result:
    """Call the user's training function with the job's examples and the held-out ones."""
    del folder  # a function of the user that is killed starts over
    epochs = job.training.epochs
    accuracy, correct, seconds = call_training(
        function, take(data, job.index), test, seed=job.seed, epochs=epochs, weight=job.weight
    )
    return Result(accuracy, epochs * len(job.index), seconds, correct)


def run_jobs(
    jobs: Sequence[Job],
    trainer: Trainer,
    shared: Sequence[str],
    runner: Runner,
    *,
    folder: Path | None,
    progress: CountProgress | None = None,
) -> list[Result]:
    """Return the result of every job, in their order; finished ones are read from `folder`, others are run and kept.

    Args:
        jobs: The trainings.
        trainer: How to train one.
        shared: What all jobs share and their results depend on: digests of data, held-out examples and code.
        runner: Runs tasks and yields their numbers and results in any order.
        folder: Where results are kept; None to keep none.
        progress: Called as progress(done, total, arm).
    """
    files = [None if folder is None else _file_of(folder, job, shared) for job in jobs]
    results = {n: done for n, file in enumerate(files) if (done := _read_result(file)) is not None}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    tasks = [
        Task(n, trainer, jobs[n], None if file is None else file.with_suffix(""))
        for n, file in enumerate(files)
        if n not in results
    ]
    report = progress or (lambda *_: None)
    if results:
        report(len(results), len(jobs), "already trained")
    for number, result in runner(tasks):
        _write_result(files[number], result)
        results[number] = result
        report(len(results), len(jobs), jobs[number].arm)
    return [results[n] for n in range(len(jobs))]


def fingerprint(job: Job, shared: Sequence[str]) -> str:
    """Return a digest of everything that decides the result of a job."""
    settings = asdict(job.training)
    if settings["thin"] is None:  # trainings that were finished before it was a setting are found again
        del settings["thin"]
    digest = hashlib.sha256(json.dumps([list(shared), settings, job.seed]).encode())
    digest.update(np.ascontiguousarray(job.index, dtype=np.int64).tobytes())
    if job.weight is not None:
        digest.update(np.ascontiguousarray(job.weight, dtype=np.float64).tobytes())
    if job.draw is not None:
        digest.update(json.dumps(asdict(job.draw), sort_keys=True).encode())
    digest.update(job.soft.encode())
    return digest.hexdigest()


def execute(task: Task) -> tuple[int, Result]:
    """Run one task on one thread, so that its result does not depend on where it runs or on what runs beside it."""
    with one_thread():
        result = task.trainer(task.job, task.folder)
    if task.folder is not None and task.folder.is_dir() and not any(task.folder.iterdir()):
        task.folder.rmdir()
    return task.number, result


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _loss(job: Job, total: int, soft: "SoftLabels | None") -> "Loss | None":
    """Return what replaces cross-entropy to the labels, None for nothing."""
    if not job.soft:
        return None if job.weight is None else _weighted_loss(job.index, job.weight, total)
    from datapare.training.online.losses.soft_labels import soft_labels

    assert soft is not None  # noqa: S101 - planned only where there are any
    return soft_labels(soft)


def _weighted_loss(index: NDArray[np.int64], weights: NDArray[np.floating], total: int) -> "Loss":
    """Return cross-entropy times each example's weight, scaled to a mean of 1 so that the learning rate keeps."""
    from torch import Tensor
    from torch.nn.functional import cross_entropy

    from datapare.training.online import Loss

    value = np.zeros(total, dtype=np.float32)
    value[index] = weights / max(float(np.mean(weights)), 1e-12)

    def losses(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return cross_entropy(logits.float(), target, reduction="none") * weight

    return Loss("subset_weight", value, {}, losses)


def _file_of(folder: Path, job: Job, shared: Sequence[str]) -> Path:
    arm = "".join(c if c.isalnum() or c in ".-" else "-" for c in job.arm)
    return folder / f"{arm}-{job.seed}-{fingerprint(job, shared)[:12]}.json"


def _write_result(file: Path | None, result: Result) -> None:
    if file is None:
        return
    if result.correct is not None:
        write_array(file.with_suffix(".npy"), result.correct)
    write_json(file, {**result._asdict(), "correct": result.correct is not None})


def _read_result(file: Path | None) -> Result | None:
    """Return the result of an earlier call; None where there is none, or a damaged one, which is trained again."""
    if file is None:
        return None
    try:
        done = read_described(file, StoredResult, "it is trained again")
        correct = np.array(read_array(file.with_suffix(".npy"))) if done is not None and done["correct"] else None
    except InputError as error:
        if isinstance(error.__cause__, OSError) and is_refused(error.__cause__):
            raise  # nothing is known of it
        return None
    if done is None or (correct is not None and not _fits(done, correct)):
        return None
    return Result(
        done["accuracy"], done["seen"], done["seconds"], correct, done.get("distinct"), done.get("updates")
    )  # fmt: skip


def _fits(done: StoredResult, correct: Array) -> bool:
    return correct.dtype == bool and correct.ndim == 1 and float(correct.mean()) == done["accuracy"]
