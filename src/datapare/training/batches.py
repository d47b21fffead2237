"""The examples a training takes its batches from: in memory, on the accelerator, in a mapped file, or streamed."""

import mmap
import warnings
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datapare.artifacts import Array
from datapare.data import Inputs
from datapare.data.encodings.streamed import BUFFER, StreamedImages, stream_of, stream_order
from datapare.recording.device_copies import on_device
from datapare.training.device import device

_SHARE = 0.5  # of the accelerator's free memory that the data may take before its rows stay on the host


class BatchSource:
    """The encoded rows, decoded once and on the device where they fit; `take` gives a batch of them there.

    Those of a stream are decoded when they are taken, or meanwhile where they were announced by `prefetch`.
    """

    def __init__(self, array: Array, kind: str) -> None:
        images = stream_of(array)
        self.stream = None if images is None else DecodedAhead(images)
        if images is not None:
            array = np.empty((0, *images.shape[1:]), np.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a read-only map of a file: we never write into it
            self.array = torch.from_numpy(array)
        self.device = device()
        if self.device.type == "cuda" and array.nbytes < _SHARE * torch.cuda.mem_get_info()[0]:
            self.array = self.array.to(self.device)
        self._map = _map(array) if self.array.device.type == "cpu" else None
        # lengths on the host: a batch of texts is cut to its longest without asking the device
        self.length = _lengths(array) if kind == "text" else None

    def prefetch(self, position: NDArray[np.int64]) -> None:
        """Have rows (B,) of a mapped file that will be taken soon read, or those of a stream decoded, meanwhile.

        Taken without it, from a file that does not fit in memory, they are waited for one after the other.
        """
        if self.stream is not None:
            self.stream.begin(position)
        if self._map is None:
            return
        file, start = self._map
        size = self.array[0].nbytes
        for first in (start + position * size).tolist():
            page = first - first % mmap.PAGESIZE
            file.madvise(mmap.MADV_WILLNEED, page, first + size - page)

    def take(self, position: Tensor, together: Tensor | None = None) -> Tensor:
        """Return rows `position` (B,) int64 on the device; texts without the padding that all of them share.

        Where they are a part of a batch, `together`, texts are cut as all of it is.
        """
        if self.stream is not None:
            return on_device(torch.from_numpy(self.stream.rows(position.numpy())), self.device)
        batch = on_device(self.array[on_device(position, self.array.device)], self.device)
        if self.length is None:
            return batch
        return batch[:, : max(1, int(self.length[(position if together is None else together).numpy()].max(initial=1)))]

    def order(self, index: NDArray[np.int64], draw: torch.Generator) -> NDArray[np.int64]:
        """Return positions `index` (n,) shuffled; those of a stream by shard, then in a buffer."""
        if self.stream is None or self.stream.images.shard is None:
            plain: NDArray[np.int64] = index[torch.randperm(len(index), generator=draw).numpy()]
            return plain
        shard = self.stream.images.shard
        shuffled = torch.randperm(int(shard.max()) + 1, generator=draw).numpy()
        put_off = torch.rand(len(index), generator=draw, dtype=torch.float64).numpy()
        order: NDArray[np.int64] = index[stream_order(shard[index], put_off, shuffled)]
        return order


def shuffled(inputs: Inputs) -> str | None:
    """Return how the order of a stream is shuffled, for its provenance; None where any order of all is possible."""
    stream = stream_of(inputs.array)
    if stream is None or stream.shard is None:
        return None
    return f"by shard, then within {BUFFER:,} examples"


class DecodedAhead:
    """Batches of a stream; those that were announced are decoded in the background, one after the other."""

    def __init__(self, images: StreamedImages) -> None:
        self.images = images
        self._pool = ThreadPoolExecutor(1)
        self._begun: dict[bytes, Future[NDArray[np.uint8]]] = {}

    def begin(self, position: NDArray[np.int64]) -> None:
        """Decode a batch (B,) that will be taken soon; what was announced before the last batch is forgotten."""
        while len(self._begun) > 1:
            self._begun.pop(next(iter(self._begun))).cancel()
        if len(position):
            self._begun[position.tobytes()] = self._pool.submit(self.images.__getitem__, position)

    def rows(self, position: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the pixels (B, H, W, C) of a batch, which may be taken again."""
        found = self._begun.get(position.tobytes())
        return self.images[position] if found is None else found.result()


def _map(array: Array) -> tuple[mmap.mmap, int] | None:
    """Return the map of a file that an array's rows lie in, and the byte where they begin; None for one in memory."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if not isinstance(owner, mmap.mmap) or not hasattr(owner, "madvise") or not array.flags.c_contiguous:
        return None
    return owner, array.ctypes.data - np.frombuffer(owner, np.uint8).ctypes.data


def _lengths(array: Array) -> NDArray[np.int64]:
    """Return the position after the last token of each row (N, L) of ids."""
    there = array != 0
    return np.where(there.any(1), array.shape[1] - there[:, ::-1].argmax(1), 0)
