"""label_noise: give a share of the examples another class, any of the others with the same chance.

    label' = one of the K - 1 other classes, uniformly, for exactly floor(share * N) examples

Source      arXiv:2502.06905, Cho, Shin, Kang, Yun, 2025: symmetric flips of 20, 30 and 40 % (unverified).
Reads       label (N,); K counts the classes that have examples.
Parameters  share: fraction of the labels that change.
Ours        Exactly so many labels change, and never to what they were; other codes draw among all K classes, where a
            share of 20 % of 10 classes changes 18 %.
"""

import numpy as np
from jaxtyping import Int

from datapare.errors import InputError
from datapare.methods.perturb import PerturbedRows, draw


def label_noise(label: Int[np.ndarray, " N"], rng: np.random.Generator, *, share: float = 0.2) -> PerturbedRows:
    """Change exactly floor(share * N) labels, each to one of the other classes.

    Args:
        label: Class numbers, integers (N,).
        rng: Source of the draws; the same state gives the same change.
        share: Fraction of the labels that change, in (0, 1].

    Returns:
        The N rows with their labels (N,).

    Raises:
        InputError: For a single class or a share outside (0, 1].

    >>> change = label_noise(np.array([0, 0, 1, 1]), np.random.default_rng(0), share=0.5)
    >>> len(change.touched), (change.label != [0, 0, 1, 1]).nonzero()[0].tolist() == change.touched.tolist()
    (2, True)
    """
    classes = np.unique(label)
    if len(classes) < 2:
        raise InputError("label noise needs two or more classes, for a label to become another.")
    touched = draw(len(label), share, rng)
    noisy = label.copy()
    step = rng.integers(1, len(classes), size=len(touched))  # so far round the ring of classes, never all the way
    noisy[touched] = classes[(np.searchsorted(classes, label[touched]) + step) % len(classes)]
    return PerturbedRows(np.arange(len(label)), touched, label=noisy)
