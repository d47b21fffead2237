"""Counts, extremes and ranks in blocks against numpy over everything at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapare.reporting import counting

VALUES = st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, np.nan]), min_size=1, max_size=40)


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BLOCK", 3)
        yield


@given(VALUES, st.integers(0, 2**32), st.integers(1, 12))
def test_the_first_and_last_are_those_of_a_stable_sort(values, seed, count):
    key = np.array(values)
    among = np.random.default_rng(seed).random(len(key)) < 0.7
    place = np.flatnonzero(among & ~np.isnan(key))
    assert (
        counting.smallest(key, among, count).tolist() == place[np.argsort(key[place], kind="stable")][:count].tolist()
    )
    assert (
        counting.largest(key, among, count).tolist() == place[np.argsort(-key[place], kind="stable")][:count].tolist()
    )


@given(VALUES)
def test_a_rank_counts_the_larger_scores(values):
    score = np.array(values)
    expected = [1 + (np.sum(~np.isnan(score)) if np.isnan(one) else np.sum(score > one)) for one in values]
    assert counting.rank(score, np.arange(len(score))).tolist() == expected


@given(VALUES, st.integers(0, 2**32))
def test_counts_are_those_of_numpy(values, seed):
    x, edges = np.array(values), np.linspace(0, 1, 5)
    rng = np.random.default_rng(seed)
    y, among = rng.random(len(x)), rng.random(len(x)) < 0.7
    seen = among & np.isfinite(x)
    assert counting.histogram(x, edges, among).tolist() == np.histogram(np.clip(x[seen], 0, 1), edges)[0].tolist()
    plane = counting.histogram_2d(x, y, (edges, edges), among)
    assert np.array_equal(plane, np.histogram2d(x[seen], y[seen], (edges, edges))[0])
