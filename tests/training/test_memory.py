"""Memory that steps free and take again is not taken from the system each time."""

import resource
import sys

import numpy as np
import pytest
from trainings import PICTURES, pictures, same_model

from datapare.training import memory
from datapare.training.loop import train
from datapare.training.memory import freed_memory_kept

BLOCK = 16 << 20  # bytes, as the activations of a step


def faults(times):
    """How many pages the system gave this process while twelve blocks were taken and freed so often."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        _ = [np.ones(BLOCK, dtype=np.uint8) for _ in range(12)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="is about the C library of Linux")
def test_freed_blocks_are_taken_again_without_asking_the_system():
    pages = BLOCK // resource.getpagesize()
    with freed_memory_kept():
        faults(2)
        assert faults(4) < pages // 10


def test_a_c_library_without_these_functions_gives_the_same_bits(monkeypatch):
    kept = train(*pictures(), 3, PICTURES, seed=0)
    monkeypatch.setattr(memory, "_function", lambda _: None)
    assert same_model(kept, train(*pictures(), 3, PICTURES, seed=0))
