"""Loops as people write them, against bookkeeping of their own: the record equals it, or one sentence says why not."""

import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, TensorDataset, default_collate
from torchdata.stateful_dataloader import StatefulDataLoader

import datapare as dp
from datapare.errors import InputError
from datapare.recording.indexed_loader import with_indices

N, K = 40, 3
LABEL = np.arange(N) % K
POSITION = torch.arange(N)

pytestmark = pytest.mark.filterwarnings("ignore:'set_vital':UserWarning")  # torchdata's, of torch


class Book:
    """Bookkeeping: softmax in float64, a dict per epoch, the last of several observations counts."""

    def __init__(self) -> None:
        self.rows, self.now = [], {}

    def note(self, index, logits):
        for i, z in zip(np.asarray(index).tolist(), logits.detach().double().numpy(), strict=True):
            odds = np.exp(z - z.max())
            self.now[i] = odds[LABEL[i]] / odds.sum()

    def end(self):
        self.rows.append([self.now.get(i, np.nan) for i in range(N)])
        self.now = {}

    def check(self, recorder):
        np.testing.assert_allclose(recorder.dynamics().channels["target_prob"], self.rows, atol=2e-6)


def logits_of(told, epoch=0):
    """Logits that depend on the example and the epoch, (B, K)."""
    return torch.stack([torch.sin(told * (k + 1.0) + epoch) * 3 for k in range(K)], dim=1)


def target_as(kind, label):
    """The target in one of the shapes and types that loops use."""
    return {
        "int64": label,
        "int32": label.int(),
        "float": label.float(),
        "column": label.float()[:, None],
        "soft": torch.nn.functional.one_hot(label, K).float() * 0.9 + 0.1 / K,
        "numpy": label.numpy(),
        "list": label.tolist(),
        "none": None,
    }[kind]


LOOPS = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, N + 3),
        "shuffle": st.booleans(),
        "drop_last": st.booleans(),
        "stateful": st.booleans(),
        "workers": st.sampled_from([0, 0, 0, 0, 0, 1]),
        "epochs": st.integers(1, 3),
        "target": st.sampled_from(["int64", "int32", "float", "column", "soft", "numpy", "list", "none"]),
        "stop": st.none() | st.tuples(st.integers(0, 2), st.integers(0, 6)),
        "state": st.booleans(),
        "seed": st.integers(0, 99),
    }
)


def batches_of(loop, epoch):
    settings = {"shuffle": loop["shuffle"], "drop_last": loop["drop_last"], "num_workers": loop["workers"]}
    settings["generator"] = torch.Generator().manual_seed(100 * loop["seed"] + epoch)
    kind = StatefulDataLoader if loop["stateful"] else DataLoader
    return kind(TensorDataset(POSITION, torch.from_numpy(LABEL)), loop["batch_size"], **settings)


def run(loop, folder, stop=None, state=None):
    """Train the rest of a loop, and stop before a batch; return the recorder, or the state of the last checkpoint."""
    recorder = dp.Recorder(folder, LABEL, loop["epochs"])
    first, skipped = (0, 0) if state is None else (state["epoch"], state["step"])
    recorder.resume(first) if state is None else recorder.load_state_dict(state["recorder"])
    for epoch in range(first, loop["epochs"]):
        for step, (index, told, label) in enumerate(recorder.track(batches_of(loop, epoch))):
            if epoch == first and step < skipped:
                continue
            if stop == (epoch, step):
                recorder.__exit__(KeyboardInterrupt, None, None)
                return state
            recorder.observe(index, logits_of(told, epoch), target_as(loop["target"], label))
            if loop["state"] and step % 2:
                state = {"epoch": epoch, "step": step + 1, "recorder": recorder.state_dict()}
        if loop["drop_last"] and loop["batch_size"] > N:
            break
        recorder.end_epoch()
    recorder.close()
    return recorder


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(LOOPS)
def test_any_loop_interrupted_anywhere_records_what_its_bookkeeping_has(loop):
    if loop["drop_last"] and loop["batch_size"] > N:
        return  # an epoch without a batch
    book = Book()
    for epoch in range(loop["epochs"]):
        for told, _ in batches_of(loop, epoch):
            book.note(told, logits_of(told, epoch))
        book.end()
    with tempfile.TemporaryDirectory() as scratch:
        done = run(loop, Path(scratch) / "run", loop["stop"])
        if not isinstance(done, dp.Recorder):
            done = run(loop, Path(scratch) / "run", state=done)
        book.check(done)


class Images(Dataset):
    """Item i is None where i ends in 3, else (i, label)."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, i):
        return None if i % 10 == 3 else (torch.tensor(float(i)), int(LABEL[i]))


def drop_none(items):
    return default_collate([item for item in items if item is not None])


def drop_in_place(items):
    items[:] = [item for item in items if item is not None and item[0] % 7 != 5]
    items.sort(key=lambda item: -float(item[0]))  # and longest first
    return default_collate(items)


def drop_some(items):
    return default_collate([item for item in items if item is not None and item[0] % 7 != 5])


def as_dict(items):
    told, label = drop_none(items)
    return {"told": told, "label": label}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("collate", [drop_none, drop_in_place, drop_some, as_dict])
def test_the_index_names_what_a_collation_leaves_in_its_batch(collate, workers):
    seen = []
    for index, *batch in with_indices(
        DataLoader(Images(), 8, shuffle=True, collate_fn=collate, num_workers=workers), N
    ):
        told = batch[0]["told"] if isinstance(batch[0], dict) else batch[0]
        assert index.tolist() == told.long().tolist()
        seen += index.tolist()
    left = [i for i in range(N) if i % 10 != 3 and (collate in (drop_none, as_dict) or i % 7 != 5)]
    assert sorted(seen) == left


def test_a_batch_that_is_filled_up_with_other_examples_is_refused():
    def refill(items):
        left = [item for item in items if item is not None]
        return default_collate((left * 2)[: len(items)])

    with pytest.raises(InputError, match=r"1 of 10 examples of a batch are None, .* pass your own positions"):
        list(with_indices(DataLoader(Images(), 10, collate_fn=refill), N))


def test_a_batch_without_rows_of_its_own_keeps_its_index():
    """Boxes of all images in one tensor, as detectors have: no number of rows says anything."""
    boxes = DataLoader(range(N), 4, collate_fn=lambda items: (torch.tensor(items), torch.zeros(9, 6)))
    for index, told, _ in with_indices(boxes, N):
        assert index.tolist() == told.tolist()


class Table(Dataset):
    """Fetches whole batches, in one of the forms that datasets use."""

    def __init__(self, form) -> None:
        self.form = form

    def __len__(self) -> int:
        return N

    def __getitem__(self, i):
        raise AssertionError

    def __getitems__(self, rows):
        rows = torch.as_tensor(rows)
        return {"dict": {"told": rows, "label": rows % K}, "tuple": (rows, rows % K), "tensor": rows}[self.form]


@pytest.mark.parametrize("batch", [2, 8])  # a tuple of two columns is no list of two items
@pytest.mark.parametrize("form", ["dict", "tuple", "tensor"])
def test_datasets_that_fetch_batches_are_passed_on(form, batch):
    for index, *rest in with_indices(DataLoader(Table(form), batch, shuffle=True, collate_fn=lambda rows: rows), N):
        told = rest[0]["told"] if form == "dict" else rest[0]
        assert index.tolist() == told.tolist()


class Repeat:
    def __init__(self, sampler) -> None:
        self.sampler = sampler

    def __iter__(self):
        while True:
            yield from iter(self.sampler)


class Endless(DataLoader):
    """Keeps one iterator over all epochs, as YOLO's loader does."""

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        object.__setattr__(self, "batch_sampler", Repeat(self.batch_sampler))
        self.kept = super().__iter__()

    def __len__(self) -> int:
        return len(self.batch_sampler.sampler)

    def __iter__(self):
        for _ in range(len(self)):
            yield next(self.kept)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_that_keeps_its_iterator_is_followed(workers):
    loader = with_indices(Endless(TensorDataset(POSITION), 8, shuffle=True, num_workers=workers), N)
    for _ in range(2):
        pairs = [(index.tolist(), told.tolist()) for index, told in loader]
        assert all(index == told for index, told in pairs)
        assert sorted(i for index, _ in pairs for i in index) == list(range(N))


def test_a_loader_that_keeps_a_generator_is_refused():
    loader = DataLoader(TensorDataset(POSITION), 8)
    loader.forever = (batch for _ in range(9) for batch in loader)
    with pytest.raises(InputError, match=r"keeps an iterator .* \(forever\) .* pass your own positions"):
        with_indices(loader, N)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("asked", [False, True])
def test_a_stateful_loader_keeps_its_own_state(workers, asked):
    def make():
        torch.manual_seed(0)
        return StatefulDataLoader(TensorDataset(POSITION), 4, shuffle=True, num_workers=workers)

    loader = make()
    if asked:  # which begins its iterator
        loader.state_dict()
    wrapped = with_indices(loader, N)
    first = [index.tolist() for _, (index, _) in zip(range(5), wrapped, strict=False)]
    state, again = loader.state_dict(), make()
    again.load_state_dict(state)
    rest = [index.tolist() for index, told in with_indices(again, N) if index.tolist() == told.tolist()]
    assert sorted(i for index in first + rest for i in index) == list(range(N))
    late = make()
    with_late = with_indices(late, N)
    late.load_state_dict(state)  # after it was wrapped
    assert [index.tolist() for index, _ in with_late] == rest


def test_accelerate_keeps_the_state_of_a_stateful_loader():
    accelerate = pytest.importorskip("accelerate")
    configuration = accelerate.DataLoaderConfiguration(use_stateful_dataloader=True)
    accelerator = accelerate.Accelerator(cpu=True, dataloader_config=configuration)

    def make():
        data = TensorDataset(POSITION)
        return accelerator.prepare_data_loader(DataLoader(data, 4, sampler=RandomSampler(data, generator=seeded())))

    loader = make()
    first = [index.tolist() for _, (index, _) in zip(range(5), with_indices(loader, N), strict=False)]
    state, again = loader.state_dict(), make()
    again.load_state_dict(state)
    rest = [index.tolist() for index, _ in with_indices(again, N)]
    assert sorted(i for index in first + rest for i in index) == list(range(N))


def seeded():
    return torch.Generator().manual_seed(5)


def test_batches_by_slices_are_their_positions():
    loader = DataLoader(torch.arange(N), batch_size=None, sampler=[slice(0, 3), slice(30, None)])
    assert all(index.tolist() == told.tolist() for index, told in with_indices(loader, N))


def test_a_batch_sampler_of_ones_own_is_followed():
    buckets = BatchSampler(sorted(range(N), key=lambda i: i % 7), 6, drop_last=False)
    for index, told in with_indices(DataLoader(TensorDataset(POSITION), batch_sampler=buckets), N):
        assert index.tolist() == told.tolist()


def record_once(path, logits, label, target=None, **settings):
    with dp.Recorder(path, label, 1, **settings) as recorder:
        recorder.observe(np.arange(len(label)), logits, target)
        recorder.end_epoch()
    return recorder.dynamics().channels


@pytest.mark.parametrize("mask", [-np.inf, -1e30, torch.finfo(torch.float32).min])
def test_masked_classes_have_probability_zero_and_every_channel_is_a_number(tmp_path, mask):
    logits = torch.randn(N, 6, generator=seeded())
    whole = record_once(tmp_path / "few", logits[:, :K], LABEL, channels=("target_prob", "margin", "loss", "entropy"))
    logits[:, K:] = mask
    masked = record_once(tmp_path / "masked", logits, LABEL)
    assert all(np.isfinite(rows).all() for rows in masked.values())
    for name, rows in whole.items():
        np.testing.assert_allclose(masked[name], rows, rtol=1e-5, atol=1e-6)


def test_a_masked_label_keeps_what_is_a_number(tmp_path):
    logits = torch.zeros(3, 3)
    logits[:2, 0] = -torch.inf
    with dp.Recorder(tmp_path / "run", np.array([0, 0, 0]), 1) as recorder:
        recorder.observe([0, 1, 2], logits)
        with pytest.warns(UserWarning, match="2 examples"):
            recorder.end_epoch()
    found = recorder.dynamics().channels
    assert found["target_prob"][0].tolist() == [0, 0, pytest.approx(1 / 3)]
    assert np.isnan(found["loss"][0]).tolist() == [True, True, False]
    np.testing.assert_allclose(found["entropy"][0], np.log([2, 2, 3]), rtol=1e-6)
    assert recorder.coverage.tolist() == [1.0]


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16, np.float64])
def test_arrays_of_any_float_are_recorded(tmp_path, dtype):
    logits = np.random.default_rng(0).normal(size=(N, K)).astype(dtype)
    found = record_once(tmp_path / "run", logits, LABEL)["margin"]
    wanted = record_once(tmp_path / "wide", logits.astype(np.float32), LABEL)["margin"]
    np.testing.assert_array_equal(found, wanted)


BINARY = np.arange(N) % 2


@pytest.mark.parametrize("kind", ["int64", "float", "column", "int_column"])
@pytest.mark.parametrize("shape", ["two", "flat", "one"])
def test_binary_models_are_recorded_and_their_targets_checked(tmp_path, shape, kind):
    z, label = torch.randn(N, generator=seeded()), torch.from_numpy(BINARY)
    logits = {"two": torch.stack([0 * z, z], 1), "flat": z, "one": z[:, None]}[shape]
    target = {"int64": label, "float": label.float(), "column": label.float()[:, None], "int_column": label[:, None]}
    found = record_once(tmp_path / "run", logits, BINARY, target[kind])["target_prob"][0]
    np.testing.assert_allclose(found, torch.where(label == 1, z.sigmoid(), (-z).sigmoid()), rtol=1e-5)
    with pytest.raises(InputError, match="does not point at these examples"):
        record_once(tmp_path / "wrong", logits, BINARY, target[kind].roll(1, 0))


def test_targets_between_the_classes_are_mixed_on_purpose(tmp_path):
    mixed = torch.from_numpy(BINARY).float() * 0.7 + 0.1
    assert np.isfinite(record_once(tmp_path / "run", torch.randn(N, 1), BINARY, mixed)["loss"]).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64])
@pytest.mark.parametrize("mixed", [False, True])
def test_one_hot_targets_are_compared_unless_some_are_mixed(tmp_path, dtype, mixed):
    """A mixture can be all of its other example, and a shifted index is none."""
    target = torch.nn.functional.one_hot(torch.from_numpy(LABEL), K).to(dtype)
    with dp.Recorder(tmp_path / "run", LABEL, 2) as recorder:
        recorder.observe(POSITION, logits_of(POSITION), target)
        recorder.end_epoch()
        shifted = target.roll(1, dims=0)
        if mixed:
            shifted = shifted.float()
            shifted[0] = 1 / K
        recorder.observe(POSITION, logits_of(POSITION), shifted)
        if mixed:
            recorder.end_epoch()
            return
        with pytest.raises(InputError, match="target of 39 examples differ from the labels given"):
            recorder.end_epoch()


@pytest.mark.parametrize("target", [torch.ones(N, K), torch.ones(N, K, dtype=torch.int64)])
def test_several_labels_are_never_recorded_against_one_class(tmp_path, target):
    with pytest.raises(InputError, match="hold several labels each; record the loss of each example"):
        record_once(tmp_path / "run", torch.zeros(N, K), LABEL, target)
    with pytest.raises(InputError, match=r"the labels are all 0, .*per_example_loss"):
        record_once(tmp_path / "loss", torch.zeros(N, K), 0 * LABEL, target, channels=("loss",))


def test_one_logit_of_three_classes_is_refused(tmp_path):
    with pytest.raises(InputError, match="is for labels 0 and 1"):
        record_once(tmp_path / "run", torch.zeros(N), LABEL)
    with pytest.raises(InputError, match=r"not torch.float32 of shape \(40, 5, 3\); record the loss"):
        record_once(tmp_path / "tokens", torch.zeros(N, 5, K), LABEL)


CARRIED = {"channels": ("target_prob", "kl_step"), "arrays": ("logit_mean",)}


@pytest.mark.parametrize(
    ("checkpoint", "killed"), [((1, 2), (3, 1)), ((0, 0), (2, 1)), ((2, 3), (2, 4)), ((1, 5), (3, 0))]
)
def test_tables_resume_from_checkpoints_that_are_rarer_than_epochs(tmp_path, checkpoint, killed):
    """kl_step and logit_mean build on the epoch before, whose tables a checkpoint keeps."""

    def train(folder, state=None, kill=None):
        recorder, place, saved = dp.Recorder(folder, LABEL, 4, **CARRIED), (0, 0), None
        if state is not None:
            recorder.load_state_dict(state)
            place = checkpoint
        for epoch in range(place[0], 4):
            for step, index in enumerate(torch.randperm(N, generator=torch.Generator().manual_seed(epoch)).split(7)):
                if (epoch, step) == kill:
                    recorder.__exit__(KeyboardInterrupt, None, None)
                    return saved
                if (epoch, step) < place:
                    continue
                if (epoch, step) == checkpoint:
                    saved = recorder.state_dict()
                recorder.observe(index, logits_of(index, epoch))
            recorder.end_epoch()
        recorder.close()
        return recorder.dynamics()

    whole = train(tmp_path / "whole")
    resumed = train(tmp_path / "killed", train(tmp_path / "killed", kill=killed))
    np.testing.assert_array_equal(resumed.channels["kl_step"], whole.channels["kl_step"])
    np.testing.assert_array_equal(resumed.channels["target_prob"], whole.channels["target_prob"])
    np.testing.assert_array_equal(resumed.arrays["logit_mean"], whole.arrays["logit_mean"])
    assert not [file.name for file in (tmp_path / "killed").iterdir() if file.name.startswith(("carry", "kept"))]


def test_an_epoch_that_was_trained_and_not_recorded_is_missing_with_a_warning(tmp_path):
    with dp.Recorder(tmp_path / "run", LABEL, 3, **CARRIED) as recorder:
        for epoch in range(3):
            if epoch == 1:
                with pytest.warns(UserWarning, match="epoch 2 was trained, but its observations are lost"):
                    recorder.resume(2)
                continue
            recorder.observe(np.arange(N), logits_of(POSITION, epoch))
            recorder.end_epoch()
    assert recorder.coverage.tolist() == [1, 0, 1]
    assert np.isnan(recorder.dynamics().channels["kl_step"]).all()
    np.testing.assert_allclose(
        recorder.dynamics().arrays["logit_mean"], (logits_of(POSITION, 0) + logits_of(POSITION, 2)) / 2, atol=1e-6
    )
    with dp.Recorder(tmp_path / "gap", LABEL, 3) as recorder, pytest.raises(InputError, match="0 epochs are recorded"):
        recorder.resume(2)


def test_a_record_closed_early_loads_and_continues(tmp_path):
    for stop in (2, 5):
        with dp.Recorder(tmp_path / "run", LABEL, 5) as recorder:
            for epoch in range(recorder.epoch, stop):
                recorder.observe(np.arange(N), logits_of(POSITION, epoch))
                recorder.end_epoch()
        assert dp.load(tmp_path / "run").epochs == stop
    assert np.isfinite(dp.load(tmp_path / "run").channels["loss"]).all()
