"""Numbers of a training and of a comparison reach a tracker; no tracker is a dependency."""

import sys

import numpy as np
import pytest
from shell import FAST, run

import datapare as dp


class Kept:
    """A tracker that keeps what it is given, as runs of wandb and trackio take it."""

    def __init__(self):
        self.steps = {}

    def log(self, values, *, step):
        self.steps.setdefault(step, {}).update(values)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    return dp.open_dataset((rng.normal(size=(120, 6)).astype(np.float32) + y[:, None], y))


def test_every_epoch_is_logged_with_what_the_record_holds_of_it(data):
    kept = Kept()
    dynamics = dp.record(data, epochs=3, schedule_epochs=8, log=kept)
    assert list(kept.steps) == [1, 2, 3]
    for epoch, values in kept.steps.items():
        margin, prob = dynamics.channels["margin"][epoch - 1], dynamics.channels["target_prob"][epoch - 1]
        assert values["accuracy"] == (margin > 0).mean()
        assert values["target_prob"] == pytest.approx(prob.mean())
    assert kept.steps[3]["loss"] == pytest.approx(dynamics.channels["loss"][2].mean())


def test_logging_changes_no_number(data):
    plain, logged = (dp.record(data, epochs=2, schedule_epochs=8, log=log) for log in (None, Kept()))
    assert np.array_equal(plain.channels["loss"], logged.channels["loss"])
    assert plain.provenance == logged.provenance


def test_a_comparison_is_logged_seed_by_seed(data):
    kept = Kept()
    compared = dp.compare(data, dp.Subset(np.arange(40), 120), seeds=2, epochs=1, log=kept)
    assert list(kept.steps) == [0, 1]
    for i, values in kept.steps.items():
        assert values == {f"accuracy/{arm}": compared.accuracy[j, i] for j, arm in enumerate(compared.arms)}


def test_tensorboard_reads_what_the_command_line_logged(data, tmp_path, monkeypatch, capsys):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.chdir(tmp_path)
    np.savez("points.npz", x=data.array, y=data.label)
    assert run(capsys, "record", "points.npz", *FAST, "--log", "tensorboard")[0] == 0
    (place,) = (tmp_path / "runs").iterdir()
    events = reader.EventAccumulator(str(place))
    events.Reload()
    assert [event.step for event in events.Scalars("accuracy")] == [1, 2, 3, 4]
    recorded = dp.load("points.npz.datapare/dynamics").channels["margin"]
    assert [event.value for event in events.Scalars("accuracy")] == pytest.approx((recorded > 0).mean(axis=1).tolist())


def test_a_tracker_that_is_not_there_or_unknown_is_named_before_anything_is_written(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(dp.DatapareError, match="pip install trackio"):
        dp.record(data, epochs=1, log="trackio", out=tmp_path / "record")
    with pytest.raises(dp.InputError, match="expected log as trackio, wandb, tensorboard or an object"):
        dp.record(data, epochs=1, log="mlflow", out=tmp_path / "record")
    with pytest.raises(dp.InputError, match="expected log as"):
        dp.record("no data", epochs=1, log=3, out=tmp_path / "record")
    assert not (tmp_path / "record").exists()
