"""Embeddings as they are: numbers (N, F)."""

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset
from datapare.data.encodings.base import Encoding, allocate
from datapare.data.foreign_types import Array
from datapare.errors import InputError

BLOCK = 1 << 16  # rows at a time


def fit(data: Dataset) -> Encoding:
    """Return the width of the embeddings."""
    return Encoding("embedding", width=_array(data).shape[1])


def apply(data: Dataset, encoding: Encoding) -> NDArray[np.float32]:
    """Return the embeddings (N, F) as float32.

    Raises:
        InputError: For another width than `encoding` says, and for NaN or infinity.
    """
    array = _array(data)
    if array.shape[1] != encoding.width:
        raise InputError(f"the embeddings have {array.shape[1]} numbers each, but {encoding.width} were expected.")
    is_made = array.dtype != np.float32 or not array.flags.c_contiguous
    out = allocate(array.shape, np.float32) if is_made else array
    for start in range(0, len(array), BLOCK):
        if is_made:
            with np.errstate(over="ignore"):  # infinity is refused below
                out[start : start + BLOCK] = array[start : start + BLOCK]
        finite = np.isfinite(out[start : start + BLOCK]).all(axis=1)
        if not finite.all():
            name = data.name[start + int(np.flatnonzero(~finite)[0])]
            raise InputError(f"the embedding of {name} holds NaN or infinity; repair or remove it.")
    return out


def _array(data: Dataset) -> Array:
    if data.array is None:
        raise InputError("the dataset holds no embeddings; open it with kind=embedding.")
    return data.array
