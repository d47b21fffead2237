"""ZCore against plain loops over points and examples, and what it is for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datapare as dp
from datapare.methods.select.zcore import gains, zcore


def gains_by_loops(rows, dimension, point, neighbours, power):
    total = [0.0] * len(rows)
    for (a, b), (x, y) in zip(dimension.tolist(), point.tolist(), strict=True):
        to_point = [abs(row[a] - x) + abs(row[b] - y) for row in rows]
        e = to_point.index(min(to_point))
        total[e] += 1
        away = sorted((abs(row[a] - rows[e][a]) + abs(row[b] - rows[e][b]), i) for i, row in enumerate(rows) if i != e)
        near = away[:neighbours]
        same = [i for distance, i in near if distance == 0]
        weight = dict.fromkeys(same, 1.0) if same else {i: distance**-power for distance, i in near}
        for i, part in weight.items():
            total[i] -= part / sum(weight.values())
    return total


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), neighbours=st.integers(1, 12), power=st.floats(0, 5))
def test_points_give_and_neighbours_take_what_plain_loops_say(seed, neighbours, power):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(9, 4))
    if neighbours >= 8:  # all others: no neighbour is as far as one left out
        rows[7:] = rows[0]
    dimension = np.stack([rng.integers(0, 2, 30), rng.integers(2, 4, 30)], axis=1)
    point = rng.normal(size=(30, 2))
    found = gains(rows, dimension, point, neighbours=neighbours, power=power)
    np.testing.assert_allclose(found, gains_by_loops(rows.tolist(), dimension, point, neighbours, power), atol=1e-9)
    assert found.sum() == pytest.approx(0, abs=1e-9)


def test_of_a_pile_little_is_kept_and_of_sparse_regions_much():
    rng = np.random.default_rng(0)
    pile, sparse = rng.normal(0, 0.05, (150, 3)), rng.uniform(-4, 4, (50, 3))
    kept = zcore(np.concatenate([pile, sparse]), 40, np.random.default_rng(1))
    assert (kept >= 150).sum() > 30


def test_of_exact_copies_one_is_kept():
    rows = np.repeat(np.random.default_rng(0).normal(size=(10, 3)), 2, axis=0)
    kept = zcore(rows, 10, np.random.default_rng(0), samples=4000)
    assert len(set(kept // 2)) >= 9


def test_a_constant_dimension_and_a_single_one_are_no_trouble():
    rows = np.random.default_rng(0).normal(size=(30, 2))
    rows[:, 1] = 3.0
    for embedding in (rows, rows[:, :1], rows[:1]):
        assert len(zcore(embedding, 1, np.random.default_rng(0))) == 1


@pytest.mark.parametrize("params", [{"samples": 0}, {"neighbours": 0}, {"power": -1.0}, {"power": np.nan}])
def test_impossible_parameters_are_refused(params):
    with pytest.raises(dp.InputError, match="at least"):
        zcore(np.eye(3), 1, np.random.default_rng(0), **params)
