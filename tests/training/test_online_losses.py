"""Losses that weigh examples, against plain loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

import datapare as dp

SCORE = np.array([0.5, 2.0, 1.0, 3.0, 0.5])
LOGITS = torch.tensor([[1.0, -2.0, 0.3], [0.0, 0.0, 0.0], [3.0, 2.0, -1.0]])
TARGET, INDEX = torch.tensor([0, 2, 1]), torch.tensor([3, 0, 2])


def softmax(z):
    e = [math.exp(x - max(z)) for x in z]
    return [x / sum(e) for x in e]


def test_tdds_weighting_is_the_batchs_mean_loss_times_its_mean_weight():
    losses = [-math.log(softmax(z)[y]) for z, y in zip(LOGITS.tolist(), TARGET.tolist(), strict=True)]
    weights = [(SCORE[i] - 0.5) / 2.5 for i in INDEX.tolist()]
    expected = sum(losses) / 3 * sum(weights) / 3
    found = dp.online.tdds_weighting(SCORE)(INDEX, LOGITS, TARGET)
    assert found.shape == (3,)
    assert float(found.mean()) == pytest.approx(expected, rel=1e-6)
    by_example = sum(loss * weight for loss, weight in zip(losses, weights, strict=True)) / 3
    assert float(found.mean()) != pytest.approx(by_example, rel=1e-3)  # that would be another method


@pytest.mark.parametrize("score", [np.full(5, 0.7), np.array([0.1, 0.1, 3.0, 3.0, 3.0])])
def test_tdds_weighting_leaves_the_loss_where_all_scores_are_at_the_maximum(score):
    found = dp.online.tdds_weighting(score)([2, 3, 4], LOGITS, TARGET)
    torch.testing.assert_close(found, cross_entropy(LOGITS, TARGET, reduction="none"))


def test_entropy_bonus_is_the_formula():
    expected = []
    for z, y, i in zip(LOGITS.tolist(), TARGET.tolist(), INDEX.tolist(), strict=True):
        p = softmax(z)
        s = math.exp(SCORE[i] / 0.7) / max(math.exp(x / 0.7) for x in SCORE)
        expected.append(-math.log(p[y]) - 0.3 * s * -sum(x * math.log(x) for x in p))
    found = dp.online.entropy_bonus(SCORE, strength=0.3)(INDEX, LOGITS, TARGET)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_entropy_bonus_of_no_strength_is_cross_entropy():
    found = dp.online.entropy_bonus(SCORE, strength=0.0)(INDEX, LOGITS, TARGET)
    torch.testing.assert_close(found, cross_entropy(LOGITS, TARGET, reduction="none"))


@settings(deadline=None)
@given(st.floats(-1e6, 1e6))
def test_entropy_bonus_takes_distances_of_any_size(shift):
    value = dp.online.entropy_bonus(np.array([0.0, 4096.0]) + shift).value
    assert value.tolist() == [0.0, 1.0]


def test_the_hardest_example_keeps_most_entropy_when_trained():
    loss = dp.online.entropy_bonus([-5.0, 5.0], strength=0.3)
    logits = torch.zeros(2, 2, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=0.5)
    for _ in range(300):
        optimizer.zero_grad()
        loss([0, 1], logits, torch.tensor([0, 0])).sum().backward()
        optimizer.step()
    easy, hard = logits.softmax(1)[:, 0].tolist()
    assert 0.9 < hard < easy


def test_a_loss_finds_its_numbers_by_position_and_in_half_precision():
    loss = dp.online.entropy_bonus(SCORE)
    once = loss(INDEX, LOGITS, TARGET)
    turned = loss(INDEX.flip(0).numpy().tolist(), LOGITS.flip(0), TARGET.flip(0)).flip(0)
    torch.testing.assert_close(once, turned)
    assert loss(INDEX, LOGITS.bfloat16(), TARGET).dtype == torch.float32


@pytest.mark.parametrize("make", [dp.online.tdds_weighting, dp.online.entropy_bonus])
@pytest.mark.parametrize("bad", [[1.0, np.nan], [], [[1.0, 2.0]], [np.inf, 0.0]])
def test_numbers_that_are_none_are_refused(make, bad):
    with pytest.raises(dp.InputError, match="finite numbers of shape"):
        make(bad)


@pytest.mark.parametrize("params", [{"strength": -0.1}, {"temperature": 0.0}, {"strength": math.nan}])
def test_entropy_bonus_refuses_knobs_that_cannot_be(params):
    with pytest.raises(dp.InputError, match=r"strength is at least 0|strength as a number"):
        dp.online.entropy_bonus([1.0], **params)
