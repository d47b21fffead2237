"""Samplers that draw anew in each epoch: OrderDP, SeTa and the redraw by DUAL, against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

import datapare as dp
from datapare.training.online.samplers.orderdp import hardest
from datapare.training.online.samplers.seta import loss_groups, window_of


def run(sampler, epochs, classes=3, seed=0):
    """Observe every planned example with logits that drift; returns the plans."""
    plans = []
    for epoch in range(epochs):
        plans.append(sampler.index.tolist())
        logits = np.random.default_rng([seed, epoch]).normal(0, 2, (sampler.total, classes))
        sampler.observe(sampler.index, logits[sampler.index])
        sampler.end_epoch()
    return plans


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), drawn=st.integers(1, 30), data=st.data())
def test_orderdp_keeps_the_highest_losses_of_a_random_share(seed, drawn, data):
    kept = data.draw(st.integers(1, drawn))
    loss = np.random.default_rng(seed).random(30) * 6
    loss[::7] = np.nan
    index = hardest(loss, np.random.default_rng(seed), drawn=drawn, kept=kept)
    pool = np.random.default_rng(seed).permutation(30)[:drawn]
    ranked = sorted(pool, key=lambda i: -(3.0 if np.isnan(loss[i]) else loss[i]))
    worth = [3.0 if np.isnan(loss[i]) else loss[i] for i in index]
    assert set(index) <= set(pool)
    assert sorted(worth) == sorted(3.0 if np.isnan(loss[i]) else loss[i] for i in ranked[:kept])


def test_orderdp_trains_on_thirty_percent_and_ends_on_everything():
    plans = run(dp.online.orderdp(np.arange(200) % 3, 16, seed=1), 16)
    assert [len(plan) for plan in plans] == [60] * 14 + [200] * 2
    assert plans[0] != plans[1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), groups=st.integers(1, 6))
def test_groups_of_losses_are_intervals_and_no_single_move_makes_them_better(seed, groups):
    loss = np.random.default_rng(seed).exponential(size=60)
    group = loss_groups(loss, groups)
    assert np.all(np.diff(group[np.argsort(loss)]) >= 0)
    centre = [loss[group == g].mean() if (group == g).any() else np.inf for g in range(groups)]
    nearest = np.argmin(np.abs(loss[:, None] - np.array(centre)), axis=1)
    assert np.array_equal(nearest, group)


def test_groups_are_about_as_tight_as_those_of_scikit_learn():
    loss = np.random.default_rng(0).exponential(size=500)
    group = loss_groups(loss, 5)
    ours = sum(((loss[group == g] - loss[group == g].mean()) ** 2).sum() for g in range(5))
    assert ours <= 1.1 * KMeans(5, n_init=5, random_state=0).fit(loss[:, None]).inertia_


def test_the_window_of_seta_slides_over_the_groups():
    loss = np.repeat(np.arange(5.0), 4)
    starts = [loss[window_of(loss, epoch, groups=5, width=0.9)] for epoch in range(4)]
    assert [sorted(set(values)) for values in starts] == [[0, 1, 2, 3], [1, 2, 3, 4]] * 2


def test_seta_draws_its_share_and_ends_on_all_that_are_drawn():
    plans = run(dp.online.seta(np.arange(200) % 3, 16, seed=1), 16)
    assert len(plans[0]) == 180
    assert all(len(plan) < 180 for plan in plans[1:14])
    assert [len(plan) for plan in plans[14:]] == [180, 180]


def test_seta_uses_all_that_are_drawn_where_losses_are_equal():
    assert window_of(np.full(9, 2.0), 1, groups=5, width=0.9).all()


def test_a_redraw_by_dual_keeps_the_count_and_sees_more_than_one_subset():
    plans = run(dp.online.dual_redraw(np.arange(120) % 3, 12, keep=0.25, after=4, window=3, seed=2), 12)
    assert [len(plan) for plan in plans] == [120] * 4 + [30] * 8
    assert len(set(map(tuple, plans[4:]))) == 8
    assert 30 < len(set().union(*plans[4:])) < 120


def test_a_redraw_prefers_what_dual_scores_high():
    label, total, often = np.zeros(80, dtype=np.int64), 80, np.zeros(80)
    sampler = dp.online.dual_redraw(label, 44, keep=20, after=4, window=4, seed=0)
    wavering = np.arange(total) < 40
    for epoch in range(44):
        if epoch >= 4:
            often[sampler.index] += 1
        margin = np.where(wavering, 1.0 if epoch % 2 else -1.0, 0.05 * (epoch % 2))
        sampler.observe(sampler.index, np.stack([margin, -margin], axis=1)[sampler.index])
        sampler.end_epoch()
    assert often[wavering].sum() > 3 * often[~wavering].sum()


@pytest.mark.parametrize(
    "make",
    [
        lambda: dp.online.orderdp([0, 1], 5, share=0.0),
        lambda: dp.online.orderdp([0, 1], 5, top=1.5),
        lambda: dp.online.seta([0, 1], 5, drop=1.0),
        lambda: dp.online.seta([0, 1], 5, groups=4, width=0.1),
        lambda: dp.online.dual_redraw([0, 1], 5, keep=0.5, after=5, window=2),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(dp.InputError):
        make()


@pytest.mark.parametrize("name", ["orderdp", "seta", "dual_redraw"])
def test_a_resumed_run_plans_what_the_whole_one_planned(name):
    more = {"keep": 0.3, "after": 3, "window": 2} if name == "dual_redraw" else {}

    def make():
        return getattr(dp.online, name)(np.arange(60) % 3, 8, seed=5, **more)

    whole, begun, resumed = make(), make(), make()
    plans = run(whole, 8)
    run(begun, 5)
    resumed.load_state_dict(begun.state_dict())
    later = []
    for epoch in range(5, 8):
        later.append(resumed.index.tolist())
        logits = np.random.default_rng([0, epoch]).normal(0, 2, (60, 3))
        resumed.observe(resumed.index, logits[resumed.index])
        resumed.end_epoch()
    assert later == plans[5:]
