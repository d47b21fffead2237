"""Files made to do harm: each is read for what it says, or refused in one sentence; nothing runs, nothing fills up."""

import io
import json
import os
import socket
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sources import encoded, put

from datapare.artifacts import Subset
from datapare.data import encode, export, open_dataset
from datapare.errors import InputError

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(ran) (w) file closefile showpage\n"
SVG = b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg><text>&b;</text></svg>'
BOMB = b"a\0\0" + zlib.compress(bytes(8 << 20), 9)
DEEP = b"[" * 100_000 + b"]" * 100_000


def folder(at: Path, name: str, content: bytes) -> Path:
    for i in range(4):
        put(at / "ab"[i % 2] / f"{i}.png", encoded(i))
    put(at / "a" / name, content)
    return at


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(side: int, *more: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + b"".join(more)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def header(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


def npy_folder(at: Path, content: bytes) -> Path:
    put(at / "x.npy", content)
    np.save(at / "y.npy", [0, 1, 0, 1])
    return at


def pickled(at: Path, name: str) -> Path:
    at.mkdir()
    (np.save if name.endswith("npy") else np.savez)(at / name, np.array([Trap()] * 4, object), allow_pickle=True)
    np.save(at / "y.npy", [0, 1, 0, 1])
    return at if name.endswith("npy") else at / name


class Trap:
    """Unpickled, it writes a file."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path("ran").touch, ()


def lines(at: Path, *cells: str) -> Path:
    put(at, "".join(f'{{"text": {cell}, "label": "{"uv"[i % 2]}"}}\n' for i, cell in enumerate(cells)).encode())
    return at


def zip_bomb(at: Path) -> Path:
    np.savez_compressed(at, x=np.zeros((4, 3_000_000)), y=[0, 1, 0, 1])
    return at


def parquet_bomb(at: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["x" * 30_000_000] * 4, "label": ["u", "v"] * 2}), at, compression="zstd")
    return at


def long_lists(count: int) -> object:
    import pyarrow as pa

    return pa.ListArray.from_arrays(pa.array([0, count, count + 1], pa.int32()), pa.nulls(count + 1, pa.int8()))


def parquet_of(at: Path, texts: object) -> Path:
    """A file in which few bytes stand for many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    label = ["u", "v"] * (len(texts) // 2)  # type: ignore[arg-type]
    pq.write_table(pa.table({"text": texts, "label": label}), at, compression="zstd", store_schema=False)
    return at


def arrow_of(at: Path, column: object, compression: str | None = None) -> Path:
    import pyarrow as pa

    table = pa.table({"text": column, "label": ["u", "v"] * (len(column) // 2)})  # type: ignore[arg-type]
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(str(at), table.schema, options=options) as writer:
        writer.write_table(table)
    return at


def repeated(kind: str) -> object:
    """A text of a megabyte, 100 times, which is stored once."""
    import pyarrow as pa

    once = pa.array(["x" * (1 << 20)])
    if kind == "runs":
        return pa.RunEndEncodedArray.from_arrays([100], once)
    if kind == "views":
        _, views, content = once.cast(pa.string_view()).buffers()
        return pa.StringViewArray.from_buffers(pa.string_view(), 100, [None, pa.py_buffer(bytes(views) * 100), content])
    return pa.DictionaryArray.from_arrays(pa.array([0] * 100), once)


def lying_zip(at: Path) -> Path:
    """An archive whose directory says that a member is small."""
    np.savez_compressed(at, x=np.zeros((4, 3_000_000)), y=[0, 1, 0, 1])
    content = bytearray(at.read_bytes())
    with zipfile.ZipFile(at) as archive:
        sizes = [member.file_size for member in archive.infolist() if member.filename == "x.npy"]
    at.write_bytes(content.replace(struct.pack("<I", sizes[0]), struct.pack("<I", 1000)))
    return at


REFUSED: dict[str, Callable[[Path], Path]] = {
    "PostScript": lambda at: folder(at / "d", "x.png", POSTSCRIPT),
    "PostScript as JPEG": lambda at: folder(at / "d", "x.jpg", POSTSCRIPT),
    "SVG": lambda at: folder(at / "d", "x.png", SVG),
    "a PDF": lambda at: folder(at / "d", "x.png", b"%PDF-1.7\n1 0 obj<</OpenAction<</S/Launch>>>>endobj"),
    "a giant header": lambda at: folder(at / "d", "x.png", png(65_000)),
    "a text bomb": lambda at: folder(at / "d", "x.png", png(10, *[chunk(b"zTXt", BOMB)] * 12)),
    "a pickled .npy": lambda at: pickled(at / "d", "x.npy"),
    "a pickled .npz": lambda at: pickled(at / "d", "x.npz"),
    "code in a header": lambda at: npy_folder(at / "d", npy(header("__import__('os').mkdir('ran')", "(4,)"))),
    "a header of objects": lambda at: npy_folder(at / "d", npy(header("'|O'", "(4,)"), b"\x80\x04.")),
    "a header of a huge shape": lambda at: npy_folder(at / "d", npy(header("'<f8'", f"(4, {2**60})"))),
    "a header of a negative shape": lambda at: npy_folder(at / "d", npy(header("'<f8'", "(4, -1)"))),
    "a deep header": lambda at: npy_folder(at / "d", npy("(" * 9000)),
    "a zip bomb": lambda at: zip_bomb(at / "d.npz"),
    "a lying zip": lambda at: lying_zip(at / "d.npz"),
    "a Parquet bomb": lambda at: parquet_bomb(at / "d.parquet"),
    "a Parquet dictionary": lambda at: parquet_of(at / "d.parquet", ["x" * (1 << 20)] * 100),
    "a Parquet dictionary of lists": lambda at: parquet_of(at / "d.parquet", [["x" * (1 << 20)] * 50] * 2),
    "a Parquet dictionary of structs": lambda at: parquet_of(at / "d.parquet", [{"a": "x" * (1 << 20)}] * 100),
    "Parquet lists of nothing": lambda at: parquet_of(at / "d.parquet", long_lists(30_000_000)),
    "an Arrow dictionary": lambda at: arrow_of(at / "d.arrow", repeated("dictionary")),
    "Arrow runs": lambda at: arrow_of(at / "d.arrow", repeated("runs")),
    "Arrow views": lambda at: arrow_of(at / "d.arrow", repeated("views")),
    "packed Arrow": lambda at: arrow_of(at / "d.arrow", ["x" * 30_000_000] * 4, "zstd"),
    "deep JSON": lambda at: lines(at / "d.jsonl", '"x"', DEEP.decode(), '"y"', '"z"'),
    "digits": lambda at: lines(at / "d.jsonl", '"x"', "9" * 5000, '"y"', '"z"'),
    "a deep list": lambda at: (put(at / "d.json", DEEP), at / "d.json")[1],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_hostile_is_refused_and_does_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = REFUSED[name](tmp_path)
    with pytest.raises(InputError) as caught:
        encode(open_dataset(source, max_gib=0.02))
    assert any(word in str(caught.value) for word in (source.name, "row", "the column 'text' unpacks to"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "cells", [("1e400", "NaN", "-Infinity", "2.5"), ("1" + "0" * 400, "1", "2", "3"), ("null",) * 4]
)
def test_numbers_that_are_none_are_read_as_text_or_refused(cells, tmp_path):
    source = lines(tmp_path / "d.jsonl", *cells)
    try:
        encoded_ = encode(open_dataset(source, kind="table", input="text"))
    except InputError:
        return
    assert np.isfinite(encoded_.array.astype(np.float64)).all()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_no_file_is_not_waited_for(kind, tmp_path, monkeypatch):
    root = folder(tmp_path / "d", "x.png", encoded(9))
    (root / "a" / "x.png").unlink()
    monkeypatch.chdir(root / "a")  # the name of a socket is short
    if kind == "pipe":
        os.mkfifo("x.png")
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("x.png")
    with pytest.raises(InputError, match=r"a/x\.png is no file"):
        open_dataset(root)


@pytest.mark.parametrize("name", ["/abs.png", "../../out.png", "a/../../out.png", "link.png", "hard.png", "null.png"])
def test_members_of_an_archive_name_no_files(name, tmp_path):
    put(tmp_path / "secret.png", encoded(99))
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        for i in range(4):
            for ending, content in (("png", encoded(i)), ("cls", b"%d" % (i % 2))):
                member = tarfile.TarInfo(f"{i}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        odd = tarfile.TarInfo(name)
        kinds = {"link.png": tarfile.SYMTYPE, "hard.png": tarfile.LNKTYPE, "null.png": tarfile.CHRTYPE}
        odd.type, odd.linkname = kinds.get(name, tarfile.REGTYPE), str(tmp_path / "secret.png")
        tar.addfile(odd, io.BytesIO(b""))
    before = sorted(tmp_path.iterdir())
    try:
        data = open_dataset(tmp_path / "d.tar")
        assert len(data) == 4
        export(data, Subset([0, 3], 4), tmp_path / "out")
    except InputError:
        pass
    made = [
        path for path in tmp_path.rglob("*") if path not in before and "out" not in path.relative_to(tmp_path).parts
    ]
    assert made == []


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1b[2Jb", "=cmd()", "a\u202eb", "-rf", "a,b", 'a"b', "a\\b"])
def test_names_of_any_characters_come_back_from_a_list_of_what_is_kept(name, tmp_path):
    root = folder(tmp_path / "d", f"{name}.png", encoded(9))
    data = open_dataset(root)
    export(data, Subset(range(5), 5), tmp_path / "list", as_="index")
    listed = (tmp_path / "list" / "keep.txt").read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    assert len(listed) == 6
    assert json.loads(json.dumps(data.name[0])) == data.name[0]
    out = export(data, Subset(range(5), 5), tmp_path / "out")
    assert (out / "a" / f"{name}.png").read_bytes() == encoded(9)
