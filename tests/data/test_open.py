"""Columns are found by their usual names; what cannot be used is refused with one sentence that says what to do."""

import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sources import CLASSES, FORMATS, LABEL, NAMES, N, encoded, pixels, put

from datapare.data import encode, images, open_dataset, records, texts
from datapare.errors import InputError


def refused(source, **options) -> str:
    with pytest.raises(InputError) as caught:
        open_dataset(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def table(at: Path, columns, name="t.parquet") -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), at / name)
    return at / name


def lines(at: Path, *rows: str, name="t.csv") -> Path:
    put(at / name, "\n".join(rows).encode())
    return at / name


EXPECTED = {
    "image_folder": ("image", ("image",), "label", "image_folder"),
    "split_folder": ("image", ("image",), "label", "image_folder"),
    "listed_folder": ("image", ("file_name",), "label", "image_list"),
    "parquet_images": ("image", ("image",), "label", "parquet"),
    "parquet_bytes": ("image", ("image",), "label", "parquet"),
    "parquet_shards": ("text", ("text",), "intent", "parquet"),
    "parquet_table": ("table", ("width", "legs", "colour"), "class", "parquet"),
    "parquet_vectors": ("embedding", ("embedding",), "y", "parquet"),
    "csv_text": ("text", ("review",), "sentiment", "delimited"),
    "tsv_table": ("table", ("width", "legs", "colour"), "class", "delimited"),
    "jsonl_text": ("text", ("text",), "label", "json_lines"),
    "webdataset": ("image", ("image",), "label", "webdataset"),
    "webdataset_shards": ("image", ("image",), "label", "webdataset"),
    "saved": ("text", ("text",), "label", "hf_datasets"),
    "saved_splits": ("text", ("text",), "label", "hf_datasets"),
    "hub_object": ("text", ("text",), "label", "hf_datasets"),
    "npz_images": ("image", ("x_train",), "y_train", "arrays"),
    "npz_vectors": ("embedding", ("embeddings",), "labels", "arrays"),
    "npy_folder": ("image", ("X",), "y", "arrays"),
    "pair": ("embedding", ("x",), "y", "arrays"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_recognised(name, tmp_path):
    data = open_dataset(FORMATS[name](tmp_path))
    assert (data.kind, data.inputs, data.label_column, data.format) == EXPECTED[name]
    assert len(data) == len(data.label) == len(data.key) == len(data.name) == len(data.rows) == N
    assert data.label.dtype == np.int64
    assert data.key.dtype == np.uint64
    assert len(set(data.key.tolist())) == N
    np.testing.assert_array_equal(data.row, np.arange(N))


def test_names_are_paths_ids_or_rows(tmp_path):
    assert open_dataset(FORMATS["image_folder"](tmp_path / "a")).name[0] == "ant/0.png"
    assert open_dataset(FORMATS["split_folder"](tmp_path / "b")).name[0] == "train/ant/deep/0.jpg"
    assert open_dataset(FORMATS["listed_folder"](tmp_path / "c")).name[1] == "images/1.png"
    assert open_dataset(FORMATS["webdataset"](tmp_path)).name[1] == "a/0001"
    assert open_dataset(FORMATS["parquet_vectors"](tmp_path)).name[2] == "u2"
    assert open_dataset(FORMATS["csv_text"](tmp_path)).name[2] == "row 2"


def test_one_split_is_read_of_many(tmp_path):
    source = FORMATS["split_folder"](tmp_path)
    train, test = open_dataset(source), open_dataset(source, split="test")
    assert test.name[0] == "test/ant/0.jpg"
    assert train.classes == test.classes == CLASSES
    assert "train, test" in refused(source, split="validation").replace("test, train", "train, test")
    assert len(open_dataset(FORMATS["parquet_shards"](tmp_path), split="test")) == N
    assert "no 'val'" in refused(tmp_path / "shards", split="val")
    assert "train, test" in refused(FORMATS["saved_splits"](tmp_path), split="validation")
    np.testing.assert_array_equal(open_dataset(FORMATS["npz_images"](tmp_path), split="test").label, LABEL)


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in {"hub_object", "pair"}])
def test_a_mistyped_split_is_refused_whether_there_are_splits_or_not(name, tmp_path):
    source = FORMATS[name](tmp_path)
    assert "trian" in refused(source, split="trian")
    assert len(open_dataset(source, split="train")) == N


def test_a_split_of_any_name_is_read_where_names_of_arrays_say_it(tmp_path):
    np.savez(tmp_path / "folds.npz", x_fold1=np.eye(4), y_fold1=[0, 1, 0, 1])
    assert len(open_dataset(tmp_path / "folds.npz", split="fold1")) == 4
    assert "fold2" in refused(tmp_path / "folds.npz", split="fold2")


def test_a_class_called_train_is_a_class(tmp_path):
    for i in range(4):
        put(tmp_path / "vehicles" / ["car", "train"][i % 2] / f"{i}.png", encoded(i))
        put(tmp_path / "lab" / ["test", "test tube"][i % 2] / f"more {i % 2}" / f"{i}.png", encoded(i))
        put(tmp_path / "kaggle" / ["train", "test"][i % 2] / f"{i}.png", encoded(i))
    assert open_dataset(tmp_path / "vehicles").classes == ("car", "train")
    assert open_dataset(tmp_path / "lab").classes == ("test", "test tube")
    assert "splits test, train, but their images have no labels" in refused(tmp_path / "kaggle")


def test_columns_can_be_named(tmp_path):
    source = table(tmp_path, {"a": ["x y", "z"] * 3, "b": ["u", "v"] * 3, "when": [1, 0] * 3, "who": list(range(6))})
    data = open_dataset(source, label="when", input="b", id="who")
    assert (data.kind, data.inputs, data.label_column, data.name[3]) == ("text", ("b",), "when", "3")
    both = open_dataset(source, label="when", input=["a", "b"], kind="text")
    assert texts(both, [1, 0]) == ["z\nv", "x y\nu"]
    assert open_dataset(source, label="when", input=["a", "b"]).kind == "table"
    assert open_dataset(source, label="b", kind="table").inputs == ("a", "when", "who")


def test_string_labels_sort_and_numbers_stay(tmp_path):
    assert open_dataset(lines(tmp_path, "text,label", "a,pos", "b,neg", "c,pos", "d,neg")).classes == ("neg", "pos")
    numbered = open_dataset(lines(tmp_path, "text,label", "a,3", "b,1", "c,3", "d,1"))
    assert numbered.classes == ("0", "1", "2", "3")
    assert numbered.label.tolist() == [3, 1, 3, 1]
    whole = open_dataset(table(tmp_path, {"text": ["a"] * 4, "label": [1.0, 0.0, 1.0, 0.0]}))
    assert whole.label.tolist() == [1, 0, 1, 0]
    true = open_dataset(table(tmp_path, {"text": ["a"] * 4, "label": [True, False, True, False]}))
    assert (true.classes, true.label.tolist()) == (("False", "True"), [1, 0, 1, 0])


def test_held_out_data_is_numbered_as_the_training_data(tmp_path):
    source = lines(tmp_path, "text,label", "a,cat", "b,bee")
    held_out = open_dataset(source, classes=CLASSES)
    assert (held_out.label.tolist(), held_out.classes) == ([2, 1], CLASSES)
    assert "'dog' (2 examples)" in refused(lines(tmp_path, "text,label", "a,dog", "b,bee", "c,dog"), classes=CLASSES)
    assert "'0' (1 examples) and 1 more" in refused(lines(tmp_path, "text,label", "a,7", "b,0"), classes=CLASSES)
    for i in range(2):
        put(tmp_path / "test" / "cat" / f"{i}.png", encoded(i))
    assert open_dataset(tmp_path / "test", classes=CLASSES).label.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ("text,label", "a,1", "b,", "c,0", "d,"),
            r"2 of 4 examples have no label in the column 'label', the first in row 1",
        ),
        (("text,label", "a,x", "b,", "c,y"), r"1 of 3 examples have no label .* row 1"),
        (
            ("text,label", "a,0.5", "b,1", "c,2.25"),
            r"2 values of 'label' are not whole numbers, the first \(0.5\) in row 0",
        ),
        (("text,label", "a,0", "b,-1", "c,-1"), r"2 examples of 'label' have -1, the first in row 1"),
        (("text,label", "a,0", "b,0"), r"all 2 examples are of the class '0'"),
        (("text,label", "a,0", "b,1", "c,2"), r"3 of 3 examples are the only one of their class \('0', '1', '2'\)"),
        (("text,label", "a,9999999", "b,1"), r"2 of 2 examples are the only one of their class"),
        (("text,stuff", "a,0", "b,1"), r"which column is the label\? .* label= \(--label\): text, stuff\."),
        (("text,category,intent", "a,0,1", "b,1,0"), r"category, intent could all be it; name it with label="),
        (("label,when", "0,1", "1,0"), None),
        (("text,label",), r"has no examples"),
        (("",), r"is empty"),
        (("text,text,label", "a,b,0"), r"two columns of the same name"),
        (("text,label", 'a,0,"x', "b,1"), r"is no table that can be read"),
    ],
)
def test_tables_that_cannot_be_used(rows, message, tmp_path):
    source = lines(tmp_path, *rows)
    if message is None:
        assert open_dataset(source, classes=("0", "1")).kind == "table"
    else:
        assert re.search(message, refused(source))


def test_wrong_names_list_the_right_ones(tmp_path):
    source = lines(tmp_path, "text,label", "a,0", "b,1")
    for option in ("label", "input", "id"):
        assert (
            refused(source, **{option: "nope"}) == f"{option} names the column 'nope', but the columns are text, label."
        )
    assert "repeats 'x' in row 1" in refused(lines(tmp_path, "text,label,who", "a,0,x", "b,1,x"), id="who")
    assert "missing in row 1" in refused(table(tmp_path, {"t": [1, 2], "y": [0, 1], "who": ["a", None]}), id="who")
    assert "a folder per class and no other columns" in refused(FORMATS["image_folder"](tmp_path), label="x")
    assert "no column holds images" in refused(source, kind="image")
    assert "kind as one of image, text" in refused(source, kind="sound")
    assert "could all be it" in refused({"x": [[1]], "data": [[1]], "y": [1]})
    assert "none has a usual name" in refused({"q": [[1]], "y": [1]})


def test_places_that_cannot_be_used(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "empty").mkdir()
    put(tmp_path / "odd" / "a.xyz", b"1")
    put(tmp_path / "flat" / "a.png", encoded(0))
    put(tmp_path / "mixed" / "a.csv", b"text,label\na,1\n")
    put(tmp_path / "mixed" / "b.parquet", b"PAR1")
    assert "there is no file or folder" in refused(tmp_path / "nowhere")
    assert "there is no file or folder" in refused("nowhere.csv")
    assert "is empty" in refused(tmp_path / "empty")
    assert "no images and no data files that are read (1 .xyz: a.xyz" in refused(tmp_path / "odd")
    assert "ends in .xyz" in refused(tmp_path / "odd" / "a.xyz")
    assert "one folder per class, or write a labels.csv" in refused(tmp_path / "flat")
    assert "no file matches" in refused(str(tmp_path / "*.tar"))
    assert "is no Parquet file that can be read" in refused(tmp_path / "mixed")
    assert "cannot be read: File name too long" in refused(tmp_path / ("x" * 300))
    assert "expected a folder of images" in refused(3)
    assert "expected a folder of images" in refused((1, 2, 3))


def test_a_name_that_is_nowhere_is_asked_of_the_hub_once(monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    assert "'no-such/photos' is no file or folder here, and the Hugging Face hub did not give it" in refused(
        "no-such/photos"
    )


def test_loose_images_beside_class_folders_are_refused(tmp_path):
    source = FORMATS["image_folder"](tmp_path)
    put(source / "stray.png", encoded(1))
    assert "1 images lie outside of them, 'stray.png' first" in refused(source)


def damaged(source: Path) -> None:
    put(source / "bee" / "90.png", b"")
    put(source / "bee" / "91.jpg", encoded(1, "jpg", (300, 200))[:4000])
    put(source / "cat" / "92.png", encoded(2, "png", (200, 200))[:-3000])
    put(source / "cat" / "93.png", b"this is no image")


def test_unreadable_images_are_listed_and_refused_or_skipped(tmp_path):
    source = FORMATS["image_folder"](tmp_path)
    good = open_dataset(source)
    damaged(source)
    message = refused(source)
    assert message.startswith(
        "4 of 28 examples cannot be read (bee/90.png: it is empty; bee/91.jpg: image file is truncated"
    )
    assert message.endswith("leave them out with on_bad_example='skip' (--on-bad-example skip).")
    data = open_dataset(source, on_bad_example="skip")
    assert [(one.name, one.row) for one in data.bad] == [
        *(("bee/90.png", 15), ("bee/91.jpg", 16), ("cat/92.png", 26), ("cat/93.png", 27)),
    ]
    assert data.bad[3].reason == "it is no image that can be read"
    assert list(data.name) == list(good.name)
    np.testing.assert_array_equal(data.key, good.key)
    np.testing.assert_array_equal(data.label, good.label)
    assert data.digest == good.digest
    assert len(data.rows) == N
    assert not {one.key for one in data.bad} & set(data.key.tolist())


def test_all_unreadable_is_refused_even_when_skipping(tmp_path):
    for i in range(4):
        put(tmp_path / "x" / "ab"[i % 2] / f"{i}.png", b"nothing")
    assert "none of the 4 examples can be read" in refused(tmp_path / "x", on_bad_example="skip")


@pytest.mark.parametrize("name", ["../../etc/x.png", "/etc/x.png", "a/../../x.png", "C:\\x.png", "..\\x.png"])
def test_a_csv_that_leads_out_of_its_folder_is_refused(name, tmp_path):
    source = FORMATS["listed_folder"](tmp_path)
    csv = source / "labels.csv"
    put(csv, csv.read_bytes().replace(b"images/3.png", name.encode()))
    assert "row 3 of labels.csv names the file" in refused(source)


def test_files_that_a_csv_lists_but_nobody_has_are_bad(tmp_path):
    source = FORMATS["listed_folder"](tmp_path)
    (source / "images" / "3.png").unlink()
    assert "images/3.png: there is no such file" in refused(source)
    assert [one.name for one in open_dataset(source / "labels.csv", on_bad_example="skip").bad] == ["images/3.png"]


def test_vectors_with_nan_or_another_length_are_bad(tmp_path):
    x = np.ones((6, 3))
    x[2, 1] = np.nan
    assert "row 2: it holds NaN or infinity" in refused((x, [0, 1] * 3))
    assert open_dataset((x, [0, 1] * 3), on_bad_example="skip").array.shape == (5, 3)
    vectors = [[1.0, 2.0], [1.0], None, [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]
    data = open_dataset(table(tmp_path, {"x": vectors, "y": [0, 1] * 3}), on_bad_example="skip")
    assert [one.row for one in data.bad] == [1, 2]
    np.testing.assert_array_equal(data.array, [[1, 2], [3, 4], [5, 6], [7, 8]])


def test_missing_texts_are_bad(tmp_path):
    source = table(tmp_path, {"text": ["a", None, "", "b", "c", "d"], "label": [0, 1] * 3})
    assert "row 1: there is no text" in refused(source)
    assert texts(open_dataset(source, on_bad_example="skip")) == ["a", "", "b", "c", "d"]


def test_arrays_that_cannot_be_used(tmp_path):
    assert "one label per example" in refused((np.ones((3, 2)), [0, 1]))
    assert "between -1 and 1; expected 0 to 255" in refused((np.linspace(-1, 1, 4 * 9).reshape(4, 3, 3), [0, 1] * 2))
    assert "has the shape (2, 2, 2, 2)" in refused((np.ones((2, 2, 2, 2)), [0, 1]))
    np.savez(tmp_path / "o.npz", x=np.array([{}, {}], dtype=object), y=[0, 1])
    assert "pickled objects, which are never loaded" in refused(tmp_path / "o.npz")
    put(tmp_path / "b.npz", b"nothing")
    assert "holds no arrays that can be read" in refused(tmp_path / "b.npz")


def test_arrays_of_images_come_in_many_shapes():
    x = np.stack([pixels(i) for i in range(4)])
    y = [0, 1, 0, 1]
    for other in (
        x.transpose(0, 3, 1, 2),
        x / 255,
        x.astype(np.float32),
        np.concatenate([x, np.full_like(x[..., :1], 255)], axis=3),
    ):
        np.testing.assert_array_equal(open_dataset((other, y)).array, x)
    grey = open_dataset((x[..., 0], y))
    np.testing.assert_array_equal(grey.array, x[..., :1])
    assert images(grey, [1])[0].mode == "RGB"


def test_a_tar_that_cannot_be_used(tmp_path):
    def tar(members):
        with tarfile.open(tmp_path / "t.tar", "w") as file:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
        return tmp_path / "t.tar"

    assert "expected a .cls member, or a .json member" in refused(tar({"1.png": encoded(1)}))
    assert "names the file '../1'" in refused(tar({"../1.png": encoded(1), "../1.cls": b"1"}))
    assert "has 2 images (png, jpg); name the ending" in refused(
        tar({"1.png": encoded(1), "1.jpg": encoded(1), "1.cls": b"1"})
    )
    assert "(a, b); name it with label=" in refused(tar({"1.json": json.dumps({"a": 1, "b": 2}).encode()}))
    assert "holds no samples" in refused(tar({}))
    put(tmp_path / "t.tar", b"nothing")
    assert "is no plain tar file" in refused(tmp_path / "t.tar")
    files = {f"{i}.json": json.dumps({"q": "ab"[i % 2]}).encode() for i in range(4)}
    files = {
        name: content
        for i in range(4)
        for name, content in ((f"{i}.json", files[f"{i}.json"]), (f"{i}.png", encoded(i)))
    }
    assert open_dataset(tar(files), label="q").classes == ("a", "b")


def test_what_a_gallery_shows(tmp_path):
    for name in ("image_folder", "parquet_images", "webdataset", "npz_images"):
        at = tmp_path / name
        at.mkdir()
        shown = images(open_dataset(FORMATS[name](at)), [3, 1])
        assert [(one.mode, one.size) for one in shown] == [("RGB", (12, 12))] * 2
    data = open_dataset(FORMATS["parquet_table"](tmp_path))
    assert records(data, [2, 0])[0] == {"width": 1.0, "legs": None, "colour": "?", "class": NAMES[2]}
    assert records(data, []) == texts(data, []) == []


def test_json_lines_that_cannot_be_used(tmp_path):
    assert "record 1 is none" in refused(lines(tmp_path, '{"text": "a"}', "{", name="t.jsonl"))
    assert "record 0 is a list" in refused(lines(tmp_path, "[1]", "[2]", name="t.jsonl"))
    put(tmp_path / "t.jsonl", '{"text": "ü"}'.encode("latin-1"))
    assert "is not UTF-8 text (byte 10)" in refused(tmp_path / "t.jsonl")


def test_odd_pixels_are_read_as_a_person_sees_them(tmp_path):
    wide = Image.new("I;16", (4, 4), 65535)
    clear = Image.fromarray(np.zeros((4, 4), np.uint8)).convert("P")
    clear.info["transparency"] = b"\0\1"
    turned = Image.fromarray(pixels(0, (4, 6)))
    exif = Image.Exif()
    exif[0x0112] = 6
    for i, (one, options) in enumerate([(wide, {}), (clear, {"transparency": b"\0\1"}), (turned, {"exif": exif})]):
        (tmp_path / "odd" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        one.save(tmp_path / "odd" / "ab"[i % 2] / f"{i}.png", **options)
    put(tmp_path / "odd" / "b" / "9.png", encoded(3))
    data = open_dataset(tmp_path / "odd")
    shown = images(data, range(4))
    assert np.asarray(shown[0]).min() == 255
    assert shown[1].size == (4, 6), "turned upright"
    assert np.asarray(shown[2]).min() == 255, "transparent over white"


def test_a_name_that_is_no_text_is_refused(tmp_path, monkeypatch):
    import os

    source = FORMATS["image_folder"](tmp_path)
    put(source / "ant" / os.fsdecode(b"\xff.png"), encoded(1))
    assert r"not UTF-8, b'ant/\xff.png'" in refused(source)
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "ascii")
    assert "PYTHONUTF8=1" in refused(source)


def test_a_checksum_can_lie_but_not_for_long(tmp_path):
    import struct
    import zlib

    content = encoded(1, "png", (200, 200))
    start = content.index(b"IDAT")
    (size,) = struct.unpack(">I", content[start - 4 : start])
    chunk = b"IDAT" + bytes(size)
    put(
        tmp_path / "f" / "a" / "x.png",
        content[:start] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[start + 8 + size :],
    )
    for i in range(3):
        put(tmp_path / "f" / "ab"[i % 2] / f"{i}.png", encoded(i, "png", (200, 200)))
    put(tmp_path / "f" / "b" / "3.png", encoded(3, "png", (200, 200)))
    assert "a/x.png: broken data stream" in refused(tmp_path / "f")
    with pytest.raises(InputError, match=r"a/x\.png cannot be decoded"):
        encode(open_dataset(tmp_path / "f", trust_images=True))


def test_columns_of_one_name_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_arrays([pa.array([0, 1])] * 2, ["label", "label"]), tmp_path / "two.parquet")
    assert "two columns have the same name" in refused(tmp_path / "two.parquet")


def test_large_files_are_mapped_instead_of_read(tmp_path, monkeypatch):
    import datasets

    from datapare.data.formats import parquet

    source = FORMATS["parquet_bytes"](tmp_path)
    data = open_dataset(source)
    monkeypatch.setattr(parquet, "_IN_MEMORY", 0)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    mapped = open_dataset(source)
    assert mapped.rows.cache_files
    assert mapped.digest == data.digest
    np.testing.assert_array_equal(encode(mapped).array, encode(data).array)


def test_a_label_spread_over_columns_is_recognised(tmp_path):
    put(tmp_path / "d.csv", b"text,cat,dog\n" + b"".join(b"word %d,%d,%d\n" % (i, i % 2, 1 - i % 2) for i in range(10)))
    with pytest.raises(InputError, match=r"The columns cat, dog look like one label"):
        open_dataset(tmp_path / "d.csv")
    put(tmp_path / "d.csv", b"text,cat,dog\n" + b"".join(b"word %d,%d,%d\n" % (i, i % 2, 1) for i in range(10)))
    with pytest.raises(InputError, match=r"text, cat, dog\.$"):
        open_dataset(tmp_path / "d.csv")
