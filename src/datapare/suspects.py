"""Which labels look wrong: the label procedures of AUM and of soft labels, as pure functions on arrays.

Nothing here changes a dataset: the functions say which examples to look at, and which label the network would give.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from datapare.errors import InputError
from datapare.methods.score.soft_label import soft_label, soften


def aum_threshold_flags(
    aum: Float[np.ndarray, " N"], threshold_aum: Float[np.ndarray, " M"], *, percentile: float = 99.0
) -> Bool[np.ndarray, " N"]:
    """Flag the labels that a network learns worse than it learns labels known to be wrong.

    `threshold_aum` (M,) are the areas under the margin of N/K examples that were given a fake extra class before the
    training, `aum` (N,) those of the others: mean margins as published, so minus the scores of the method `aum`.
    Returns booleans (N,): True below the percentile of the fakes. Two trainings with disjoint fakes cover a dataset.
    Raises InputError without any fake or with a percentile outside 0..100. arXiv:2001.10528.

    Fakes 0 and 1: their 50th percentile is 0.5, and only -1 lies below.

    >>> aum_threshold_flags(np.array([-1.0, 0.5, 3.0]), np.array([0.0, 1.0]), percentile=50).tolist()
    [True, False, False]
    """
    if not len(threshold_aum) or not 0 <= percentile <= 100:
        raise InputError(
            f"the AUM threshold is a percentile (0 to 100) of the examples with a fake class, not percentile "
            f"{percentile:g} of {len(threshold_aum)} examples; give about N/K of them a fake class before training."
        )
    return np.asarray(aum < np.percentile(threshold_aum, percentile))


def soft_label_correction(
    logit_mean: Float[np.ndarray, "N K"], label: Int[np.ndarray, " N"], *, confidence: float
) -> Int[np.ndarray, " N"]:
    """Give each example the class its soft label clearly points to, and leave the others as they are.

    "Clearly" is a probability of at least `confidence`, for which nothing is published; it must be above 1/2, so that
    only one class can reach it. Returns class numbers (N,); those unlike `label` are the corrected ones. Raises
    InputError for another confidence. arXiv:2412.10091.

    Soft labels (0.9, 0.1) and (0.4, 0.6), both labelled 1: at 0.8 only the first is clear.

    >>> soft_label_correction(np.log([[0.9, 0.1], [0.4, 0.6]]), np.array([1, 1]), confidence=0.8).tolist()
    [0, 1]
    """
    soft = soften(logit_mean)
    return np.where(soft.max(axis=1) >= _checked(confidence), soft.argmax(axis=1), label)


def outliers(logit_mean: Float[np.ndarray, "N K"], *, entropy: float, confidence: float) -> Bool[np.ndarray, " N"]:
    """Flag examples that stay ambiguous and that no class explains, to be removed rather than relabelled.

    An outlier has a soft label of more than `entropy` nats in which no class reaches `confidence`, so that no example
    is both corrected and flagged at the same confidence; nothing is published for either number. Returns booleans
    (N,). Raises InputError for a confidence outside (1/2, 1]. arXiv:2412.10091.

    Entropy 0.6931 of (0.5, 0.5), 0.3251 of (0.9, 0.1).

    >>> outliers(np.log([[0.5, 0.5], [0.9, 0.1]]), entropy=0.3, confidence=0.8).tolist()
    [True, False]
    """
    unexplained = soften(logit_mean).max(axis=1) < _checked(confidence)
    return np.asarray(unexplained & (soft_label(logit_mean) > entropy))


def _checked(confidence: float) -> float:
    if not 0.5 < confidence <= 1:
        raise InputError(
            f"confidence is the probability of one clear class, above 0.5 and at most 1, not {confidence:g}."
        )
    return confidence
