"""Embeddings as they are: numbers (N, F)."""

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset
from datapare.data.encodings.base import Encoding
from datapare.data.foreign_types import Array
from datapare.errors import InputError


def fit(data: Dataset) -> Encoding:
    """Return the width of the embeddings."""
    return Encoding("embedding", width=_array(data).shape[1])


def apply(data: Dataset, encoding: Encoding) -> NDArray[np.float32]:
    """Return the embeddings (N, F) as float32.

    Raises:
        InputError: For another width than `encoding` says, and for NaN or infinity.
    """
    with np.errstate(over="ignore"):  # infinity is refused below
        array = np.ascontiguousarray(_array(data), dtype=np.float32)
    if array.shape[1] != encoding.width:
        raise InputError(f"the embeddings have {array.shape[1]} numbers each, but {encoding.width} were expected.")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InputError(f"the embedding of {data.name[row]} holds NaN or infinity; repair or remove it.")
    return array


def _array(data: Dataset) -> Array:
    if data.array is None:
        raise InputError("the dataset holds no embeddings; open it with kind=embedding.")
    return data.array
