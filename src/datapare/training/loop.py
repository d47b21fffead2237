"""One training loop: for the scoring run, which a Recorder watches, and for retraining on a subset.

All randomness comes from (seed, epoch), so a run that was killed goes on from its checkpoint to the bit-identical
model; the record of an epoch is written before the checkpoint, and an epoch repeated writes the same numbers again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datapare.data import Inputs
from datapare.errors import InputError
from datapare.recording import Recorder
from datapare.training.adversarial import check_images
from datapare.training.autotune import autotune as tune
from datapare.training.autotune import forward
from datapare.training.batches import BatchSource
from datapare.training.checkpoint import Checkpoint, fingerprint, forget, read, restore, store
from datapare.training.compute import with_defaults
from datapare.training.config import TrainingConfig
from datapare.training.device import compute_threads, device
from datapare.training.distributed import Devices
from datapare.training.epoch import Progress, Run, train_epoch
from datapare.training.inference import accuracy, predict
from datapare.training.memory import freed_memory_kept
from datapare.training.networks.factory import Network, build
from datapare.training.online import Loss, Sampler
from datapare.training.optimizers import EagerAdamW, EagerSGD
from datapare.training.seeding import deterministic, mixed, own_randomness
from datapare.training.thinning import thinned

CHECKPOINT_SECONDS = 1.0  # of training, at least, between two checkpoints: one takes as long as many short epochs


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished training: the model, the settings as run (how a step is computed resolved), and what it cost.

    `loss` is the mean training loss of each epoch; `logits` (M, K) float32 and `accuracy` belong to the held-out
    inputs, None when there were none; `seconds` counts training only. `examples_seen` were trained on, and
    `examples_revisited` only looked at, for a sampler that hides some.
    """

    model: Network
    training: TrainingConfig
    epochs: int
    iterations: int
    examples_seen: int
    seconds: float
    loss: tuple[float, ...]
    examples_revisited: int = 0
    logits: NDArray[np.float32] | None = None
    accuracy: float | None = None


def train(
    inputs: Inputs,
    label: NDArray[np.int64],
    n_classes: int,
    training: TrainingConfig,
    *,
    seed: int,
    index: NDArray[np.int64] | None = None,
    recorder: Recorder | None = None,
    sampler: Sampler | None = None,
    loss: Loss | None = None,
    folder: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    evaluate: tuple[Inputs, NDArray[np.int64]] | None = None,
    enough: Callable[[int], bool] | None = None,
    devices: Devices | None = None,
) -> Trained:
    """Train a fresh network on `inputs` (N rows) with `label` (N,), or on the positions `index` only.

    `recorder` observes every training batch by position, or the same examples un-augmented in eval mode: before each
    update (two-view) or after each epoch (eval-pass), as its `observed` says. A new `sampler` of online/ chooses what
    each epoch trains on instead of `index`, and a `loss` of online/ replaces cross-entropy. `evaluate` is (held-out
    Inputs, label), used once at the end; `enough`, asked before each epoch with the number of those done, ends the
    training early. Several `devices` train together: every process makes this call with the same arguments. With a
    `folder` the first process keeps a checkpoint there, from which the same call goes on after a crash; it is gone when
    the call returns, except beside a recorder, whose record is finished first (checkpoint.forget then removes it). The
    state of torch's global generators is as before.

    Raises InputError for impossible settings or a folder of another training, DivergedError when the loss is no number.
    """
    devices = devices or Devices()
    index = np.arange(len(label)) if index is None else np.asarray(index, dtype=np.int64)
    _check(inputs, label, n_classes, index)
    _check_during(sampler, loss, training, index, label)
    if training.epsilon:
        check_images(inputs)
    training = with_defaults(training, inputs)
    _check_devices(devices, training, sampler)
    mark = fingerprint(inputs, label, n_classes, training, seed, index, sampler=sampler, loss=loss)
    with own_randomness(), deterministic(), compute_threads(training.threads), freed_memory_kept():
        run = _prepare(inputs, label, n_classes, training, seed, index, recorder, progress)
        found = devices.on_rank_zero(lambda: read(folder, mark, run.network, with_sampler=sampler is not None))
        state = Checkpoint() if found is None else restore(found, run.network, run.optimizer, sampler)
        run.network.lay_out(training.layout)
        alone = devices.count == 1
        step = forward(run.network, *_whole_batch(run), training) if alone else devices.wrap(run.network)
        run = replace(run, forward=step, sampler=sampler, loss=loss, devices=devices)
        devices.on_rank_zero(lambda: store(folder, mark, run.network, run.optimizer, state, sampler))
        if recorder is not None and recorder.epoch != len(state.loss):
            recorder.rewind(len(state.loss))
        begun, stored = len(state.loss), state.seconds
        for epoch in range(begun, training.epochs):
            if enough is not None and devices.on_rank_zero(partial(enough, epoch)):
                break
            state = train_epoch(run, state, epoch)
            if recorder is not None:
                recorder.end_epoch()
            if sampler is not None:
                sampler.end_epoch()
            stored = devices.on_rank_zero(partial(_store_in_time, stored, folder, mark, run, state))
        if run.progress is not None and len(state.loss) > begun:
            speed = state.examples / max(state.seconds, 1e-9)
            run.progress(Progress(len(state.loss), training.epochs, 0, len(index), speed, state.loss[-1]))
        trained = _finish(run, state, evaluate)
    if recorder is None and devices.rank == 0:
        forget(folder)
    return trained


def _store_in_time(stored: float, folder: Path | None, mark: str, run: Run, state: Checkpoint) -> float:
    """Checkpoint after each epoch of a record, else once a second; returns when, in seconds of training."""
    if run.recorder is None and state.seconds - stored < CHECKPOINT_SECONDS:
        return stored
    store(folder, mark, run.network, run.optimizer, state, run.sampler)
    return state.seconds


def resolve(
    inputs: Inputs,
    label: NDArray[np.int64],
    n_classes: int,
    training: TrainingConfig,
    seed: int,
    *,
    autotune: bool = False,
) -> TrainingConfig:
    """Return the settings with how a step is computed resolved: by the table of compute.py, or timed on request."""
    resolved = with_defaults(training, inputs)
    if not autotune:
        return resolved
    with own_randomness():
        run = _prepare(inputs, label, n_classes, resolved, seed, np.arange(len(label)), None, None)
        updates = training.epochs * -(-len(label) // training.batch_size)
        return tune(run.network, *_whole_batch(run), training, resolved, updates)


def initial(inputs: Inputs, n_classes: int, training: TrainingConfig, seed: int) -> Network:
    """Return the network that a training with this seed begins with."""
    with own_randomness():
        return _initial(inputs, n_classes, training, seed)


def _prepare(
    inputs: Inputs,
    label: NDArray[np.int64],
    n_classes: int,
    training: TrainingConfig,
    seed: int,
    index: NDArray[np.int64],
    recorder: Recorder | None,
    progress: Callable[[Progress], None] | None,
) -> Run:
    network = _initial(inputs, n_classes, training, seed)
    target = torch.from_numpy(np.asarray(label, dtype=np.int64).copy()).to(device())
    rows = BatchSource(inputs.array, inputs.encoding.kind)
    optimizer = _optimizer(network, training)
    return Run(network, optimizer, rows, target, index, training, seed, recorder, network, progress)


def _initial(inputs: Inputs, n_classes: int, training: TrainingConfig, seed: int) -> Network:
    torch.manual_seed(mixed(seed, 0, 3))
    network = build(training, inputs, n_classes).to(device())
    return network if training.thin is None else thinned(network, inputs, training)


def _optimizer(network: Network, training: TrainingConfig) -> torch.optim.Optimizer:
    parameters = [p for p in network.parameters() if p.requires_grad]
    lr, decay = training.lr, training.weight_decay
    if training.optimizer == "adamw":
        return EagerAdamW(parameters, lr=lr, weight_decay=decay, fused=True)
    momentum, nesterov = training.momentum, training.nesterov
    # fused: a few percent on our smallest network, nothing lost on the largest
    return EagerSGD(parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=decay, fused=True)


def _whole_batch(run: Run) -> tuple[Tensor, Tensor]:
    some = torch.from_numpy(run.index[: run.training.batch_size].copy())
    return run.rows.take(some), run.label[some.to(run.label.device)]


def _finish(run: Run, state: Checkpoint, evaluate: tuple[Inputs, NDArray[np.int64]] | None) -> Trained:
    logits = None if evaluate is None else predict(run.network, evaluate[0], precision=run.training.precision)
    return Trained(
        model=run.network.eval(),
        training=run.training,
        epochs=run.training.epochs,
        iterations=state.iterations,
        examples_seen=state.examples,
        examples_revisited=state.revisited,
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


def _check_devices(devices: Devices, training: TrainingConfig, sampler: Sampler | None) -> None:
    if devices.count > 1 and (training.compiled or sampler is not None):
        what = "a training that a sampler prunes" if sampler is not None else "a network compiled by torch.compile"
        raise InputError(f"{what} is computed by one process, not by {devices.count}: train it in one.")


def _check_during(
    sampler: Sampler | None,
    loss: Loss | None,
    training: TrainingConfig,
    index: NDArray[np.int64],
    label: NDArray[np.int64],
) -> None:
    if loss is not None and len(loss.value) != len(label):
        raise InputError(f"the loss {loss.name} is of {len(loss.value):,} examples, but there are {len(label):,}.")
    if sampler is None:
        return
    if len(index) != len(label):
        raise InputError("a sampler chooses from the whole dataset; give either it or the positions to train on.")
    if sampler.total != len(label) or sampler.epochs != training.epochs or sampler.epoch:
        raise InputError(
            f"expected a new sampler of {len(label):,} examples and {training.epochs} epochs, not one of "
            f"{sampler.total:,} and {sampler.epochs}, {sampler.epoch} of them done; make one for this training."
        )
