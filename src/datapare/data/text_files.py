"""Files of text as bytes: unpacked within a limit, and refused with the way out where they are no UTF-8."""

import bz2
import gzip
import lzma
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from datapare.data.foreign_types import PackedFile
from datapare.data.source import check_unpacked
from datapare.errors import InputError

PACKED = (".gz", ".bz2", ".xz", ".zst")
_PIECE = 1 << 24


def with_packed(suffixes: Sequence[str]) -> tuple[str, ...]:
    """Return the endings of files and those of the same files when packed.

    >>> with_packed([".csv"])
    ('.csv', '.csv.gz', '.csv.bz2', '.csv.xz', '.csv.zst')
    """
    return (*suffixes, *(suffix + packed for suffix in suffixes for packed in PACKED))


@contextmanager
def open_packed(path: Path, mode: Literal["rb", "wb"], like: Path | None = None) -> Iterator[PackedFile]:
    """Open a file to read what is packed in it, or to write it packed, as its name, or that of `like`, ends."""
    suffix = (path if like is None else like).suffix.lower()
    with path.open(mode) as file, ExitStack() as opened:
        if suffix in {".gz", ".tgz"}:  # without the time in it, so that the same call writes the same bytes
            yield opened.enter_context(gzip.GzipFile("", mode, fileobj=file, mtime=0))
        elif suffix == ".bz2":
            yield opened.enter_context(bz2.BZ2File(file, mode))
        elif suffix == ".xz":
            yield opened.enter_context(lzma.LZMAFile(file, mode))
        elif suffix == ".zst":
            import pyarrow as pa

            stream = pa.CompressedInputStream if mode == "rb" else pa.CompressedOutputStream
            yield opened.enter_context(stream(pa.PythonFile(file), "zstd"))
        else:
            yield file


def content_of(path: Path, max_gib: float = math.inf) -> bytes:
    """Return the bytes of a file that holds UTF-8 text, unpacked as its name ends, to at most so many GiB."""
    content = _unpacked(path, max_gib)
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"} or (b"\0" in content[:1000] and _is_utf_16(content[:1000])):
        name = "utf-32" if b"\0\0" in content[:8] else "utf-16"
        raise InputError(
            f"{path} is not UTF-8 text but {name.upper()}; convert it first: "
            f"iconv -f {name} -t utf-8 {path.name} > NEW."
        )
    if b"\0" in content[:1000]:
        raise InputError(f"{path} is not UTF-8 text but binary; export it as text from the program that wrote it.")
    try:
        text = content[:1000].decode("utf-8", "ignore")
        if not content.isascii():
            content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start:,}); convert it first, such as with "
            f"iconv -f windows-1252 -t utf-8 {path.name} > NEW."
        ) from None
    if not text.strip("\ufeff \r\n"):
        raise InputError(f"{path} is empty; expected a header line and one record per example.")
    return content


def _is_utf_16(content: bytes) -> bool:
    """Whether every second byte of mostly Latin text is zero."""
    return max(content[::2].count(0), content[1::2].count(0)) * 4 > len(content)


def _unpacked(path: Path, max_gib: float) -> bytes:
    """The bytes of a file; of a packed one in pieces, so that one of many zeros does not fill the memory."""
    if path.suffix.lower() not in PACKED:
        return path.read_bytes()
    pieces: list[bytes] = []
    size = 0
    try:
        with open_packed(path, "rb") as file:
            while piece := file.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                check_unpacked(path, size, max_gib)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path} cannot be unpacked: {first_line(error)}.") from None
    return b"".join(pieces)


def first_line(error: Exception) -> str:
    """Return the first line of a message of pyarrow, without the stop at its end."""
    return str(error).strip().split("\n", 1)[0].rstrip(".:")
