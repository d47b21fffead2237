"""What the benchmark of cheaper scoring counts and combines: costs, windows, means of two runs."""

import sys
from pathlib import Path

import numpy as np
import pytest

import datapare as dp

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def ways():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import beyond_ways
    finally:
        sys.path.remove(str(BENCHMARKS))
    return beyond_ways


@pytest.fixture
def usual(ways):
    return ways.Usual(ways.TrainingConfig(epochs=8, schedule_epochs=20, batch_size=2, model="mlp", width=4), 8, 4)


def test_a_pass_without_gradients_costs_a_third(ways):
    assert ways.passes_of(ways.RUNS["plain"], 6) == 6
    assert ways.passes_of(ways.RUNS["eval-pass"], 6) == pytest.approx(8)
    assert ways.passes_of(ways.RUNS["quarter, 4"], 4) == pytest.approx(1 + 1 / 3)


def test_a_shorter_record_has_half_a_window(ways, usual):
    assert [ways.window(epochs, usual) for epochs in (2, 4, 6, 8, 20)] == [2, 2, 3, 4, 4]


def test_two_runs_are_one_record_and_one_score(ways):
    parts = [dp.Dynamics({"target_prob": np.full((2, 3), p)}, [0, 1, 1]) for p in (0.2, 0.6)]
    assert ways.together(parts).channels["target_prob"].mean(axis=0) == pytest.approx([0.4] * 3)
    one, other = dp.Scores(np.array([0.0, 9.0, 1.0])), dp.Scores(np.array([4.0, 1.0, 2.0]))
    assert ways.mean_of([one, other], ranks=False).score.tolist() == [2.0, 5.0, 1.5]
    assert ways.mean_of([one, other], ranks=True).score == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert ways.mean_of([one], ranks=False) is one


def test_a_way_is_scored_and_told_what_it_takes(ways, usual, tmp_path):
    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    data = dp.open_dataset({"embedding": rng.normal(size=(60, 3)) + label[:, None], "label": label})
    pair = ways.score(ways.WAYS["two half runs, mean score"], usual, data, 0, tmp_path)
    alone = ways.score(ways.Way(epochs="half"), usual, data, 0, tmp_path)
    assert (pair.epochs, pair.passes, alone.passes) == (4, 0.4, 0.2)
    assert pair.dynamics.epochs == 8
    again, _ = ways.recorded("again", usual, data, 0, tmp_path)
    second = dp.score(again, "dual", window=2).score
    assert pair.scores.score == pytest.approx((alone.scores.score + second) / 2)
    assert not np.array_equal(alone.scores.score, second)
