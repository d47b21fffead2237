"""Out comes the same kind of dataset: exact count, the same examples, labels and class numbers, nothing else new."""

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sources import CLASSES, FORMATS, KEPT, LABEL, NAMES, N, order, rows_kept, tree

from datapare.artifacts import Subset
from datapare.data import encode, export, open_dataset
from datapare.data.formats.delimited import csv_records

KEEP_CLASSES = {"image_folder", "split_folder", "parquet_images", "saved", "saved_splits", "hub_object"}


def kept(data, index=KEPT):
    return Subset(np.array(index), len(data), key=data.key)


def written(out: Path, name: str) -> Path:
    """What the code that opened the source opens now."""
    if name == "webdataset_shards":
        return out / "*.tar"
    return out / "data.npz" if name == "pair" else out


@pytest.mark.parametrize("name", FORMATS)
def test_the_kept_examples_come_back_as_they_were(name, tmp_path):
    source = FORMATS[name](tmp_path)
    before = tree(tmp_path)
    data = open_dataset(source)
    names = NAMES if data.classes == CLASSES else [str(i) for i in LABEL]
    assert [data.classes[i] for i in data.label] == [names[i] for i in order(name)]
    rows = rows_kept(name)
    out = export(data, kept(data, rows), tmp_path.parent / f"{tmp_path.name}-out")
    again = open_dataset(written(out, name), classes=data.classes)
    assert len(again) == len(KEPT)
    assert (again.kind, again.inputs) == (data.kind, data.inputs)
    np.testing.assert_array_equal(again.key, data.key[rows])
    np.testing.assert_array_equal(again.label, data.label[rows])
    inputs = encode(data)
    np.testing.assert_array_equal(encode(again, inputs.encoding).array, inputs.array[rows])
    assert tree(tmp_path) == before, "the source is only read"


@pytest.mark.parametrize("name", sorted(KEEP_CLASSES))
def test_an_emptied_class_keeps_its_number(name, tmp_path):
    data = open_dataset(FORMATS[name](tmp_path))
    again = open_dataset(export(data, kept(data, rows_kept(name)), tmp_path.parent / f"{tmp_path.name}-out"))
    assert again.classes == CLASSES
    np.testing.assert_array_equal(np.sort(again.label), np.sort(LABEL[KEPT]))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("count", [0, N])
def test_nothing_and_everything_can_be_kept(name, count, tmp_path):
    data = open_dataset(FORMATS[name](tmp_path))
    out = export(data, kept(data, range(count)), tmp_path.parent / f"{tmp_path.name}-out")
    assert out.exists()
    if count == N:
        again = open_dataset(written(out, name))
        assert again.digest == data.digest
        assert again.classes == data.classes


def test_other_splits_and_other_files_come_along(tmp_path):
    for name in ("image_folder", "split_folder", "parquet_shards", "saved_splits"):
        at = tmp_path / name
        at.mkdir()
        source = FORMATS[name](at)
        data = open_dataset(source)
        out = export(data, kept(data), tmp_path / f"{name}-out")
        there, here = tree(source), tree(out)
        ours = {"train", *CLASSES}
        same = [path for path in there if not set(Path(path.split("-")[0]).parts) & ours and "dataset_info" not in path]
        same = [path for path in same if not path.endswith("state.json")]  # it holds a new fingerprint
        assert same
        assert [here.get(path) for path in same] == [there[path] for path in same]
    test = open_dataset(tmp_path / "saved_splits-out", split="test", classes=CLASSES)
    assert len(test) == 3


def test_parquet_keeps_schema_metadata_order_and_compression(tmp_path):
    import pyarrow.parquet as pq

    for name in ("parquet_images", "parquet_bytes", "parquet_table"):
        source = FORMATS[name](tmp_path)
        data = open_dataset(source)
        out = export(data, kept(data), tmp_path / f"{name}.out" / source.name)
        before, after = pq.ParquetFile(source), pq.ParquetFile(out)
        assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
        assert after.read().equals(before.read().take(KEPT))
        assert after.metadata.row_group(0).column(0).compression == before.metadata.row_group(0).column(0).compression


def test_pandas_and_datasets_load_the_smaller_parquet_as_the_larger_one(tmp_path):
    import datasets
    import pandas as pd

    table = FORMATS["parquet_table"](tmp_path)
    data = open_dataset(table)
    smaller = export(data, kept(data), tmp_path / "smaller.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(smaller), pd.read_parquet(table).iloc[KEPT].reset_index(drop=True))
    images = open_dataset(FORMATS["parquet_images"](tmp_path))
    path = export(images, kept(images), tmp_path / "images-out")
    loaded = datasets.Dataset.from_parquet(str(path / "images.parquet"), cache_dir=str(tmp_path / "cache"))
    assert loaded.features["label"].names == list(CLASSES)
    assert loaded["label"] == LABEL[KEPT].tolist()
    assert loaded[0]["image"].size == (12, 12)


def test_csv_and_json_lines_keep_each_record_byte_for_byte(tmp_path):
    source = FORMATS["csv_text"](tmp_path)
    data = open_dataset(source)
    out = export(data, kept(data), tmp_path / "smaller.csv")
    rows = list(csv.reader(io.StringIO(source.read_text(encoding="utf-8"), newline="")))
    assert list(csv.reader(io.StringIO(out.read_text(encoding="utf-8"), newline=""))) == [
        rows[0],
        *(rows[i + 1] for i in KEPT),
    ]
    assert b",09.50\r\n" in out.read_bytes(), "numbers are not reformatted"
    source = FORMATS["jsonl_text"](tmp_path)
    data = open_dataset(source)
    out = export(data, kept(data), tmp_path / "smaller.jsonl")
    lines = [line for line in source.read_bytes().split(b"\n") if line]
    assert out.read_bytes() == b"".join(lines[i] + b"\n" for i in KEPT)


def test_a_tar_keeps_all_members_of_a_sample_and_their_headers(tmp_path):
    source = FORMATS["webdataset"](tmp_path)
    data = open_dataset(source)
    out = export(data, kept(data), tmp_path / "smaller.tar")
    with tarfile.open(source) as before, tarfile.open(out) as after:
        members = [one for one in before.getmembers() if int(one.name[2:6]) in KEPT]
        assert [(m.name, m.size, m.mtime, m.mode) for m in after.getmembers()] == [
            (m.name, m.size, m.mtime, m.mode) for m in members
        ]


def test_an_npz_keeps_arrays_of_other_splits_and_its_compression(tmp_path):
    source = FORMATS["npz_images"](tmp_path)
    data = open_dataset(source)
    out = export(data, kept(data), tmp_path / "smaller.npz")
    with np.load(source) as before, np.load(out) as after:
        assert before.files == after.files
        np.testing.assert_array_equal(after["x_train"], before["x_train"][KEPT])
        np.testing.assert_array_equal(after["y_train"], before["y_train"][KEPT])
        for name in ("x_test", "y_test", "mean"):
            np.testing.assert_array_equal(after[name], before[name])
    assert out.stat().st_size < sum(array.nbytes for array in np.load(source).values())


def test_the_folder_loads_with_datasets_too(tmp_path):
    import datasets

    from datapare.data.formats.hf_datasets import quiet

    source = FORMATS["image_folder"](tmp_path)
    data = open_dataset(source)
    out = export(data, kept(data), tmp_path / "out")
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == list(CLASSES)
    with quiet():
        loaded = datasets.load_dataset(
            "imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "cache"), split="train"
        )
    assert len(loaded) == len(KEPT)


cell = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=12)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(cell, cell), min_size=4, max_size=12), ends=st.sampled_from(["\n", "\r\n"]), data=st.data()
)
def test_any_csv_is_filtered_record_by_record(rows, ends, data, tmp_path_factory):
    assume(any(one.strip() for one, _ in rows))  # a column of nothing is no input
    at = tmp_path_factory.mktemp("csv")
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=ends)
    writer.writerow(["text", "note", "label"])
    writer.writerows([one, other, "ab"[i % 2]] for i, (one, other) in enumerate(rows))
    (at / "any.csv").write_bytes(buffer.getvalue().encode())
    opened = open_dataset(at / "any.csv")
    index = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1))))
    out = export(opened, Subset(np.array(index, np.int64), len(rows), key=opened.key), at / "out.csv")
    back = list(csv.reader(io.StringIO(out.read_bytes().decode(), newline="")))[1:]
    assert back == [[*rows[i], "ab"[i % 2]] for i in index]
    assert csv_records(out)[1] == [csv_records(at / "any.csv")[1][i] for i in index]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(cell, min_size=4, max_size=12), number=st.floats(allow_nan=False), data=st.data())
def test_any_json_lines_are_filtered_line_by_line(rows, number, data, tmp_path_factory):
    at = tmp_path_factory.mktemp("jsonl")
    lines = [json.dumps({"text": one, "label": i % 2, "number": number}) for i, one in enumerate(rows)]
    (at / "any.jsonl").write_text("\n".join(lines), encoding="utf-8")
    opened = open_dataset(at / "any.jsonl")
    index = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1))))
    out = export(opened, Subset(np.array(index, np.int64), len(rows), key=opened.key), at / "out.jsonl")
    assert [line for line in out.read_text(encoding="utf-8").split("\n") if line] == [lines[i] for i in index]


@pytest.mark.parametrize("name", ["csv_text", "jsonl_text", "parquet_bytes", "webdataset"])
def test_a_shard_that_is_pruned_away_stays_as_an_empty_file(name, tmp_path):
    whole = FORMATS[name](tmp_path)
    (tmp_path / "shards").mkdir()
    for k in range(3):
        (tmp_path / "shards" / f"{k}{whole.suffix}").write_bytes(whole.read_bytes())
    data = open_dataset(tmp_path / "shards")
    index = [*KEPT, *(i + 2 * N for i in KEPT)]
    out = export(data, kept(data, index), tmp_path / "out")
    again = open_dataset(out, classes=data.classes)
    assert [path.name for path in again.files] == [path.name for path in data.files]
    np.testing.assert_array_equal(again.label, data.label[index])
