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
_FEW = 1 << 16  # keys of different numbers, which stay in the processor's cache


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


def content_keys(
    rows: Rows, columns: Iterable[str], class_keys: NDArray[np.uint64], label: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """One key per row (N,) of the values of `columns`, in whatever order they stand, and of its class.

    Args:
        rows: The rows of a dataset.
        columns: Those that are read.
        class_keys: A key of each class (K,).
        label: The class of each row (N,).
    """
    return _keys_of(rows, columns, (class_keys, label), text_hashes)


def former_content_keys(
    rows: Rows, columns: Iterable[str], class_keys: NDArray[np.uint64], label: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """The keys that records before 0.2 hold, in which each text is hashed by BLAKE2b."""
    return _keys_of(rows, columns, (class_keys, label), lambda values: text_keys(values.to_pylist()))


def _keys_of(
    rows: Rows,
    columns: Iterable[str],
    classes: tuple[NDArray[np.uint64], NDArray[np.int64]],
    texts: Callable[[ArrowColumn], Keys],
) -> NDArray[np.uint64]:
    keyed = [_keying(rows, name, texts) for name in columns]
    of_class, label = mixed(text_keys(["class"])[0], classes[0]), classes[1]
    out = np.empty(len(label), np.uint64)

    def fill(block: slice) -> None:
        total = of_class[label[block]]
        for key in keyed:
            total += key(block)
        out[block] = mixed(np.uint64(0), total)

    in_blocks(fill, len(out))
    return out


def _keying(rows: Rows, name: str, texts: Callable[[ArrowColumn], Keys]) -> Callable[[slice], Keys]:
    """What makes the keys of any slice of a column, each mixed with the column's name."""
    import pyarrow as pa

    kind, name_key = rows.data.schema.field(name).type, text_keys([name])[0]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        values = column(rows, name)
        low, table = _key_of_each(values, name_key)
        if table is not None:
            return lambda block: table[values[block].to_numpy() - low]
        return lambda block: mixed(name_key, _number_keys(values[block]))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values = column(rows, name)
        return lambda block: mixed(name_key, texts(values[block]))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_struct(kind):
        made = text_keys(_bytes(cell) for cell in cells(rows, name))
    else:
        made = text_keys(None if cell is None else repr(cell) for cell in cells(rows, name))
    return lambda block: mixed(name_key, made[block])


def _key_of_each(values: ArrowColumn, name_key: np.uint64) -> tuple[int, Keys | None]:
    """The lowest of whole numbers and the keys of all from there to the highest; None where those are many."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_signed_integer(values.type) or values.null_count or not len(values):
        return 0, None
    ends = pc.min_max(values).as_py()
    if ends["max"] - ends["min"] >= min(_FEW, len(values)):
        return 0, None
    each = pa.array(range(ends["min"], ends["max"] + 1), pa.int64())
    return ends["min"], mixed(name_key, _number_keys(each))


def repeated_keys(key: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The keys that stand at several positions, and those positions in order.

    >>> repeated_keys(np.array([5, 3, 5], np.uint64))
    (array([5], dtype=uint64), array([0, 2]))
    """
    ordered = np.sort(key)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):  # as usual, and a sort costs a tenth of a stable order
        return repeated, np.empty(0, np.int64)
    low = np.zeros(1 << 16, bool)
    low[repeated & np.uint64(0xFFFF)] = True
    at = np.flatnonzero(low[key & np.uint64(0xFFFF)])  # few, where few keys repeat
    return repeated, at[np.isin(key[at], repeated)]


def unique_keys(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The keys with an occurrence number mixed in where one repeats: the first stays, the second, third … differ.

    >>> [len(set(unique_keys(np.array(k, np.uint64)).tolist())) for k in ([1, 1, 1], [2, 1, 2])]
    [3, 3]
    """
    at = repeated_keys(key)[1]
    if not len(at):
        return key
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
