"""The memory that a training step frees is kept for the next step, instead of going back to the system.

The activations of a step are blocks of megabytes. glibc returns them when they are freed, and the next step waits for
the system to clear as many pages again. Numbers do not depend on it.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Parameters of mallopt(3): from which size on a block lies outside the heap, and how much free memory stays at its end.
# They are KEPT during a training, and USUAL afterwards: what glibc makes them itself once large blocks are freed.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT = {MMAP_THRESHOLD: 1 << 30, TRIM_THRESHOLD: (1 << 31) - 1}
USUAL = {MMAP_THRESHOLD: 32 << 20, TRIM_THRESHOLD: 64 << 20}


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep up to two GiB of freed memory in this process; afterwards what is free is returned to the system.

    Where the C library is another than glibc, nothing is changed.
    """
    mallopt, trim = _function("mallopt"), _function("malloc_trim")
    if mallopt is None or trim is None:
        yield
        return
    for parameter, value in KEPT.items():
        mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in USUAL.items():
            mallopt(parameter, value)
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library of this process; None where it has none of that name."""
    try:
        found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # Windows has no library without a name
        return None
    return found
