import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import datapare as dp
from datapare.data import encode, open_dataset
from datapare.errors import InputError
from datapare.methods.signals import SIGNALS
from datapare.numerics.embeddings import softmax
from datapare.recording import ARRAYS, CHANNELS
from datapare.recording.logit_signals import STEPS
from datapare.training import record_training
from datapare.training.config import TrainingConfig
from datapare.training.inference import embed, predict
from datapare.training.loop import train
from datapare.training.presets import PRESETS
from datapare.training.scoring_run import record, settings
from datapare.training.targets import soft_labels

QUICK = TrainingConfig(epochs=2, schedule_epochs=4, batch_size=16, lr=0.05, model="resnet8", width=4, precision="fp32")


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small gain nothing from threads, and wait for them where tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    images, label = load_digits(return_X_y=True)
    return open_dataset((images[:120].reshape(-1, 8, 8).astype(np.uint8) * 15, label[:120]), kind="image")


def test_a_record_holds_every_example_and_says_how_it_was_made(digits, tmp_path):
    dynamics = record(digits, preset=QUICK, seed=3, out=tmp_path / "dynamics")
    assert dynamics.channels["target_prob"].shape == (2, 120)
    assert np.isfinite(dynamics.channels["target_prob"]).all()
    assert dynamics.observed == "train-pass"
    assert np.array_equal(dynamics.label, digits.label)
    assert np.array_equal(dynamics.key, digits.key)
    made = dynamics.provenance
    assert (made.step, made.method, made.seed, made.dataset) == ("record", "resnet8", 3, digits.digest)
    assert (made.params["lr"], made.params["schedule_epochs"], made.params["precision"]) == (0.05, 4, "fp32")
    assert set(made.versions) == {"datapare", "numpy", "torch"}
    dp.score(dynamics, "dual", window=2)


def test_a_finished_record_is_returned_without_work(digits, tmp_path):
    first = record(digits, preset=QUICK, out=tmp_path / "dynamics")
    worked = []
    again = record(digits, preset=replace(QUICK, precision="auto"), out=tmp_path / "dynamics", progress=worked.append)
    assert not worked
    assert np.array_equal(first.channels["loss"], again.channels["loss"])


def test_an_interrupted_record_goes_on_to_the_same_bits(digits, tmp_path):
    whole = record(digits, preset=QUICK)

    def interrupt(now):
        if now.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(digits, preset=QUICK, out=tmp_path / "dynamics", progress=interrupt)
    resumed = record(digits, preset=QUICK, out=tmp_path / "dynamics")
    for name, values in whole.channels.items():
        assert np.array_equal(values, resumed.channels[name]), name
    assert not (tmp_path / "dynamics" / "checkpoint.pt").exists()


@pytest.mark.parametrize("finished", [True, False])
def test_a_folder_with_another_record_is_refused_with_what_differs(digits, tmp_path, finished):
    def interrupt(_):
        if not finished:
            raise KeyboardInterrupt

    try:
        record(digits, preset=QUICK, out=tmp_path / "dynamics", progress=interrupt)
    except KeyboardInterrupt:
        assert not finished
    other = {"preset": replace(QUICK, lr=0.1), "seed": 4, "out": tmp_path / "dynamics"}
    with pytest.raises(InputError, match=r"lr 0\.05 there, 0\.1 here; seed 0 there, 4 here"):
        record(digits, **other)


def test_a_folder_with_something_else_is_refused(digits, tmp_path):
    dp.save(dp.Scores([0.5, 0.25]), tmp_path / "scores")
    with pytest.raises(InputError, match="holds scores, not a record"):
        record(digits, preset=QUICK, out=tmp_path / "scores")


def test_a_temporary_record_lives_as_long_as_it_is_used(digits, tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dynamics = record(digits, preset=replace(QUICK, epochs=1))
    assert len(list(tmp_path.glob("datapare-*/dynamics/meta.json"))) == 1
    del dynamics
    assert not list(tmp_path.glob("datapare-*"))


def test_the_embedding_is_the_trained_networks(digits, tmp_path):
    folder = tmp_path / "dynamics"
    dynamics = record(digits, preset=QUICK, channels=("loss", "embedding", "logit_mean"), out=folder)
    assert dynamics.arrays["embedding"].shape == (120, 16)
    assert dynamics.arrays["logit_mean"].shape == (120, 10)
    trained = train(encode(digits), digits.label, 10, QUICK, seed=0)
    assert np.array_equal(dynamics.arrays["embedding"], embed(trained.model, encode(digits)))


@pytest.mark.parametrize("moment", ["before the embedding", "before its description"])
def test_a_record_killed_at_its_end_still_gets_its_embedding(digits, tmp_path, monkeypatch, moment):
    whole = record(digits, preset=QUICK, channels=("loss", "embedding"))
    arguments = {"preset": QUICK, "channels": ("loss", "embedding"), "out": tmp_path / "dynamics"}

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as now:
        now.setattr(record_training, "_write_finished" if moment == "before the embedding" else "_complete", killed)
        with pytest.raises(KeyboardInterrupt):
            record(digits, **arguments)
    worked = []
    resumed = record(digits, **arguments, progress=worked.append)
    assert not worked
    assert np.array_equal(whole.arrays["embedding"], resumed.arrays["embedding"])
    assert not (tmp_path / "dynamics" / "checkpoint.pt").exists()


def test_tables_that_were_left_when_it_was_killed_are_removed_from_a_finished_record(digits, tmp_path):
    arguments = {"preset": replace(QUICK, epochs=2), "channels": ("loss", "logit_mean"), "out": tmp_path / "dynamics"}
    whole = record(digits, **arguments)
    for name in ("carry.total.1.npy", "kept.total.for1.0.npy"):
        np.save(tmp_path / "dynamics" / name, np.zeros(3))
    again = record(digits, **arguments)
    assert np.array_equal(again.arrays["logit_mean"], whole.arrays["logit_mean"])
    assert not [*(tmp_path / "dynamics").glob("carry.*"), *(tmp_path / "dynamics").glob("kept.*")]


AFTER = ("prob", "embedding", "grad_norm", "distorted_loss", "boundary_distance")


def test_what_a_finished_network_tells_is_that_of_the_trained_one(digits):
    inputs, said = encode(digits), []
    dynamics = record(digits, preset=QUICK, channels=("error_norm", *AFTER), progress=said.append)
    model = train(inputs, digits.label, 10, QUICK, seed=0).model
    prob = torch.softmax(torch.from_numpy(predict(model, inputs)), dim=1).numpy()
    assert np.allclose(dynamics.arrays["prob"], prob, atol=1e-6)
    assert dynamics.arrays["distorted_loss"].shape == (120, 50)
    wrong = prob.argmax(1) != digits.label
    assert np.array_equal(dynamics.arrays["boundary_distance"] == 0, wrong)
    norm = dynamics.channels["grad_norm"]
    assert norm.shape == (2, 120)
    assert np.isnan(norm[0]).all()
    error = np.linalg.norm(prob - np.eye(10)[digits.label], axis=1)
    last_layer = error * np.sqrt((dynamics.arrays["embedding"] ** 2).sum(1) + 1)
    assert (norm[1] >= last_layer * (1 - 1e-4)).all()
    ended = {p.making for p in said if p.examples_done == p.examples_total}
    assert ended == {"", "grad_norm", "distorted_loss", "boundary_distance"}
    for method in ("margin", "grand", "dlc", "puma", "grand_last"):
        assert np.isfinite(dp.score(dynamics, method).score).all(), method


def test_a_probe_that_was_finished_before_a_crash_is_not_run_again(digits, tmp_path, monkeypatch):
    channels = ("loss", "grad_norm", "prob")
    whole = record(digits, preset=QUICK, channels=channels)
    arguments = {"preset": QUICK, "channels": channels, "out": tmp_path / "dynamics"}

    def killed(*_):
        raise KeyboardInterrupt

    def refuse(*_):
        raise AssertionError("made again")

    table = dict(record_training.FINISHED)
    with monkeypatch.context() as now:
        now.setattr(record_training, "FINISHED", {**table, "prob": replace(table["prob"], make=killed)})
        with pytest.raises(KeyboardInterrupt):
            record(digits, **arguments)
    with monkeypatch.context() as now:
        now.setattr(record_training, "FINISHED", {**table, "grad_norm": replace(table["grad_norm"], make=refuse)})
        resumed = record(digits, **arguments)
    assert np.array_equal(whole.channels["grad_norm"], resumed.channels["grad_norm"], equal_nan=True)
    assert np.array_equal(whole.arrays["prob"], resumed.arrays["prob"])


def test_exactly_the_signals_of_the_table_are_implemented():
    def of(origin):
        return {signal.name for signal in SIGNALS.values() if signal.origin == origin}

    assert set(CHANNELS) | set(STEPS) | set(ARRAYS) == of("logits")
    assert set(record_training.FINISHED) == of("final network")
    assert set(CHANNELS) == {signal.name for signal in SIGNALS.values() if signal.by_default}


def test_kl_step_is_recorded_on_request(digits):
    dynamics = record(digits, preset=QUICK, channels=("loss", "kl_step"))
    assert set(dynamics.channels) == {"loss", "kl_step"}
    assert np.isfinite(dynamics.channels["kl_step"][1]).all()


def test_other_channels_are_another_record(digits, tmp_path):
    record(digits, preset=QUICK, channels=("loss",), out=tmp_path / "dynamics")
    with pytest.raises(InputError, match="channels"):
        record(digits, preset=QUICK, channels=("margin",), out=tmp_path / "dynamics")


def test_the_parts_of_a_preset_can_be_replaced(digits):
    inputs = encode(digits)
    plain = settings(inputs, 10)
    assert replace(plain, schedule_epochs=None) == replace(PRESETS["tiny"], schedule_epochs=None)
    assert plain.schedule == PRESETS["tiny"].schedule
    longer = settings(inputs, 10, epochs=50)
    assert (longer.epochs, longer.schedule) == (50, 50)
    shorter = settings(inputs, 10, schedule_epochs=8)
    assert (shorter.epochs, shorter.schedule) == (8, 8)
    assert settings(inputs, 10, model="resnet18").model == "resnet18"
    assert settings(inputs, 10, preset="cifar10").width == 64
    assert settings(inputs, 10, model="transformers:some/model").optimizer == "adamw"


def test_text_tables_and_embeddings_are_recorded_too(tmp_path):
    rows = [{"text": f"a {word} day {i}", "label": word} for i in range(20) for word in ("good", "bad")]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = "\n".join(["height,colour,label", *(f"{i % 7},{'red' if i % 2 else 'blue'},{i % 2}" for i in range(40))])
    (tmp_path / "table.csv").write_text(table)
    vectors = (np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32), np.arange(40) % 2)
    for source in (tmp_path / "texts.jsonl", tmp_path / "table.csv", vectors):
        dynamics = record(open_dataset(source), epochs=3)
        assert dynamics.channels["margin"].shape == (3, 40)


def test_each_pass_is_recorded_beside_the_same_training(digits, tmp_path):
    """The eval-pass is what the network says after the epoch, the two-view what it says before each update."""
    records = {
        name: record(digits, preset=QUICK, observed=name, out=tmp_path / name, channels=("loss", "logit_mean", "prob"))
        for name in ("train-pass", "eval-pass", "two-view")
    }
    prob = [dynamics.arrays["prob"] for dynamics in records.values()]  # the finished network's: always the same one
    assert np.array_equal(prob[0], prob[1])
    assert np.array_equal(prob[0], prob[2])
    for name, dynamics in records.items():
        assert dynamics.observed == dynamics.provenance.params["observed"] == name
        assert np.isfinite(dynamics.channels["loss"]).all()
    last = -np.log(prob[0][np.arange(120), digits.label])
    np.testing.assert_allclose(records["eval-pass"].channels["loss"][-1], last, rtol=1e-3, atol=1e-5)
    losses = [dynamics.channels["loss"] for dynamics in records.values()]
    assert not np.allclose(losses[0], losses[2])
    assert not np.allclose(losses[1], losses[2])


def test_the_two_views_first_batch_is_seen_by_the_untrained_network(digits):
    from datapare.training import loop
    from datapare.training.inference import clean

    inputs = encode(digits)
    seen = []

    class Watching:
        epoch, observed = 0, "two-view"

        def observe(self, index, logits, target):
            assert target.tolist() == digits.label[index].tolist()
            seen.append((index, logits))

        def end_epoch(self):
            self.epoch += 1

    train(inputs, digits.label, 10, QUICK, seed=0, recorder=Watching())
    torch.manual_seed(loop.mixed(0, 0, 3))
    network = loop.build(QUICK, inputs, 10)
    index, logits = seen[0]
    batch = loop.BatchSource(inputs.array, inputs.encoding.kind).take(index)
    assert len(seen) == QUICK.epochs * 8  # 120 examples in batches of 16
    assert torch.equal(logits, clean(network, batch, "fp32"))


def test_a_record_of_one_pass_is_not_taken_for_another(digits, tmp_path):
    record(digits, preset=QUICK, out=tmp_path / "dynamics")
    with pytest.raises(InputError, match=r"observed train-pass there, eval-pass here"):
        record(digits, preset=QUICK, observed="eval-pass", out=tmp_path / "dynamics")


def test_mean_logits_are_kept_by_default_and_give_soft_labels(digits, tmp_path):
    dynamics = record(digits, preset=QUICK, out=tmp_path / "record")
    assert set(dynamics.channels) == set(CHANNELS)
    soft = soft_labels(dynamics)
    np.testing.assert_allclose(soft.dense(), softmax(dynamics.arrays["logit_mean"]), atol=1e-3)
    found = dp.label_issues(dynamics)
    assert (found.suggested >= 0).all()
    assert (found.suggested != digits.label[found.index]).all()
    assert len(found.index)


def test_a_record_of_a_version_without_mean_logits_is_read_as_it_is(digits, tmp_path):
    old = record(digits, preset=QUICK, out=tmp_path / "record", channels=tuple(CHANNELS))
    again = record(digits, preset=QUICK, out=tmp_path / "record")
    assert not again.arrays
    assert np.array_equal(old.channels["loss"], again.channels["loss"])
    with pytest.raises(dp.InputError, match="--channel logit_mean"):
        soft_labels(again)
    with pytest.raises(dp.InputError, match="made otherwise"):
        record(digits, preset=QUICK, out=tmp_path / "record", channels=("default", "logit_mean"))


def test_record_takes_what_opens():
    import pandas as pd
    from torch.utils.data import TensorDataset

    x, y = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32), np.arange(24) % 2
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(label=y)
    for source in (frame, (x, y), TensorDataset(torch.tensor(x), torch.tensor(y))):
        assert record(source, epochs=1, progress=False).label.shape == (24,)
    with pytest.raises(InputError):
        record(5, epochs=1)
