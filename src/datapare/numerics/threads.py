"""How many threads compute: a number that follows from the size of the data, never from the machine."""

from collections.abc import Iterator
from contextlib import contextmanager

FIXED_THREADS = 2  # as the steps of large networks, training/compute.py
WORTH_DIVIDING = 2**20  # numbers in an array: with fewer, threads wait for each other longer than they compute


def threads_for(numbers: int) -> int:
    """Return how many threads pass over an array of so many numbers, again and again.

    >>> threads_for(10_000), threads_for(2_000_000)
    (1, 2)
    """
    return 1 if numbers < WORTH_DIVIDING else FIXED_THREADS


@contextmanager
def fixed_threads() -> Iterator[None]:
    """Let BLAS use the same number of threads everywhere: divided in another way, sums end in other last digits.

    >>> import numpy as np
    >>> with fixed_threads():
    ...     float(np.ones(3) @ np.ones(3))
    3.0
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(FIXED_THREADS, user_api="blas"):
        yield
