"""The rule mixed: its parts are beta and random, and no example is without a chance."""

import numpy as np
import pytest
from records import make_record

import datapare as dp
from datapare.methods.select.beta import beta
from datapare.methods.select.mixed import by_scores, fit, mixed


def given(total=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random(total), rng.random((3, total))


@pytest.mark.parametrize("n", [1, 2, 7, 20, 39, 40])
@pytest.mark.parametrize("share", [0, 0.25, 0.5, 0.9, 1])
def test_it_is_beta_and_then_a_draw_from_the_rest(n, share):
    score, prob = given()
    rng = np.random.default_rng(5)
    first = n - int(n * share)
    expected = set(beta(score, prob, first, rng).tolist()) if first else set()
    left = [i for i in range(len(score)) if i not in expected]
    expected |= {left[i] for i in rng.choice(len(left), n - first, replace=False)}
    chosen = mixed(score, prob, n, np.random.default_rng(5), share=share)
    assert chosen.tolist() == sorted(expected)


def test_without_a_random_part_it_is_beta():
    record = make_record()
    given = {"keep": 0.4, "dynamics": record, "seed": 2}
    alone = dp.select(dp.score(record, "dual"), "beta", **given)
    made = dp.select(dp.score(record, "dual"), "mixed", share=0.0, **given)
    assert made.index.tolist() == alone.index.tolist()


def test_what_beta_never_draws_is_drawn_as_often_as_the_random_part_says():
    score, prob = given()
    score[:10] = 0  # beta draws these when all others are in
    kept = np.zeros(40)
    draws, fitted = 3_000, fit(score, prob, 10, augmented=False, share=0.5, c_d=None, total=15.0, anchor=1)
    for seed in range(draws):
        kept[mixed(score, prob, 10, np.random.default_rng(seed), **fitted)] += 1
    often = kept[:10] / draws
    assert often == pytest.approx(5 / 35, abs=4 * np.sqrt(5 / 35 * 30 / 35 / draws))
    assert kept.sum() == 10 * draws


def test_c_d_is_fitted_to_the_part_that_beta_draws():
    record = make_record()
    scores = dp.score(record, "dual")
    halved = dp.select(scores, "mixed", keep=0.4, dynamics=record).provenance.params["c_d"]
    alone = dp.select(scores, "beta", keep=0.2, dynamics=record).provenance.params["c_d"]
    assert halved == alone
    assert by_scores(round(0.4 * len(scores)), 0.5) == round(0.2 * len(scores))


def test_a_share_outside_0_to_1_is_refused():
    record = make_record()
    with pytest.raises(dp.InputError, match="share"):
        dp.select(dp.score(record, "dual"), "mixed", keep=0.4, dynamics=record, share=1.5)
