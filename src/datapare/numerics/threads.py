"""How many threads compute: a number that follows from the size of the data, never from the machine."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FIXED_THREADS = 2  # as the steps of large networks, training/compute.py
WORTH_DIVIDING = 2**20  # numbers in an array: with fewer, threads wait for each other longer than they compute
_BLOCK = 1 << 15  # numbers of a block, which stay in the processor's cache
Scalar = TypeVar("Scalar", bound=np.generic)


def cores() -> int:
    """Return how many cores this process may use, which a container or a scheduler may have made fewer."""
    from joblib import cpu_count

    return int(cpu_count())


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


def in_blocks(work: Callable[[slice], object], count: int, size: int = _BLOCK) -> None:
    """Call `work` with slices of `size` that cover `count` numbers; many of them are divided among threads.

    What is computed must not depend on which of them come first.

    >>> in_blocks(print, 5, 3)
    slice(0, 3, None)
    slice(3, 5, None)
    """
    threads = threads_for(count)
    blocks = [slice(start, min(start + size, count)) for start in range(0, count, size)]
    if threads == 1:
        for block in blocks:
            work(block)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, blocks))


def take(values: NDArray[Scalar], index: NDArray[np.integer]) -> NDArray[Scalar]:
    """Return `values[index]` (N,) for values (K,) and positions (N,).

    >>> take(np.array([7, 5]), np.array([1, 1, 0]))
    array([5, 5, 7])
    """
    out = np.empty(len(index), values.dtype)

    def fill(block: slice) -> None:
        out[block] = values[index[block]]

    in_blocks(fill, len(out))
    return out
