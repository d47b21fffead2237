"""Real public datasets go in and come out smaller; skipped where they are not at hand."""

import json
import lzma

import numpy as np
import pytest

from datapare.artifacts import Subset
from datapare.data import encode, export, images, open_dataset
from datapare.errors import InputError

SETS = {
    "adult/test.parquet": ("table", 16281, 2),
    "ag_news/test.parquet": ("text", 7600, 4),
    "banking77/train.parquet": ("text", 10003, 77),
    "clinc150/test.parquet": ("text", 4500, 150),
    "imdb_subset/test.parquet": ("text", 2500, 2),
    "subj/all.parquet": ("text", 10000, 2),
    "tiny_imagenet20/val.parquet": ("image", 1000, 20),
    "trec/train.parquet": ("text", 5452, 6),
}


@pytest.mark.parametrize("name", SETS)
def test_a_third_of_a_real_dataset_is_that_third(name, real_data, tmp_path):
    import pyarrow.parquet as pq

    kind, count, classes = SETS[name]
    data = open_dataset(real_data / name)
    assert (data.kind, len(data), len(data.classes)) == (kind, count, classes)
    assert len(set(data.key.tolist())) == count
    np.testing.assert_array_equal(data.label, pq.read_table(real_data / name)["label"].to_numpy())
    index = np.sort(np.random.default_rng(0).choice(count, count // 3, replace=False))
    out = export(data, Subset(index, count, key=data.key), tmp_path / "smaller.parquet")
    assert pq.read_table(out).equals(pq.read_table(real_data / name).take(index))
    assert pq.read_schema(out) == pq.read_schema(real_data / name)


def test_adult_has_question_marks_for_what_is_missing(real_data):
    inputs = encode(open_dataset(real_data / "adult" / "test.parquet"))
    columns = {one.name: one for one in inputs.encoding.columns}
    missing = {name for name, one in columns.items() if one.missing}
    assert missing == {"workclass", "occupation", "native_country"}
    assert columns["age"].categories is None
    assert "?" not in (columns["workclass"].categories or ())
    assert np.isfinite(inputs.array).all()
    np.testing.assert_allclose(inputs.array[:, 0].mean(), 0, atol=1e-3)


def test_tiny_imagenet_as_folders_loses_nothing(real_data, tmp_path):
    import pyarrow.parquet as pq

    rows = pq.read_table(real_data / "tiny_imagenet20" / "val.parquet").slice(0, 300).to_pylist()
    names = json.loads((real_data / "tiny_imagenet20" / "card.json").read_text())["classes"]
    for row in rows:
        folder = tmp_path / "photos" / f"{row['label']:02d} {names[row['label']]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / row["file"]).write_bytes(row["image"])
    data = open_dataset(tmp_path / "photos")
    assert [one[:2] for one in data.classes] == [f"{i:02d}" for i in range(20)]
    label = {row["file"]: row["label"] for row in rows}
    assert [label[name.split("/")[1]] for name in data.name] == data.label.tolist()
    keep = Subset(np.arange(0, 300, 7), 300, key=data.key)
    again = open_dataset(export(data, keep, tmp_path / "out", as_="hardlink"), classes=data.classes)
    np.testing.assert_array_equal(encode(again, encode(data).encoding).array, encode(data).array[keep.index])
    assert images(data, [0])[0].size == (64, 64)


def test_fashion_mnist_stays_grey(real_data):
    folder = real_data / "fashion_mnist"
    content = [lzma.decompress(path.read_bytes()) for path in sorted(folder.glob("t10k-*.xz"))]
    x = np.frombuffer(content[0], np.uint8)[16:].reshape(-1, 28, 28)
    y = np.frombuffer(content[1], np.uint8)[8:]
    data = open_dataset((x, y))
    assert encode(data).array.shape == (10000, 28, 28, 1)
    assert np.bincount(data.label).tolist() == [1000] * 10
    assert len(set(data.key.tolist())) == 10000


def test_what_has_no_usable_label_is_refused_by_name(real_data):
    with pytest.raises(InputError, match="1,000 examples of 'label' have -1"):
        open_dataset(real_data / "clinc150" / "test_oos.parquet")
    with pytest.raises(InputError, match=r"which column is the label\? .*clean_label, aggre_label"):
        open_dataset(real_data / "human_labels" / "cifar10n_train.parquet")
    with pytest.raises(InputError, match=r"do not have the same columns .*; name one file"):
        open_dataset(real_data / "cifar100")
