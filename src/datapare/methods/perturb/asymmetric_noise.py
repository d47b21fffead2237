"""asymmetric_noise: give a share of the examples the next class, so that errors have a direction.

    label' = the next class, the first after the last, for exactly floor(share * N) examples

Source      Ours, after the usual practice for CIFAR-100 (unverified); no source names the classes to confuse.
Reads       label (N,); K counts the classes that have examples.
Parameters  share: fraction of the labels that change.
"""

import numpy as np
from jaxtyping import Int

from datapare.errors import InputError
from datapare.methods.perturb import PerturbedRows, draw


def asymmetric_noise(label: Int[np.ndarray, " N"], rng: np.random.Generator, *, share: float = 0.2) -> PerturbedRows:
    """Change exactly floor(share * N) labels to the next class.

    Args:
        label: Class numbers, integers (N,).
        rng: Source of the draws; the same state gives the same change.
        share: Fraction of the labels that change, in (0, 1].

    Returns:
        The N rows with their labels (N,).

    Raises:
        InputError: For a single class or a share outside (0, 1].

    >>> asymmetric_noise(np.array([0, 2, 5]), np.random.default_rng(0), share=1.0).label.tolist()
    [2, 5, 0]
    """
    classes = np.unique(label)
    if len(classes) < 2:
        raise InputError("label noise needs two or more classes, for a label to become another.")
    touched = draw(len(label), share, rng)
    noisy = label.copy()
    noisy[touched] = classes[(np.searchsorted(classes, label[touched]) + 1) % len(classes)]
    return PerturbedRows(np.arange(len(label)), touched, label=noisy)
