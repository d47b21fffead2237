"""The pool with redraw: exact counts, uniform draws, plans from (seed, epoch) alone, in any loop."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp
from datapare.numerics.sampling import pool_size

LABEL = np.arange(60) % 3
POOL = np.arange(5, 45, 2)


def pool(**given):
    return dp.online.pool(LABEL, 40, **{"keep": 8, "index": POOL, "seed": 3, **given})


def plans(sampler, epochs=40):
    found = []
    for _ in range(epochs):
        found.append(sampler.index.tolist())
        sampler.end_epoch()
    return found


def test_every_epoch_draws_exactly_n_different_members_and_in_the_end_all_are_seen():
    found = plans(pool())
    assert all(len(set(plan)) == 8 and plan == sorted(plan) and set(plan) <= set(POOL) for plan in found)
    assert set().union(*map(set, found)) == set(POOL)
    assert len(set(map(tuple, found))) == 40


def test_draws_are_uniform_over_the_pool():
    often = np.bincount(np.concatenate(plans(dp.online.pool(LABEL, 2000, keep=8, index=POOL), 2000)), minlength=60)[
        POOL
    ]
    expected = 2000 * 8 / 20
    deviation = np.sqrt(2000 * 0.4 * 0.6)
    assert np.abs(often - expected).max() < 4 * deviation


def test_a_plan_follows_from_seed_and_epoch_alone():
    whole, other = plans(pool()), pool()
    other.set_epoch(7)
    assert other.index.tolist() == whole[7]
    resumed = pool()
    resumed.load_state_dict(other.state_dict())
    assert plans(resumed, 33) == whole[7:]
    assert plans(pool(seed=4)) != whole


def test_a_loop_needs_no_observation_but_the_end_of_each_epoch():
    sampler = pool()
    loader = DataLoader(TensorDataset(torch.arange(60)), batch_size=3, sampler=sampler)
    for epoch in range(3):
        seen = torch.cat([index for index, _ in sampler.track(loader)])
        assert sorted(seen.tolist()) == plans(pool())[epoch]
        with pytest.raises(dp.InputError, match="drawn but not ended"):
            next(iter(sampler))
        sampler.end_epoch()
    sampler.observe([0], np.zeros((1, 3)))  # accepted, as in loops that serve every sampler


def test_the_pool_is_of_the_published_size():
    for keep, seen in ((0.1, 0.27), (0.2, 0.36), (0.3, 0.45), (0.5, 0.63), (1.0, 1.0)):
        assert pool_size(1000, keep) == round(1000 * seen)


def test_select_chooses_the_pool_and_remembers_what_an_epoch_draws():
    scores = dp.Scores(np.random.default_rng(0).random(60))
    chosen = dp.select(scores, "top", keep=0.1, redraw=True)
    assert len(chosen) == pool_size(60, 0.1) == 16
    assert chosen.provenance.params["redraw"] == 6
    assert set(dp.select(scores, "top", keep=0.1).index) < set(chosen.index)
    sampler = dp.online.pool(LABEL, 3, keep=chosen.provenance.params["redraw"], index=chosen.index)
    assert set(sampler.index) <= set(chosen.index)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"index": [1, 1, 2], "keep": 2}, "different positions"),
        ({"index": [0, 60]}, "between 0 and 59"),
        ({"index": [0.5, 1.5]}, "different positions"),
        ({"keep": 21}, "has 20"),
        ({"keep": 0.0}, "keep"),
    ],
)
def test_impossible_pools_are_refused(given, message):
    with pytest.raises(dp.InputError, match=message):
        pool(**given)


def test_a_state_of_another_pool_is_refused():
    with pytest.raises(dp.InputError, match="other index"):
        pool().load_state_dict(pool(index=POOL + 1).state_dict())
