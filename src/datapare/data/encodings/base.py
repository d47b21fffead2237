"""What encoded data are: arrays that a network reads, and what it takes to encode other data in the same way."""

import errno
import os
import shutil
import tempfile
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from datapare.artifacts import Kind
from datapare.data.foreign_types import Array
from datapare.errors import InputError

IN_MEMORY = 4 << 30


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

    Attributes:
        kind: Which of the four encodings this is.
        height: Pixels of each image.
        width: Pixels of each image; or numbers per example of tables and embeddings.
        channels: 1 for grey images, 3 for RGB.
        length: Tokens of each text.
        vocabulary: The words of texts: token 2 is the first, 0 pads, 1 is any unknown word.
        tokenizer: The name of a tokenizer of transformers, in place of a vocabulary.
        pad: The padding id of that tokenizer, which trades places with 0.
        tokens: How many different tokens there are.
        columns: The columns of tables.
        value_range: The values shown as black and white in images of more than 8 bits per channel.
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
    value_range: tuple[float, float] | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Inputs:
    """N encoded examples. Images: (N, H, W, C) uint8; text: (N, L) int32, 0 pads; table, embedding: (N, F) float32."""

    array: Array
    encoding: Encoding

    def __len__(self) -> int:
        return len(self.array)


def allocate(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of zeros; above 4 GiB in a temporary file, so that it need not fit in memory.

    Raises:
        InputError: Where the disk has no such space.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)  # otherwise a full disk would kill us in the middle
        except (AttributeError, OSError) as error:
            if getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                where = tempfile.gettempdir()
                raise InputError(
                    f"the decoded examples take {size / 2**30:.1f} GiB of disk, but {where} has "
                    f"{shutil.disk_usage(where).free / 2**30:.1f} free: set TMPDIR to a larger place, or image_size "
                    "to fewer pixels."
                ) from error
            file.truncate(size)  # a system or a disk without that call
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
