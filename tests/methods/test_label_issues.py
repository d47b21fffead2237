"""Which labels look wrong: flags and corrections on cases worked out by hand."""

import numpy as np
import pytest

from datapare.errors import InputError
from datapare.methods.label_issues import aum_threshold_flags, outliers, soft_label_correction
from datapare.methods.score.soft_label import soft_label

LOGITS = np.log([[0.90, 0.05, 0.05], [0.05, 0.90, 0.05], [0.5, 0.4, 0.1], [1 / 3, 1 / 3, 1 / 3], [0.6, 0.2, 0.2]])
LABEL = np.array([0, 0, 1, 2, 2])


def test_labels_worse_than_the_99th_percentile_of_the_fakes_are_flagged():
    fakes = np.arange(101.0)  # the 99th percentile is 99, the 50th 50
    aum = np.array([98.9, 99.0, 99.1, -5.0, 50.0, 49.0])
    assert aum_threshold_flags(aum, fakes).tolist() == [True, False, False, True, True, True]
    assert aum_threshold_flags(aum, fakes, percentile=50).tolist() == [False, False, False, True, False, True]
    assert aum_threshold_flags(aum, fakes, percentile=0).tolist() == [False, False, False, True, False, False]
    assert aum_threshold_flags(aum, fakes, percentile=100).all()


@pytest.mark.parametrize(("fakes", "percentile"), [(0, 99.0), (3, -1.0), (3, 101.0)])
def test_a_threshold_without_fakes_or_percentile_is_refused(fakes, percentile):
    with pytest.raises(InputError, match=f"not percentile {percentile:g} of {fakes} examples"):
        aum_threshold_flags(np.zeros(2), np.zeros(fakes), percentile=percentile)


def test_only_clear_soft_labels_correct_a_label():
    assert soft_label_correction(LOGITS, LABEL, confidence=0.85).tolist() == [0, 1, 1, 2, 2]
    assert soft_label_correction(LOGITS, LABEL, confidence=0.59).tolist() == [0, 1, 1, 2, 0]
    assert soft_label_correction(np.array([[800.0, 0.0]]), np.array([1]), confidence=1.0).tolist() == [0]


def test_an_outlier_is_ambiguous_and_explained_by_no_class():
    assert outliers(LOGITS, entropy=0.9, confidence=0.8).tolist() == [False, False, True, True, True]
    assert outliers(LOGITS, entropy=0.945, confidence=0.8).tolist() == [False, False, False, True, True]
    assert outliers(LOGITS, entropy=0.9, confidence=0.59).tolist() == [False, False, True, True, False]
    assert outliers(LOGITS, entropy=2.0, confidence=0.8).tolist() == [False] * 5


def test_on_the_threshold_a_class_explains_and_nothing_is_ambiguous():
    assert outliers(np.array([[800.0, 0.0]]), entropy=-1.0, confidence=1.0).tolist() == [False]
    half = np.zeros((1, 2))
    assert outliers(half, entropy=float(soft_label(half)[0]), confidence=1.0).tolist() == [False]


def test_no_example_is_both_corrected_and_an_outlier():
    logits = np.random.default_rng(0).normal(0, 2, (200, 3))
    label = np.full(200, -1)
    corrected = soft_label_correction(logits, label, confidence=0.7) != label
    flagged = outliers(logits, entropy=0.0, confidence=0.7)
    assert np.array_equal(corrected, ~flagged)


@pytest.mark.parametrize("confidence", [0.5, 1.01, 0.0])
def test_a_confidence_that_two_classes_could_share_is_refused(confidence):
    for call in (
        lambda c: soft_label_correction(LOGITS, LABEL, confidence=c),
        lambda c: outliers(LOGITS, entropy=1.0, confidence=c),
    ):
        with pytest.raises(InputError, match=f"above 0.5 and at most 1, not {confidence:g}"):
            call(confidence)
