"""One epoch of a training: in which order, at which rate, with which loss, and what observes it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise, zip_longest
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from datapare.errors import DivergedError
from datapare.recording import Recorder
from datapare.recording.device_copies import on_device
from datapare.training.adversarial import attack, under_attack
from datapare.training.augmentation import augment
from datapare.training.batches import BatchSource
from datapare.training.checkpoint import Checkpoint
from datapare.training.config import TrainingConfig, learning_rate
from datapare.training.device import autocast
from datapare.training.distributed import Devices
from datapare.training.inference import clean
from datapare.training.networks.factory import Network
from datapare.training.online import Loss, Sampler
from datapare.training.seeding import generator, mixed, seed_global

EVALUATED = 512  # examples at a time where nothing is learned


class Progress(NamedTuple):
    """Where a training stands: epochs complete of all, examples of this epoch, images/s, last complete epoch's loss.

    The last report of a training has all its epochs complete, and no examples of another. `making` names what is made
    of the finished network after the last epoch; then the examples are those of it.
    """

    epoch: int
    epochs: int
    examples_done: int
    examples_total: int
    per_second: float
    loss: float
    making: str = ""


@dataclass(frozen=True, eq=False)
class Run:
    """What stays the same from the first update to the last."""

    network: Network
    optimizer: torch.optim.Optimizer
    rows: BatchSource
    label: Tensor
    index: NDArray[np.int64]
    training: TrainingConfig
    seed: int
    recorder: Recorder | None
    forward: Callable[[Tensor], Tensor]
    progress: Callable[[Progress], None] | None
    sampler: Sampler | None = None
    loss: Loss | None = None
    devices: Devices = field(default_factory=Devices)


def bounds(count: int, batch: int) -> list[int]:
    """Return where batches begin and end; a last batch of one example joins its neighbour (batch norm needs two).

    >>> bounds(10, 4), bounds(9, 4)
    ([0, 4, 8, 10], [0, 4, 9])
    """
    edges = [*range(0, count, batch), count]
    if len(edges) > 2 and edges[-1] - edges[-2] == 1:
        del edges[-2]
    return edges


def train_epoch(run: Run, state: Checkpoint, epoch: int) -> Checkpoint:
    """Train one epoch and return the state after it."""
    start, where = time.perf_counter(), run.label.device
    order, factor = _order(run, epoch)
    shuffle = generator(run.seed, epoch, 1, where.type)
    seed_global(mixed(run.seed, epoch, 2), where.type)
    total = torch.zeros((), dtype=torch.float64, device=where)
    edges = bounds(len(order), run.training.batch_size)
    steps = len(edges) - 1
    run.network.train()
    run.rows.prefetch(_own(run, order[: edges[1]]))
    for step, (low, high) in enumerate(pairwise(edges)):
        run.rows.prefetch(_own(run, order[high : edges[min(step + 2, steps)]]))
        # counted in epochs: where a sampler makes them shorter, the schedule fits itself
        rate = factor * learning_rate(run.training, epoch * steps + step, steps)
        total += _step(run, order[low:high], rate, shuffle)
        if run.progress is not None:
            speed = high / (time.perf_counter() - start)
            last = state.loss[-1] if state.loss else float("nan")
            run.progress(Progress(epoch, run.training.epochs, high, len(order), speed, last))
    loss = _finite(float(run.devices.sum(total)) / len(order), run.training, epoch)
    _evaluate(run, epoch)
    looked = _revisit(run)
    return replace(
        state,
        loss=(*state.loss, loss),
        seconds=state.seconds + time.perf_counter() - start,
        iterations=state.iterations + steps,
        examples=state.examples + len(order),
        revisited=state.revisited + looked,
    )


def _order(run: Run, epoch: int) -> tuple[NDArray[np.int64], float]:
    """Return the positions of the epoch in their order, and the factor of its learning rate."""
    if run.sampler is not None:
        return run.sampler.order(), run.sampler.lr_factor
    return run.rows.order(run.index, generator(run.seed, epoch, 0)), 1.0


def _own(run: Run, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of this process, of those that are computed together."""
    share = run.devices.share(len(position))
    return position[share.low : share.high]


def _step(run: Run, position: NDArray[np.int64], rate: float, shuffle: torch.Generator) -> Tensor:
    """Make one update and return the sum of this process's losses in it, still on the device."""
    share = run.devices.share(len(position))
    batched = torch.from_numpy(position)
    where = batched[share.low : share.high]
    target = run.label[on_device(where, run.label.device)]
    recorder = run.recorder if share.counted else None
    if recorder is not None and recorder.observed == "two-view":
        recorder.observe(where, clean(run.network, run.rows.take(where, batched), run.training.precision), target)
    batch = augment(run.rows.take(where, batched), run.training.augment, shuffle, share)
    if run.training.epsilon:
        batch = attack(run.network, batch, target, run.training, shuffle, share)
    run.devices.begin_step(share)
    with autocast(batch.device, run.training.precision):
        # what is compiled is compiled for whole batches; several processes compute every batch together
        together = run.devices.count > 1 or len(batch) == run.training.batch_size
        logits = (run.forward if together else run.network)(batch)
    loss = _loss(run, where, logits, target)
    if recorder is not None and recorder.observed == "train-pass":
        recorder.observe(where, logits.detach(), target)
    if run.sampler is not None:
        run.sampler.observe(where, logits.detach(), target)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.zero_grad(set_to_none=True)
    run.devices.weigh(loss, share).backward()  # type: ignore[no-untyped-call]
    run.optimizer.step()
    return loss.detach() * share.size


def _loss(run: Run, where: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    if run.sampler is None and run.loss is None:
        return cross_entropy(logits, target)
    criterion = run.loss or (lambda _, z, y: cross_entropy(z, y, reduction="none"))
    losses = criterion(where, logits, target)
    if run.sampler is None:
        return losses.mean()
    return (on_device(run.sampler.weight(where), losses.device) * losses).mean()


def _evaluate(run: Run, epoch: int) -> None:
    """Show a recorder of eval passes what the network says of all examples after the epoch, attacked or as they are."""
    if run.recorder is None or run.recorder.observed != "eval-pass":
        return
    if not run.training.epsilon:
        _show(run, run.index, run.recorder)
        return
    draw = generator(run.seed, epoch, 4, run.label.device.type)
    for where, logits in under_attack(
        run.network, run.rows, run.label, run.index, run.training, draw, run.devices.share
    ):
        run.recorder.observe(where, logits, run.label[on_device(where, run.label.device)])


def _revisit(run: Run) -> int:
    """Show the sampler what the network says of the examples it hides; returns how many these are."""
    if run.sampler is None:
        return 0
    _show(run, run.sampler.hidden, run.sampler)
    return len(run.sampler.hidden)


def _show(run: Run, index: NDArray[np.int64], observer: Recorder | Sampler) -> None:
    parts = torch.split(torch.from_numpy(_own(run, index)), EVALUATED) if len(index) else ()
    for where, following in zip_longest(parts, parts[1:]):
        if following is not None:
            run.rows.prefetch(following.numpy())
        logits = clean(run.network, run.rows.take(where), run.training.precision)
        observer.observe(where, logits, run.label[on_device(where, run.label.device)])


def _finite(loss: float, training: TrainingConfig, epoch: int) -> float:
    if not np.isfinite(loss):
        raise DivergedError(
            f"training diverged: the loss was no longer a number in epoch {epoch + 1} of {training.epochs}; "
            f"try a smaller learning rate than {training.lr}"
            + (", or precision fp32." if training.precision == "bf16" else ".")
        )
    return loss
