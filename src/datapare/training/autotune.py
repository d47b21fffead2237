"""How to compute a training step fastest: what a recipe leaves open is settled by timing a few steps.

Precision, then the layout of images, then torch.compile: each is tried against what stands so far. All of this only on
machines with units for half precision. On others nothing is timed, since there is little to gain and a busy moment
would change a result's last bits: float32; images channels-last, 1.0 to 1.2 times as fast as planes
(benchmarks/results/training_speed.json); and no compiler, which took minutes on a busy machine and gained 4 to 11
percent (benchmarks/results/training_choices.json).
"""

import copy
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from datapare.errors import InputError
from datapare.training.config import OPEN, TrainingConfig
from datapare.training.device import autocast, has_bf16_units
from datapare.training.networks.factory import Network

USUAL: dict[str, Any] = {"precision": "fp32", "layout": "channels-last", "compiled": False}
OTHER: dict[str, Any] = {"precision": "bf16", "layout": "contiguous", "compiled": True}
PAYS = 1.15  # another way has to be this much faster: below, the digits and the simplicity are worth more
LONG = 120.0  # seconds of training that are worth the half minute or more that compiling takes


def usual(training: TrainingConfig) -> TrainingConfig:
    """Return the settings with nothing left open, as they are where nothing is timed."""
    return replace(training, **{name: value for name, value in USUAL.items() if getattr(training, name) == OPEN[name]})


def is_timed(training: TrainingConfig) -> bool:
    """Say whether this machine times what these settings leave open."""
    return has_bf16_units() and usual(training) != training


def fastest(network: Network, batch: Tensor, label: Tensor, training: TrainingConfig, updates: int) -> TrainingConfig:
    """Return the settings with what they leave open settled by a few timed steps, for so many updates."""
    left, training = [name for name in OPEN if getattr(training, name) == OPEN[name]], usual(training)
    took = step_seconds(network, batch, label, training)
    for name in left:
        if name != "precision" and network.kind != "image":  # the width of texts changes, and tables have no layout
            continue
        if name == "compiled" and updates * took < LONG:
            continue
        other = replace(training, **{name: OTHER[name]})
        seconds = step_seconds(network, batch, label, other)
        if seconds * PAYS < took:
            training, took = other, seconds
    return training


def forward(network: Network, batch: Tensor, label: Tensor, training: TrainingConfig) -> Callable[[Tensor], Tensor]:
    """Return what computes the logits in training: the network itself, or compiled, for batches of this one's shape.

    Raises InputError for settings that ask for torch.compile where it cannot compile this network.
    """
    if not training.compiled:
        return network
    if step_seconds(network, batch, label, training, steps=1) == math.inf:
        raise InputError(
            "torch.compile cannot compile this network here: it needs a C++ compiler and a network it understands; "
            "set compiled to False."
        )
    return _compiled(network)


def step_seconds(network: Network, batch: Tensor, label: Tensor, training: TrainingConfig, *, steps: int = 4) -> float:
    """Return the fastest of a few training steps on a copy, after a first one; infinity where it cannot be compiled."""
    trial = copy.deepcopy(network).train()
    trial.lay_out(training.layout)
    if training.compiled:
        torch.compiler.reset()  # from the ninth network of the same code on, it would silently not compile
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's, about itself
            step = _compiled(trial) if training.compiled else trial
            return min([_seconds(step, batch, label, training) for _ in range(1 + steps)][1:])
    except Exception:
        if training.compiled:  # no compiler, or a network that it does not understand: it raises anything
            return math.inf
        raise


def _seconds(step: Callable[[Tensor], Tensor], batch: Tensor, label: Tensor, training: TrainingConfig) -> float:
    start = time.perf_counter()
    with autocast(batch.device, training.precision):
        loss = cross_entropy(step(batch), label)
    loss.backward()  # type: ignore[no-untyped-call]
    if batch.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _compiled(network: Network) -> Callable[[Tensor], Tensor]:
    """Return the network as torch.compile makes it for one shape of batches, the same in every process."""
    from torch._inductor import list_options

    options: dict[str, Any] = {"deterministic": True} if "deterministic" in list_options() else {}
    made: Callable[[Tensor], Tensor] = torch.compile(network, dynamic=False, options=options)
    return made
