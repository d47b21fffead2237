"""The shared arithmetic against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import datapare as dp
from datapare.numerics import sampling


@pytest.mark.parametrize(
    ("total", "keep", "count"),
    [(50_000, 0.1, 5000), (50_000, 0.2, 10_000), (50_000, 0.3, 15_000), (45_000, 0.7, 31_500), (50_000, 1 - 0.9, 5000),
     (50_000, 1 - 0.8, 10_000), (3, 0.5, 1), (3, 1.0, 3), (7, 7, 7), (1_797, 0.3, 539)],
)  # fmt: skip
def test_the_budget_is_the_floor_of_the_exact_product(total, keep, count):
    assert sampling.budget(total, keep) == count


@pytest.mark.parametrize("keep", [0, -0.1, 1.5, 101, float("nan"), float("inf"), True, 0.001])
def test_an_impossible_budget_is_refused(keep):
    with pytest.raises(dp.InputError, match="keep"):
        sampling.budget(100, keep)


def test_weighted_draw_equals_successive_draws_in_distribution():
    weight = np.array([4.0, 2.0, 1.0, 1.0, 0.0])
    rng = np.random.default_rng(0)
    ours = np.zeros(5)
    plain = np.zeros(5)
    for _ in range(4000):
        ours[sampling.weighted_draw(np.log(weight, where=weight > 0, out=np.full(5, -np.inf)), 2, rng)] += 1
        left = weight.copy()
        for _ in range(2):
            chosen = rng.choice(5, p=left / left.sum())
            plain[chosen] += 1
            left[chosen] = 0
    assert ours[4] == 0
    assert np.abs(ours - plain).max() < 4 * np.sqrt(4000 * 0.25 * 2)


def test_weighted_draw_survives_underflow_and_tops_up_with_the_weightless():
    tiny = np.array([-5000.0, -9000.0, -np.inf, -np.inf])
    rng = np.random.default_rng(0)
    assert sampling.weighted_draw(tiny, 1, rng).tolist() == [0]
    assert sampling.weighted_draw(tiny, 2, rng).tolist() == [0, 1]
    topped = {tuple(sampling.weighted_draw(tiny, 3, rng).tolist()) for _ in range(50)}
    assert topped == {(0, 1, 2), (0, 1, 3)}


@settings(max_examples=60, deadline=None)
@given(
    score=hnp.arrays(np.float64, st.integers(1, 12), elements=st.sampled_from([0.0, 1.0, 2.0])), n=st.integers(0, 12)
)
def test_top_positions_are_those_of_a_stable_sort(score, n):
    n = min(n, len(score))
    stable = np.sort(np.argsort(-score, kind="stable")[:n])
    assert sampling.top_positions(score, n).tolist() == stable.tolist()


@settings(max_examples=80, deadline=None)
@given(size=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(sum), data=st.data())
def test_shares_sum_to_the_budget_and_fit_their_groups(size, data):
    size = np.array(size)
    n = data.draw(st.integers(0, int(size.sum())))
    for uniform in (False, True):
        share = sampling.allot(size, n, uniform=uniform)
        assert share.sum() == n
        assert np.all((share >= 0) & (share <= size))
    proportional = sampling.allot(size, n)
    assert np.all(np.abs(proportional - size * n / size.sum()) < 1 + 1e-9)
    even = sampling.allot(size, n, uniform=True)
    open_groups = even < size
    assert not open_groups.any() or even[open_groups].max() - even[open_groups].min() <= 1


def test_strata_have_inclusive_edges_and_take_any_sign():
    assert sampling.stratify(np.array([-3.0, -1.0]), 50).tolist() == [0, 49]
    assert sampling.stratify(np.array([2.0, 2.0]), 50).tolist() == [0, 0]
    assert sampling.stratify(np.linspace(-1, 0, 101), 50).max() == 49


@settings(max_examples=60, deadline=None)
@given(
    size=st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) > 0),
    data=st.data(),
)
def test_budgets_by_recall_are_those_of_the_plain_algorithm(size, data):
    recall = data.draw(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), min_size=len(size), max_size=len(size)))
    n = data.draw(st.integers(1, sum(size)))
    share = sampling.allot_by_recall(np.array(size), n, np.array(recall))
    assert share.sum() == n
    assert np.all((share >= 0) & (share <= size))
    density, left, open_ = [0.0] * len(size), float(n), [g for g in range(len(size)) if size[g] and recall[g] < 1]
    while open_:
        scale = left / sum((1 - recall[g]) * size[g] for g in open_)
        full = [g for g in open_ if (1 - recall[g]) * scale >= 1 - 1e-12]
        for g in full or open_:
            density[g] = 1.0 if full else (1 - recall[g]) * scale
        left -= sum(size[g] for g in full)
        open_ = [g for g in open_ if g not in full] if full else []
    for g in range(len(size)):
        if recall[g] < 1:
            assert abs(share[g] - density[g] * size[g]) < 1 + 1e-9


def test_recall_one_everywhere_is_proportional():
    assert sampling.allot_by_recall(np.array([6, 3, 1]), 5, np.ones(3)).tolist() == [3, 2, 0]
