"""Randomness that belongs to one training: drawn from (seed, epoch, use), and leaving the caller's as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def mixed(seed: int, epoch: int, stream: int) -> int:
    """Return a seed for this epoch and use.

    0 order, 1 augmentation and attacks, 2 dropout, 3 the network's first weights, 4 attacks that are recorded.
    """
    return int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)[0])


def generator(seed: int, epoch: int, stream: int, where: str = "cpu") -> torch.Generator:
    """Return a generator of its own for this epoch and use."""
    return torch.Generator(where).manual_seed(mixed(seed, epoch, stream))


def seed_global(value: int, where: str = "cpu") -> None:
    """Seed torch's global generators of the processor and of the device in use.

    `torch.manual_seed` also prepares accelerators that are not there, which takes as long as a small step.
    """
    if where == "cpu":
        torch.default_generator.manual_seed(value)
    else:
        torch.manual_seed(value)


@contextmanager
def own_randomness() -> Iterator[None]:
    """Leave torch's global generators as they were."""
    accelerators = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=accelerators):
        yield


@contextmanager
def deterministic() -> Iterator[None]:
    """Have cuDNN choose the same deterministic algorithm every time; restored afterwards."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before
