"""Examples as one array that a network reads, the same way for training data and for any later data."""

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Kind
from datapare.data.dataset import Dataset
from datapare.errors import InputError

_IN_MEMORY = 4 << 30


@dataclass(frozen=True)
class Column:
    """How one table column becomes numbers: (x - mean) / std, or one column per category and one for all others.

    `missing` adds a column that is 1 where the value is missing.
    """

    name: str
    mean: float = 0.0
    std: float = 1.0
    categories: tuple[str, ...] | None = None
    missing: bool = False

    @property
    def width(self) -> int:
        """Numbers per example."""
        return (1 if self.categories is None else len(self.categories) + 1) + self.missing


@dataclass(frozen=True)
class Encoding:
    """What it takes to encode other data in the same way; plain values, so `dataclasses.asdict` is its JSON.

    image: `height`, `width`, `channels`. text: `length` and either `vocabulary` (token 2 is its first word, 0 pads,
    1 is any unknown word) or the name of a `tokenizer` of transformers, whose padding id `pad` trades places with 0;
    `tokens` counts the different ids. table: `columns`. table and embedding: `width`.
    """

    kind: Kind
    height: int = 0
    width: int = 0
    channels: int = 0
    length: int = 0
    vocabulary: tuple[str, ...] = field(default=(), repr=False)
    tokenizer: str = ""
    pad: int = 0
    tokens: int = 0
    columns: tuple[Column, ...] = field(default=(), repr=False)


@dataclass(frozen=True, eq=False)
class Inputs:
    """N encoded examples. Images: (N, H, W, C) uint8; text: (N, L) int32, 0 pads; table, embedding: (N, F) float32."""

    array: NDArray[Any]
    encoding: Encoding

    def __len__(self) -> int:
        return len(self.array)


def encode(
    data: Dataset, encoding: Encoding | None = None, *, image_size: int | None = None, tokenizer: str | None = None
) -> Inputs:
    """All examples as one array, encoded as `encoding` says, or as fits `data` best where there is none.

    Images of one size up to 96 px stay as they are; others are resized to `image_size` at their shorter side (64 px if
    the median shorter side is up to 128 px, else 128) and cropped to the centre. Text is cut into words, or by a
    `tokenizer` of transformers. Numbers in tables are standardised and categories become indicators. Embeddings stay.

    Raises InputError for NaN in embeddings and for data of another kind than `encoding`.
    """
    from datapare.data.encodings import image, table, text

    if encoding is not None and encoding.kind != data.kind:
        raise InputError(f"the encoding is of {encoding.kind}s, but the dataset holds {data.kind}s.")
    if data.kind == "image":
        encoding = encoding or image.fit(data, image_size)
        return Inputs(image.apply(data, encoding), encoding)
    if data.kind == "text":
        encoding = encoding or text.fit(data, tokenizer)
        return Inputs(text.apply(data, encoding), encoding)
    if data.kind == "table":
        encoding = encoding or table.fit(data)
        return Inputs(table.apply(data, encoding), encoding)
    return _vectors(data, encoding)


def outline(data: Dataset, image_size: int | None = None) -> Inputs:
    """Inputs of the kind and, for images, the size that `encode` gives, without their content: nothing is decoded."""
    from datapare.data.encodings import image

    if data.kind != "image":
        return Inputs(np.empty((len(data), 0), np.float32), Encoding(data.kind))
    fitted = image.fit(data, image_size)
    shape = (len(data), fitted.height, fitted.width, fitted.channels)
    return Inputs(np.broadcast_to(np.uint8(0), shape), fitted)


def encoding_from(fields: Mapping[str, Any]) -> Encoding:
    """The Encoding whose `dataclasses.asdict` went through JSON.

    >>> from dataclasses import asdict
    >>> encoding_from(asdict(Encoding("embedding", width=3)))
    Encoding(kind='embedding', height=0, width=3, channels=0, length=0, tokenizer='', pad=0, tokens=0)
    """
    known = dict(fields)
    known["vocabulary"] = tuple(known["vocabulary"])
    known["columns"] = tuple(
        Column(**{**one, "categories": None if one["categories"] is None else tuple(one["categories"])})
        for one in known["columns"]
    )
    return Encoding(**known)


def group_name(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array of zeros; above 4 GiB in a temporary file, so that it need not fit in memory.

    Raises InputError where the disk has no such space.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= _IN_MEMORY:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)  # otherwise a full disk would kill us in the middle
        except (AttributeError, OSError) as error:
            if getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                where = tempfile.gettempdir()
                raise InputError(
                    f"the decoded examples take {size / 2**30:.1f} GiB of disk, but {where} has "
                    f"{shutil.disk_usage(where).free / 2**30:.1f} free: set TMPDIR to a roomier place, or image_size "
                    "to fewer pixels."
                ) from error
            file.truncate(size)  # a system or a disk without that call
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)


def _vectors(data: Dataset, encoding: Encoding | None) -> Inputs:
    with np.errstate(over="ignore"):  # infinity is refused below
        array = np.ascontiguousarray(data.array, dtype=np.float32)  # (N, F)
    encoding = encoding or Encoding("embedding", width=array.shape[1])
    if array.shape[1] != encoding.width:
        raise InputError(f"the embeddings have {array.shape[1]} numbers each, but {encoding.width} were expected.")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InputError(f"the embedding of {data.name[row]} holds NaN or infinity; repair or remove it.")
    return Inputs(array, encoding)
