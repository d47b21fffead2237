"""The examples that a training takes its batches from: in memory, on the accelerator, or in a mapped file."""

import mmap
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datapare.artifacts import Array
from datapare.recording.device_copies import on_device
from datapare.training.device import device

_SHARE = 0.5  # of the accelerator's free memory that the data may take before its rows stay on the host


class BatchSource:
    """The encoded rows, decoded once and on the device where they fit; `take` gives a batch of them there."""

    def __init__(self, array: Array, kind: str) -> None:
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
        """Have the system read rows (B,) of a mapped file that will be taken soon, all at once and meanwhile.

        Taken without it, from a file that does not fit in memory, they are waited for one after the other.
        """
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
        batch = on_device(self.array[on_device(position, self.array.device)], self.device)
        if self.length is None:
            return batch
        return batch[:, : max(1, int(self.length[(position if together is None else together).numpy()].max(initial=1)))]


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
