"""Packed tar files, unpacked once for as long as the process lasts: what a shard holds is read from its place in it."""

import atexit
import lzma
import shutil
import tempfile
import zlib
from functools import cache
from pathlib import Path

from datapare.data.source import MAX_GIB, check_unpacked
from datapare.data.text_files import first_line, open_packed
from datapare.errors import InputError

PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_PIECE = 1 << 24


def plain_tar(file: Path, max_gib: float = MAX_GIB) -> Path:
    """Return the file itself, or the unpacked copy of a packed one.

    Raises:
        InputError: For one that cannot be unpacked, or unpacks to more GiB than the limit.
    """
    return _unpacked(file, file.stat().st_mtime_ns, max_gib) if file.name.lower().endswith(PACKED) else file


@cache
def _unpacked(file: Path, changed: int, max_gib: float) -> Path:  # noqa: ARG001 (a file that changed is read anew)
    place = Path(tempfile.mkdtemp(prefix="datapare-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    target, size = place / file.name, 0
    try:
        with open_packed(file, "rb") as packed, target.open("wb") as out:
            while piece := packed.read(_PIECE):
                size += len(piece)
                check_unpacked(file, size, max_gib)
                out.write(piece)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{file} cannot be unpacked: {first_line(error)}.") from None
    return target
