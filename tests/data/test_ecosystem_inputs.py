"""Inputs that the readers of the ecosystem take: each is compared with its reader, before and after an export."""

import bz2
import gzip
import io
import json
import lzma
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import encoded, pixels
from sources import put as write

from datapare.artifacts import Subset
from datapare.data import encode, export, open_dataset
from datapare.errors import InputError

N = 12
KEPT = [0, 1, 4, 7, 10]
PACK = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}
ROWS = {
    ".csv": [b"text,label\n", *(b'"words, and %d",%s\n' % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(N))],
    ".jsonl": [b"", *(json.dumps({"text": f"words {i}", "label": "ab"[i % 2]}).encode() + b"\n" for i in range(N))],
}


def put(path, content):
    write(path, content)
    return path


def kept(data, out):
    return export(data, Subset(index=KEPT, total=len(data)), out)


def from_zstd(content):
    with pa.input_stream(pa.BufferReader(content), compression="zstd") as file:
        return file.read()


def loaded(tmp_path, builder, **options):
    import datasets

    from datapare.data.formats.hf_datasets import quiet

    with quiet():
        return datasets.load_dataset(builder, split="train", cache_dir=str(tmp_path / "cache"), **options)


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("ending", ROWS)
def test_packed_rows_are_read_and_written_packed(ending, packing, tmp_path):
    plain = put(tmp_path / f"d{ending}", b"".join(ROWS[ending]))
    packed = put(tmp_path / f"d{ending}{packing}", PACK[packing](b"".join(ROWS[ending])))
    data = open_dataset(packed)
    assert np.array_equal(data.key, open_dataset(plain).key)
    if packing != ".zst":  # of which pandas needs another library
        import pandas as pd

        frame = pd.read_csv(packed) if ending == ".csv" else pd.read_json(packed, lines=True)
        assert frame["text"].tolist() == data.rows["text"][:]
    out = kept(data, tmp_path / f"out{ending}{packing}")
    again = kept(data, tmp_path / f"again{ending}{packing}")
    assert out.read_bytes() == again.read_bytes()
    unpack = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress, ".zst": from_zstd}[packing]
    assert unpack(out.read_bytes()) == ROWS[ending][0] + b"".join(ROWS[ending][1 + i] for i in KEPT)


def test_a_file_and_the_same_file_packed_are_not_read_as_two(tmp_path):
    put(tmp_path / "d.csv", b"".join(ROWS[".csv"]))
    put(tmp_path / "d.csv.gz", gzip.compress(b"".join(ROWS[".csv"])))
    with pytest.raises(InputError, match=r"d.csv and d.csv.gz, which are called like one file"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path / "d.csv.gz")) == N


@pytest.mark.parametrize("packing", PACK)
def test_what_cannot_be_unpacked_and_what_unpacks_to_too_much_is_refused(packing, tmp_path):
    broken = put(tmp_path / f"d.csv{packing}", PACK[packing](b"".join(ROWS[".csv"]))[:-6])
    with pytest.raises(InputError, match=r"cannot be unpacked|records|no table|header"):
        open_dataset(broken)
    with pytest.raises(InputError, match="unpacks to"):
        open_dataset(put(tmp_path / f"z.csv{packing}", PACK[packing](b"".join(ROWS[".csv"]))), max_gib=1e-8)


@pytest.mark.parametrize("folder", ["", "images/"])
def test_metadata_parquet_is_the_list_of_an_image_folder(folder, tmp_path):
    for i in range(N):
        put(tmp_path / "d" / "train" / f"{folder}{i}.png", encoded(i))
    names = [f"{folder}{i}.png" for i in range(N)]
    table = pa.table({"file_name": names, "label": ["a", "b", "c"] * 4, "caption": [f"c {i}" for i in range(N)]})
    pq.write_table(table, tmp_path / "d" / "train" / "metadata.parquet")
    data = open_dataset(tmp_path / "d")
    theirs = loaded(tmp_path, "imagefolder", data_dir=str(tmp_path / "d"))
    assert [data.classes[i] for i in data.label] == list(theirs["label"])
    assert np.array_equal(encode(data).array, np.stack([np.asarray(one) for one in theirs["image"]]))
    again = loaded(tmp_path, "imagefolder", data_dir=str(kept(data, tmp_path / "out")))
    assert again["caption"][:] == [f"c {i}" for i in KEPT]
    assert pq.read_table(tmp_path / "out" / "train" / "metadata.parquet").schema == table.schema


def test_metadata_parquet_beside_class_folders_is_filtered_and_one_of_rows_is_the_dataset(tmp_path):
    for i in range(N):
        put(tmp_path / "d" / "ab"[i % 2] / f"{i}.png", encoded(i))
    names = [f"{'ab'[i % 2]}/{i}.png" for i in range(N)]
    pq.write_table(pa.table({"file_name": names, "caption": ["c"] * N}), tmp_path / "d" / "metadata.parquet")
    data = open_dataset(tmp_path / "d")
    assert data.format == "image_folder"
    out = kept(data, tmp_path / "out")
    listed = pq.read_table(out / "metadata.parquet")["file_name"].to_pylist()
    assert sorted(listed) == sorted(data.name[i] for i in KEPT)
    put(tmp_path / "r" / "figures" / "0.png", encoded(0))
    rows = pa.table({"text": [f"three words {i}" for i in range(N)], "label": [0, 1] * 6})
    pq.write_table(rows, tmp_path / "r" / "metadata.parquet")
    assert open_dataset(tmp_path / "r").format == "parquet"


def arrays_of(form):
    x = np.stack([pixels(i) for i in range(N)])
    return {"grey": x[..., 0], "rgb": x, "channels first": x.transpose(0, 3, 1, 2), "floats": x / 255}[form]


@pytest.mark.parametrize("stored", ["memory", "disk", "parquet", "lists", "json"])
@pytest.mark.parametrize("form", ["grey", "rgb", "channels first", "floats"])
def test_columns_of_arrays_are_images(form, stored, tmp_path):
    import datasets

    x = arrays_of(form)
    kind = {3: datasets.Array2D, 4: datasets.Array3D}[x.ndim](x.shape[1:], str(x.dtype))
    features = datasets.Features({"image": kind, "label": datasets.Value("int64")})
    rows = {"image": x.tolist() if stored in {"lists", "json"} else list(x), "label": [0, 1] * 6}
    made = datasets.Dataset.from_dict(rows, features=None if stored in {"lists", "json"} else features)
    source = made
    if stored == "disk":
        source = tmp_path / "d"
        made.save_to_disk(str(source))
    elif stored == "parquet":
        source = tmp_path / "d.parquet"
        made.to_parquet(str(source))
    elif stored == "json":
        source = put(tmp_path / "d.jsonl", "\n".join(json.dumps(row) for row in made).encode())
    data = open_dataset(source)
    expected = open_dataset((x, [0, 1] * 6))
    assert np.array_equal(data.array, expected.array)
    assert np.array_equal(encode(data).array, encode(expected).array)
    again = open_dataset(kept(data, tmp_path / "out"))
    assert np.array_equal(again.array, data.array[KEPT])


def test_arrays_of_several_sizes_are_refused_and_boxes_are_no_images():
    import datasets

    ragged = {"image": [[[0] * (2 + i % 2)] * 2 for i in range(N)], "label": [0, 1] * 6}
    with pytest.raises(InputError, match="2 and 3 along one side"):
        open_dataset(datasets.Dataset.from_dict(ragged))
    boxes = {"text": [f"three words {i}" for i in range(N)], "bbox": [[[1, 2], [3, 4]]] * N, "label": [0, 1] * 6}
    assert open_dataset(datasets.Dataset.from_dict(boxes)).inputs == ("text",)


VALUE = st.one_of(st.integers(-(2**40), 2**40), st.text('abä ,"\\', max_size=6))


@settings(max_examples=40, deadline=None)
@given(values=st.lists(VALUE, min_size=12, max_size=20), by_key=st.booleans(), indent=st.sampled_from([None, 1]))
def test_json_of_columns_is_read_as_pandas_reads_it(values, by_key, indent, tmp_path_factory):
    import pandas as pd

    place = tmp_path_factory.mktemp("columns")
    texts = [f"three words {i} {value}" for i, value in enumerate(values)]
    columns = {"text": texts, "ü": values, "label": [i % 2 for i in range(len(values))]}
    if by_key:
        columns = {name: {str(i): one for i, one in enumerate(column)} for name, column in columns.items()}
    path = put(place / "d.json", json.dumps(columns, indent=indent, ensure_ascii=False).encode())
    data = open_dataset(path)
    frame = pd.read_json(path)
    assert data.rows["text"][:] == frame["text"].tolist()
    assert data.label.tolist() == frame["label"].tolist()
    out = kept(data, place / "out.json")
    assert pd.read_json(out)["text"].tolist() == [texts[i] for i in KEPT]
    column = {name: list(one.values()) if by_key else one for name, one in json.loads(out.read_text("utf-8")).items()}
    assert column["ü"] == [values[i] for i in KEPT]


@pytest.mark.parametrize(
    "value",
    [
        {"text": ["a", "b"], "label": [1]},
        {"columns": ["text", "label"], "index": [0, 1], "data": [["a", 0], ["b", 1]]},
        {"0": {"text": "a", "label": 0}, "1": {"text": "b", "label": 1}},
    ],
)
def test_other_json_objects_are_refused(value, tmp_path):
    with pytest.raises(InputError, match="one JSON object"):
        open_dataset(put(tmp_path / "d.json", json.dumps(value).encode()))


@pytest.mark.parametrize("ending", ["tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_packed_shards_are_read_and_written_packed(ending, tmp_path):
    mode = {"tar.gz": "gz", "tgz": "gz", "tar.bz2": "bz2", "tar.xz": "xz"}[ending]
    path = tmp_path / "d" / f"00000.{ending}"
    path.parent.mkdir()
    with tarfile.open(path, f"w:{mode}") as tar:
        for i in range(N):
            for kind, content in (("png", encoded(i)), ("cls", str(i % 2).encode())):
                member = tarfile.TarInfo(f"{i:04d}.{kind}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    data = open_dataset(tmp_path / "d")
    theirs = loaded(tmp_path, "webdataset", data_files=str(path))
    assert list(data.name) == list(theirs["__key__"])
    assert data.label.tolist() == list(theirs["cls"])
    out = kept(data, tmp_path / "out")
    with tarfile.open(out / path.name, f"r:{mode}") as tar:
        assert tar.getnames() == [f"{i:04d}.{kind}" for i in KEPT for kind in ("png", "cls")]
    assert np.array_equal(encode(open_dataset(out)).array, encode(data).array[KEPT])
    with pytest.raises(InputError, match="unpacks to"):
        open_dataset(tmp_path / "d", max_gib=1e-8)


def test_samples_of_fiftyone_and_lists_of_mxnet_are_read(tmp_path):
    classification = {"_cls": "Classification", "label": ""}
    samples = []
    for i in range(N):
        put(tmp_path / "f" / "data" / f"{i}.png", encoded(i))
        put(tmp_path / "m" / "im" / f"{i}.png", encoded(i))
        truth = {**classification, "label": ("cat", "dog")[i % 2]}
        samples.append({"filepath": f"data/{i}.png", "tags": ["train"], "ground_truth": truth})
    put(tmp_path / "f" / "samples.json", json.dumps({"samples": samples}).encode())
    data = open_dataset(tmp_path / "f")
    assert [data.classes[i] for i in data.label] == ["cat", "dog"] * 6
    left = json.loads((kept(data, tmp_path / "out") / "samples.json").read_text())
    assert left["samples"] == [samples[i] for i in KEPT]
    put(tmp_path / "m" / "train.lst", b"".join(b"%d\t%d.000000\tim/%d.png\n" % (i, i % 2, i) for i in range(N)))
    data = open_dataset(tmp_path / "m")
    assert data.label.tolist() == [0, 1] * 6
    assert len((kept(data, tmp_path / "less") / "train.lst").read_text().splitlines()) == len(KEPT)


def test_images_beside_their_masks_are_refused_unless_the_folders_are_named_as_classes(tmp_path):
    for folder in ("images", "masks"):
        for i in range(N):
            put(tmp_path / folder / "ab"[i % 2] / f"{i}.png", encoded(i))
    with pytest.raises(InputError, match="drawn over them"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path / "images").classes == ("a", "b")
    assert open_dataset(tmp_path, label="label").classes == ("images", "masks")


@pytest.mark.parametrize("written", ["{}%", "${},5", "-{} €"])
def test_numbers_with_a_sign_are_said_to_be_read_as_words(written, tmp_path):
    rows = b"".join(f'"{written.format(i)}",x,{i % 2}\n'.encode() for i in range(N))
    data = open_dataset(put(tmp_path / "d.csv", b"rate,kind,label\n" + rows))
    assert any("rate: numbers with a sign" in note for note in data.notes)
    assert not any("sign" in note for note in open_dataset(put(tmp_path / "e.csv", b"".join(ROWS[".csv"]))).notes)


@pytest.mark.parametrize("held", ["pillow", "arrays", "tensors"])
def test_frames_of_pandas_hold_images_as_objects(held, tmp_path):
    import pandas as pd
    import torch
    from PIL import Image

    x = np.stack([pixels(i) for i in range(N)])
    make = {"pillow": Image.fromarray, "arrays": np.asarray, "tensors": torch.tensor}[held]
    data = open_dataset(pd.DataFrame({"image": [make(one) for one in x], "label": [0, 1] * 6}))
    assert (data.kind, data.inputs) == ("image", ("image",))
    assert np.array_equal(encode(data).array, encode(open_dataset((x, [0, 1] * 6))).array)
    again = open_dataset(kept(data, tmp_path / "out.parquet"))
    assert np.array_equal(encode(again).array, encode(data).array[KEPT])


def test_other_objects_in_a_frame_come_along_and_are_no_inputs():
    import pandas as pd

    def frame():
        objects = [object() for _ in range(N)]
        return pd.DataFrame({"text": [f"three words {i}" for i in range(N)], "object": objects, "label": [0, 1] * 6})

    data = open_dataset(frame())
    assert data.inputs == ("text",)
    assert "object" in data.rows.column_names
    assert np.array_equal(open_dataset(frame()).key, data.key)
    with pytest.raises(InputError, match="no column holds anything a model reads"):
        open_dataset(frame().drop(columns="text"))
