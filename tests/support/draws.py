"""The law of successive weighted draws, by enumeration."""

import numpy as np


def inclusion(weight: np.ndarray, n: int) -> np.ndarray:
    """Exact probability that each example is drawn, over all orders of successive draws."""

    def walk(left: frozenset[int], n: int) -> np.ndarray:
        chance = np.zeros(len(weight))
        total = sum(weight[i] for i in left)
        for i in left if n else ():
            first = weight[i] / total
            chance += first * walk(left - {i}, n - 1)
            chance[i] += first
        return chance

    return walk(frozenset(range(len(weight))), n)
