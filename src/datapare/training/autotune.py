"""Time a few training steps to find the fastest way to compute them, on request only.

Precision, the layout of images, torch.compile and the number of threads are tried one after the other, each against the
fastest so far. Timing depends on what else the machine is doing, so the settings found are stored in the provenance,
and a resumed or repeated recording uses those (compute.py chooses otherwise).
"""

import copy
import math
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from datapare.artifacts import Params
from datapare.errors import InputError
from datapare.training.config import AUTO_TUNED, TrainingConfig
from datapare.training.device import autocast, compute_threads, has_bf16_units
from datapare.training.networks.factory import Network

MIN_SPEEDUP = 1.15  # a way that is faster by less is not worth other digits
MIN_SECONDS_TO_COMPILE = 120.0  # of training: below, compiling takes longer than it saves


def autotune(
    network: Network, batch: Tensor, label: Tensor, training: TrainingConfig, resolved: TrainingConfig, updates: int
) -> TrainingConfig:
    """Return `resolved` with what `training` leaves open replaced by what a few timed steps show to be faster.

    Args:
        network: The network before its first update; it is left unchanged.
        batch: One whole batch of encoded rows (B, ...).
        label: Their class numbers (B,).
        training: The settings as requested; what they fix is not tried.
        resolved: The same settings with the defaults of compute.py.
        updates: Updates of the whole training, which decide whether compiling is worth its time.
    """
    seconds = step_seconds(network, batch, label, resolved)
    for name in AUTO_TUNED:
        if getattr(training, name) != AUTO_TUNED[name]:
            continue
        for value in _candidates(name, network.kind, updates * seconds):
            change: Params = {name: value}
            other = replace(resolved, **change)
            took = step_seconds(network, batch, label, other)
            if took * MIN_SPEEDUP < seconds:
                resolved, seconds = other, took
    return resolved


def _candidates(name: str, kind: str, seconds: float) -> Sequence[str | int]:
    """Return the values of a setting to try, for a kind of data and so many seconds of training."""
    if name == "precision":
        return ["fp32", "bf16"] if has_bf16_units() else []
    if name == "threads":
        return [2**power for power in range(int(math.log2(os.cpu_count() or 1)) + 1)]
    if kind != "image":  # the width of texts changes, and tables have no layout
        return []
    if name == "layout":
        return ["contiguous"]
    return [True] if seconds >= MIN_SECONDS_TO_COMPILE else []


def forward(network: Network, batch: Tensor, label: Tensor, training: TrainingConfig) -> Callable[[Tensor], Tensor]:
    """Return what computes the logits in training: the network itself, or compiled, for batches of this one's shape.

    Raises:
        InputError: The settings ask for torch.compile where it cannot compile this network.
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
        with warnings.catch_warnings(), compute_threads(training.threads):
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

    _separate_caches()
    same = "deterministic" in list_options()
    made: Callable[[Tensor], Tensor] = torch.compile(
        network, dynamic=False, options={"deterministic": True} if same else {}
    )
    return made


def _separate_caches() -> None:
    """Have torch cache what it compiles for each kind of vector units separately.

    The key of its cache leaves them out, and code for narrower units that is taken for wider ones overwrites memory.
    """
    units = torch.backends.cpu.get_cpu_capability()
    if units not in torch.compiler.config.cache_key_tag:
        torch.compiler.config.cache_key_tag += units
