"""What can be wrong with a file on disk, and which files of a folder a command reads."""

import io
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

UNREADABLE = {
    "empty",
    "half",
    "garbage",
    "zeros",
    "folder",
    "loop",
    "deep",
    "digits",
    "future",
    "zip",
    "brackets",
    "nested",
    "code",
}  # surely noticed
_watchers: list[Callable[[str], None]] = []


def _watch(event, arguments):
    if event == "open" and _watchers and isinstance(arguments[0], str | bytes):
        for watcher in _watchers:
            watcher(os.path.realpath(os.fsdecode(arguments[0])))


sys.addaudithook(_watch)  # for the life of the process: it cannot be taken away again


def files_read(act: Callable[[], object], folder: Path) -> list[Path]:
    """The files below a folder that are there before an act and that it opens."""
    there = {os.path.realpath(file): file for file in folder.rglob("*") if file.is_file() and file.name != ".lock"}
    found: set[str] = set()
    _watchers.append(found.add)
    try:
        act()
    finally:
        _watchers.pop()
    return sorted(there[name].relative_to(folder) for name in found & there.keys())


def put(file: Path, content: bytes | str) -> None:
    """Put damaged content in the place of a file; a text names what is no file at all."""
    file.unlink()
    if content == "folder":
        file.mkdir()
        (file / "inside").write_text("")
    elif content == "loop":
        file.symlink_to(file.name)
    elif content == "dangling":
        file.symlink_to("nowhere")
    else:
        file.write_bytes(content)


def damages(file: Path) -> Iterator[tuple[str, bytes | str]]:
    """Every kind of damage to a file, by name."""
    whole, rng = file.read_bytes(), random.Random(file.name)  # noqa: S311
    yield "empty", b""
    yield "half", whole[: len(whole) // 2]
    yield "garbage", rng.randbytes(max(64, len(whole) // 2))
    yield "zeros", bytes(len(whole))
    yield "folder", "folder"
    yield "loop", "loop"
    yield "dangling", "dangling"
    yield "shorter", whole[:-1]
    yield "longer", whole + b"garbage"
    if file.suffix == ".json":
        yield from _json_damages(json.loads(whole), whole)
    if file.suffix == ".npy":
        yield from _array_damages(np.load(file))


def every_value_replaced(file: Path) -> Iterator[tuple[str, bytes]]:
    """A JSON file with each of its values in turn missing or of another type."""
    for path in _paths(json.loads(file.read_bytes())):
        for new in (None, [], {}, -1, "x", 10**30, 1.5, True, [[None]]):
            changed = json.loads(file.read_bytes())
            where = changed
            for part in path[:-1]:
                where = where[part]
            where[path[-1]] = new
            yield f"{'.'.join(map(str, path))}={new!r}", json.dumps(changed).encode()
        del where[path[-1]]
        yield f"{'.'.join(map(str, path))} missing", json.dumps(changed).encode()


def _paths(node, path=()):
    if path:
        yield path
    if isinstance(node, dict):
        for key in node:
            yield from _paths(node[key], (*path, key))
    elif isinstance(node, list) and node:
        yield from _paths(node[0], (*path, 0))


def _json_damages(value, whole):
    yield "deep", b'{"a":' * 50_000
    yield "digits", b'{"datapare": ' + b"9" * 5_000 + b"}"
    yield "other", b"NaN"
    yield "list", b"[]"
    yield "latin-1", whole.replace(b"{", b'{"\xe9": 1,', 1)
    if isinstance(value, dict) and "datapare" in value:
        yield "future", json.dumps({**value, "datapare": 99}).encode()
        yield "extra", json.dumps({**value, "colour": "red"}).encode()
        yield "true", json.dumps({**value, "datapare": True}).encode()


def _array_damages(array):
    def stored(values):
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=True)
        return buffer.getvalue()

    yield "zip", b"PK\x03\x04" + bytes(100)
    yield "brackets", b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16
    yield "nested", b"\x93NUMPY\x01\x00\x00\x20" + b"[" * 0x2000
    yield "code", b"\x93NUMPY\x01\x00\x10\x00{open('x')}    \n"
    yield "pickled", stored(array.astype(object))
    yield "big-endian", stored(array.astype(array.dtype.newbyteorder(">")))
    yield "complex", stored(array.astype(complex))
    yield "another shape", stored(array[None])
    yield "a row less", stored(array[:-1])
    yield "records", stored(np.zeros(3, dtype=[("a", "i4")]))
    if array.dtype.kind == "f":
        yield "NaN", stored(np.full_like(array, np.nan))
        yield "huge", stored(np.full_like(array, 1e38))
    elif array.dtype.kind in "iu":
        yield "largest", stored(np.full_like(array, np.iinfo(array.dtype).max))
        yield "smallest", stored(np.full_like(array, np.iinfo(array.dtype).min))
