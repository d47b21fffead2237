"""Examples as arrays: shapes, types, missing values, and the same encoding for later data."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from sources import FORMATS, LABEL, N, encoded, pixels, put

from datapare.data import Encoding, encode, encoding_from, open_dataset
from datapare.data.encodings import base
from datapare.data.encodings.text import words
from datapare.errors import InputError

KINDS = {"image": np.uint8, "text": np.int32, "table": np.float32, "embedding": np.float32}


def rows(at, columns, name="t.parquet"):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), at / name)
    return open_dataset(
        at / name, classes=None if "label" in columns and len(set(columns["label"])) > 1 else ["0", "1"]
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_becomes_one_finite_array_and_its_encoding_survives_json(name, tmp_path):
    data = open_dataset(FORMATS[name](tmp_path))
    inputs = encode(data)
    assert len(inputs) == inputs.array.shape[0] == N
    assert inputs.array.dtype == KINDS[data.kind]
    assert np.isfinite(inputs.array).all()
    again = encoding_from(json.loads(json.dumps(asdict(inputs.encoding))))
    assert again == inputs.encoding
    np.testing.assert_array_equal(encode(data, again).array, inputs.array)
    if data.kind in {"table", "embedding"}:
        assert inputs.array.shape == (N, inputs.encoding.width)


def test_small_images_of_one_size_are_their_pixels(tmp_path):
    data = open_dataset(FORMATS["parquet_images"](tmp_path))
    np.testing.assert_array_equal(encode(data).array, [pixels(i) for i in range(N)])
    assert encode(data, image_size=6).array.shape == (N, 6, 6, 3)


def folder(at, sizes, mode="RGB", ending="jpg"):
    for i, size in enumerate(sizes):
        (at / "f" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(np.full((size[1], size[0], 3), (i * 9, 0, 0), np.uint8)).convert(mode)
        picture.save(at / "f" / "ab"[i % 2] / f"{i}.{ending}")
    return open_dataset(at / "f")


@pytest.mark.parametrize(
    ("sizes", "side"), [([(100, 128)] * 4, 64), ([(60, 40), (20, 20)] * 2, 64), ([(300, 200), (128, 130)] * 2, 128)]
)
def test_other_images_are_resized_and_cropped_to_a_square(sizes, side, tmp_path):
    assert encode(folder(tmp_path, sizes)).array.shape == (4, side, side, 3)


def test_the_centre_is_kept(tmp_path):
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 255
    for i in range(4):
        (tmp_path / "f" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(wide).save(tmp_path / "f" / "ab"[i % 2] / f"{i}.png")
    array = encode(open_dataset(tmp_path / "f"), image_size=50).array
    assert array[:, :, 2:-2].min() == 255


def test_grey_stays_one_channel_only_if_all_are_grey(tmp_path):
    assert encode(folder(tmp_path / "small", [(9, 9)] * 4, "L", "png")).array.shape == (4, 9, 9, 1)
    assert encode(folder(tmp_path / "large", [(200, 150)] * 4, "L")).array.shape == (4, 128, 128, 1)
    put(tmp_path / "large" / "f" / "a" / "colour.jpg", encoded(5, "jpg", (150, 150)))
    assert encode(open_dataset(tmp_path / "large" / "f")).array.shape == (5, 128, 128, 3)
    mixed = tmp_path / "mixed"
    folder(mixed, [(9, 9)] * 4, "L", "png")
    put(mixed / "f" / "a" / "colour.png", encoded(5, "png", (9, 9)))
    inputs = encode(open_dataset(mixed / "f"))
    assert inputs.array.shape == (5, 9, 9, 3)
    np.testing.assert_array_equal(inputs.array[0, ..., 0], inputs.array[0, ..., 2])
    grey = encode(open_dataset(mixed / "f"), encode(folder(tmp_path / "g", [(9, 9)] * 4, "L", "png")).encoding)
    assert grey.array.shape == (5, 9, 9, 1)


def test_words_are_numbered_by_frequency(tmp_path):
    data = rows(tmp_path, {"text": ["b a b!", "a b", "c", "?", ""] * 2, "label": [0, 1] * 5})
    inputs = encode(data)
    # b 6 times, a 4; then !, ?, c with 2 each in alphabetical order
    assert inputs.encoding.vocabulary == ("b", "a", "!", "?", "c")
    assert inputs.encoding.tokens == 7
    assert inputs.array[:5].tolist() == [[2, 3, 2, 4], [3, 2, 0, 0], [6, 0, 0, 0], [5, 0, 0, 0], [1, 0, 0, 0]]
    later = rows(tmp_path, {"text": ["B, and a very long text about b"], "label": [0]}, "later.parquet")
    assert encode(later, inputs.encoding).array.tolist() == [[2, 1, 1, 3]]
    assert words("Déjà-vu 3.5") == ["déjà", "-", "vu", "3", ".", "5"]


def test_long_texts_are_cut_at_256_or_the_99th_percentile(tmp_path):
    long = rows(tmp_path, {"text": ["word " * 400] * 4, "label": [0, 1] * 2})
    assert encode(long).array.shape == (4, 256)
    one = rows(tmp_path, {"text": ["a b"] * 398 + ["word " * 100] * 2, "label": [0, 1] * 200}, "one.parquet")
    assert encode(one).array.shape == (400, 2)


def test_a_tokenizer_of_transformers_pads_with_zero(tmp_path):
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    unknown = {"unk_token": "<unk>"}
    made = Tokenizer(models.WordLevel({"the": 0, "<pad>": 1, "<unk>": 2, "ant": 3}, **unknown))
    special = {"pad_token": "<pad>", "unk_token": "<unk>"}
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(tmp_path / "tok")
    data = rows(tmp_path, {"text": ["the ant", "ant", "the the bee"] * 2, "label": [0, 1] * 3})
    inputs = encode(data, tokenizer=str(tmp_path / "tok"))
    assert inputs.array[:3].tolist() == [[1, 3, 0], [3, 0, 0], [1, 1, 2]]
    assert (inputs.encoding.pad, inputs.encoding.tokens) == (1, 4)
    np.testing.assert_array_equal(encode(data, inputs.encoding).array, inputs.array)
    with pytest.raises(InputError, match="no tokenizer"):
        encode(data, tokenizer=str(tmp_path))


def test_tables_are_standardised_and_missing_is_said(tmp_path):
    columns = {
        "a": [1.0, 3.0, None, 1.0, 3.0, None] * 2,
        "b": ["10", "?", "20", "10", " ", "20"] * 2,
        "c": ["x"] * 5 + ["rare"] + ["y"] * 5 + ["?"],
        "d": [7] * 12,
        "label": [0, 1] * 6,
    }
    inputs = encode(rows(tmp_path, columns))
    a, b, c, d = inputs.encoding.columns
    assert (a.mean, a.std, a.missing, a.categories) == (2.0, 1.0, True, None)
    assert (b.mean, b.std, b.missing, b.categories) == (15.0, 5.0, True, None), "a text column of numbers is one"
    assert (c.categories, c.missing) == (("x", "y"), True)
    assert (d.std, d.missing) == (1.0, False)
    # a, a missing, b, b missing, c = x, c = y, c = other, c missing, d
    assert inputs.array[0].tolist() == [-1, 0, -1, 0, 1, 0, 0, 0, 0]
    assert inputs.array[1].tolist() == [1, 0, 0, 1, 1, 0, 0, 0, 0]
    assert inputs.array[2].tolist() == [0, 1, 1, 0, 1, 0, 0, 0, 0]
    assert inputs.array[5].tolist() == [0, 1, 1, 0, 0, 0, 1, 0, 0]
    assert inputs.array[11].tolist() == [0, 1, 1, 0, 0, 0, 0, 1, 0]
    later = rows(tmp_path, {"d": [8], "c": ["new"], "b": ["oops"], "a": [5.0], "label": [0]}, "later.parquet")
    assert encode(later, inputs.encoding).array.tolist() == [[3, 0, 0, 1, 0, 0, 1, 0, 1]]
    with pytest.raises(InputError, match="the column 'b' is missing"):
        encode(rows(tmp_path, {"a": [1.0], "label": [0]}, "no.parquet"), inputs.encoding)


def test_arrays_can_be_read_as_a_table():
    x = np.array([[1.0, 100], [3, 300]] * 3)
    array = encode(open_dataset((x, [0, 1] * 3), kind="table")).array
    np.testing.assert_allclose(array, [[-1, -1], [1, 1]] * 3)
    np.testing.assert_array_equal(encode(open_dataset((x, [0, 1] * 3))).array, x)


def test_what_does_not_fit_is_refused(tmp_path):
    data = open_dataset((np.ones((4, 3)), [0, 1] * 2))
    with pytest.raises(InputError, match="the encoding is of texts, but the dataset holds embeddings"):
        encode(data, Encoding("text"))
    with pytest.raises(InputError, match="have 3 numbers each, but 5 were expected"):
        encode(data, Encoding("embedding", width=5))
    with pytest.raises(InputError, match="image_size is a number of pixels"):
        encode(open_dataset(FORMATS["npz_images"](tmp_path)), image_size=0)
    assert LABEL.max() == 2


def test_dates_times_and_wild_numbers_are_finite(tmp_path):
    import datetime as dt

    import pyarrow as pa

    day = [dt.date(2024, 1, 1 + i) for i in range(4)]
    columns = {
        "day": day,
        "time": [dt.time(i) for i in range(4)],
        "when": [dt.datetime(2024, 1, 1 + i, tzinfo=dt.UTC) for i in range(4)],
        "long": [dt.timedelta(hours=i) for i in range(4)],
        "short": pa.array([dt.time(i) for i in range(4)], pa.time32("s")),
        "flag": [True, False, None, True],
        "label": [0, 1, 0, 1],
    }
    inputs = encode(rows(tmp_path, columns))
    assert inputs.array.shape == (4, 7)
    assert [one.missing for one in inputs.encoding.columns] == [False] * 5 + [True]
    for i in range(5):
        np.testing.assert_allclose(inputs.array[:, i], (np.arange(4) - 1.5) / np.arange(4).std(), rtol=1e-5)
    wild = rows(tmp_path, {**columns, "flag": [1e300, np.inf, -np.inf, np.nan]}, "wild.parquet")
    assert np.isfinite(encode(wild, inputs.encoding).array).all()
    with pytest.raises(InputError, match="row 0 holds NaN or infinity"):
        encode(open_dataset((np.full((4, 2), 1e300), [0, 1, 0, 1])))


def test_what_is_too_large_for_memory_goes_to_a_file(tmp_path, monkeypatch):

    data = open_dataset(FORMATS["csv_text"](tmp_path))
    before = encode(data).array
    monkeypatch.setattr(base, "IN_MEMORY", 0)
    after = encode(data).array
    assert isinstance(after, np.memmap)
    np.testing.assert_array_equal(after, before)
