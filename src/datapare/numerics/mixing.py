"""Mix 64-bit numbers into hashes."""

import numpy as np
from numpy.typing import NDArray

MISSING = np.uint64(0x9E3779B97F4A7C15)


def mixed(one: np.uint64 | NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash two 64-bit numbers, elementwise.

    Args:
        one: Numbers (N,), or one number.
        other: Numbers (N,).

    Returns:
        uint64 (N,): the finaliser of SplitMix64 (Steele, Lea, Flood, 2014) on a sum of both.

    >>> mixed(np.uint64(1), np.array([2, 3], np.uint64))
    array([ 9660101153863139217, 13553413429951202729], dtype=uint64)
    """
    with np.errstate(over="ignore"):
        z = one * np.uint64(0xD1342543DE82EF95) + other
        z += MISSING
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return np.asarray(z, np.uint64)
