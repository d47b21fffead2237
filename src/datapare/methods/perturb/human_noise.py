"""human_noise: take the labels that human annotators gave, errors included.

    label' = human_label

Source      Wei, Zhu, Cheng, Liu, Niu, Liu, 2022 collected such labels for CIFAR; UCSC-REAL/cifar-10-100n.
Reads       label (N,), human_label (N,): another label of each example.
"""

import numpy as np
from jaxtyping import Int

from datapare.methods.perturb import PerturbedRows


def human_noise(label: Int[np.ndarray, " N"], human_label: Int[np.ndarray, " N"]) -> PerturbedRows:
    """Replace every label by the human one.

    Args:
        label: Class numbers, integers (N,).
        human_label: Class numbers that annotators gave, integers (N,).

    Returns:
        The N rows with their labels (N,); touched are the examples where the two differ.

    >>> change = human_noise(np.array([0, 1, 2]), np.array([0, 2, 2]))
    >>> change.label.tolist(), change.touched.tolist()
    ([0, 2, 2], [1])
    """
    return PerturbedRows(
        np.arange(len(label)), np.flatnonzero(label != human_label), label=human_label.astype(np.int64)
    )
