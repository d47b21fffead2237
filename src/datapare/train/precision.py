"""Half precision where the processor has units for it and a few timed steps say that it pays."""

import copy
import time
from typing import Any, Literal

import torch
from torch.nn.functional import cross_entropy

PAYS = 1.15  # bf16 has to be this much faster: below, the digits are worth more


def device() -> torch.device:
    """Return the accelerator when torch sees one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16_units() -> bool:
    """Say whether this machine multiplies bf16 matrices in hardware (CUDA 8.0 and later, AMX, AVX512-BF16)."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def fastest(network: torch.nn.Module, batch: torch.Tensor, label: torch.Tensor) -> Literal["fp32", "bf16"]:
    """Return "bf16" or "fp32", whichever trains this batch faster; without bf16 units nothing is timed."""
    if not has_bf16_units():
        return "fp32"
    seconds = {name: _step_seconds(network, batch, label, name) for name in ("fp32", "bf16")}
    return "bf16" if seconds["bf16"] * PAYS < seconds["fp32"] else "fp32"


def autocast(where: torch.device, precision: str) -> Any:
    """Return the context in which a forward pass runs."""
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _step_seconds(
    network: torch.nn.Module, batch: torch.Tensor, label: torch.Tensor, precision: str, *, steps: int = 4
) -> float:
    """Return the fastest of a few training steps on a copy, the first not counted."""
    trial, seconds = copy.deepcopy(network).train(), []
    for _ in range(steps):
        start = time.perf_counter()
        with autocast(batch.device, precision):
            loss = cross_entropy(trial(batch), label)
        loss.backward()  # type: ignore[no-untyped-call]
        if batch.is_cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
