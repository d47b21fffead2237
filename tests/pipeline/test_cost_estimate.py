"""A dry run: what pruning would cost, told before anything is paid, and nothing written."""

import re

import numpy as np
import pytest

import datapare as dp
from datapare import storage
from datapare.cli import app
from datapare.errors import InputError
from datapare.evaluation.costs import duration
from datapare.pipeline.cost_estimate import CostEstimate, estimate_cost, format_bytes
from datapare.training.config import TrainingConfig

SHORT = {"epochs": 3, "schedule_epochs": 8, "model": "mlp"}


@pytest.fixture
def points(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    np.savez("points.npz", x=rng.normal(size=(400, 6)).astype(np.float32) + y[:, None], y=y)
    return tmp_path / "points.npz"


def told(**more):
    full = TrainingConfig(epochs=40, batch_size=64)
    usual = {
        "total": 1000, "count": 300, "scored": 1000, "preset": "tiny",
        "training": TrainingConfig(epochs=10, schedule_epochs=40, batch_size=64),
        "full": full, "subset": TrainingConfig(epochs=40, batch_size=64), "step": {(64, None): 0.5},
        "extra": 0, "record": 1000, "data": 1000, "memory": 1000,
    }  # fmt: skip
    return CostEstimate(**{**usual, **more})


def test_seconds_are_updates_times_the_measured_step():
    f = told()
    assert f.epoch == 16 * 0.5  # 1000 examples in batches of 64: 15 and a rest
    assert f.seconds(f.full, f.total) == 40 * 16 * 0.5
    assert f.seconds(f.subset, f.count) == 40 * 5 * 0.5
    scoring, saved = 10 * 16 * 0.5, 40 * (16 - 5) * 0.5
    assert scoring < saved
    assert "cheaper    from 1 training on the subset on; what accuracy" in "\n".join(f.describe())


def test_a_subset_that_trains_as_long_never_pays():
    f = told(subset=TrainingConfig(epochs=200, batch_size=64))
    assert "never by time" in "\n".join(f.describe())


def test_times_and_sizes_are_told_in_the_unit_that_suits():
    assert [duration(s) for s in (0.2, 89, 600, 20_000)] == ["0.2 s", "89 s", "10 min", "5.6 h"]
    assert [format_bytes(b) for b in (10, 506_000, 5e6, 2.5e10)] == ["1 kB", "506 kB", "5 MB", "25.0 GB"]


def test_the_dry_run_tells_everything_and_writes_nothing(points, capsys):
    before = sorted(points.parent.rglob("*"))
    short = ["--epochs", "3", "--schedule-epochs", "8", "--window", "2"]
    with pytest.raises(SystemExit) as stopped:
        app.main(["prune", str(points), "--keep", "0.1", *short, "--dry-run"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    read = "read 400 embeddings of 2 classes (arrays): input x, label y\n"
    assert out.startswith(read + "keep 40, drop 360 of 400 examples\n")
    for said in ("scoring    3 epochs of", "preset embedding, mlp, batch 128", "8 epochs on the subset", "nothing was"):
        assert said in out
    assert re.search(r"disk +\d+ kB", out)
    assert sorted(points.parent.rglob("*")) == before


def test_the_record_takes_the_bytes_that_were_told(points):
    wish = {**SHORT, "channels": ("target_prob", "margin", "logit_mean", "embedding", "prob")}
    made = estimate_cost(points, keep=0.3, record_options=wish)
    dp.record(dp.open_dataset(points), out="dynamics", **wish)
    assert storage.is_finished(points.parent / "dynamics")
    real = sum(file.stat().st_size for file in (points.parent / "dynamics").glob("*.npy"))
    assert made.record == pytest.approx(real, rel=0.1)


def test_what_is_made_after_the_training_is_counted(points):
    plain, more = (
        estimate_cost(points, keep=0.3, record_options={**SHORT, "channels": names})
        for names in (("target_prob",), ("target_prob", "distorted_loss"))
    )
    assert plain.extra == 0
    assert more.extra == 25
    assert more.record - plain.record == 400 * 50 * 4
    assert "scoring    28 epochs" in more.describe()[1]
    twice = estimate_cost(points, keep=0.3, record_options={**SHORT, "observed": "eval-pass"})
    assert twice.extra == pytest.approx(3 * 0.4)


def test_the_measured_step_is_of_the_order_of_the_real_one(points):
    made = estimate_cost(points, keep=0.3, record_options=SHORT)
    real = dp.record(dp.open_dataset(points), **SHORT)
    assert made.epoch < 100 * float(np.median(real.seconds))
    assert made.epoch > 0.01 * float(np.median(real.seconds))
    assert made.training.epochs == 3
    assert made.full.epochs == made.subset.epochs == 8
    assert made.memory > made.data == 400 * 6 * 4


def test_both_batch_sizes_are_timed(points):
    made = estimate_cost(points, keep=0.1, record_options={**SHORT, "processes": 2})
    assert set(made.step) == {(128, None), (32, None)}
    assert made.subset.batch_size == 32


@pytest.mark.parametrize("keep", [0, 401])
def test_an_impossible_keep_is_refused(points, keep):
    with pytest.raises(InputError, match="keep"):
        estimate_cost(points, keep=keep)


def test_the_wrong_model_is_refused_before_anything_is_timed(points):
    with pytest.raises(InputError, match="does not read embedding data"):
        estimate_cost(points, keep=0.3, record_options={"model": "resnet18"})
