"""Scoring that stops by itself: when, what is left, and that a killed run ends the same."""

import signal

import numpy as np
import pytest
from sources import write_points

import datapare as dp
from datapare.methods.score.dual import dual
from datapare.training.ranking_stability import RULE, overlap, ranking_converged
from kills import child

RECORD = {"epochs": 30, "schedule_epochs": 40, "model": "mlp", "until_stable": True}


def settling(epochs=30, count=400, seed=0):
    """Probabilities that rise, each at its own speed, and then hardly move."""
    rng = np.random.default_rng(seed)
    speed = rng.uniform(0.05, 0.6, count)
    rise = 1 - np.exp(-speed * np.arange(1, epochs + 1)[:, None])
    return (rise * rng.uniform(0.7, 1, count) + rng.normal(0, 0.01, (epochs, count))).clip(0, 1)


def test_the_overlap_is_that_of_the_two_tops():
    p = settling()
    for t in (13, 20, 30):
        now, before = (set(np.argsort(-dual(p[:n], window=10), kind="stable")[:120].tolist()) for n in (t, t - 3))
        assert overlap(p[:t]) == len(now & before) / 120


def test_it_settles_neither_too_early_nor_never():
    stable = [ranking_converged(settling()[:t]) for t in range(31)]
    assert not any(stable[:13]), "a window and three epochs come first"
    assert stable[-1]
    assert not ranking_converged(np.random.default_rng(0).random((13, 400)))


def test_examples_never_observed_do_not_count():
    p = settling()
    p[:, 5] = np.nan
    assert overlap(p) == overlap(np.delete(p, 5, axis=1))


def test_a_record_stops_says_by_which_rule_and_is_the_beginning_of_the_full_one(tmp_path):
    data = dp.open_dataset(write_points(tmp_path / "points.npz", 400))
    stopped = dp.record(data, out=tmp_path / "a", **RECORD)
    full = dp.record(data, out=tmp_path / "b", **{**RECORD, "until_stable": False})
    assert 13 <= stopped.epochs < 30
    assert stopped.provenance.params["until_stable"] == RULE
    assert stopped.provenance.params["epochs"] == 30
    for name, rows in stopped.channels.items():
        assert np.array_equal(rows, full.channels[name][: stopped.epochs], equal_nan=True)
    p = full.channels["target_prob"]
    assert [ranking_converged(p[:t]) for t in range(stopped.epochs + 1)] == [False] * stopped.epochs + [True]
    assert len(stopped.seconds) == stopped.epochs
    with pytest.raises(dp.InputError, match="until_stable"):
        dp.record(data, out=tmp_path / "a", **{**RECORD, "until_stable": False})
    with pytest.raises(dp.InputError, match="watches target_prob"):
        dp.record(data, channels=("loss",), **RECORD)


def test_killed_anywhere_it_stops_at_the_same_epoch(tmp_path):
    path = write_points(tmp_path / "points.npz", 400)
    calm = dp.record(path, out=tmp_path / "calm", **RECORD)
    ends = [child(lambda: dp.record(path, out=tmp_path / "run", **RECORD), deadly) for deadly in (8, 17, 10_000)]
    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0]
    resumed = dp.load(tmp_path / "run")
    assert resumed.epochs == calm.epochs
    for name, rows in calm.channels.items():
        assert np.array_equal(rows, resumed.channels[name], equal_nan=True)


def test_killed_between_stopping_and_finishing_it_is_finished(tmp_path):
    import json

    path = write_points(tmp_path / "points.npz", 400)
    calm = dp.record(path, out=tmp_path / "calm", **RECORD)
    interrupted = tmp_path / "run"
    from datapare.recording import record_files

    whole = record_files.RecordFiles.resize

    def dies(_self, _epochs):
        raise KeyboardInterrupt

    record_files.RecordFiles.resize = dies
    try:
        with pytest.raises(KeyboardInterrupt):
            dp.record(path, out=interrupted, **RECORD)
    finally:
        record_files.RecordFiles.resize = whole
    assert json.loads((interrupted / "progress.json").read_text())["facts"]["epochs"] == calm.epochs
    resumed = dp.record(path, out=interrupted, **RECORD)
    assert np.array_equal(resumed.channels["loss"], calm.channels["loss"])
