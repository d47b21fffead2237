"""Where a training is computed, and in which precision its forward passes run."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

BACKBONE_THREADS = 2  # for the features of a pretrained network, as for its training (compute.py)


def device() -> torch.device:
    """Return this process's accelerator when torch sees one, else the processor."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())  # with its number: "cuda" is not equal to "cuda:0"


def has_bf16_units() -> bool:
    """Say whether this machine multiplies bf16 matrices in hardware (CUDA 8.0 and later, AMX, AVX512-BF16)."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def autocast(where: torch.device, precision: str) -> torch.autocast:
    """Return the context in which a forward pass runs."""
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def compute_threads(count: int | None) -> Iterator[None]:
    """Compute on so many threads, whatever the number of cores; None leaves the number as it is.

    Sums over examples are divided among threads, so results depend on their number, but not on the cores they run on.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
