"""Who an example is does not depend on where it stands; the digest does."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import CLASSES, FORMATS, LABEL, N, encoded, pixels, put

from datapare.artifacts import dataset_digest
from datapare.data import open_dataset
from datapare.data.former_keys import in_keys_of, with_former_keys
from datapare.data.keys import array_keys, text_keys, unique_keys


def shuffled_table(at, columns, order):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns).take(order), at / "t.parquet")
    return open_dataset(at / "t.parquet")


values = st.lists(
    st.tuples(st.sampled_from([0.0, -0.0, 1.5, None, 3.0]), st.sampled_from(["a", "b", None, ""]), st.booleans()),
    min_size=4,
    max_size=10,
)


@settings(max_examples=25, deadline=None)
@given(rows=values, seed=st.integers(0, 99))
def test_shuffled_rows_keep_their_keys_duplicates_too(rows, seed, tmp_path_factory):
    at = tmp_path_factory.mktemp("keys")
    n = len(rows)
    numbers, names, flags = zip(*rows, strict=True)
    columns = {"number": list(numbers), "name": list(names), "flag": list(flags), "label": [i % 2 for i in range(n)]}
    order = np.random.default_rng(seed).permutation(n)
    before = shuffled_table(at, columns, np.arange(n))
    after = shuffled_table(at, columns, order)
    assert len(set(before.key.tolist())) == n
    assert set(after.key.tolist()) == set(before.key.tolist())
    known = dict(zip(before.key.tolist(), range(n), strict=True))
    for i, key in zip(order, after.key.tolist(), strict=True):
        one, other = known[key], i  # equal rows may trade places, with their labels equal
        read = (*before.inputs, "label")  # an empty column is no input
        assert [columns[c][one] for c in read] == [columns[c][other] for c in read]
    assert (after.digest == before.digest) == np.array_equal(after.key, before.key)


@pytest.mark.parametrize(
    "name", ["parquet_images", "parquet_bytes", "csv_text", "jsonl_text", "npz_images", "npz_vectors"]
)
def test_columns_in_another_order_and_new_ones_change_no_key(name, tmp_path):
    data = open_dataset(FORMATS[name](tmp_path))
    if data.array is not None and data.format == "arrays" and data.path is not None:
        with np.load(data.path) as arrays:
            np.savez(tmp_path / "more.npz", **{k: arrays[k] for k in reversed(arrays.files)}, note=np.zeros(3))
        again = open_dataset(tmp_path / "more.npz")
    else:
        import datasets

        rows = data.rows.add_column("note", list(range(N))).select_columns(["note", *reversed(data.rows.column_names)])
        assert isinstance(rows, datasets.Dataset)
        again = open_dataset(rows)
    np.testing.assert_array_equal(again.key, data.key)


def test_a_folder_knows_its_images_by_their_paths(tmp_path):
    source = FORMATS["image_folder"](tmp_path)
    data = open_dataset(source)
    put(source / "ant" / "a-new-one.png", encoded(99))
    more = open_dataset(source)
    assert len(set(more.key.tolist()) - set(data.key.tolist())) == 1
    assert set(data.key.tolist()) < set(more.key.tolist())
    shutil.move(source, tmp_path / "moved")
    np.testing.assert_array_equal(open_dataset(tmp_path / "moved").key, more.key)
    split = FORMATS["split_folder"](tmp_path)
    np.testing.assert_array_equal(open_dataset(split).key, open_dataset(split / "train").key)


def test_an_id_column_decides(tmp_path):
    rows = [{"id": i, "text": f"text {i}", "label": i % 2} for i in range(6)]
    put(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)).encode())
    put(tmp_path / "b.jsonl", "\n".join(json.dumps({**row, "text": "corrected"}) for row in rows).encode())
    one, other = open_dataset(tmp_path / "a.jsonl"), open_dataset(tmp_path / "b.jsonl")
    np.testing.assert_array_equal(one.key, other.key)
    assert list(one.name) == [str(i) for i in range(6)]
    put(tmp_path / "c.jsonl", "\n".join(json.dumps({**row, "id": 7}) for row in rows).encode())
    repeated = open_dataset(tmp_path / "c.jsonl")
    assert repeated.name[2] == "row 2", "a column whose values repeat is no id"


def test_another_label_is_another_example_and_another_digest():
    x = np.stack([pixels(i) for i in range(N)])
    other = LABEL.copy()
    other[3] = (other[3] + 1) % 3
    one, two = open_dataset((x, LABEL)), open_dataset((x, other))
    assert np.flatnonzero(one.key != two.key).tolist() == [3]
    assert one.digest != two.digest
    by_name = open_dataset({"x": x, "y": np.array(CLASSES)[LABEL]})
    assert by_name.label.tolist() == one.label.tolist()


@given(st.lists(st.integers(0, 5), max_size=30))
def test_repeated_keys_become_unique_and_the_first_stays(key):
    unique = unique_keys(np.array(key, np.uint64))
    assert len(set(unique.tolist())) == len(key)
    first = [key.index(one) for one in set(key)]
    assert all(unique[i] == key[i] for i in first)


def test_keys_stay_the_same_from_release_to_release(tmp_path):
    """Keys are kept in records; one that changes orphans every record ever written, unless the former one is known."""
    put(tmp_path / "t.csv", b"text,n,label\nhello,1,x\nworld,,y\nhello,1,x\nworld,2.5,y\n")
    data = open_dataset(tmp_path / "t.csv", input=["text", "n"])
    assert [f"{key:016x}" for key in data.key.tolist()] == GOLDEN
    assert data.digest == "3ac9a6ff54ba6869e2935852023d98b8"
    before = with_former_keys(data)
    assert [f"{key:016x}" for key in before.key.tolist()] == FORMER
    assert before.digest == "487efd1eea35561f3cd1a4fe59850285"
    assert in_keys_of(data, before.digest).digest == before.digest
    assert in_keys_of(data, "0" * 32) is data
    assert f"{array_keys(np.arange(6, dtype=np.float32).reshape(2, 3))[1]:016x}" == "62c7f3782b26ffc1"
    assert f"{text_keys(['ä'])[0]:016x}" == "39a02b5ee2bb4df0"
    assert dataset_digest(np.array([1], np.uint64), np.array([0])) != dataset_digest(
        np.array([1], np.uint64), np.array([1])
    )


@pytest.mark.parametrize("name", FORMATS)
def test_files_and_arrays_have_the_keys_they_had(name, tmp_path):
    data = open_dataset(FORMATS[name](tmp_path))
    is_column = data.id_column is not None or (data.array is None and data.name[0] == "row 0")
    assert (with_former_keys(data) is not None) == is_column


GOLDEN = ["1cbd0a013135a49c", "78f0b30d4788fb3c", "376a5da13761e68c", "640933d508b02948"]
FORMER = ["e7a9694d74f58c46", "6d67a85175d7cc26", "cfb5afab45f28d28", "f894d9392edba74e"]


def test_minus_zero_is_zero_and_whole_numbers_may_become_floats(tmp_path):
    label = [0, 1] * 3
    one = shuffled_table(tmp_path, {"n": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "label": label}, np.arange(6))
    other = shuffled_table(tmp_path, {"n": [-0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "label": label}, np.arange(6))
    whole = shuffled_table(tmp_path, {"n": [0, 1, 2, 3, 4, 5], "label": label}, np.arange(6))
    np.testing.assert_array_equal(one.key, other.key)
    np.testing.assert_array_equal(one.key, whole.key)
