import json
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trainings import PICTURES, WORDS, pictures, same_model, words

from datapare.data import Encoding, Inputs
from datapare.errors import DivergedError, InputError
from datapare.recording import Recorder
from datapare.training import loop
from datapare.training.checkpoint import NAME, store
from datapare.training.epoch import bounds
from datapare.training.inference import accuracy, class_accuracy, embed, predict
from datapare.training.loop import train
from datapare.training.networks.factory import build


class Noted:
    """A recorder of our own: the positions of each batch."""

    epoch = 0
    observed = "train-pass"

    def __init__(self) -> None:
        self.batches = [[]]

    def observe(self, index, logits, target):
        assert logits.shape[0] == len(index) == len(target)
        assert not logits.requires_grad
        self.batches[-1].append(index.tolist())

    def end_epoch(self):
        self.batches.append([])


@given(st.integers(2, 300), st.integers(2, 64))
def test_batches_cover_everything_and_none_has_one_example(count, batch):
    edges = bounds(count, batch)
    sizes = np.diff(edges)
    assert edges[0] == 0
    assert edges[-1] == count
    assert sizes.min() >= 2
    assert sizes.max() <= batch + 1


def test_every_example_is_observed_once_an_epoch_in_another_order():
    data, label = pictures(33)  # 16 + 17: the single last one joins its neighbour
    noted = Noted()
    trained = train(data, label, 3, PICTURES, seed=0, recorder=noted)
    first, second, third, after = noted.batches
    assert [len(batch) for batch in first] == [16, 17]
    for epoch in (first, second, third):
        assert sorted(chain(*epoch)) == list(range(33))
    assert first != second
    assert after == []
    assert (trained.epochs, trained.iterations, trained.examples_seen) == (3, 6, 99)


def test_training_on_a_subset_sees_only_the_subset():
    data, label = pictures(40)
    noted, index = Noted(), np.array([1, 5, 8, 22, 39])
    trained = train(data, label, 3, replace(PICTURES, batch_size=2), seed=0, index=index, recorder=noted)
    assert sorted(chain(*noted.batches[0])) == index.tolist()
    assert (trained.iterations, trained.examples_seen) == (6, 15)


@pytest.mark.parametrize(("make", "training", "classes"), [(pictures, PICTURES, 3), (words, WORDS, 2)])
def test_training_learns(make, training, classes):
    data, label = make(150)
    held_out = make(100, seed=1)
    trained = train(data, label, classes, replace(training, epochs=12, schedule_epochs=12), seed=0, evaluate=held_out)
    assert trained.loss[-1] < 0.5 * trained.loss[0]
    assert trained.accuracy > 0.9
    assert trained.accuracy == accuracy(trained.logits, held_out[1])
    assert trained.seconds > 0


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    data, label = pictures()
    one, same, other = (train(data, label, 3, PICTURES, seed=seed) for seed in (1, 1, 2))
    assert same_model(one, same)
    assert not same_model(one, other)


def test_global_randomness_neither_enters_nor_changes():
    data, label = words()
    torch.manual_seed(1)
    one = train(data, label, 2, WORDS, seed=0)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    two = train(data, label, 2, WORDS, seed=0)
    assert same_model(one, two)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("make", "training", "classes"), [(pictures, PICTURES, 3), (words, WORDS, 2)])
def test_an_interrupted_training_resumes_bit_identically(make, training, classes, tmp_path):
    data, label = make()
    whole = train(data, label, classes, training, seed=0)

    def interrupt(progress):
        if progress.epoch == 1 and progress.examples_done > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, label, classes, training, seed=0, folder=tmp_path, progress=interrupt)
    assert (tmp_path / NAME).exists()
    resumed = train(data, label, classes, training, seed=0, folder=tmp_path)
    assert same_model(whole, resumed)
    assert whole.loss == resumed.loss
    assert not list(tmp_path.iterdir())


def test_epochs_shorter_than_a_checkpoint_takes_are_done_again_instead(tmp_path, monkeypatch):
    data, label = pictures()
    whole, stored = train(data, label, 3, PICTURES, seed=0), []
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 1e9)
    monkeypatch.setattr(loop, "store", lambda *given: stored.append(given[4].loss) or store(*given))

    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, label, 3, PICTURES, seed=0, folder=tmp_path, progress=interrupt)
    assert stored == [()], "before the first epoch, so that a folder that cannot be written is told at once"
    assert same_model(whole, train(data, label, 3, PICTURES, seed=0, folder=tmp_path))


def test_an_unfinished_folder_of_another_training_is_refused(tmp_path):
    data, label = pictures()

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, label, 3, PICTURES, seed=0, folder=tmp_path, progress=interrupt)
    for changed in ({"seed": 1}, {"index": np.arange(30)}, {"training": replace(PICTURES, lr=0.1)}):
        arguments = {"training": PICTURES, "seed": 0, "folder": tmp_path, **changed}
        with pytest.raises(InputError, match="other settings, data or seed"):
            train(data, label, 3, arguments.pop("training"), **arguments)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
import trainings as here
from datapare.recording import Recorder
from datapare.training.loop import train

folder, moment, epoch = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Dying(Recorder):
    def end_epoch(self):
        super().end_epoch()
        if moment == "between record and checkpoint" and self.epoch == epoch + 1:
            die()

def progress(now):
    if moment == "within an epoch" and now.epoch == epoch and now.examples_done > 20:
        die()

data, label = here.pictures()
with Dying(folder, label, 3) as recorder:
    train(data, label, 3, here.PICTURES, seed=0, recorder=recorder, folder=folder, progress=progress)
"""


def killed(folder, moment, epoch):
    script = [sys.executable, "-c", KILLED, str(folder), moment, str(epoch), str(Path(__file__).parents[1] / "support")]
    return subprocess.run(script, capture_output=True, check=False).returncode


@pytest.mark.slow
def test_a_killed_training_resumes_bit_identically_with_its_record(tmp_path):
    data, label = pictures()
    with Recorder(tmp_path / "whole", label, 3) as recorder:
        whole = train(data, label, 3, PICTURES, seed=0, recorder=recorder)
        expected = recorder.dynamics()
    folder = tmp_path / "killed"
    assert killed(folder, "within an epoch", 1) == -signal.SIGKILL
    assert json.loads((folder / "progress.json").read_text())["coverage"] == [1.0]
    assert killed(folder, "between record and checkpoint", 1) == -signal.SIGKILL
    assert json.loads((folder / "progress.json").read_text())["coverage"] == [1.0, 1.0]
    with Recorder(folder, label, 3) as recorder:
        resumed = train(data, label, 3, PICTURES, seed=0, recorder=recorder, folder=folder)
        dynamics = recorder.dynamics()
    assert same_model(whole, resumed)
    for name, values in expected.channels.items():
        assert np.array_equal(values, dynamics.channels[name]), name
    assert (folder / NAME).exists()  # until whoever owns the record has finished it


class StoppedError(Exception):
    """A training ends here."""


def stop_in_the_second_epoch(now):
    if now.epoch == 1:
        raise StoppedError


def test_a_damaged_checkpoint_is_discarded_and_the_training_starts_over(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    call = (Inputs(vectors, Encoding("embedding")), np.arange(24) % 2, 2, replace(PICTURES, model="mlp", augment=()))
    whole = train(*call, seed=0)
    with pytest.raises(StoppedError):
        train(*call, seed=0, folder=tmp_path, progress=stop_in_the_second_epoch)
    stored = (tmp_path / NAME).read_bytes()
    values = torch.load(tmp_path / NAME, weights_only=True)

    def saved(**changed):
        torch.save({**values, **changed}, tmp_path / NAME)
        return (tmp_path / NAME).read_bytes()

    flipped = bytearray(stored)
    weights = max(values["network"].values(), key=lambda tensor: tensor.numel()).numpy().tobytes()
    flipped[stored.index(weights) + len(weights) // 2] ^= 1
    smaller = {name: tensor.reshape(-1)[:0] for name, tensor in values["network"].items()}
    without_loss = {name: value for name, value in values["state"].items() if name != "loss"}
    for damaged in (
        b"", stored[: len(stored) // 2], b"garbage", b"PK\x03\x04", bytes(flipped), saved(network={}),
        saved(network=smaller), saved(state=without_loss), saved(optimizer=None), saved(mark=3),
    ):  # fmt: skip
        (tmp_path / NAME).write_bytes(damaged)
        with pytest.warns(UserWarning, match="is damaged and was discarded; the training starts over"):
            again = train(*call, seed=0, folder=tmp_path)
        assert same_model(whole, again)
        assert list(tmp_path.iterdir()) == []
    (tmp_path / NAME).write_bytes(stored)
    assert same_model(whole, train(*call, seed=0, folder=tmp_path)), "a whole one is used"
    (tmp_path / NAME).write_bytes(saved(mark="of another training"))
    with pytest.raises(InputError, match="has other settings, data or seed"):
        train(*call, seed=0, folder=tmp_path)


def test_divergence_names_the_epoch_and_what_to_try():
    data, label = pictures()
    with pytest.raises(DivergedError, match=r"epoch \d of 3; try a smaller learning rate than 1e\+20"):
        train(data, label, 3, replace(PICTURES, lr=1e20), seed=0)


def test_a_diverged_epoch_is_not_recorded(tmp_path):
    data, label = pictures()
    with pytest.raises(DivergedError), Recorder(tmp_path, label, 3) as recorder:
        train(data, label, 3, replace(PICTURES, lr=1e20), seed=0, recorder=recorder)
    assert all(np.isfinite(np.load(tmp_path / "channels.loss.npy")[: recorder.epoch]).ravel())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": np.array([3])}, "at least two examples, not 1"),
        ({"index": np.array([3, 65])}, "between 0 and 64"),
        ({"label": np.zeros(4, dtype=np.int64)}, "65 rows came with 4"),
        ({"label": np.full(65, 3)}, "labels lie between 0 and 2"),
    ],
)
def test_impossible_calls_are_refused(change, message):
    data, label = pictures()
    arguments = {"label": label, "index": None, **change}
    with pytest.raises(InputError, match=message):
        train(data, arguments["label"], 3, PICTURES, seed=0, index=arguments["index"])


def test_progress_tells_where_the_training_stands():
    data, label = pictures(33)
    told = []
    trained = train(data, label, 3, PICTURES, seed=0, progress=told.append)
    assert [(now.epoch, now.examples_done) for now in told] == [(e, n) for e in range(3) for n in (16, 33)] + [(3, 0)]
    assert np.isnan(told[0].loss)
    assert told[-2].loss == trained.loss[1]  # of the last complete epoch
    assert told[-1].loss == trained.loss[2]
    assert all(now.epochs == 3 and now.examples_total == 33 and now.per_second > 0 for now in told)


def test_predictions_do_not_depend_on_the_batch_and_leave_the_mode():
    data, _ = words()
    net = build(WORDS, data, 2).train()
    logits = predict(net, data, batch=7)
    assert logits.shape == (65, 2)
    assert np.allclose(logits, predict(net, data, batch=64), atol=1e-6)
    assert embed(net, data).shape == (65, 8)
    assert net.training


def test_a_read_only_array_is_enough(tmp_path):
    data, label = pictures()
    np.save(tmp_path / "x.npy", data.array)
    data = replace(data, array=np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert train(data, label, 3, replace(PICTURES, epochs=1), seed=0).epochs == 1


def test_class_accuracy_is_per_class_and_nan_without_rows():
    logits = np.eye(3)[[0, 0, 1, 1]]
    assert class_accuracy(logits, np.array([0, 1, 1, 1])).tolist()[:2] == [1.0, pytest.approx(2 / 3)]
    assert np.isnan(class_accuracy(logits, np.array([0, 1, 1, 1]))[2])


def test_bf16_trains_when_asked_for():
    data, label = pictures()
    half = train(data, label, 3, replace(PICTURES, precision="bf16"), seed=0)
    full = train(data, label, 3, replace(PICTURES, precision="fp32"), seed=0)
    assert half.training.precision == "bf16"
    assert half.loss != full.loss
    assert half.loss[0] == pytest.approx(full.loss[0], rel=0.1)
