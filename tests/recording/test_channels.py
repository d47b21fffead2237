"""Every channel against plain loops in double precision, and against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datapare.recording.logit_signals import CHANNELS, kl_step, measure

# The tiny record of the methods reference: target probabilities of three examples over five epochs, two classes.
TINY = np.array([[0.1, 0.9, 0.2], [0.2, 0.95, 0.7], [0.4, 0.97, 0.1], [0.5, 0.99, 0.8], [0.8, 0.99, 0.3]])


def tiny_channel(name: str) -> np.ndarray:
    """Record the tiny table, logits ln p, true label 0; (5, 3)."""
    rows = [torch.from_numpy(np.log(np.stack([row, 1 - row], axis=1))) for row in TINY]
    return np.array([measure(row, torch.zeros(3, dtype=torch.int64), [name])[:, 0].numpy() for row in rows])


def oracle(logits: list[float], label: int) -> dict[str, float]:
    """Plain loops over one example, in double precision."""
    top = max(logits)
    total = sum(math.exp(z - top) for z in logits)
    log_prob = [z - top - math.log(total) for z in logits]
    prob = [math.exp(value) for value in log_prob]
    others = [j for j in range(len(logits)) if j != label]
    wrong = sum(prob[j] for j in others)
    return {
        "target_prob": prob[label],
        "margin": logits[label] - max(logits[j] for j in others),
        "prob_margin": prob[label] - max(prob[j] for j in others),
        "error_norm": math.sqrt(wrong**2 + sum(prob[j] ** 2 for j in others)),
        "entropy": -sum(p * lp for p, lp in zip(prob, log_prob, strict=True)),
        "loss": -log_prob[label],
    }


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 7).flatmap(
        lambda k: st.tuples(
            st.lists(st.lists(st.floats(-30, 30, width=32), min_size=k, max_size=k), min_size=1, max_size=5),
            st.integers(0, k - 1),
        )
    )
)
def test_channels_are_the_formulas(drawn):
    logits, label = drawn
    found = measure(torch.tensor(logits), torch.full((len(logits),), label), list(CHANNELS)).numpy()
    wanted = [[oracle(row, label)[name] for name in CHANNELS] for row in logits]
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_type_is_measured_in_float32(dtype):
    logits = (torch.randn(20, 5, generator=torch.Generator().manual_seed(0)) * 4).to(dtype)
    label = torch.arange(20) % 5
    found = measure(logits, label, list(CHANNELS))
    wanted = [[oracle(row.tolist(), int(y))[name] for name in CHANNELS] for row, y in zip(logits, label, strict=True)]
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_hand_numbers_of_the_tiny_record():
    error = tiny_channel("error_norm")
    np.testing.assert_allclose(error[0], [1.27279221, 0.14142136, 1.13137085], rtol=1e-6)
    np.testing.assert_allclose(error.sum(axis=0), [4.24264069, 0.28284271, 4.10121933], rtol=1e-6)
    np.testing.assert_allclose(tiny_channel("prob_margin").mean(axis=0), [-0.2, 0.92, -0.16], rtol=1e-5)
    np.testing.assert_allclose(tiny_channel("margin").mean(axis=0), [-0.52053794, 3.56160039, -0.43944492], rtol=1e-5)
    np.testing.assert_allclose(tiny_channel("entropy")[4], [0.50040242, 0.05600153, 0.61086430], rtol=1e-6)
    np.testing.assert_allclose(tiny_channel("loss"), -np.log(TINY), rtol=1e-6)


def test_kl_step_of_the_tiny_record():
    prob = torch.from_numpy(np.stack([TINY[:, 0], 1 - TINY[:, 0]], axis=1))
    steps = kl_step(prob[1:], prob[:-1])
    np.testing.assert_allclose(steps, [0.23285585, 0.44986810, 0.20273255, 0.55926104], rtol=1e-5)


def test_a_hopeless_example_keeps_a_finite_loss_and_a_sure_one_its_digits():
    logits = torch.tensor([[0.0, 500.0], [20.0, 0.0]])
    found = dict(zip(CHANNELS, measure(logits, torch.tensor([0, 0]), list(CHANNELS)).T.tolist(), strict=True))
    assert found["loss"][0] == 500
    assert found["loss"][1] == pytest.approx(math.exp(-20), rel=1e-4)
    assert found["error_norm"][1] == pytest.approx(math.sqrt(2) * math.exp(-20), rel=1e-4)
    assert found["target_prob"][0] == 0
