"""A 64-bit hash of each text of an Arrow column, computed on its own memory without a Python object per text."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from datapare.data.foreign_types import ArrowColumn
from datapare.numerics.mixing import mixed

_WORDS = 1 << 14  # of eight bytes, hashed at a time: they stay in the processor's cache
_MISSING = np.uint64(0xA0761D6478BD642F)
# which bytes of the last word belong to a text, by how many they are (0 to 8)
_LAST = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)


def text_hashes(values: ArrowColumn) -> NDArray[np.uint64]:
    """Hash each text of a column; equal texts have equal hashes, wherever and in whatever type of text they are stored.

    The UTF-8 bytes are cut into words of eight, the last one filled up with zeros. Each word is mixed with its place in
    the text by the finaliser of SplitMix64, the results are added up, and the sum is mixed with the length.

    Args:
        values: A `pyarrow.Array` or `pyarrow.ChunkedArray` of N texts.

    Returns:
        uint64 (N,); missing texts have a hash of their own.

    >>> import pyarrow as pa
    >>> text_hashes(pa.array(["cat", "", None, "cat"]))
    array([10156643024999779396,  9136699338487657829, 11562461410679940143,
           10156643024999779396], dtype=uint64)
    """
    import pyarrow as pa

    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    return np.concatenate([np.empty(0, np.uint64), *map(_of_chunk, chunks)])


def _of_chunk(values: ArrowColumn) -> NDArray[np.uint64]:
    import pyarrow as pa

    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    _, places, content = values.buffers()
    wide = pa.types.is_large_string(values.type)
    bounds = np.frombuffer(places or b"", np.int64 if wide else np.int32)
    offset: NDArray[np.int64] = bounds[values.offset : values.offset + len(values) + 1].astype(np.int64)
    raw = np.frombuffer(content or b"", np.uint8)
    out = np.empty(len(values), np.uint64)
    for texts in _blocks(offset):
        out[texts] = _hashed(raw, offset[texts.start : texts.stop + 1])
    if values.null_count:
        out[values.is_null().to_numpy(zero_copy_only=False)] = _MISSING
    return out


def _blocks(offset: NDArray[np.int64]) -> Iterator[slice]:
    """Slices of texts that have few words together, or are one long text."""
    start, count = 0, len(offset) - 1
    while start < count:
        most = offset[start] + 8 * _WORDS
        stop = min(int(np.searchsorted(offset, most, side="right")) - 1, start + _WORDS)
        stop = min(max(stop, start + 1), count)
        yield slice(start, stop)
        start = stop


def _hashed(raw: NDArray[np.uint8], offset: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hashes of the n texts between n + 1 places in the bytes of a column."""
    size = np.diff(offset)
    if size.max(initial=0) <= 8:  # as names of categories are: one word each
        value = _words_at(raw[offset[0] : offset[-1]], offset[:-1] - offset[0]) & _LAST[size]
        return mixed(mixed(np.uint64(0), value), size.astype(np.uint64))
    words = np.maximum((size + 7) >> 3, 1)
    last = np.cumsum(words) - 1
    first = last - words + 1
    number = np.arange(last[-1] + 1) - np.repeat(first, words)  # of each word in its text
    value = _words_at(raw[offset[0] : offset[-1]], np.repeat(offset[:-1] - offset[0], words) + 8 * number)
    value[last] &= _LAST[size - 8 * (words - 1)]
    total = np.add.reduceat(mixed(number.astype(np.uint64), value), first)
    return mixed(total, size.astype(np.uint64))


def _words_at(raw: NDArray[np.uint8], place: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The eight bytes from each place on as a number; beyond the end they are zeros."""
    padded = np.zeros((len(raw) >> 3) + 2, "<u8")
    padded.view(np.uint8)[: len(raw)] = raw
    at, shift = place >> 3, ((place & 7) << 3).astype(np.uint64)
    found: NDArray[np.uint64] = padded[at] >> shift
    found |= (padded[at + 1] << np.uint64(1)) << (np.uint64(63) - shift)
    return found
