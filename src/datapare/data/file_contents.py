"""What image files hold, as keys: a file that was renamed or moved is known by them."""

import os
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset, cells
from datapare.data.formats.detect import find
from datapare.data.image_io import in_threads

_END = 1 << 16


def are_files(data: Dataset) -> bool:
    """Whether each example is a file of its own, known by its name."""
    return data.path is not None and find(data.format).LINKABLE


def file_keys(data: Dataset, index: Sequence[int]) -> NDArray[np.uint64]:
    """Return a key of the content of each file at `index` (n,), the same wherever the file lies.

    The size and the first and last 64 KiB are hashed, which is enough to keep image files apart, and a short read.

    Raises:
        OSError: For a file that cannot be read.
    """
    paths = (str(cell["path"]) for cell in cells(data.rows, data.inputs[0], index))
    return np.array([*in_threads(_file_key, paths)], np.uint64)


def _file_key(path: str) -> int:
    with open(path, "rb") as file:  # noqa: PTH123 (a Path per file costs more than the hash)
        size = os.fstat(file.fileno()).st_size
        content = file.read(_END)
        if size > _END:
            file.seek(max(_END, size - _END))
            content += file.read(_END)
    return int.from_bytes(blake2b(content, digest_size=8, salt=size.to_bytes(8, "little")).digest(), "little")
