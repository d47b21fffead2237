"""Columns and arrays of every type, in every role: each is read or refused in a sentence, and nothing else happens."""

import numpy as np
import pyarrow as pa
import pytest

from datapare.data import encode, open_dataset
from datapare.errors import InputError

N = 8
BIT = np.arange(N) % 2
TEXT = [f"text {i} of some words" for i in range(N)]
NUMPY = (
    "?", "i1", ">i8", ">u2", "<u8", "<f2", ">f8", "g", "F", ">c16", "<U3", ">U3", "S3", "M8[s]", "M8[Y]", "m8[D]",
    "V5", [("a", "i4")],
)  # fmt: skip


def extended(kind, values, storage):
    return pa.ExtensionArray.from_storage(kind, pa.array(values, storage))


def column(name):
    return {
        "null": lambda: pa.nulls(N),
        "bool": lambda: pa.array(BIT == 1),
        "uint64": lambda: pa.array([2**63 + int(i) for i in BIT], pa.uint64()),
        "binary": lambda: pa.array([b"u" if i else b"\xff" for i in BIT]),
        "interval": lambda: pa.array([(1, 2, int(i)) for i in BIT], pa.month_day_nano_interval()),
        "lists of text": lambda: pa.array([["a"] * i for i in BIT]),
        "lists of lists": lambda: pa.array([[[1]] * 2] * N),
        "no lists": lambda: pa.array([None] * N, pa.list_(pa.float32())),
        "views of lists": lambda: pa.array([[1]] * N, pa.list_view(pa.int64())),
        "struct": lambda: pa.array([{"a": int(i)} for i in BIT]),
        "empty struct": lambda: pa.array([{}] * N),
        "map": lambda: pa.array([[("k", int(i))] for i in BIT], pa.map_(pa.string(), pa.int64())),
        "views of text": lambda: pa.array([*"uv" * (N // 2 - 1), None, "w" * 99], pa.string_view()),
        "runs": lambda: pa.RunEndEncodedArray.from_arrays([4, N], ["u", "v"]),
        "runs of numbers": lambda: pa.RunEndEncodedArray.from_arrays([4, N], [1, None]),
        "dictionary": lambda: pa.array([*"uv" * (N // 2 - 1), None, None]).dictionary_encode(),
        "uuid": lambda: extended(pa.uuid(), [bytes(16)] * N, pa.binary(16)),
        "json": lambda: extended(pa.json_(), ['{"a": 1}', "2"] * (N // 2), pa.string()),
    }[name]()


COLUMNS = (
    "null", "bool", "uint64", "binary", "interval", "lists of text", "lists of lists", "no lists", "views of lists",
    "struct", "empty struct", "map", "uuid", "json", "views of text", "runs", "runs of numbers", "dictionary",
)  # fmt: skip


def is_read(source, **options):
    """Open and encode a dataset; whether that is done, or refused by a sentence."""
    try:
        encode(open_dataset(source, **options))
    except InputError:
        return False
    return True


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_type(name):
    values, label = column(name), pa.array(BIT)
    is_read(pa.table({"text": TEXT, "label": values}))
    is_read(pa.table({"text": TEXT, "label": label, "more": values}), id="more")
    is_read(pa.table({"x": values, "label": label}))
    for kind in ("table", "text", "embedding", "image"):
        is_read(pa.table({"x": values, "label": label}), kind=kind, input="x")
    assert is_read(pa.table({"text": TEXT, "label": label, "more": values}), input="text")


@pytest.mark.parametrize("dtype", NUMPY, ids=str)
def test_an_array_of_any_type(dtype):
    def array(*shape):
        bit = np.arange(np.prod(shape)).reshape(shape) % 2
        if np.dtype(dtype).kind == "V":
            return np.zeros(shape, dtype)
        return bit.astype("i8").astype(dtype) if np.dtype(dtype).kind in "Mm" else bit.astype(dtype)

    x = np.arange(3.0 * N).reshape(N, 3)
    roles = [
        {"x": x, "y": array(N)}, {"x": x, "y": BIT, "more": array(N)}, {"x": array(N), "y": BIT},
        {"x": array(N, 3), "y": BIT}, {"x": array(N, 6, 6, 3), "y": BIT},
    ]  # fmt: skip
    read = [is_read(role, input="x", label="y") for role in roles]
    is_read(roles[3], input="x", label="y", kind="table")
    if np.dtype(dtype).kind in "iu":  # whatever the order of their bytes
        assert read == [True] * 5


def test_the_order_of_bytes_changes_nothing():
    x = np.arange(12.0 * N).reshape(N, 12)
    data = [open_dataset((x.astype(f"{order}f4"), BIT.astype(f"{order}i8"))) for order in "<>"]
    assert data[0].classes == data[1].classes
    np.testing.assert_array_equal(data[0].label, data[1].label)
    np.testing.assert_array_equal(encode(data[0]).array, encode(data[1]).array)
