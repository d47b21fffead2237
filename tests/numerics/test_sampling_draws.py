"""What the selection rules share: draws, cuts, gradients in factors."""

import numpy as np
import pytest
from draws import inclusion

from datapare.errors import InputError
from datapare.numerics.sampling import draw_within, hard_cut, stratify, weighted_draw


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def successive(weight: np.ndarray, n: int, generator: np.random.Generator) -> list[int]:
    """Draw one after another, each time with the weights that are left: the definition."""
    left, drawn = list(range(len(weight))), []
    for _ in range(n):
        share = np.cumsum(weight[left] / weight[left].sum())
        drawn.append(left.pop(int(np.searchsorted(share, generator.random()))))
    return drawn


def test_weighted_draw_has_the_law_of_successive_draws():
    from scipy.stats import chi2

    weight, n, trials = np.array([0.02, 0.1, 0.3, 0.5, 1.0, 2.0, 4.0]), 3, 8_000
    expected = inclusion(weight, n)
    assert expected.sum() == pytest.approx(n)
    generator = rng(5)
    for draw in (lambda: weighted_draw(np.log(weight), n, generator), lambda: successive(weight, n, generator)):
        count = np.bincount(np.concatenate([draw() for _ in range(trials)]), minlength=len(weight))
        # Inclusions of one draw are negatively correlated, so this sum of squares is at most chi-square in law.
        statistic = ((count - trials * expected) ** 2 / (trials * expected * (1 - expected))).sum()
        assert statistic < chi2.ppf(0.999, len(weight))
    # The simpler reading, n times proportional to the weights, is far away.
    assert np.abs(np.minimum(n * weight / weight.sum(), 1) - expected).max() > 0.1


def test_draws_within_groups_are_uniform_and_exact():
    from scipy.stats import chi2

    group, share, trials = np.array([0, 2, 0, 2, 2, 0, 2]), np.array([1, 0, 2]), 6000
    generator = rng(3)
    count = np.bincount(np.concatenate([draw_within(group, share, generator) for _ in range(trials)]), minlength=7)
    expected = trials * np.where(group == 0, 1 / 3, 1 / 2)
    assert ((count - expected) ** 2 / expected).sum() < chi2.ppf(0.999, 7)
    assert draw_within(group, np.array([0, 0, 0]), generator).tolist() == []


def test_zero_weights_are_drawn_last_and_uniformly():
    weight = np.array([-np.inf, 0.0, -np.inf, -np.inf, 0.0])
    drawn = [weighted_draw(weight, 3, rng(seed)) for seed in range(900)]
    assert all({1, 4} <= set(d.tolist()) for d in drawn)
    third = np.bincount(np.concatenate(drawn), minlength=5)[[0, 2, 3]]
    assert third.min() > 250


def test_the_cut_does_not_lose_one_to_floating_point():
    assert len(hard_cut(np.arange(10.0)[None], 0.7, 1)) == 3
    assert len(hard_cut(np.arange(45_000.0)[None], 0.7, 1)) == 13_500  # 0.7 * 45,000 is 31,499.999…
    assert hard_cut(np.zeros((1, 4)), 0.5, 1).tolist() == [0, 1]


def test_the_cut_is_a_share_and_leaves_the_budget():
    margin = np.array([[0.6, -0.1, 0.2, 0.0]])
    assert hard_cut(margin, 0.5, 1).tolist() == [0, 2]
    assert hard_cut(margin, 0.75, 3).tolist() == [0, 2, 3]
    assert hard_cut(margin, 0.0, 1).tolist() == [0, 1, 2, 3]
    late = np.array([[-9.0, 1.0], [9.5, -0.9]])  # the first epoch, or the last, would drop the other
    assert hard_cut(late, 0.5, 1).tolist() == [0]
    for cut in (-0.1, 1.0):
        with pytest.raises(InputError, match="share of examples dropped"):
            hard_cut(margin, cut, 1)


def test_strata_take_any_sign_single_precision_and_infinities():
    assert stratify(np.array([-4.0, -3.0, -2.1, -2.0, -1.0, 0.0]), 2).tolist() == [0, 0, 0, 1, 1, 1]
    assert stratify(np.array([0.0, 0.5, 1.0, np.inf, -np.inf]), 2).tolist() == [0, 1, 1, 1, 0]
    assert stratify(np.array([np.inf, np.inf]), 3).tolist() == [0, 0]
    assert stratify(np.full(3, 7.0), 5).tolist() == [0, 0, 0]
    assert stratify(np.arange(5, dtype=np.float32), 5, low=-5.0, high=10.0).tolist() == [1, 2, 2, 2, 3]
