"""The two greedy engines against full scans, with pools and blocks so small that every branch runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapare.errors import InputError
from datapare.numerics import greedy
from datapare.numerics.greedy import cover_greedy, falling_greedy

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


@few
@given(seeds, st.integers(1, 60), st.integers(2, 9), st.integers(1, 7))
def test_a_small_pool_picks_what_a_full_scan_picks(seed, total, pool, block):
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, 3, size=(total, 2)).astype(float)
    start = generator.integers(0, 30, total).astype(float)

    def lower(value, near, picked):
        return value - (near @ picked.T).sum(axis=1)

    value, expected = start.copy(), []
    for _ in range(total):
        pick = max((i for i in range(total) if i not in expected), key=lambda i: (value[i], -i))
        expected.append(pick)
        value = lower(value, rows, rows[[pick]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(greedy, "POOL", pool)
        patch.setattr(greedy, "BLOCK", block)
        for n in (1, total // 2, total):
            assert falling_greedy(rows, start, lower, n).tolist() == expected[:n]


@few
@given(seeds, st.integers(1, 40), st.integers(1, 6))
def test_lazy_cover_picks_what_a_full_scan_picks(seed, total, candidates):
    s = np.random.default_rng(seed).integers(-1, 4, size=(total, total)).astype(float)
    covered, expected = np.zeros(total), []
    for _ in range(total):
        gain = {j: np.maximum(s[:, j] - covered, 0).sum() for j in range(total) if j not in expected}
        pick = max(gain, key=lambda j: (gain[j], -j))
        expected.append(pick)
        covered = np.maximum(covered, s[:, pick])
    asked = []

    def similarity(at):
        asked.append(len(at))
        return s[:, at]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(greedy, "CANDIDATES", candidates)
        assert cover_greedy(similarity, total, total).tolist() == expected
        assert max(asked) <= candidates


def test_lazy_cover_computes_few_columns():
    h = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    asked = []
    s = h @ h.T

    def similarity(at):
        asked.append(len(at))
        return s[:, at]

    cover_greedy(similarity, 400, 100)
    assert sum(asked) < 100 * 400 / 3


def test_cover_refuses_sizes_where_it_would_not_finish():
    with pytest.raises(InputError, match="inside each class"):
        cover_greedy(lambda at: np.zeros((100_001, len(at))), 100_001, 1)
