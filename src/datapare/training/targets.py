"""Soft labels: what a recorded training says of each example, as targets for the next training.

    q_i = softmax(mean over the recorded epochs of the logits z_i / temperature)

Source      arXiv:2403.07854, 2024: pruning, then distillation of a network that saw everything. Soft labels from the
            record of the scoring run, which cost nothing more, are ours.
Reads       logit_mean (N, K).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array, Dynamics, Floats
from datapare.errors import InputError, MissingChannelError
from datapare.numerics.embeddings import softmax

BLOCK = 16_384  # examples turned into probabilities at once
DENSE, LARGEST = 256, 32  # up to so many classes files hold all probabilities, of more so many of the largest


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """One distribution over the classes per example: every probability, or the k largest.

    Args:
        probability: Floats (N, K), or (N, k) with `index`; a row of NaN where nothing is known of an example.
        index: Class of each of the k probabilities, integers (N, k); what they lack to 1 is spread evenly over the
            other classes. None where there is one probability per class.
        classes: Number of classes, K; 0 takes it from `probability`.

    Raises:
        InputError: When shapes disagree, or a class is not between 0 and K - 1.

    >>> soft = SoftLabels(np.array([[0.7], [0.4]]), index=np.array([[2], [0]]), classes=3)
    >>> soft.dense().round(2)
    array([[0.15, 0.15, 0.7 ],
           [0.4 , 0.3 , 0.3 ]], dtype=float32)
    """

    probability: Floats
    index: NDArray[np.integer] | None = None
    classes: int = 0

    def __post_init__(self) -> None:
        probability = np.asarray(self.probability)
        if probability.ndim != 2 or not np.issubdtype(probability.dtype, np.floating):
            raise InputError(
                f"soft labels are floats of shape (N, K), not {probability.dtype} of shape {probability.shape}."
            )
        object.__setattr__(self, "probability", probability)
        object.__setattr__(self, "classes", self.classes or probability.shape[1])
        if self.index is None and self.classes != probability.shape[1]:
            raise InputError(f"{self.classes} classes have {self.classes} probabilities, not {probability.shape[1]}.")
        if self.index is not None:
            index = np.asarray(self.index)
            if index.shape != probability.shape or not np.issubdtype(index.dtype, np.integer):
                raise InputError(
                    f"expected one class number per probability, integers of shape {probability.shape}, not "
                    f"{index.dtype} of shape {index.shape}."
                )
            if index.size and not 0 <= index.min() <= index.max() < self.classes:
                raise InputError(f"classes lie between 0 and {self.classes - 1}, not {index.min()} to {index.max()}.")
            object.__setattr__(self, "index", index)

    def __len__(self) -> int:
        return len(self.probability)

    def at(self, index: NDArray[np.int64]) -> "SoftLabels":
        """Return the soft labels of the examples at these positions (n,), in their order."""
        chosen = None if self.index is None else self.index[index]
        return SoftLabels(self.probability[index], chosen, self.classes)

    @property
    def rows(self) -> Array | tuple[Array, Array]:
        """The probabilities (N, K), or the largest and their classes, (N, k) each, as `export` writes them."""
        return self.probability if self.index is None else (self.probability, self.index)

    def dense(self) -> NDArray[np.float32]:
        """Return every probability, float32 (N, K)."""
        given: NDArray[np.float32] = self.probability.astype(np.float32)
        if self.index is None:
            return given
        others = max(1, self.classes - given.shape[1])
        rest = np.clip(1 - given.sum(axis=1, keepdims=True), 0, None) / others
        full = np.repeat(rest, self.classes, axis=1)
        np.put_along_axis(full, self.index.astype(np.int64), given, axis=1)
        return full


def soft_labels(dynamics: Dynamics, *, temperature: float = 1.0, top: int | None = None) -> SoftLabels:
    """Return the soft labels of a record: the softmax of each example's logits, averaged over the epochs.

    arXiv:2403.07854.

    Args:
        dynamics: A record with the array logit_mean (N, K).
        temperature: What the mean logits are divided by, above 0; above 1 flattens the distributions.
        top: How many classes to hold of each example, its most probable; None holds all.

    Returns:
        The soft labels in float16; NaN for an example that was never observed.

    Raises:
        MissingChannelError: When the record has no mean logits.
        InputError: For a temperature that is not positive, or `top` outside 1..K.

    Logits ln 9 and 0 are probabilities 0.9 and 0.1; at temperature 2 they are 3 and 1 parts of 4.

    >>> d = Dynamics({}, label=[0], arrays={"logit_mean": np.log([[9.0, 1.0]])})
    >>> soft_labels(d).dense().round(2), soft_labels(d, temperature=2).dense()
    (array([[0.9, 0.1]], dtype=float32), array([[0.75, 0.25]], dtype=float32))
    """
    if not temperature > 0:
        raise InputError(f"the temperature of soft labels is above 0, not {temperature}.")
    if "logit_mean" not in dynamics.arrays:
        raise MissingChannelError(
            "soft labels are made of the mean logits, which this record does not hold; record them with: "
            "datapare record PATH --channel logit_mean."
        )
    logit = dynamics.arrays["logit_mean"]
    count, classes = logit.shape
    if top is not None and not 1 <= top <= classes:
        raise InputError(f"top is how many of the {classes} classes to hold, 1 to {classes}, not {top}.")
    width = classes if top is None else top
    probability = np.empty((count, width), dtype=np.float16)
    index = None if top is None else np.empty((count, width), dtype=np.int32)
    for start in range(0, count, BLOCK):
        rows = slice(start, start + BLOCK)
        block = softmax(np.asarray(logit[rows], dtype=np.float64) / temperature)
        if index is not None:
            index[rows] = _largest(block, width)
            block = np.take_along_axis(block, index[rows].astype(np.int64), axis=1)
        probability[rows] = block
    return SoftLabels(probability, index, classes)


def held_classes(classes: int) -> int | None:
    """Return how many probabilities of each example to write to files, the largest; None for all.

    >>> held_classes(100), held_classes(1000)
    (None, 32)
    """
    return None if classes <= DENSE else LARGEST


def _largest(probability: Array, count: int) -> NDArray[np.int64]:
    """Return the classes (n, count) of the largest probabilities (n, K), the largest first, ties to the lower class."""
    order: NDArray[np.int64] = np.argsort(-probability, axis=1, kind="stable")
    return order[:, :count]
