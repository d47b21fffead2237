"""The number of threads that a process may use changes no bit of any method's result."""

from dataclasses import replace

import numpy as np
import pytest
from records import make_record
from threadpoolctl import threadpool_limits

import datapare as dp
from datapare.methods.registry import names
from datapare.numerics.neighbors import neighbours

COUNT, WIDTH = 800, 130
PARAMS = {"ssp": {"clusters": 3}, "two_ended": {"cut": 0.1}}  # without a published default


@pytest.fixture(scope="module")
def record():
    """A record whose embedding is wide enough for a product of matrices to be divided among threads."""
    made = make_record(count=COUNT)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(COUNT, WIDTH)) + 2 * rng.normal(size=(made.label.max() + 1, WIDTH))[made.label]
    return replace(made, arrays={**made.arrays, "embedding": rows.astype(np.float32)})


def same(call):
    results = []
    for threads in (1, 3):
        with threadpool_limits(threads):
            results.append(call())
    for one, other in zip(*results, strict=True):
        assert np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize("name", names("score"))
def test_of_a_score(record, name):
    same(lambda: [dp.score(record, name, **PARAMS.get(name, {})).score])


@pytest.mark.parametrize("name", names("select"))
def test_of_a_subset(record, name):
    scores = dp.score(record, "dual")
    given = {"keep": 0.02, "dynamics": record, "balance": None, **PARAMS.get(name, {})}
    same(lambda: [dp.select(scores, name, **given).index])


@pytest.mark.parametrize("name", ["knn", "gnn"])
def test_of_an_extrapolation(record, name):
    scores = dp.score(record, "dual")
    some = replace(scores, score=np.where(np.arange(COUNT) % 5 == 0, scores.score, np.nan))
    params = {"epochs": 1} if name == "gnn" else {}
    same(lambda: [dp.extrapolate(some, record, name, **params).score])


@pytest.mark.parametrize("exact", [True, False])
def test_of_a_search_for_neighbours(exact):
    rows = np.random.default_rng(0).normal(size=(5000, WIDTH)).astype(np.float32)
    same(lambda: neighbours(rows, rows, 10, exact=exact))


def test_of_the_spread(record):
    same(lambda: [np.array(dp.measure(record, "spread", shots=5))])
