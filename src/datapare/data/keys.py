"""Who each example is: a 64-bit key that does not depend on its position, and a digest of the whole dataset."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import cells, column
from datapare.data.foreign_types import Array, ArrowColumn, Rows, Value
from datapare.data.text_hashes import text_hashes
from datapare.numerics.mixing import MISSING, mixed
from datapare.numerics.threads import in_blocks

if TYPE_CHECKING:
    from datapare.data.image_io import Cell

Keys: TypeAlias = NDArray[np.uint64]
Values: TypeAlias = ArrowColumn | Keys


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
    return _keys_of(rows, columns, class_key, text_hashes)


def former_content_keys(rows: Rows, columns: Iterable[str], class_key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The keys that records before 0.2 hold, in which each text is hashed by BLAKE2b."""
    return _keys_of(rows, columns, class_key, lambda values: text_keys(values.to_pylist()))


def _keys_of(
    rows: Rows, columns: Iterable[str], class_key: NDArray[np.uint64], texts: Callable[[ArrowColumn], Keys]
) -> NDArray[np.uint64]:
    keyed = [(text_keys([name])[0], *_keying(rows, name, texts)) for name in columns]
    start, out = text_keys(["class"])[0], np.empty(len(class_key), np.uint64)

    def fill(block: slice) -> None:
        total = mixed(start, class_key[block])
        for name, values, key in keyed:
            total += mixed(name, key(values[block]))
        out[block] = mixed(np.uint64(0), total)

    in_blocks(fill, len(out))
    return out


def _keying(rows: Rows, name: str, texts: Callable[[ArrowColumn], Keys]) -> tuple[Values, Callable[[Values], Keys]]:
    """The values of a column, and what makes keys of any slice of them."""
    import pyarrow as pa

    kind = rows.data.schema.field(name).type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return column(rows, name), _number_keys
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column(rows, name), texts
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_struct(kind):
        return text_keys(_bytes(cell) for cell in cells(rows, name)), np.asarray
    return text_keys(None if cell is None else repr(cell) for cell in cells(rows, name)), np.asarray


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
    """Hash of two 64-bit numbers, elementwise; see `mixed`."""
    first, second = np.broadcast_arrays(np.asarray(one, np.uint64), other)
    if second.ndim == 0:
        return mixed(first, second)
    out = np.empty(len(second), np.uint64)

    def fill(block: slice) -> None:
        out[block] = mixed(first[block], second[block])

    in_blocks(fill, len(out))
    return out


def _bytes(cell: Value) -> bytes | str | None:
    from datapare.data.image_io import image_bytes

    try:
        return image_bytes(cast("Cell", cell)) if isinstance(cell, dict | bytes) else None
    except (OSError, TypeError, ValueError):  # the file is gone, so its path is all there is to know it by
        return str(cell.get("path"))


def _number_keys(values: ArrowColumn) -> NDArray[np.uint64]:
    import pyarrow as pa

    # whole numbers become floats when one of them goes missing, so both are hashed as floats; + 0.0 unites -0.0 and 0.0
    number = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) + 0.0
    return np.where(np.isnan(number), MISSING, mixed(np.uint64(1), number.view(np.uint64)))
