"""Images that neither memory nor the disk holds decoded: every example once per epoch, the same wherever shards lie."""

import gzip
import weakref
from dataclasses import replace
from functools import partial

import fsspec
import numpy as np
import pytest
import sources
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import datapare as dp
from datapare.data import encode, open_dataset, shard_copies
from datapare.data.encodings import streamed
from datapare.data.encodings.dispatch import HELD, memory_note
from datapare.data.encodings.streamed import StreamedImages, stream_of, stream_order
from datapare.errors import InputError
from datapare.training import TrainingConfig

TRAINING = TrainingConfig(epochs=2, schedule_epochs=2, batch_size=8, model="resnet18", width=4, lr=0.05)
record = partial(dp.record, preset=TRAINING, progress=False)
FORMS = {
    "folder": sources.image_folder,
    "parquet": sources.parquet_bytes,
    "shards": sources.webdataset_shards,
}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 2**32), st.integers(1, 20))
def test_an_order_of_shards_has_each_example_once_and_opens_few_shards(shard, seed, buffer):
    shard, rng = np.sort(np.array(shard)), np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "BUFFER", buffer)
        order = stream_order(shard, rng.random(len(shard)), rng.permutation(7))
    assert sorted(order) == list(range(len(shard)))
    for one in np.unique(shard):  # all of a shard lies within its own length and the buffer
        at = np.flatnonzero(shard[order] == one)
        assert at[-1] - at[0] < len(at) + buffer


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_a_stream_are_those_of_the_array(form, tmp_path):
    source = FORMS[form](tmp_path)
    whole = encode(open_dataset(source), image_size=8)
    stream = encode(open_dataset(source, stream=True), image_size=8)
    assert stream.encoding == whole.encoding
    assert (stream.array.shape, stream.array.nbytes, len(stream)) == (
        whole.array.shape,
        whole.array.nbytes,
        len(whole),
    )
    np.testing.assert_array_equal(stream.array[::5], whole.array[::5])
    np.testing.assert_array_equal(stream.array[np.array([7, 2, 7])], whole.array[[7, 2, 7]])
    assert stream_of(stream.array) is stream.array
    assert stream_of(whole.array) is None
    with pytest.raises(MemoryError, match="not one array"):
        np.asarray(stream.array)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("observed", ["train-pass", "two-view", "eval-pass"])
def test_a_record_of_a_stream_has_every_example_in_every_epoch(form, observed, tmp_path):
    data = open_dataset(FORMS[form](tmp_path), stream=True)
    made = record(data, observed=observed, channels=["target_prob", "embedding", "prob"])
    np.testing.assert_array_equal(made.key, data.key)
    assert np.isfinite(made.channels["target_prob"]).all()
    if form == "folder":  # its files lie nowhere together: any order of all, as without a stream
        once = record(open_dataset(tmp_path / "photos"), observed=observed, channels=["target_prob", "embedding"])
        np.testing.assert_array_equal(made.channels["target_prob"], once.channels["target_prob"])
        np.testing.assert_array_equal(made.arrays["embedding"], once.arrays["embedding"])
        assert made.provenance.params["stream"] is None
    else:
        assert "20,000 examples" in made.provenance.params["stream"]


def test_shards_at_urls_give_the_record_of_local_ones_and_few_are_copied(tmp_path, monkeypatch):
    sources.webdataset_shards(tmp_path)
    local, system = tmp_path / "tars", fsspec.filesystem("memory")
    for file in sorted(local.glob("*.tar")):
        system.pipe_file(f"/streamed/{file.name}", file.read_bytes())
    monkeypatch.setattr(shard_copies, "MOST_BYTES", 0)
    here, there = (open_dataset(place, stream=True) for place in (local, "memory://streamed"))
    assert (there.digest, there.address) == (here.digest, "memory://streamed")
    one, other = record(here), record(there)
    np.testing.assert_array_equal(one.channels["target_prob"], other.channels["target_prob"])
    assert len(shard_copies._copies) == 1
    kept = dp.Subset(np.arange(4), len(there), key=there.key)
    assert (dp.export(there, kept, tmp_path / "lists", as_="index") / "keep.txt").read_text().count("\n") == 4
    with (local / "0.tar").open("rb") as plain, fsspec.open("memory://packed/0.tar.gz", "wb") as packed:
        packed.write(gzip.compress(plain.read()))  # what is packed is copied as a whole
    assert len(open_dataset("memory://packed/0.tar.gz", stream=True)) == 10
    with pytest.raises(InputError, match="open it without stream"):
        dp.export(there, kept, tmp_path / "copy")


def test_what_is_gone_at_a_url_is_one_sentence(monkeypatch):
    system = fsspec.filesystem("memory")
    system.pipe_file("/gone/a.tar", b"")
    with pytest.raises(InputError, match="there is nothing at memory://nowhere"):
        open_dataset("memory://nowhere/", stream=True)
    monkeypatch.setattr(shard_copies, "_copies", type(shard_copies._copies)())
    for _ in range(2):  # an error is not remembered
        with pytest.raises(InputError, match=r"memory://gone/b.tar cannot be read"):
            shard_copies.shard_copy("memory://gone/b.tar")


def test_a_record_is_not_resumed_in_another_order(tmp_path):
    source = sources.webdataset_shards(tmp_path)
    record(open_dataset(source, stream=True), out=tmp_path / "record")
    with pytest.raises(InputError, match="stream by shard"):
        record(open_dataset(source), out=tmp_path / "record")


def test_a_stream_of_texts_or_arrays_is_as_without(tmp_path):
    for form in (sources.csv_text, sources.npz_images):
        source = form(tmp_path)
        data, plain = open_dataset(source, stream=True), open_dataset(source)
        np.testing.assert_array_equal(encode(data).array, encode(plain).array)
        assert not data.stream


@pytest.mark.parametrize("kept", [0, 60])
def test_one_that_cannot_be_decoded_is_named(kept, tmp_path):
    folder = sources.image_folder(tmp_path)
    file = folder / "ant" / "0.png"
    file.write_bytes(file.read_bytes()[:kept])  # without its header, or with it
    data = open_dataset(folder, stream=True, trust_images=True)
    with pytest.raises(InputError, match=r"0.png cannot be decoded"):
        encode(data, image_size=8).array[:]


def test_as_many_images_are_in_memory_as_was_told(monkeypatch, tmp_path):
    """Blocks of rows are counted from when they are decoded until they are forgotten."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, living, most = HELD + 500, 0, 0
    columns = {
        "label": np.arange(count) % 2,
        "image": [sources.encoded(i, size=(8, 8)) for i in range(2)] * (count // 2),
    }
    columns["uid"] = np.arange(count)
    pq.write_table(pa.table(columns), tmp_path / "images.parquet")

    def end(size):
        nonlocal living
        living -= size

    def decoded(images, index, take=StreamedImages.__getitem__):
        nonlocal living, most
        rows = take(images, index)
        living += len(rows)
        most = max(most, living)
        weakref.finalize(rows, end, len(rows))
        return rows

    monkeypatch.setattr(StreamedImages, "__getitem__", decoded)
    training = replace(TRAINING, epochs=1, batch_size=128, model="resnet8")
    data = open_dataset(tmp_path / "images.parquet", stream=True, trust_images=True, id="uid")
    record(data, preset=training, channels=["target_prob", "embedding"])
    assert f"at most {HELD:,} (" in memory_note(data)
    assert 128 * 2 < most <= HELD


@pytest.mark.parametrize("form", FORMS)
def test_trainings_on_a_stream_are_never_those_on_an_array(form, tmp_path):
    source, subset = FORMS[form](tmp_path), dp.Subset(np.arange(0, 24, 2), 24)
    training, kept = replace(TRAINING, epochs=1, model="resnet8"), tmp_path / "kept"
    stream, array = (
        dp.compare(open_dataset(source, stream=one), subset, training=training, seeds=1, corrupt=["fog"], folder=kept)
        for one in (True, False)
    )
    assert stream.accuracy.shape == array.accuracy.shape
    if form == "folder":  # in the same order
        assert np.array_equal(stream.outcomes, array.outcomes)
        assert len([*kept.glob("*.json")]) == stream.accuracy.size
    else:
        assert "20,000 examples" in stream.provenance.params["stream"]
        assert len([*kept.glob("*.json")]) == 2 * stream.accuracy.size
