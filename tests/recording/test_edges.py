"""Where a recorder's cases meet: devices, batches of one, epochs left half-way, the last allowed value and the next."""

import gc
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp
from datapare.errors import DivergedError, InputError
from datapare.recording import CHANNELS, Recorder, per_example_loss
from datapare.recording.epoch_buffer import EpochBuffer
from datapare.recording.logit_signals import kl_step
from datapare.recording.losses import from_criterion
from datapare.recording.process_group import ProcessGroup

N, K = 11, 3
LABEL = np.arange(N) % K
BOTH = {"channels": ("margin", "kl_step"), "arrays": ("logit_mean",)}


class OnDevice(EpochBuffer):
    """A buffer whose memory the host cannot write to, as on a GPU."""

    def _place(self, device):
        super()._place(device)
        self._host_value = None

    def _check_positions(self, index):
        del index
        return False


def logits_of(epoch, count=N):
    return torch.randn(count, K, generator=torch.Generator().manual_seed(epoch))


def end(recorder, index, epoch):
    recorder.observe(index, logits_of(epoch)[index])
    recorder.end_epoch()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, N - 1), max_size=7), min_size=1, max_size=6), st.booleans())
def test_a_device_holds_the_same_bits_as_the_host(batches, alone):
    channels = ["loss"] if alone else list(CHANNELS)
    host, device = EpochBuffer(LABEL, channels), OnDevice(LABEL, channels)
    if not any(batches):
        batches[0] = [3]
    for epoch in range(2):
        for number, index in enumerate(batches):
            for buffer in (host, device):
                buffer.observe(index, logits_of(10 * epoch + number, len(index)), LABEL[index])
        found, wanted = (buffer.read(0, ProcessGroup()) for buffer in (device, host))
        assert found.seen.tolist() == wanted.seen.tolist()
        for name in channels:
            np.testing.assert_array_equal(found.rows[name].view(np.int32), wanted.rows[name].view(np.int32), name)
        host.reset()
        device.reset()


def test_what_is_wrong_on_a_device_is_counted_in_its_own_epoch(monkeypatch):
    monkeypatch.setattr("datapare.recording.epoch_buffer.WAITING_BYTES", 1)  # measured at once
    buffer = OnDevice(LABEL, ["margin"])
    buffer.observe([0, N, -1, 99], torch.zeros(4, K), LABEL[[0, 1, 2, 3]])
    with pytest.raises(InputError, match="3 of 4 positions in epoch 1 lie outside 0 … 10"):
        buffer.read(0, ProcessGroup())
    buffer.reset()
    buffer.observe([0, 1], torch.zeros(2, K), LABEL[[1, 1]])
    with pytest.raises(InputError, match="the target of 1 examples differ"):
        buffer.read(0, ProcessGroup())
    buffer.reset()
    buffer.observe([0, 1], torch.zeros(2, K), LABEL[[0, 1]])
    assert buffer.read(0, ProcessGroup()).seen.sum() == 2


def test_positions_are_looked_at_where_that_costs_nothing():
    buffer = EpochBuffer(LABEL, ["margin"])
    assert buffer._check_positions(torch.arange(3)) is True
    assert buffer._check_positions(torch.arange(3, device="meta")) is False


def test_exactly_half_of_the_examples_may_be_no_numbers(tmp_path):
    with Recorder(tmp_path / "run", [0, 1, 0, 1], 1, channels=("loss",)) as recorder:
        recorder.observe(range(4), loss=[1.0, np.nan, np.nan, np.inf])
        with pytest.raises(DivergedError):
            recorder.end_epoch()
        recorder.observe(range(4), loss=[1.0, 2.0, np.nan, np.inf])
        with pytest.warns(UserWarning, match="2 examples observed in epoch 1") as warned:
            recorder.end_epoch()
        assert warned[0].filename == __file__


@pytest.mark.parametrize("classes", [(), ("no", "yes")])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_logit_of_two_classes_is_that_of_the_second(tmp_path, classes, shape):
    with Recorder(tmp_path / "run", [0, 1, 0, 1], 1, channels=("margin",), classes=classes) as recorder:
        recorder.observe(range(4), torch.arange(4.0).reshape(shape))
        recorder.end_epoch()
    assert recorder.dynamics().channels["margin"].tolist() == [[0, 1, -2, 3]]


def test_one_logit_where_there_is_one_class_is_refused(tmp_path):
    with Recorder(tmp_path / "run", [0, 0], 1) as recorder, pytest.raises(InputError, match="at least 2 classes"):
        recorder.observe([0, 1], torch.zeros(2, 1))


def test_a_record_of_losses_may_be_given_logits(tmp_path):
    with Recorder(tmp_path / "run", LABEL, 1, channels=("loss",)) as recorder:
        end(recorder, range(N), 0)
    wanted = torch.nn.functional.cross_entropy(logits_of(0), torch.from_numpy(LABEL), reduction="none")
    np.testing.assert_allclose(recorder.dynamics().channels["loss"][0], wanted, rtol=1e-5)


@pytest.mark.parametrize("forget", ["rewind", "resume"])
def test_nothing_of_a_forgotten_epoch_is_left(tmp_path, forget):
    with Recorder(tmp_path / "run", LABEL, 2, **BOTH) as recorder:
        recorder.observe([0, 1], 99 * logits_of(5)[:2])
        getattr(recorder, forget)(0)
        end(recorder, [1, 2], 0)
        recorder.observe([2, 3], 99 * logits_of(5)[:2])
        getattr(recorder, forget)(1)
        end(recorder, [2], 1)
    assert recorder.coverage.tolist() == [2 / N, 1 / N]
    mean = recorder.dynamics().arrays["logit_mean"]
    np.testing.assert_array_equal(mean[1], logits_of(0)[1])
    np.testing.assert_allclose(mean[2], (logits_of(0)[2] + logits_of(1)[2]) / 2, rtol=1e-6)
    assert np.isnan(mean[[0, 3]]).all()


def test_an_epoch_is_completed_by_its_checkpoint_alone(tmp_path):
    """Also where nothing was observed after the resume, and what was observed before it is of no account."""
    first = Recorder(tmp_path / "run", LABEL, 1, channels=("margin",))
    first.observe([0, 1], logits_of(0)[:2])
    state = first.state_dict()
    assert state["step"].shape == (0, 2)
    first.observe([5], logits_of(0)[:1])
    first.load_state_dict(state)
    first.__exit__(KeyboardInterrupt, None, None)
    with Recorder(tmp_path / "run", LABEL, 1, channels=("margin",)) as recorder:
        recorder.load_state_dict(state)
        recorder.end_epoch()
    assert np.flatnonzero(np.isfinite(recorder.dynamics().channels["margin"][0])).tolist() == [0, 1]


def test_what_a_killed_epoch_observed_after_its_checkpoint_is_in_no_table(tmp_path):
    killed = Recorder(tmp_path / "run", LABEL, 3, **BOTH)
    end(killed, range(N), 0)
    killed.observe([0], logits_of(1)[:1])
    state = killed.state_dict()
    killed.observe([1], logits_of(1)[1:2])
    killed.state_dict()  # of a later checkpoint, which is lost
    killed.__exit__(KeyboardInterrupt, None, None)
    with Recorder(tmp_path / "run", LABEL, 3, **BOTH) as recorder:
        recorder.load_state_dict(state)
        end(recorder, [2], 1)
        end(recorder, range(N), 2)
    dynamics = recorder.dynamics()
    step = dynamics.channels["kl_step"]
    assert np.flatnonzero(np.isfinite(step[1])).tolist() == [0, 2]
    assert np.flatnonzero(np.isfinite(step[2])).tolist() == [0, 2]
    np.testing.assert_allclose(dynamics.arrays["logit_mean"][1], (logits_of(0)[1] + logits_of(2)[1]) / 2, rtol=1e-5)
    np.testing.assert_allclose(
        dynamics.arrays["logit_mean"][2], (logits_of(0)[2] + logits_of(1)[2] + logits_of(2)[2]) / 3, rtol=1e-5
    )


def test_the_tables_of_two_epochs_and_of_two_checkpoints_are_kept(tmp_path):
    with Recorder(tmp_path / "run", LABEL, 5, **BOTH) as recorder:
        for epoch in range(4):
            end(recorder, range(N), epoch)
            if epoch < 3:
                recorder.state_dict()
        names = {file.name for file in (tmp_path / "run").iterdir()}
        for table in ("softmax", "total"):
            assert {name for name in names if name.startswith(f"carry.{table}")} == {
                f"carry.{table}.2.npy", f"carry.{table}.3.npy",
            }  # fmt: skip
            assert {name.split(".")[2] for name in names if name.startswith(f"kept.{table}")} == {"for2", "for3"}
        (tmp_path / "run" / "carry.total.3.npy").unlink()
        with pytest.raises(InputError, match="cannot go back"):
            recorder.rewind(4)
        recorder.rewind(2)  # where the older checkpoint was
        for epoch in range(2, 5):
            end(recorder, range(N), epoch)
    mean = torch.stack([logits_of(epoch) for epoch in range(5)]).mean(dim=0)
    np.testing.assert_allclose(recorder.dynamics().arrays["logit_mean"], mean, rtol=1e-5, atol=1e-6)
    assert [table.now for table in recorder._tables.tables] == [None, None]


def test_a_step_is_missing_where_either_epoch_is(tmp_path):
    with Recorder(tmp_path / "run", LABEL, 5, channels=("kl_step",)) as recorder:
        end(recorder, range(N), 0)
        end(recorder, range(N), 1)
        end(recorder, range(1, N), 2)
        logits = logits_of(3)
        logits[1] = torch.nan
        recorder.observe(range(N), logits)
        with pytest.warns(UserWarning, match="1 examples"):
            recorder.end_epoch()
        end(recorder, range(N), 4)
    missing = np.isnan(recorder.dynamics().channels["kl_step"])
    assert missing[:, 0].tolist() == [True, False, True, True, False]
    assert missing[:, 1].tolist() == [True, False, False, True, True]
    assert not missing[1:, 2:].any()


def test_a_step_from_or_to_certainty_is_a_number():
    sure, half = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
    assert kl_step(sure, half).item() == pytest.approx(np.log(2), rel=1e-5)
    assert kl_step(half, sure).item() == pytest.approx(0.5 * np.log(2) + 0.5 * (np.log(0.5) + np.log(1e8)), rel=1e-5)
    assert kl_step(half, 0 * half).isnan().all()


def test_rows_and_tables_are_flushed_before_an_epoch_counts(tmp_path, monkeypatch):
    flushed, flush = [], np.memmap.flush
    monkeypatch.setattr(np.memmap, "flush", lambda self: (flushed.append(Path(self.filename).name), flush(self))[1])
    with Recorder(tmp_path / "run", LABEL, 1, **BOTH) as recorder:
        end(recorder, range(N), 0)
    tables = ["carry.softmax.0.npy", "carry.total.0.npy"]
    rows = ["channels.margin.npy", "channels.kl_step.npy"]
    assert flushed[-5:] == [*tables, *rows, "arrays.logit_mean.npy"]


def test_seconds_are_those_of_the_epoch(tmp_path):
    begun = time.perf_counter()
    with Recorder(tmp_path / "run", LABEL, 3, channels=("loss",)) as recorder:
        for epoch in range(3):
            end(recorder, range(N), epoch)
    assert recorder.dynamics().seconds.min() > 0
    assert recorder.dynamics().seconds.sum() <= time.perf_counter() - begun


def test_a_closed_recorder_keeps_no_loader(tmp_path):
    loader = DataLoader(TensorDataset(torch.arange(N)))
    with Recorder(tmp_path / "run", LABEL, 1) as recorder:
        wrapped = weakref.ref(recorder.track(loader))
        assert recorder.track(loader) is wrapped()
    gc.collect()
    assert wrapped() is None


ONE, LINES = torch.randn(1, 4), torch.randn(5, K, 6)
CLASSES, CUBES = torch.randint(0, K, (5, 6)), torch.randn(5, K, 2, 2, 2)


@pytest.mark.parametrize(
    ("logits", "target", "problem"),
    [
        (torch.randn(5, 2), torch.arange(5) % 2, "single_label_classification"),
        (ONE, torch.tensor([2]), "single_label_classification"),
        (torch.randn(5, 2), torch.rand(5, 2), "multi_label_classification"),
        (ONE, torch.rand(1, 4), "multi_label_classification"),
        (torch.randn(5, 4), torch.ones(5, 4, dtype=torch.int64), "multi_label_classification"),
        (torch.randn(5, 2), torch.ones(5, 2, dtype=torch.int64), "multi_label_classification"),
        (ONE, torch.ones(1, 4, dtype=torch.int64), "multi_label_classification"),
        (torch.randn(5), torch.rand(5), "regression"),
    ],
)
def test_tasks_of_two_classes_and_batches_of_one_are_inferred(logits, target, problem):
    np.testing.assert_array_equal(per_example_loss(logits, target), per_example_loss(logits, target, problem))


@pytest.mark.parametrize(
    ("logits", "target"),
    [
        (torch.randn(5, 1), torch.ones(5, dtype=torch.int64)),
        (torch.randn(5, 1), torch.ones(5, 1, dtype=torch.int64)),
        (torch.randn(5, 6, K), torch.rand(5, 6, K)),
        (torch.randn(5, 6, K), torch.rand(5, 6 * K)),
        (torch.randn(5, 6, K), torch.ones(5, 6, K, dtype=torch.int64)),
        (torch.randn(5, K, 2, 2), torch.ones(5, dtype=torch.int64)),
    ],
)
def test_what_may_be_several_tasks_is_asked_for(logits, target):
    with pytest.raises(InputError, match="may be of several tasks"):
        per_example_loss(logits, target)


@pytest.mark.parametrize(
    ("logits", "target", "problem"),
    [
        (LINES.transpose(1, 2), CLASSES[:, :5], "token_classification"),
        (LINES, CLASSES[:3], "semantic_segmentation"),
        (LINES[:, :, 0], CLASSES[:, 0], "semantic_segmentation"),
        (LINES, CLASSES[:, 0], "semantic_segmentation"),
    ],
)
def test_targets_of_other_shapes_are_refused(logits, target, problem):
    with pytest.raises(InputError, match="takes logits and target of"):
        per_example_loss(logits, target, problem)


def test_masks_of_any_dimension_and_size_are_compared():
    cubes = torch.randint(0, K, (5, 2, 2, 2))
    for logits, target in ((LINES, CLASSES), (CUBES, cubes)):
        wanted = torch.nn.functional.cross_entropy(logits, target, reduction="none").flatten(1).mean(dim=1)
        np.testing.assert_allclose(per_example_loss(logits, target, "semantic_segmentation"), wanted, rtol=1e-6)
    small, mask = torch.randn(5, K, 3, 2), torch.randint(0, K, (5, 6, 4))
    large = torch.nn.functional.interpolate(small, (6, 4), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(per_example_loss(small, mask), per_example_loss(large, mask), rtol=1e-6)


def test_a_criterion_of_ones_own_stays_as_it_is():
    def criterion(logits, target):
        return (logits - target).square()

    criterion.reduction = "mean"
    assert from_criterion(criterion)(torch.ones(2, 4), torch.zeros(2, 4)).tolist() == [1, 1]
    assert criterion.reduction == "mean"


def test_a_loader_tells_a_worker_what_it_set_on_its_dataset(tmp_path):
    data = TensorDataset(torch.arange(N))
    with Recorder(tmp_path / "run", LABEL, 1) as recorder:
        recorder.track(DataLoader(data)).dataset.opened = True
    assert data.opened


def test_the_record_is_the_one_that_was_asked_for(tmp_path):
    with Recorder(tmp_path / "run", LABEL, 1, key=np.arange(N, dtype=np.uint64)) as recorder:
        end(recorder, range(N), 0)
    assert dp.load(tmp_path / "run").key.tolist() == list(range(N))
    with pytest.raises(InputError, match="other keys"):
        Recorder(tmp_path / "run", LABEL, 1, key=np.arange(N, dtype=np.uint64) + 1)
