"""Which labels look wrong: the label procedures of AUM and of soft labels, and low confidence.

Nothing here changes a dataset: the functions name the examples to look at and the label that the network predicts.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from datapare.artifacts import Dynamics
from datapare.errors import InputError
from datapare.methods.score.soft_label import soft_label
from datapare.methods.scoring import score
from datapare.numerics.embeddings import softmax
from datapare.options import validated

Detector = Literal["aum", "soft_label", "confidence"]


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """Examples whose label looks wrong, the most likely issue first.

    Attributes:
        index: Positions (S,) of the label issues.
        issue_score: (N,) of all examples, larger = more likely wrong.
        suggested: (S,) the other class that the network predicted most, -1 where the record does not hold it.
        cut: Score above which a label is an issue.
    """

    index: NDArray[np.int64]
    issue_score: NDArray[np.float64]
    suggested: NDArray[np.int64]
    cut: float


@validated()
def label_issues(dynamics: Dynamics, method: Detector = "aum", *, cut: float | None = None) -> LabelIssues:
    """Rank the labels that a recorded training contradicts.

    The issue score by method, and the value above which a label is an issue unless `cut` gives another:

        aum         minus the margin averaged over epochs      0: another class won on average
        soft_label  largest probability of another class in the soft label (the mean logits)      1/2: it is clear
        confidence  minus the label's probability averaged over epochs      -1/K: less than by guessing

    "aum" has a threshold of its own, see aum_threshold_flags; it needs fakes, which `check_label_issues` trains with.
    arXiv:2001.10528, arXiv:2412.10091, arXiv:2009.10795.

    Args:
        dynamics: The record: channel margin (T, N) for aum, array logit_mean (N, K) for soft_label, channel target_prob
            (T, N) for confidence.
        method: aum, soft_label or confidence.
        cut: Issue score above which a label is an issue; None takes the value above.

    Returns:
        The issue scores (N,) of all examples, and the positions of the issues, the most likely first.

    Raises:
        MissingChannelError: When the record lacks what the method reads.
        InputError: For another method.

    Margins -2 on average, and 1: only the first label is an issue.

    >>> found = label_issues(Dynamics({"margin": [[-1.0, 1.0], [-3.0, 1.0]]}, label=[0, 1]))
    >>> found.index.tolist(), found.issue_score.tolist()
    ([0], [2.0, -1.0])
    """
    if method not in get_args(Detector):
        raise InputError(f"label issues are found by {', '.join(get_args(Detector))}, not {method!r}.")
    mean = dynamics.arrays.get("logit_mean")
    if method == "soft_label":
        score(dynamics, "soft_label")  # refuses a record without mean logits
        assert mean is not None  # noqa: S101
        issue_score = _others(softmax(mean), dynamics.label).max(axis=1)
        usual = 0.5
    else:
        issue_score = score(dynamics, method).score
        usual = 0.0 if method == "aum" else -1 / max(2, len(dynamics.classes), int(dynamics.label.max()) + 1)
    cut = usual if cut is None else cut
    order = np.argsort(-np.nan_to_num(issue_score, nan=-np.inf), kind="stable")
    index = order[issue_score[order] > cut]
    suggested = np.full(len(index), -1)
    if mean is not None:
        suggested = _others(np.asarray(mean[index], dtype=np.float64), dynamics.label[index]).argmax(axis=1)
    return LabelIssues(index, issue_score, suggested, cut)


def _others(value: NDArray[np.float64], label: NDArray[np.int64]) -> NDArray[np.float64]:
    """The values (N, K) of all classes but the label's."""
    others = np.array(value)
    others[np.arange(len(label)), label] = -np.inf
    return others


def aum_threshold(threshold_aum: Float[np.ndarray, " M"], *, percentile: float = 99.0) -> float:
    """The mean margin below which a label is wrong: the percentile (0 to 100) of examples known to be wrong.

    See aum_threshold_flags. Raises InputError without any or with a percentile outside 0..100. arXiv:2001.10528.

    >>> aum_threshold(np.array([0.0, 1.0]), percentile=50)
    0.5
    """
    if not len(threshold_aum) or not 0 <= percentile <= 100:
        raise InputError(
            f"the AUM threshold is a percentile (0 to 100) of the examples with a fake class, not percentile "
            f"{percentile:g} of {len(threshold_aum)} examples; give about N/K of them a fake class before training."
        )
    return float(np.percentile(threshold_aum, percentile))


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
    return np.asarray(aum < aum_threshold(threshold_aum, percentile=percentile))


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
    soft = softmax(logit_mean)
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
    unexplained = softmax(logit_mean).max(axis=1) < _checked(confidence)
    return np.asarray(unexplained & (soft_label(logit_mean) > entropy))


def _checked(confidence: float) -> float:
    if not 0.5 < confidence <= 1:
        raise InputError(
            f"confidence is the probability of one clear class, above 0.5 and at most 1, not {confidence:g}."
        )
    return confidence
