"""The files in a tar archive: their names and where their content lies, read from the headers alone."""

import mmap
import os
import tarfile
from pathlib import Path
from typing import NamedTuple

from datapare.errors import InputError

_BLOCK = 512
_FILES = (b"0", b"\0", b"7")
_SKIPPED = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders, pipes
_EXTENDED = b"x"


class Member(NamedTuple):
    """A file in a tar archive: its name, and the place and the length of its content."""

    name: str
    offset: int
    size: int


def file_members(path: Path) -> list[Member]:
    """List the files of a plain tar archive in order.

    Headers of the usual kinds (ustar, and pax with a path or a size) are read here, which is ten times as quick as
    `tarfile`; an archive with any other one is left to `tarfile` as a whole.

    Args:
        path: The archive, not compressed.

    Returns:
        The regular files of N members, without links and folders.

    Raises:
        InputError: For a file that is no plain tar archive, is cut off, has a damaged header, a member whose length
            leads out of it, one that is stored with holes, or a name that is not UTF-8.
    """
    try:
        return _plain_members(path)
    except (_UnusualHeader, ValueError):  # numbers in another form, and names that are not UTF-8, among them
        pass
    try:
        return _by_tarfile(path)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path} is no plain tar file that can be read ({error}); unpack a compressed one first."
        ) from None


def ends_as_a_tar(path: Path) -> bool:
    """Whether a tar archive ends in a block of zeros; one without was cut off between two files, or never closed."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _BLOCK))
        return not any(file.read())


class _UnusualHeader(Exception):  # noqa: N818 (no error: `tarfile` reads such archives)
    """A header that is not read here."""


def _plain_members(path: Path) -> list[Member]:
    """The files of an archive of usual headers."""
    found: list[Member] = []
    at, total = 0, path.stat().st_size
    extended: dict[str, str] = {}
    with path.open("rb", buffering=_BLOCK * 8) as file:
        while at < total:
            file.seek(at)
            header = file.read(_BLOCK)
            if len(header) == _BLOCK and not any(header):  # the end
                break
            kind, start, length = header[156:157], at + _BLOCK, int(header[124:136].strip(b" \0") or b"0", 8)
            _check_header(header, kind)
            if not 0 <= length <= total - start:
                raise _UnusualHeader
            if kind == _EXTENDED:
                extended, at = _pax_words(file.read(length)), start + _padded(length)
                continue
            length = int(extended.get("size", length)) if kind in _FILES else 0
            name = _name(header)
            is_folder = kind == b"\0" and name.endswith("/")  # of old archives
            if is_folder or length < 0 or start + _padded(length) > total:
                raise _UnusualHeader
            if kind in _FILES:
                found.append(Member(extended.get("path") or name, start, length))
            at, extended = start + _padded(length), {}
    if not at or extended:
        raise _UnusualHeader
    return found


def _check_header(header: bytes, kind: bytes) -> None:
    """Raise _UnusualHeader for a header that is cut off, of another kind, or whose sum of bytes is not as it says."""
    if len(header) < _BLOCK or kind not in (*_FILES, *_SKIPPED, _EXTENDED):
        raise _UnusualHeader
    checksum = header[148:156]  # counted as if it were spaces
    if sum(header) - sum(checksum) + 8 * 32 != int(checksum.strip(b" \0") or b"0", 8):
        raise _UnusualHeader


def _padded(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _name(header: bytes) -> str:
    """The name in a header, with its prefix."""
    name, prefix = (field.split(b"\0", 1)[0].decode() for field in (header[:100], header[345:500]))
    return f"{prefix}/{name}" if prefix else name


def _pax_words(content: bytes) -> dict[str, str]:
    """The records of an extended header; raise _UnusualHeader where they change how the content is stored."""
    found = {}
    while content:
        length = content.split(b" ", 1)[0]
        record, content = content[: int(length)], content[int(length) :]
        name, _, value = record[len(length) + 1 : -1].decode().partition("=")
        if name.startswith("GNU.sparse") or name == "hdrcharset" or not record.endswith(b"\n"):
            raise _UnusualHeader
        found[name] = value
    if not found:
        raise _UnusualHeader
    return found


def _by_tarfile(path: Path) -> list[Member]:
    found: list[Member] = []
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,  # it reads no more than there is
        tarfile.open(fileobj=content, mode="r:") as tar,
    ):
        for one in tar:
            _check_member(one, tar.offset, len(content))
            if one.isfile():
                found.append(Member(one.name, one.offset_data, one.size))
        end = tar.offset
    with path.open("rb") as file:
        file.seek(end)
        if file.read(_BLOCK).strip(b"\0"):
            raise tarfile.ReadError(f"the header at byte {end:,} is damaged")
    return found


def _check_member(one: tarfile.TarInfo, following: int, total: int) -> None:
    """Raise TarError for a member that `tarfile` would read from outside of the archive, or for ever."""
    if not one.name.isascii() and one.name.encode("utf-8", "replace").decode() != one.name:
        raise tarfile.ReadError(f"the name {os.fsencode(one.name)!r} is not UTF-8")
    if one.issparse():  # its size says nothing of what is stored
        raise tarfile.ReadError(f"{one.name} is stored with holes: make the archive without --sparse")
    if one.size < 0 or following < one.offset_data or (one.isfile() and one.offset_data + one.size > total):
        raise tarfile.ReadError(f"{one.name} is said to hold {one.size:,} bytes")
