"""The Recorder against plain loops, and every way in which a training loop can hand it something wrong."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp
from datapare import storage
from datapare.errors import BusyError, DivergedError, InputError
from datapare.recording import Recorder
from datapare.recording.logit_signals import CHANNELS, measure

N, K, T = 23, 4, 3
LABEL = np.random.default_rng(0).integers(0, K, N)


def logits_of(epoch, dtype=torch.float32):
    return (torch.randn(N, K, generator=torch.Generator().manual_seed(epoch)) * 3).to(dtype)


def recorded(path, epochs=T, batch=5, **params):
    """Record random logits in a shuffled order."""
    with Recorder(path, LABEL, epochs, **params) as recorder:
        for epoch in range(recorder.epoch, epochs):
            order = torch.randperm(N, generator=torch.Generator().manual_seed(100 + epoch))
            for index in order.split(batch):
                recorder.observe(index, logits_of(epoch)[index], torch.from_numpy(LABEL)[index])
            recorder.end_epoch()
    return recorder


def test_columns_are_the_datasets_rows_in_every_channel(tmp_path):
    dynamics = recorded(tmp_path / "run").dynamics()
    assert list(dynamics.channels) == list(CHANNELS)
    for epoch in range(T):
        wanted = measure(logits_of(epoch), torch.from_numpy(LABEL), list(CHANNELS)).numpy()
        for name, column in zip(CHANNELS, wanted.T, strict=True):
            # Not exact: vector code treats the last few rows of a batch otherwise.
            np.testing.assert_allclose(dynamics.channels[name][epoch], column, rtol=1e-5, atol=1e-6)
    assert dynamics.channels["margin"].dtype == np.float32
    assert dynamics.label.tolist() == LABEL.tolist()
    assert dynamics.provenance.step == "record"


def test_the_folder_is_an_ordinary_record(tmp_path):
    key = np.arange(N, dtype=np.uint64) * 7
    recorded(
        tmp_path / "run",
        key=key,
        classes=list("abcd"),
        observed="eval-pass",
        provenance=dp.Provenance("record", "own", seed=3),
    )
    dynamics = dp.load(tmp_path / "run")
    assert dynamics.classes == ("a", "b", "c", "d")
    assert dynamics.key.tolist() == key.tolist()
    assert dynamics.observed == "eval-pass"
    assert dynamics.provenance == dp.Provenance("record", "own", seed=3)
    assert dynamics.epochs == T
    assert not list((tmp_path / "run").glob("carry.*"))


def test_kl_step_is_the_change_since_the_epoch_before(tmp_path):
    step = recorded(tmp_path / "run", channels=("kl_step",)).dynamics().channels["kl_step"]
    assert np.isnan(step[0]).all()
    for epoch in range(1, T):
        now, before = (torch.softmax(logits_of(e).double(), dim=1).numpy() for e in (epoch, epoch - 1))
        for i in range(N):
            wanted = sum(abs(now[i, c] * (np.log(now[i, c] + 1e-8) - np.log(before[i, c] + 1e-8))) for c in range(K))
            assert step[epoch, i] == pytest.approx(wanted, rel=1e-4)


def test_kl_step_is_missing_after_an_epoch_without_the_example(tmp_path):
    with Recorder(tmp_path / "run", [0, 1, 0], 3, channels=("kl_step", "loss")) as recorder:
        for seen in ([0, 1, 2], [0, 1], [0, 1, 2]):
            recorder.observe(seen, torch.randn(len(seen), 2))
            recorder.end_epoch()
    missing = np.isnan(recorder.dynamics().channels["kl_step"])
    assert missing.tolist() == [[True] * 3, [False, False, True], [False, False, True]]


def test_logit_mean_is_over_the_epochs_that_observed(tmp_path):
    seen = [[0, 1], [1], [0, 1]]
    logits = [
        torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        torch.tensor([[7.0, 0.0]]),
        torch.tensor([[5.0, 0.0], [2.0, 2.0]]),
    ]
    with Recorder(tmp_path / "run", [0, 1, 1], 3, arrays=("logit_mean",)) as recorder:
        for index, z in zip(seen, logits, strict=True):
            recorder.observe(index, z)
            recorder.end_epoch()
    mean = recorder.dynamics().arrays["logit_mean"]
    np.testing.assert_array_equal(mean, [[3, 1], [4, 2], [np.nan, np.nan]])


def test_what_waits_for_the_tables_may_be_changed_by_the_loop(tmp_path, monkeypatch):
    monkeypatch.setattr("datapare.recording.logit_tables.WAITING_BYTES", 3 * 4 * K * 5)  # enter every third batch
    with Recorder(tmp_path / "run", LABEL, 1, arrays=("logit_mean",)) as recorder:
        logits, index = logits_of(0), torch.arange(N)
        for start in range(0, N, 5):
            recorder.observe(index[start : start + 5], logits[start : start + 5])
        assert len(recorder._tables._waiting._index) == 2  # so that an epoch's logits are never kept
        logits /= 2
        index += 1
        recorder.end_epoch()
    np.testing.assert_array_equal(recorder.dynamics().arrays["logit_mean"], logits_of(0))


def test_a_repeated_example_keeps_its_last_observation_and_never_a_sum(tmp_path):
    first, last = torch.tensor([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]]), torch.tensor([[4.0, 0.0]])
    with Recorder(tmp_path / "run", [0, 0, 0], 2, arrays=("logit_mean",)) as recorder:
        recorder.observe([0, 1, 1], first)  # twice in one batch
        recorder.observe([0], last)  # and again in a later one
        recorder.end_epoch()
        recorder.observe([1] * 600, torch.stack([torch.arange(600.0), torch.zeros(600)], dim=1))
        recorder.end_epoch()
    dynamics = recorder.dynamics()
    np.testing.assert_array_equal(dynamics.channels["margin"], [[4, 9, np.nan], [np.nan, 599, np.nan]])
    np.testing.assert_array_equal(dynamics.arrays["logit_mean"][:2], [[4, 0], [304, 0]])
    assert recorder.coverage.tolist() == [2 / 3, 1 / 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_half_precision_logits_are_measured_in_float32(tmp_path, dtype):
    with Recorder(tmp_path / "run", LABEL, 1, arrays=("logit_mean",)) as recorder:
        recorder.observe(torch.arange(N), logits_of(0, dtype).requires_grad_())
        recorder.end_epoch()
    wanted = measure(logits_of(0, dtype).float(), torch.from_numpy(LABEL), ["loss"])[:, 0]
    np.testing.assert_array_equal(recorder.dynamics().channels["loss"][0], wanted)


def test_arrays_and_lists_are_as_welcome_as_tensors(tmp_path):
    with Recorder(tmp_path / "run", torch.from_numpy(LABEL), 1) as recorder:
        recorder.observe(list(range(10)), logits_of(0)[:10].numpy(), LABEL[:10].tolist())
        recorder.observe(np.arange(10, N, dtype=np.int32), logits_of(0)[10:].numpy().astype(np.float16))
        recorder.end_epoch()
    assert recorder.coverage.tolist() == [1.0]


def test_the_host_never_waits_inside_an_epoch(tmp_path):
    """Tensors on the meta device have no values: whoever looked at one would fail."""
    with Recorder(tmp_path / "run", LABEL, 1, channels=(*CHANNELS, "kl_step"), arrays=("logit_mean",)) as recorder:
        for device in ("meta", "cpu"):
            index = torch.arange(N, device=device)
            recorder.observe(index, torch.empty(N, K, device="meta"), torch.empty(N, dtype=torch.int64, device="meta"))
        with pytest.raises(Exception, match="meta"):
            recorder.end_epoch()


def test_track_drops_and_covers_as_the_loader_does(tmp_path):
    data = TensorDataset(torch.arange(N), torch.from_numpy(LABEL))
    with Recorder(tmp_path / "run", LABEL, 2) as recorder:
        loader = DataLoader(
            data, batch_size=5, shuffle=True, drop_last=True, generator=torch.Generator().manual_seed(0)
        )
        for epoch in range(2):
            for index, told, target in recorder.track(loader):
                assert index.tolist() == told.tolist()
                recorder.observe(index, logits_of(epoch)[told], target)
            recorder.end_epoch()
    loss = recorder.dynamics().channels["loss"]
    assert np.isnan(loss).sum(axis=1).tolist() == [3, 3]
    assert recorder.coverage.tolist() == [20 / 23, 20 / 23]


class WhoWorks(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return N

    def __getitem__(self, i) -> int:
        return os.getpid()


def test_persistent_workers_persist(tmp_path):
    loader = DataLoader(WhoWorks(), num_workers=1, persistent_workers=True)
    with Recorder(tmp_path / "run", LABEL, 2) as recorder:
        first, second = ({int(pid) for _, pid in recorder.track(loader)} for _ in range(2))
    assert first == second != {os.getpid()}


def nothing(recorder):
    del recorder


def observe(index, logits=None, target=None):
    def call(recorder):
        recorder.observe(index, torch.zeros(len(index), K) if logits is None else logits, target)
        recorder.end_epoch()

    return call


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (observe(torch.arange(3).half()), "whole numbers such as int64, not torch.float16, which may have rounded"),
        (observe([0.0, 1.0]), "not torch.float64"),
        (observe(torch.ones(N, dtype=torch.bool)), "not torch.bool"),
        (observe(["a.jpg", "b.jpg"]), r"expected numbers, but \['a.jpg', 'b.jpg'\] arrived; .* from id to position"),
        (observe([None]), "expected numbers, but .* arrived"),
        (observe([0, N]), f"between 0 and {N - 1}, but {N} arrived"),
        (observe([-1, 2]), "but -1 arrived"),
        (observe([0, 1], torch.zeros(3, K)), "one position for each of 3 rows"),
        (observe([0, 1], torch.zeros(2, K, 1)), r"shape \(B, K\), not torch.float32 of shape \(2, 4, 1\)"),
        (observe([0, 1], torch.zeros(2, K, dtype=torch.int64)), r"logits are floats .* of shape \(2, 4\)\.$"),
        (
            observe([0, 1], torch.zeros(2, 1)),
            r"at least 4 classes, as the labels ask for, but they have 1 column; give",
        ),
        (observe([0, 1], torch.zeros(2, K - 1)), "at least 4 classes, as the labels ask for, but they have 3 columns"),
        (observe([0, 1], torch.zeros(2, K), [0]), "one target per position"),
        (lambda recorder: recorder.observe([0]), "either logits"),
        (lambda recorder: recorder.observe([0], torch.zeros(1, K), loss=[0.0]), "either logits"),
        (
            lambda recorder: recorder.observe([0], loss=[0.0]),
            r"fills the channel loss alone, .* keep \(\"loss\",\) only",
        ),
        (lambda recorder: recorder.stop(), "no epoch is recorded yet"),
        (observe([]), "nothing was observed in epoch 1"),
        (lambda recorder: recorder.end_epoch(), "nothing was observed in epoch 1"),
        (lambda recorder: recorder.dynamics(), "0 of 3 epochs are recorded"),
        (lambda recorder: recorder.rewind(1), "cannot go back to epoch 1"),
        (observe(range(N), target=torch.from_numpy(LABEL[::-1].copy())), "does not point at these examples"),
    ],
)
def test_wrong_observations_are_one_sentence(tmp_path, act, sentence):
    with Recorder(tmp_path / "run", LABEL, T) as recorder:
        with pytest.raises(InputError, match=sentence):
            act(recorder)
        assert recorder.epoch == 0
        observe(range(N))(recorder)  # and the epoch can still be recorded
    assert recorder.coverage.tolist() == [1.0]


def test_a_loop_that_never_ends_its_epoch_is_told(tmp_path):
    with pytest.raises(
        InputError, match="23 observations of epoch 2 are not recorded, because end_epoch was not called"
    ):
        forget_to_end(tmp_path / "run")
    with Recorder(tmp_path / "run", LABEL, T) as recorder:  # and can go on
        assert recorder.epoch == 1


def forget_to_end(folder):
    with Recorder(folder, LABEL, T) as recorder:
        observe(range(N))(recorder)
        recorder.observe(range(N), logits_of(1))


@pytest.mark.parametrize("params", [{}, {"channels": ("loss", "kl_step"), "arrays": ("logit_mean",)}])
def test_a_training_that_stops_early_keeps_what_it_recorded(tmp_path, params):
    with Recorder(tmp_path / "run", LABEL, T, **params) as recorder:
        for epoch in range(2):
            observe(range(N), logits_of(epoch))(recorder)
        recorder.observe(range(5), logits_of(2)[:5])  # of the epoch it stopped in
        with pytest.raises(InputError, match=r"2 of 3 epochs .* or call stop\(\)"):
            recorder.dynamics()
        recorder.stop()
        with pytest.raises(InputError, match="all 2 epochs are recorded"):
            recorder.observe([0], logits_of(0)[:1])
    short = recorded(tmp_path / "short", epochs=2, **params).dynamics()
    dynamics = dp.load(tmp_path / "run")
    assert dynamics.epochs == len(dynamics.seconds) == 2
    for name, rows in dynamics.channels.items():
        np.testing.assert_allclose(rows, short.channels[name], rtol=1e-5, atol=1e-6)
    with Recorder(tmp_path / "run", LABEL, 2, **params) as recorder:
        recorder.stop()  # it has nothing to stop
        assert recorder.dynamics().epochs == 2
    with pytest.raises(InputError, match="epochs 2 there and 3 here"):
        Recorder(tmp_path / "run", LABEL, T, **params)


def test_a_stop_that_was_killed_is_finished_by_the_next(tmp_path):
    recorder = Recorder(tmp_path / "run", LABEL, T)
    observe(range(N), logits_of(0))(recorder)
    recorder.stop()
    recorder._release()  # all that a killed process still does
    assert not storage.is_finished(tmp_path / "run")
    with Recorder(tmp_path / "run", LABEL, 1) as recorder:
        assert recorder.dynamics().channels["loss"].shape == (1, N)


def test_a_task_without_classes_gives_its_own_loss(tmp_path):
    """Several labels per example: the loss is the mean of binary cross-entropies, the class a grouping."""
    logits, wanted = logits_of(0), torch.rand(N, K, generator=torch.Generator().manual_seed(1)).round()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=1)
    with Recorder(tmp_path / "run", np.zeros(N, int), 2, channels=("loss",)) as recorder:
        recorder.observe(torch.arange(N), loss=loss.requires_grad_())
        recorder.end_epoch()
        recorder.observe([3, 4], loss=np.array([0.25, 7], dtype=np.float16))
        recorder.observe([3], loss=[0.5])
        recorder.end_epoch()
    found = recorder.dynamics().channels["loss"]
    np.testing.assert_array_equal(found[0], loss.detach())
    assert found[1, 3:5].tolist() == [0.5, 7]
    assert np.isnan(found[1]).sum() == N - 2


@pytest.mark.parametrize(
    ("index", "loss", "sentence"),
    [
        ([0, 1], torch.tensor(0.3), "one float per example"),
        ([0, 1], torch.zeros(2, K), r"not torch.float32 of shape \(2, 4\); .* reduction='none'"),
        ([0, 1], [1, 2], "not torch.int64"),
        ([0, 1], [0.5], "one position for each of 1 losses"),
        ([N], [0.5], f"but {N} arrived"),
        ([0, 1], [np.inf, np.nan], "2 of 2 observed examples have NaN"),
    ],
)
def test_a_wrong_loss_is_one_sentence(tmp_path, index, loss, sentence):
    with Recorder(tmp_path / "run", LABEL, 1, channels=("loss",)) as recorder:
        with pytest.raises((InputError, DivergedError), match=sentence):
            end_with(recorder, index, loss)
        assert recorder.epoch == 0


def end_with(recorder, index, loss):
    recorder.observe(index, loss=loss)
    recorder.end_epoch()


def test_logits_that_change_their_width_are_refused(tmp_path):
    with Recorder(tmp_path / "run", LABEL, T) as recorder:
        observe(range(N))(recorder)
        with pytest.raises(InputError, match="4 classes as before, but they have 5 columns"):
            recorder.observe([0], torch.zeros(1, 5))


def test_classes_are_the_logits_columns(tmp_path):
    with (
        Recorder(tmp_path / "run", LABEL, T, classes=list("abcde")) as recorder,
        pytest.raises(InputError, match="5 classes, but they have 4 columns"),
    ):
        observe(range(N))(recorder)


def test_positions_too_large_for_their_type_are_refused(tmp_path):
    index = torch.tensor([0, 255], dtype=torch.uint8)
    with Recorder(tmp_path / "fits", np.zeros(256, int), 1) as recorder:
        observe(index, torch.zeros(2, 2))(recorder)
    with Recorder(tmp_path / "run", np.zeros(257, int), 1) as recorder, pytest.raises(InputError, match="do not fit"):
        recorder.observe(index, torch.zeros(2, 2))


def test_positions_outside_on_a_device_are_found_at_the_end_of_the_epoch(tmp_path):
    with Recorder(tmp_path / "run", LABEL, T) as recorder:
        # What a device would hold: the check of the host is passed over.
        recorder._buffer._check_positions = nothing
        recorder.observe([0, N, -1, 999], torch.zeros(4, K))
        with pytest.raises(InputError, match="3 of 4 positions in epoch 1 lie outside 0 … 22"):
            recorder.end_epoch()


@pytest.mark.parametrize("bad", [1, 11, 12])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_only_an_epoch_of_which_more_than_half_is_no_number_is_refused(tmp_path, value, bad):
    with Recorder(tmp_path / "run", LABEL, T, arrays=("logit_mean",)) as recorder:
        observe(range(N))(recorder)
        logits = logits_of(1)
        logits[:bad, 1] = value
        recorder.observe(range(N), logits)
        if bad > N / 2:
            with pytest.raises(DivergedError, match=r"diverged in epoch 2: 12 of 23 .* lower the learning rate"):
                recorder.end_epoch()
            assert recorder.epoch == 1
            return
        with pytest.warns(UserWarning, match=f"{bad} examples observed in epoch 2 have NaN or infinite"):
            recorder.end_epoch()
        assert recorder.coverage.tolist() == [1, 1 - bad / N]
        recorder.stop()
    dynamics = recorder.dynamics()
    for rows in dynamics.channels.values():
        assert np.isnan(rows).sum(axis=1).tolist() == [0, bad]
        assert np.isfinite(rows[1, bad:]).all()
    np.testing.assert_allclose(dynamics.arrays["logit_mean"][:bad], 0)  # of the first epoch alone
    np.testing.assert_allclose(dynamics.arrays["logit_mean"][bad:], logits_of(1)[bad:] / 2)


def test_mixed_targets_are_recorded_against_the_true_label(tmp_path):
    soft = torch.rand(N, K).softmax(dim=1)
    with Recorder(tmp_path / "run", LABEL, 1) as recorder:
        observe(range(N), logits_of(0), soft)(recorder)
    np.testing.assert_array_equal(
        recorder.dynamics().channels["loss"][0], measure(logits_of(0), torch.from_numpy(LABEL), ["loss"])[:, 0]
    )


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"epochs": 0}, "at least 1, not 0"),
        ({"epochs": 2.5}, "a whole number, got 2.5"),
        ({"labels": []}, "there are none"),
        ({"labels": [0, -1]}, "-1 arrived"),
        ({"labels": [0, 2], "classes": ("a", "b")}, "go up to 2, but only 2 classes"),
        ({"channels": ("confidence",)}, "out of target_prob, .*, kl_step, cos_step, not"),
        ({"channels": "margin"}, "got 'margin'"),
        ({"channels": ("loss", "loss")}, "different names"),
        ({"channels": ()}, "at least one channel"),
        ({"arrays": ("embedding",)}, "out of logit_mean"),
        ({"observed": "test-pass"}, "observed as one of train-pass"),
        ({"key": np.arange(2)}, "expected key as an array of uint64"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_touch_nothing(tmp_path, params, sentence):
    with pytest.raises(InputError, match=sentence):
        Recorder(tmp_path / "run", **{"labels": [0, 1], "epochs": 1, **params})
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_something_else_is_not_touched(tmp_path):
    for name, make in {"notes": lambda path: (path / "a.txt").write_text("x"), "saved": save_a_record}.items():
        folder = tmp_path / name
        folder.mkdir()
        make(folder)
        before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
        with pytest.raises(InputError, match="already holds something else"):
            Recorder(folder, LABEL, T)
        assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def save_a_record(folder):
    storage.save(dp.Dynamics({"loss": np.zeros((1, 2))}, [0, 1]), folder)


def test_an_empty_folder_is_welcome_and_a_second_recorder_is_not(tmp_path):
    with Recorder(tmp_path, LABEL, T), pytest.raises(BusyError, match="another process is recording"):
        Recorder(tmp_path, LABEL, T)
    Recorder(tmp_path, LABEL, T).close()


@pytest.mark.parametrize("place", ["file/run", "file"])
def test_a_path_that_cannot_be_a_folder_is_one_sentence(tmp_path, place):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"cannot record in .*: not a directory; choose"):
        Recorder(tmp_path / place, LABEL, T)


def test_an_unwritable_place_is_one_sentence():
    with pytest.raises(InputError, match=r"cannot write .*; choose a place you can write to"):
        Recorder("/proc/run", LABEL, T)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of one megabyte; only root may."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True)
    if mount.returncode:
        pytest.skip("this user may not mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_shows_before_the_training_and_leaves_nothing(small_disk):
    with pytest.raises(InputError, match=r"needs 2,400,000 bytes in .*no space left on device.*choose another folder"):
        Recorder(small_disk / "run", np.zeros(10_000, int), 10)
    assert list((small_disk / "run").iterdir()) == []
    Recorder(small_disk / "run", np.zeros(10_000, int), 2).close()


def test_memory_holds_a_row_and_not_the_record(tmp_path):
    code = f"""
import resource, numpy as np, datapare.recording.recorder
from datapare.recording import Recorder
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
label = np.zeros(200_000, int)
before = peak()
with Recorder({str(tmp_path / "run")!r}, label, 100, channels=("target_prob", "loss")) as recorder:
    print(peak() - before)
"""
    grown = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert grown < 40e6 < 100 * 200_000 * 4 * 2


@pytest.mark.parametrize("begun", [1, T])
def test_a_record_is_made_anew_where_that_is_asked_for_and_nothing_else_is_replaced(begun, tmp_path):
    fresh = recorded(tmp_path / "fresh", epochs=2, channels=("loss",)).dynamics()
    with Recorder(tmp_path / "run", LABEL, T, arrays=("logit_mean",)) as recorder:
        for epoch in range(begun):
            recorder.observe(np.arange(N), logits_of(epoch))
            recorder.end_epoch()
    with pytest.raises(InputError):
        Recorder(tmp_path / "run", LABEL, 2, channels=("loss",))
    again = recorded(tmp_path / "run", epochs=2, channels=("loss",), overwrite=True).dynamics()
    assert np.array_equal(again.channels["loss"], fresh.channels["loss"])
    assert {file.name for file in (tmp_path / "run").iterdir()} == {
        file.name for file in (tmp_path / "fresh").iterdir()
    }
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").touch()
    with pytest.raises(InputError, match="already holds something else"):
        Recorder(tmp_path / "mine", LABEL, 2, overwrite=True)
    assert (tmp_path / "mine" / "a.txt").exists()


@pytest.mark.parametrize("removed", range(6))
def test_a_record_whose_removal_was_killed_is_made_anew_by_the_next_call(removed, tmp_path, monkeypatch):
    fresh = recorded(tmp_path / "fresh", epochs=2).dynamics()
    recorded(tmp_path / "run", channels=("loss", "margin"))
    remove, left = storage.remove, [removed]

    def dies(path):
        if path.parent == tmp_path / "run":
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
        remove(path)

    with monkeypatch.context() as now:
        now.setattr(storage, "remove", dies)
        with pytest.raises(KeyboardInterrupt):
            Recorder(tmp_path / "run", LABEL, 2, overwrite=True)
    assert storage.is_finished(tmp_path / "run") == (removed == 0), "never half a record that counts as whole"
    again = recorded(tmp_path / "run", epochs=2, overwrite=True).dynamics()
    assert np.array_equal(again.channels["loss"], fresh.channels["loss"])


def test_a_finished_folder_says_so_and_loads(tmp_path):
    recorded(tmp_path / "run")
    with Recorder(tmp_path / "run", LABEL, T) as recorder:
        assert recorder.epoch == T
        assert recorder.dynamics().epochs == T
        with pytest.raises(InputError, match="all 3 epochs are recorded"):
            recorder.observe([0], torch.zeros(1, K))
        with pytest.raises(InputError, match="the record is finished"):
            recorder.rewind(1)
    with pytest.raises(InputError, match="the recorder is closed"):
        recorder.observe([0], torch.zeros(1, K))


def test_cos_step_is_the_turn_of_the_prediction_since_the_epoch_before(tmp_path):
    step = recorded(tmp_path / "run", channels=("cos_step", "kl_step")).dynamics().channels["cos_step"]
    prob = [torch.softmax(logits_of(epoch).double(), dim=1).numpy() for epoch in range(T)]
    unit = [p / np.linalg.norm(p, axis=1, keepdims=True) for p in prob]
    assert np.isnan(step[0]).all()
    for t in range(1, T):
        np.testing.assert_allclose(step[t], 1 - (unit[t] * unit[t - 1]).sum(axis=1), atol=1e-6)
