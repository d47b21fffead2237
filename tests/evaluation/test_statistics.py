"""Intervals: they cover the truth, count seeds and held-out examples, and never have zero width."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from datapare.evaluation import statistics as stats

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "interval_coverage.py"


@pytest.fixture(scope="module")
def coverage():
    spec = importlib.util.spec_from_file_location("interval_coverage", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def oracle(values):
    """Mean squares of seeds, examples and the rest, by loops over the formulas of a two-way analysis of variance."""
    seeds, examples = values.shape
    mean = values.mean()
    of_seeds = examples * sum((row.mean() - mean) ** 2 for row in values) / (seeds - 1)
    of_examples = seeds * sum((column.mean() - mean) ** 2 for column in values.T) / (examples - 1)
    rest = 0.0
    for s in range(seeds):
        for m in range(examples):
            rest += (values[s, m] - values[s].mean() - values[:, m].mean() + mean) ** 2
    return of_seeds, of_examples, rest / ((seeds - 1) * (examples - 1))


def test_mean_squares_are_those_of_a_two_way_analysis_of_variance():
    values = np.random.default_rng(0).normal(size=(4, 7))
    assert np.allclose(stats.mean_squares(values), oracle(values))
    many = np.stack([values, 2 * values])
    assert np.allclose(np.array(stats.mean_squares(many))[:, 1], np.array(oracle(2 * values)))


outcomes = st.tuples(st.integers(3, 5), st.integers(2, 30)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


@settings(deadline=None, max_examples=60)
@given(outcomes)
def test_an_interval_holds_its_mean_has_a_width_and_stays_in_range(pair):
    a, b = pair
    apart = stats.difference(a, b)
    assert apart.interval.low < apart.interval.high
    assert -1 <= apart.interval.low <= apart.interval.mean <= apart.interval.high <= 1
    assert apart.interval.mean == pytest.approx(a.mean() - b.mean())
    back = stats.difference(b, a).interval
    assert back == pytest.approx((-apart.interval.mean, -apart.interval.high, -apart.interval.low))
    own = stats.accuracy(a).interval
    assert 0 <= own.low <= own.mean <= own.high <= 1
    assert own.low < own.high


def test_equal_predictions_differ_by_0_but_not_certainly():
    right = np.tile(np.random.default_rng(0).random(1000) < 0.9, (3, 1))
    mean, low, high = stats.difference(right, right).interval
    assert mean == 0
    assert low == pytest.approx(-high)
    assert high == pytest.approx(1.96 * 0.5 / 1000, rel=0.01), "a quarter of a discordant example in 1,000"


def test_examples_count_beside_seeds():
    """Seeds that all agree say nothing about other examples: the interval is the binomial one of the examples."""
    rng = np.random.default_rng(1)
    one = rng.random(400) < 0.8
    right = np.tile(one, (5, 1))
    _, low, high = stats.accuracy(right).interval
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(one.mean() * (1 - one.mean()) / 400), rel=0.05)


def test_without_outcomes_the_interval_is_never_narrower_than_that_of_the_examples():
    same = [[0.90, 0.90, 0.90], [0.88, 0.88, 0.88]]
    mean, low, high = stats.estimate(same, examples=1000).interval
    assert mean == pytest.approx(0.02)
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt((0.09 + 0.1056) / 1000), rel=0.02)
    wide = [[0.9, 0.8, 0.7], [0.6, 0.6, 0.6]]
    assert stats.estimate(wide, examples=1000).interval == pytest.approx(stats.paired_interval(*wide))
    assert np.isnan(stats.estimate(same).interval.low), "on an unknown number of examples equal values show nothing"
    assert stats.estimate([[1.0, 1.0, 1.0]], examples=100).interval.low < 0.99


def test_seeds_that_would_settle_a_question_do():
    found = stats.estimate([[0.03, -0.01, 0.02, -0.005]])
    needed = found.seeds_to_exclude(0.0)
    half = [scipy.stats.t.ppf(0.975, n - 1) * np.sqrt(found.per_seed / n) for n in (needed - 1, needed)]
    assert half[1] < found.interval.mean < half[0]
    assert found.seeds_to_exclude(found.interval.mean) is None, "the mean itself is never excluded"
    rng = np.random.default_rng(0)
    few = stats.difference(rng.random((4, 40)) < 0.75, np.tile(rng.random(40) < 0.7, (4, 1)))
    assert few.seeds_to_exclude(few.interval.mean + 0.001) is None, "more seeds do not replace examples"


CELLS = [(0.9, 450, 3, 0.03), (0.97, 2_000, 5, 0.0), (0.7, 450, 10, 0.1), (0.995, 450, 5, 0.03)]


@pytest.mark.parametrize(("accuracy", "examples", "seeds", "tau"), CELLS)
def test_intervals_cover_the_known_truth(coverage, accuracy, examples, seeds, tau):
    cell = coverage.Cell(accuracy, examples, seeds, tau, 0.5, 0.2)
    covered = coverage.measure(cell, repeats=400)
    assert covered.difference > 0.92
    assert covered.accuracy > 0.92
    assert covered == coverage.measure(cell, repeats=400), "equal calls, equal results"


def test_an_interval_over_seeds_alone_would_not_have_covered(coverage):
    cell = coverage.Cell(0.7, 450, 10, 0.0, 0.5, 0.2)
    assert coverage.measure(cell, repeats=300).over_seeds < 0.85
