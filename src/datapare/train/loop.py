"""One honest training loop: for the scoring run, which a Recorder watches, and for retraining on a subset.

All randomness comes from (seed, epoch), so a run that was killed goes on from its checkpoint to the bit-identical
model; the record of an epoch is written before the checkpoint, and an epoch repeated writes the same numbers again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from datapare.data import Inputs
from datapare.errors import DivergedError, InputError
from datapare.train.augment import augment
from datapare.train.checkpoint import Checkpoint, fingerprint, forget, restore, store
from datapare.train.evaluate import Rows, accuracy, predict
from datapare.train.models import Network, build
from datapare.train.precision import autocast, device, fastest, has_bf16_units
from datapare.train.recipes import Precision, Training, learning_rate


class Progress(NamedTuple):
    """Where a training stands: epochs complete of all, examples of this epoch, images/s, last complete epoch's loss.

    `making` names what is made of the finished network after the last epoch; then the examples are those of it.
    """

    epoch: int
    epochs: int
    examples_done: int
    examples_total: int
    per_second: float
    loss: float
    making: str = ""


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished training: the model, the settings as run (precision settled), and what it cost.

    `loss` is the mean training loss of each epoch; `logits` (M, K) float32 and `accuracy` belong to the held-out
    inputs, None when there were none; `seconds` counts training only.
    """

    model: Network
    training: Training
    epochs: int
    iterations: int
    examples_seen: int
    seconds: float
    loss: tuple[float, ...]
    logits: NDArray[np.float32] | None = None
    accuracy: float | None = None


@dataclass(frozen=True, eq=False)
class _Run:
    """What stays the same from the first update to the last."""

    network: Network
    optimizer: torch.optim.Optimizer
    rows: Rows
    label: Tensor
    index: NDArray[np.int64]
    training: Training
    seed: int
    recorder: Any
    progress: Callable[[Progress], None] | None

    @property
    def per_epoch(self) -> int:
        return len(bounds(len(self.index), self.training.batch)) - 1


def train(
    inputs: Inputs,
    label: NDArray[np.int64],
    n_classes: int,
    training: Training,
    *,
    seed: int,
    index: NDArray[np.int64] | None = None,
    recorder: Any = None,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    evaluate: tuple[Inputs, NDArray[np.int64]] | None = None,
) -> Trained:
    """Train a fresh network on `inputs` (N rows) with `label` (N,), or on the positions `index` only.

    `recorder` observes every training batch by position; `evaluate` is (held-out Inputs, label), used once at the end.
    With a `folder` each epoch is checkpointed there and the same call goes on after a crash; the checkpoint is gone
    when the call returns, except beside a recorder, whose record is finished first (checkpoint.forget then removes
    it). The state of torch's global generators is as before.

    Raises InputError for impossible settings or a folder of another training, DivergedError when the loss is no number.
    """
    index = np.arange(len(label)) if index is None else np.asarray(index, dtype=np.int64)
    _check(inputs, label, n_classes, index)
    mark = fingerprint(inputs, label, n_classes, training, seed, index)
    with _own_randomness(), _deterministic():
        run = _prepare(inputs, label, n_classes, training, seed, index, recorder, progress)
        state = restore(folder, mark, run.network, run.optimizer) or Checkpoint(_precision(run), (), 0.0)
        run = replace(run, training=replace(training, precision=state.precision))
        store(folder, mark, run.network, run.optimizer, state)
        if recorder is not None and recorder.epoch != len(state.loss):
            recorder.rewind(len(state.loss))
        for epoch in range(len(state.loss), training.epochs):
            state = _epoch(run, state, epoch)
            if recorder is not None:
                recorder.end_epoch()
            store(folder, mark, run.network, run.optimizer, state)
        trained = _finish(run, state, evaluate)
    if recorder is None:
        forget(folder)
    return trained


def settle(inputs: Inputs, label: NDArray[np.int64], n_classes: int, training: Training, seed: int) -> Training:
    """Return the settings with a precision in place of "auto": the faster in a few timed steps, fp32 without units."""
    if training.precision != "auto":
        return training
    if not has_bf16_units():
        return replace(training, precision="fp32")
    with _own_randomness():
        run = _prepare(inputs, label, n_classes, training, seed, np.arange(len(label)), None, None)
        return replace(training, precision=_precision(run))


def initial(inputs: Inputs, n_classes: int, training: Training, seed: int) -> Network:
    """Return the network that a training with this seed begins with."""
    with _own_randomness():
        return _initial(inputs, n_classes, training, seed)


def bounds(count: int, batch: int) -> list[int]:
    """Return where batches begin and end; a last batch of one example joins its neighbour (batch norm needs two).

    >>> bounds(10, 4), bounds(9, 4)
    ([0, 4, 8, 10], [0, 4, 9])
    """
    edges = [*range(0, count, batch), count]
    if len(edges) > 2 and edges[-1] - edges[-2] == 1:
        del edges[-2]
    return edges


def generator(seed: int, epoch: int, stream: int, where: str = "cpu") -> torch.Generator:
    """Return a generator of its own for this epoch and use (0 order, 1 augmentation, 2 dropout)."""
    return torch.Generator(where).manual_seed(_mixed(seed, epoch, stream))


def _epoch(run: _Run, state: Checkpoint, epoch: int) -> Checkpoint:
    """Train one epoch and return the state after it."""
    start, where = time.perf_counter(), run.label.device
    order = run.index[torch.randperm(len(run.index), generator=generator(run.seed, epoch, 0)).numpy()]
    shuffle = generator(run.seed, epoch, 1, where.type)
    torch.manual_seed(_mixed(run.seed, epoch, 2))
    total = torch.zeros((), dtype=torch.float64, device=where)
    edges = bounds(len(order), run.training.batch)
    run.network.train()
    for step, (low, high) in enumerate(pairwise(edges)):
        rate = learning_rate(run.training, epoch * run.per_epoch + step, run.per_epoch)
        total += _step(run, order[low:high], rate, shuffle) * (high - low)
        if run.progress is not None:
            speed = high / (time.perf_counter() - start)
            last = state.loss[-1] if state.loss else float("nan")
            run.progress(Progress(epoch, run.training.epochs, high, len(order), speed, last))
    loss = float(total) / len(order)
    if not np.isfinite(loss):
        raise DivergedError(
            f"training diverged: the loss was no longer a number in epoch {epoch + 1} of {run.training.epochs}; "
            f"try a smaller learning rate than {run.training.lr}"
            + (", or precision fp32." if run.training.precision == "bf16" else ".")
        )
    return Checkpoint(state.precision, (*state.loss, loss), state.seconds + time.perf_counter() - start)


def _step(run: _Run, position: NDArray[np.int64], rate: float, shuffle: torch.Generator) -> Tensor:
    """Make one update and return the batch's mean loss, still on the device."""
    where = torch.from_numpy(position)
    batch = augment(run.rows.take(where), run.training.augment, shuffle)
    target = run.label[where.to(run.label.device)]
    with autocast(batch.device, run.training.precision):
        logits = run.network(batch)
    loss = cross_entropy(logits, target)
    if run.recorder is not None:
        run.recorder.observe(where, logits.detach(), target)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    run.optimizer.step()
    return loss.detach()


def _prepare(
    inputs: Inputs,
    label: NDArray[np.int64],
    n_classes: int,
    training: Training,
    seed: int,
    index: NDArray[np.int64],
    recorder: Any,
    progress: Callable[[Progress], None] | None,
) -> _Run:
    network = _initial(inputs, n_classes, training, seed)
    target = torch.from_numpy(np.asarray(label, dtype=np.int64).copy()).to(device())
    rows = Rows(inputs.array, inputs.encoding.kind)
    return _Run(network, _optimizer(network, training), rows, target, index, training, seed, recorder, progress)


def _initial(inputs: Inputs, n_classes: int, training: Training, seed: int) -> Network:
    torch.manual_seed(_mixed(seed, 0, 3))
    return build(training, inputs, n_classes).to(device())


def _optimizer(network: Network, training: Training) -> torch.optim.Optimizer:
    parameters = [p for p in network.parameters() if p.requires_grad]
    lr, decay = training.lr, training.weight_decay
    if training.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=decay, fused=True)
    momentum, nesterov = training.momentum, training.nesterov
    # fused: a few percent on our smallest network, nothing lost on the largest
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=decay, fused=True)


def _precision(run: _Run) -> Precision:
    """Return the precision to train in: as asked for, or the faster one where the answer is left to us."""
    if run.training.precision != "auto":
        return run.training.precision
    some = torch.from_numpy(run.index[: run.training.batch].copy())
    return fastest(run.network, run.rows.take(some), run.label[some.to(run.label.device)])


def _finish(run: _Run, state: Checkpoint, evaluate: tuple[Inputs, NDArray[np.int64]] | None) -> Trained:
    logits = None if evaluate is None else predict(run.network, evaluate[0], precision=state.precision)
    epochs = run.training.epochs
    return Trained(
        model=run.network.eval(),
        training=run.training,
        epochs=epochs,
        iterations=epochs * run.per_epoch,
        examples_seen=epochs * len(run.index),
        seconds=state.seconds,
        loss=state.loss,
        logits=logits,
        accuracy=None if evaluate is None or logits is None else accuracy(logits, evaluate[1]),
    )


def _check(inputs: Inputs, label: NDArray[np.int64], n_classes: int, index: NDArray[np.int64]) -> None:
    if len(label) != len(inputs.array):
        raise InputError(f"every example has one label, but {len(inputs.array):,} rows came with {len(label):,}.")
    if len(index) < 2:
        raise InputError(f"training needs at least two examples, not {len(index)}: keep more.")
    if index.min() < 0 or index.max() >= len(label):
        raise InputError(f"positions to train on lie between 0 and {len(label) - 1}.")
    if len(label) and (label.min() < 0 or label.max() >= n_classes):
        raise InputError(f"labels lie between 0 and {n_classes - 1}, not {label.min()} to {label.max()}.")


def _mixed(seed: int, epoch: int, stream: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)[0])


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Leave torch's global generators as they were."""
    accelerators = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=accelerators):
        yield


@contextmanager
def _deterministic() -> Iterator[None]:
    """Have cuDNN choose the same deterministic algorithm every time; restored afterwards."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before
