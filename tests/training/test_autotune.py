"""How a training is computed: precision, layout, compilation, and rows that lie in a file."""

import ctypes
import mmap
import os
import time
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch

import datapare as dp
from datapare.data import Encoding, Inputs
from datapare.data.encodings import base
from datapare.errors import InputError
from datapare.training import autotune
from datapare.training.batches import BatchSource
from datapare.training.checkpoint import NAME
from datapare.training.compute import with_defaults
from datapare.training.config import AUTO_TUNED, TrainingConfig
from datapare.training.loop import train
from datapare.training.networks.factory import build

PICTURES = TrainingConfig(epochs=2, batch_size=16, lr=0.05, augment=("shift",), model="resnet8", width=4)
TABLE = TrainingConfig(epochs=3, batch_size=16, lr=0.01, optimizer="adamw", model="mlp", width=8)


def pictures(size=33, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, size)
    array = rng.integers(0, 120, (size, 8, 8, 2), dtype=np.uint8) + (40 * label)[:, None, None, None].astype(np.uint8)
    return Inputs(array, Encoding("image")), label


def table(size=40):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, size)
    return Inputs((rng.normal(size=(size, 5)) + label[:, None]).astype(np.float32), Encoding("table", width=5)), label


def state_of(trained):
    return [value.clone() for value in trained.model.state_dict().values()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_autotuned_settings_are_found_once_and_kept(tmp_path, monkeypatch):
    """Where timing is requested it decides, and the record is continued and repeated as it was begun."""
    data = dp.open_dataset(tuple(reversed([pictures()[1], pictures()[0].array[..., :1]])), kind="image")
    times = iter([1.0, 0.5, 0.4])  # the second try, in bf16, is faster by enough; the third by too little
    monkeypatch.setattr(autotune, "step_seconds", lambda *_: next(times, 1.0))
    monkeypatch.setattr(autotune, "has_bf16_units", lambda: True)

    def interrupt(now):
        if now.epoch == 1:
            raise KeyboardInterrupt

    arguments = {"preset": replace(PICTURES, threads=1, layout="contiguous"), "out": tmp_path / "dynamics"}
    with pytest.raises(KeyboardInterrupt):
        dp.record(data, **arguments, autotune=True, progress=interrupt)
    monkeypatch.setattr(autotune, "step_seconds", lambda *_: pytest.fail("timed again"))
    resumed = dp.record(data, **arguments, autotune=True)
    assert resumed.provenance.params["precision"] == "bf16"
    given = {**arguments, "preset": replace(arguments["preset"], precision="bf16"), "out": None}
    again = dp.record(data, **given)
    assert np.array_equal(again.channels["loss"], resumed.channels["loss"])


@pytest.mark.parametrize(
    ("times", "updates", "wanted"),
    [
        ({}, 1, ("fp32", "channels-last", False)),
        ({"bf16": 0.9}, 1, ("fp32", "channels-last", False)),  # not by enough
        ({"bf16": 0.5}, 1, ("bf16", "channels-last", False)),
        ({"contiguous": 0.5}, 1, ("fp32", "contiguous", False)),
        ({"bf16": 0.5, True: 0.5}, 1, ("bf16", "channels-last", False)),  # too short to be compiled
        ({"bf16": 0.5, True: 0.5}, 10_000, ("bf16", "channels-last", True)),
        ({"bf16": 0.5, True: np.inf}, 10_000, ("bf16", "channels-last", False)),  # cannot be compiled
    ],
)
def test_another_way_is_taken_where_it_pays(monkeypatch, times, updates, wanted):
    def seconds(_network, _batch, _label, way):
        assert way.threads == 1
        return 0.1 * np.prod([times.get(value, 1.0) for value in (way.precision, way.layout, way.compiled)])

    monkeypatch.setattr(autotune, "step_seconds", seconds)
    monkeypatch.setattr(autotune, "has_bf16_units", lambda: True)
    data, _ = pictures()
    asked = replace(PICTURES, threads=1)
    found = autotune.autotune(build(PICTURES, data, 3), None, None, asked, with_defaults(asked, data), updates)
    assert (found.precision, found.layout, found.compiled) == wanted


def test_timing_leaves_the_network_alone():
    data, label = pictures()
    net = build(PICTURES, data, 3)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    resolved = with_defaults(PICTURES, data)
    settled = autotune.autotune(net, torch.from_numpy(data.array), torch.from_numpy(label), PICTURES, resolved, 1)
    assert all(getattr(settled, name) != value for name, value in AUTO_TUNED.items())
    assert settled.precision in ("fp32", "bf16")
    assert settled.layout in ("channels-last", "contiguous")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.body.body[0][0].weight.is_contiguous(memory_format=torch.channels_last)


def test_the_layout_changes_no_more_than_the_last_digits():
    data, label = pictures()
    last, planes = (train(data, label, 3, replace(PICTURES, layout=way), seed=0) for way in ("auto", "contiguous"))
    weight = planes.model.body.body[0][0].weight
    assert weight.is_contiguous()
    assert not weight.is_contiguous(memory_format=torch.channels_last)
    assert planes.loss == pytest.approx(last.loss, rel=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_a_compiled_training_is_the_same_and_resumes_bit_identically(tmp_path):
    data, label = table()  # 40 = 16 + 16 + 8: a last batch of another size
    compiled = replace(TABLE, compiled=True)
    plain, whole = train(data, label, 3, TABLE, seed=0), train(data, label, 3, compiled, seed=0)
    assert whole.training.compiled
    assert whole.loss[0] == pytest.approx(plain.loss[0], rel=0.2)  # dropout draws in another way

    calls = count()

    def interrupt(_):
        if next(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, label, 3, compiled, seed=0, folder=tmp_path, progress=interrupt)
    assert (tmp_path / NAME).exists()
    torch.compiler.reset()  # as in a new process
    assert same(state_of(train(data, label, 3, compiled, seed=0, folder=tmp_path)), state_of(whole))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, when it imports its compiler
def test_what_was_compiled_for_other_vector_units_is_not_read_from_the_cache(tmp_path, monkeypatch):
    from torch._dynamo.utils import counters

    found = []
    for units in ("AVX512", "AVX512", "AVX2"):
        torch._dynamo.reset()
        counters.clear()
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda units=units: units)
        monkeypatch.setattr(torch.compiler.config, "cache_key_tag", str(tmp_path))  # as at the start of a process
        autotune._compiled(torch.nn.ReLU())(torch.ones(3))
        found.append(counters["inductor"]["fxgraph_cache_hit"])
    assert found == [0, 1, 0]


def test_where_nothing_can_be_compiled_it_is_one_sentence_or_left_alone(tmp_path, monkeypatch):
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    data, label = table()
    with pytest.raises(InputError, match="cannot compile this network here: it needs a C"):
        train(data, label, 3, replace(TABLE, width=7, compiled=True), seed=0)
    net = build(PICTURES, pictures()[0], 3)
    batch, target = torch.from_numpy(pictures()[0].array[:16]), torch.from_numpy(pictures()[1][:16])
    resolved = with_defaults(PICTURES, pictures()[0])
    assert not autotune.autotune(net, batch, target, PICTURES, resolved, 10**9).compiled


def test_rows_of_a_mapped_file_are_read_before_they_are_taken(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (400, 64, 64, 3), dtype=np.uint8)
    np.save(tmp_path / "rows.npy", array)
    with (tmp_path / "rows.npy").open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    rows, wanted = BatchSource(mapped, "image"), np.array([399, 7, 200])
    rows.prefetch(wanted)
    assert all(resident(mapped, row) for row in wanted)
    assert torch.equal(rows.take(torch.from_numpy(wanted)), torch.from_numpy(array[wanted]))
    BatchSource(array, "image").prefetch(wanted)  # in memory there is nothing to read
    assert BatchSource(mapped[::2], "image")._map is None  # and of rows with gaps it is left to the system


def resident(mapped, row, patience=120.0):
    """Say whether all pages of a row are in memory, now or soon."""
    size = mapped[0].nbytes
    address = mapped.ctypes.data + int(row) * size
    start = address - address % mmap.PAGESIZE
    length = address + size - start
    pages = (ctypes.c_ubyte * -(-length // mmap.PAGESIZE))()
    until = time.monotonic() + patience
    while time.monotonic() < until:
        assert ctypes.CDLL(None).mincore(ctypes.c_void_p(start), ctypes.c_size_t(length), pages) == 0
        if all(page & 1 for page in pages):
            return True
        time.sleep(0.05)
    return False


def test_training_from_a_mapped_file_is_training_from_memory(tmp_path):
    data, label = pictures()
    np.save(tmp_path / "rows.npy", data.array)
    mapped = Inputs(np.load(tmp_path / "rows.npy", mmap_mode="r"), data.encoding)
    assert same(state_of(train(mapped, label, 3, PICTURES, seed=0)), state_of(train(data, label, 3, PICTURES, seed=0)))


def test_decoded_examples_beyond_memory_lie_in_a_file_and_a_full_disk_is_one_sentence(monkeypatch):
    monkeypatch.setattr(base, "IN_MEMORY", 1000)
    assert not isinstance(base.allocate((10, 10), np.uint8), np.memmap)
    array = base.allocate((11, 100), np.int32)
    assert isinstance(array, np.memmap)
    assert array.any() == 0
    array[10] = 7
    assert array[10].sum() == 700
    with pytest.raises(InputError, match=r"take 93132.3 GiB of disk, but .* free: set TMPDIR to a larger place"):
        base.allocate((10**14,), np.uint8)
