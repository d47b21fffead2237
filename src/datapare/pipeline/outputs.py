"""Whether a place that the user named may be written: the source is only read, and foreign files stay."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from datapare.errors import InputError

if TYPE_CHECKING:
    from datapare.data import Dataset

PARTS = {".npy", ".json"}
DESCRIBED = ("meta.json", "run.json")  # in a folder of results
HEAD = 4096  # bytes in which a file says what it is


def check_output(path: Path, mark: str, data: "Dataset | None", *, force: bool = False) -> Path:
    """Return the path of a file to write, unless writing would change the dataset or lose a foreign file.

    Args:
        path: The file.
        mark: Text near the beginning of the files that datapare writes there.
        data: The dataset, whose files are only read.
        force: Replace a foreign file too.

    Raises:
        InputError: When the path lies in the dataset, is a folder, or is a file that datapare did not write.
    """
    from datapare.data import check_outside

    if data is not None:
        check_outside(data, path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file with --out.")
    if path.suffix in PARTS and any((path.parent / name).is_file() for name in DESCRIBED):
        raise InputError(f"{path} lies among datapare's own results, which {path.suffix} files are part of.")
    if path.exists() and not path.is_file():  # not with --force either: /dev/null would be gone
        raise InputError(f"{path} is no file that can be replaced; name another with --out.")
    if os.path.lexists(path) and not force and mark not in _head(path):
        raise InputError(f"{path} exists and was not written by datapare; choose another --out, or pass --force.")
    return path


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(HEAD).decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; choose another --out.") from error
