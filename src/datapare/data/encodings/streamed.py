"""Images that are decoded when they are asked for, and the order in which a training asks for them."""

from typing import overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from datapare.data.dataset import Dataset, cells, column
from datapare.data.encodings import image
from datapare.data.encodings.base import Encoding
from datapare.data.foreign_types import Rows
from datapare.data.image_io import in_threads

BUFFER = 20_000  # examples among which the order is shuffled
BLOCK = 1000  # rows of a table that are read together, as those of a tar file are


class StreamedImages:
    """Pixels (N, H, W, C) uint8 that are decoded anew whenever rows of them are taken: an array as far as that goes.

    Nothing of them is kept, so memory is that of the rows taken. It can be pickled, for other processes.

    Args:
        data: A dataset of images.
        encoding: Their size and channels.
    """

    def __init__(self, data: Dataset, encoding: Encoding) -> None:
        self.shape = (len(data), encoding.height, encoding.width, encoding.channels)
        self.dtype, self.ndim = np.dtype(np.uint8), 4
        self.rows: Rows = data.rows.select_columns([data.inputs[0]])
        self.shard = _shards(data)
        self._encoding, self._decoding, self._name = encoding, image.decoding_of(data, encoding), data.name

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels, which are never in memory together."""
        return int(np.prod(self.shape))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.uint8]:
        """Refuse to be read as a whole."""
        raise MemoryError(f"{self.nbytes / 2**30:.1f} GiB of streamed images are not one array; take rows of them.")

    @overload
    def __getitem__(self, index: slice) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[np.uint8]: ...
    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Decode the rows of a slice, or those at positions (B,), on all cores."""
        at = np.arange(len(self))[index]
        out = np.empty((len(at), *self.shape[1:]), np.uint8)
        source = enumerate(cells(self.rows, self.rows.column_names[0], at.tolist()))
        decoded = in_threads(lambda one: self._pixels(int(at[one[0]]), one[1]), source, block=16)
        for i, pixels in enumerate(decoded):
            out[i] = pixels
        return out

    def _pixels(self, row: int, cell: image.Source) -> NDArray[np.uint8]:
        with image.named(self._name, row):
            return image.fitted(cell, self._encoding, self._decoding)


def stream_of(array: object) -> StreamedImages | None:
    """Return what `Inputs.array` is where images stream; None where it is an array."""
    return array if isinstance(array, StreamedImages) else None


def _shards(data: Dataset) -> NDArray[np.int64] | None:
    """The shard of each example (N,); None for images that are files of their own, which lie nowhere together."""
    if data.format == "webdataset":
        path = column(data.rows, data.inputs[0]).combine_chunks().field("path")
        return np.asarray(path.dictionary_encode().indices.to_numpy(zero_copy_only=False), np.int64)
    stored = next(cells(data.rows, data.inputs[0], [0]))
    inside = not isinstance(stored, dict) or stored.get("bytes") is not None
    return data.row // BLOCK if inside else None


def stream_order(
    shard: NDArray[np.int64], drawn: NDArray[np.float64], shuffled: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return an order of examples that reads a few shards at a time: shards shuffled, then examples in a buffer.

    The shards stand one after the other in shuffled order, and each example is then put off by less than BUFFER
    places, so that each is there once and only the shards of BUFFER examples are needed at a time.

    Args:
        shard: Shard of each of n examples, int64 (n,).
        drawn: How far each is put off, of BUFFER places, (n,) in [0, 1).
        shuffled: An order of the shards.

    >>> stream_order(np.array([0, 0, 1, 1]), np.zeros(4), np.array([1, 0]))
    array([2, 3, 0, 1])
    """
    place = np.empty_like(shuffled)
    place[shuffled] = np.arange(len(shuffled))
    by_shard = np.argsort(place[shard], kind="stable")
    return by_shard[np.argsort(np.arange(len(shard)) + BUFFER * drawn, kind="stable")]
