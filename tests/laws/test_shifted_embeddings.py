"""Adding one vector to all embeddings changes nothing where distances are Euclidean."""

import numpy as np
import pytest

import datapare as dp
from datapare.methods.metric.spread import spread
from datapare.numerics.neighbors import neighbours

COUNT, WIDTH = 600, 48
OFFSETS = [50.0, -10_000.0]  # of embeddings whose spread is 1


def embedding(offset=0.0):
    """Multiples of 1/64, so that float32 holds the moved ones exactly too."""
    rng = np.random.default_rng(0)
    rows = np.round(rng.normal(size=(COUNT, WIDTH)) * 64) / 64
    return (rows + offset * np.where(rng.random(WIDTH) < 0.5, 1, -1)).astype(np.float32)


def record(offset=0.0):
    rng = np.random.default_rng(1)
    label, margin = rng.integers(0, 3, COUNT), rng.random((2, COUNT)).astype(np.float32)
    return dp.Dynamics({"prob_margin": margin}, label, {"embedding": embedding(offset)})


SCORES = dp.Scores(np.random.default_rng(2).random(COUNT))


@pytest.mark.parametrize("offset", OFFSETS)
def test_exact_neighbours_stay(offset):
    distance, position = neighbours(embedding(), embedding()[:50], 5)
    moved = neighbours(embedding(offset), embedding(offset)[:50], 5)
    assert np.array_equal(position, moved[1])
    np.testing.assert_allclose(distance, moved[0], atol=2e-3)


@pytest.mark.parametrize("rule", ["d2", "k_center", "moderate", "herding"])
@pytest.mark.parametrize("offset", OFFSETS)
def test_a_rule_keeps_the_same(rule, offset):
    kept = [dp.select(SCORES, rule, keep=150, dynamics=record(by)).index for by in (0.0, offset)]
    assert np.array_equal(*kept)


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_score_ranks_alike(offset):
    still, moved = (dp.score(record(by), "rmd").score for by in (0.0, offset))
    np.testing.assert_allclose(moved, still, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("offset", OFFSETS)
def test_spread_is_the_same_number(offset):
    label = record().label
    assert spread(embedding(offset), label, shots=5) == pytest.approx(spread(embedding(), label, shots=5), rel=1e-5)


@pytest.mark.parametrize("offset", OFFSETS)
def test_an_extrapolation_predicts_the_same(offset):
    part = dp.Scores(np.where(np.arange(COUNT) % 3 == 0, SCORES.score, np.nan))
    still, moved = (dp.extrapolate(part, record(by), "knn", k=7).score for by in (0.0, offset))
    np.testing.assert_allclose(moved, still, rtol=1e-5)
