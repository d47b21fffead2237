"""How many threads compute a product of matrices."""

from collections.abc import Iterator
from contextlib import contextmanager

FIXED_THREADS = 2  # as the steps of large networks, training/compute.py


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
