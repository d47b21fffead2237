"""Who each example is: a 64-bit key that does not depend on its position, and a digest of the whole dataset."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import cells, column
from datapare.data.foreign_types import Array, ArrowColumn, Rows, Value

if TYPE_CHECKING:
    from datapare.data.image_io import Cell

_MISSING = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = 1 << 14  # numbers at a time, which stay in the processor's cache


def text_keys(values: Iterable[str | bytes | memoryview | None]) -> NDArray[np.uint64]:
    """One key per text or byte string (N,): the first 8 bytes of its BLAKE2b hash.

    >>> text_keys(["cat/1.jpg", "cat/2.jpg"])
    array([15132351748868210994, 14851263440541675772], dtype=uint64)
    """
    encoded = (
        v.encode("utf-8", "surrogatepass") if isinstance(v, str) else (b"\0" if v is None else v) for v in values
    )
    return _hashed(encoded)


def _hashed(values: Iterable[bytes | memoryview]) -> NDArray[np.uint64]:
    fresh, digests = blake2b(digest_size=8).copy, []
    for value in values:
        one = fresh()  # a copy of a new hash is made in two thirds of the time
        one.update(value)
        digests.append(one.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def array_keys(array: Array) -> NDArray[np.uint64]:
    """One key per row of an array (N, …), from the bytes of the row."""
    size = array.dtype.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
    out = [np.empty(0, np.uint64)]
    for start in range(0, len(array), 4096):
        block = np.ascontiguousarray(array[start : start + 4096])
        view = memoryview(block.view(np.uint8).reshape(-1).data) if size else memoryview(b"")
        out.append(text_keys(view[i * size : (i + 1) * size] for i in range(len(block))))
    return np.concatenate(out)


def content_keys(rows: Rows, columns: Iterable[str], class_key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One key per row (N,) from the values of `columns`, in whatever order they stand, and the key of its class."""
    total = mix(text_keys(["class"])[0], class_key)
    for name in columns:
        total = total + mix(text_keys([name])[0], _column_keys(rows, name))
    return mix(np.uint64(0), total)


def value_keys(values: ArrowColumn) -> NDArray[np.uint64]:
    """One key per text of a `pyarrow.ChunkedArray` (N,), each distinct text of a chunk hashed once."""
    out = [np.empty(0, np.uint64)]
    for chunk in values.chunks:
        if _are_mostly_distinct(chunk):
            out.append(_hashed(_encoded(chunk)))
            continue
        encoded = chunk.dictionary_encode()
        known = np.append(text_keys(encoded.dictionary.to_pylist()), text_keys([None]))
        out.append(known[encoded.indices.fill_null(len(known) - 1).to_numpy()])
    return np.concatenate(out)


def _are_mostly_distinct(values: ArrowColumn) -> bool:
    first = values.slice(0, 1000)
    return 2 * len(first.unique()) > len(first)


def _encoded(values: ArrowColumn) -> list[bytes]:
    """The UTF-8 bytes of each text of an Arrow array, as `text_keys` hashes them."""
    import pyarrow as pa

    encoded: list[bytes] = values.cast(pa.large_binary()).fill_null(b"\0").to_pylist()
    return encoded


def unique_keys(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The keys with an occurrence number mixed in where one repeats: the first stays, the second, third … differ.

    >>> [len(set(unique_keys(np.array(k, np.uint64)).tolist())) for k in ([1, 1, 1], [2, 1, 2])]
    [3, 3]
    """
    ordered = np.sort(key)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):  # as usual, and a sort costs a tenth of a stable order
        return key
    low = np.zeros(1 << 16, bool)
    low[repeated & np.uint64(0xFFFF)] = True
    at = np.flatnonzero(low[key & np.uint64(0xFFFF)])  # few, where few keys repeat
    at = at[np.isin(key[at], repeated)]
    at = at[np.argsort(key[at], kind="stable")]
    starts = np.flatnonzero(np.r_[True, key[at[1:]] != key[at[:-1]]])
    occurrence = (np.arange(len(at)) - np.repeat(starts, np.diff(np.r_[starts, len(at)]))).astype(np.uint64)
    unique = key.copy()
    unique[at] = np.where(occurrence == 0, key[at], mix(key[at], occurrence))
    return unique


def mix(one: np.uint64 | NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash of two 64-bit numbers, elementwise: the finaliser of SplitMix64 (Steele, Lea, Flood, 2014) on their sum."""
    first, second = np.broadcast_arrays(np.asarray(one, np.uint64), other)
    if second.ndim == 0 or len(second) <= _BLOCK:
        return _mixed(first, second)
    out = np.empty(len(second), np.uint64)
    for block in _blocks(len(second)):
        out[block] = _mixed(first[block], second[block])
    return out


def _blocks(count: int) -> Iterable[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))


def _mixed(one: np.uint64 | NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        z = one * np.uint64(0xD1342543DE82EF95) + other + _MISSING
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)


def _column_keys(rows: Rows, name: str) -> NDArray[np.uint64]:
    import pyarrow as pa

    kind = rows.data.schema.field(name).type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return _number_keys(column(rows, name))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return value_keys(column(rows, name))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_struct(kind):
        return text_keys(_bytes(cell) for cell in cells(rows, name))
    return text_keys(None if cell is None else repr(cell) for cell in cells(rows, name))


def _bytes(cell: Value) -> bytes | str | None:
    from datapare.data.image_io import image_bytes

    try:
        return image_bytes(cast("Cell", cell)) if isinstance(cell, dict | bytes) else None
    except (OSError, TypeError, ValueError):  # the file is gone, so its path is all there is to know it by
        return str(cell.get("path"))


def _number_keys(values: ArrowColumn) -> NDArray[np.uint64]:
    import pyarrow as pa

    # whole numbers become floats when one of them goes missing, so both are hashed as floats; + 0.0 unites -0.0 and 0.0
    number = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    out = np.empty(len(number), np.uint64)
    for block in _blocks(len(number)):
        some = number[block] + 0.0
        out[block] = np.where(np.isnan(some), _MISSING, _mixed(np.uint64(1), some.view(np.uint64)))
    return out
