"""JSON: one object per line, or one list of objects; written back as the very objects that were read."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.data.foreign_types import ArrowColumn, ArrowTable
from datapare.data.formats.delimited import write_records
from datapare.data.json_annotations import Json
from datapare.data.json_spans import end_of_object, members, pairs
from datapare.data.mixed_folders import rows_are_the_dataset
from datapare.data.source import MAX_GIB, OpenRequest, RawTable, SourceFiles, rows_of
from datapare.data.tables import concatenated
from datapare.data.text_files import content_of, with_packed
from datapare.errors import InputError
from datapare.numerics.threads import in_blocks

_LINES = with_packed((".jsonl", ".ndjson"))
SUFFIXES = (*_LINES, *with_packed((".json",)))
PRIORITY = 1
SETTINGS = re.compile(r"(config|dataset_infos?|package|state|.*_config|metadata|schema|info)\.json(\.\w+)?")
_BLOCK = 1 << 24
_PIECE = 1 << 20  # bytes, which stay in the processor's cache
_BRACE = ord("{")
_SHORTEST = 64  # bytes; longer lines are taken for an object without a look
_OPENING = re.compile(rb"[\xef\xbb\xbf \t\r\n]*")
_HALF = re.compile("[\ud800-\udfff]")


def matches(files: SourceFiles, request: OpenRequest) -> bool:
    """Whether files of JSON lines are the dataset of a folder that holds images too."""
    return rows_are_the_dataset(files, request, _LINES, _peek)


def _peek(path: Path) -> tuple[list[str], int]:
    content = content_of(path, MAX_GIB)
    bounds = object_bounds(content, path)
    try:
        first = json.loads(content[slice(*bounds[0].tolist())].lstrip(b"\xef\xbb\xbf")) if len(bounds) else {}
    except ValueError:
        first = {}
    return (list(first) if isinstance(first, dict) else []), len(bounds)


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Read the rows of files with one JSON object per line, or with one list of objects."""
    chosen = files.with_suffix(_suffixes(files), request.split)
    if files.is_folder:
        chosen = tuple(file for file in chosen if not SETTINGS.fullmatch(file.name.lower())) or chosen
    tables = [json_table(file, request.max_gib) for file in chosen if len(chosen) == 1 or file.stat().st_size]
    return RawTable(rows_of(concatenated(tables, chosen[: len(tables)])), files.path, chosen)


def _suffixes(files: SourceFiles) -> tuple[str, ...]:
    """In a folder, .json files are read where there are no JSON lines: most of them are settings."""
    return _LINES if any(name.lower().endswith(_LINES) for name in files.names) else SUFFIXES


def json_table(path: Path, max_gib: float = MAX_GIB) -> ArrowTable:
    r"""Read a file as a `pyarrow.Table`, one row per object of `object_bounds`.

    Values that no column holds do not stop it: where numbers above 64 bits, or values of different types, stand in one
    column, it holds their JSON text; half a character of a pair (\ud83d) is read as U+FFFD.
    """
    if not path.stat().st_size:
        raise InputError(f"{path} is empty; expected one JSON object per line.")
    content = content_of(path, max_gib)
    table = _by_arrow(content) if list_start(content, path) is None else None
    if table is not None and table.num_rows and _is_an_object_per_line(content, table.num_rows):
        return table
    bounds = object_bounds(content, path)
    if table is not None and 0 < table.num_rows == len(bounds):
        return table
    return _by_line(content, bounds, path)


def _is_an_object_per_line(content: bytes, rows: int) -> bool:
    """Whether there are as many lines as rows and each begins as an object does, so that none is blank."""
    raw = np.frombuffer(content, np.uint8)
    found = np.zeros(-(-len(raw) // _PIECE), np.int64)

    def count(piece: slice) -> None:
        begins = np.flatnonzero(raw[piece] == 10) + piece.start + 1
        begins = begins[begins < len(raw)]
        found[piece.start // _PIECE] = len(begins) if (raw[begins] == _BRACE).all() else -len(raw)

    in_blocks(count, len(raw), _PIECE)
    return bool(content[0] == _BRACE and found.sum() + 1 == rows)


def _by_arrow(content: bytes) -> ArrowTable | None:
    """The table by pyarrow's reader; None where it cannot hold a value. Texts that look like dates stay texts."""
    import pyarrow as pa
    import pyarrow.json as pj

    if content[:3] == b"\xef\xbb\xbf" or b"\\ud" in content or b"\\uD" in content:
        return None
    texts: set[str] = set()
    for _ in range(3):
        schema = pa.schema([(name, pa.string()) for name in sorted(texts)])
        try:
            table = pj.read_json(
                pa.BufferReader(content),
                read_options=pj.ReadOptions(block_size=min(max(len(content) + 1, 1024), _BLOCK)),
                parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
            )
        except pa.ArrowInvalid:
            return None
        dates = {field.name for field in table.schema if pa.types.is_timestamp(field.type)}
        if not dates:
            return None if _may_have_lost(table) else table
        texts |= dates
    return None


def _may_have_lost(table: ArrowTable) -> bool:
    """Whether pyarrow may have changed a value: a text inside of others into a date, a long number into a float."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nested = any("timestamp" in str(kind) for kind in table.schema.types)
    floats = (column for column in table.columns if pa.types.is_floating(column.type))
    return nested or any(pc.any(pc.greater_equal(pc.abs(column), 2.0**53)).as_py() for column in floats)


def _by_line(content: bytes, bounds: NDArray[np.int64], path: Path) -> ArrowTable:
    """The table by Python's reader, which holds every value."""
    import pyarrow as pa

    parsed = []
    for number, (start, end) in enumerate(bounds.tolist()):
        try:
            value = json.loads(content[start:end].lstrip(b"\xef\xbb\xbf"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} holds one JSON object per line, but record {number} is none: {error}.") from None
        if not isinstance(value, dict):
            raise InputError(f"{path} holds one JSON object per line, but record {number} is a {type(value).__name__}.")
        parsed.append(value)
    names = list(dict.fromkeys(name for one in parsed for name in one))
    return pa.table({_whole(name): values_column([one.get(name) for one in parsed]) for name in names})


def values_column(values: list[Json]) -> ArrowColumn:
    """Return a column of JSON values; of those of different types as texts."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    try:
        if len(kinds) <= 1 or kinds == {int, float}:
            return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        pass
    there = [None if one is None or one != one else one for one in values]  # noqa: PLR0124 (NaN, as pandas writes it)
    return pa.array(
        [None if one is None else _whole(one if isinstance(one, str) else json.dumps(one)) for one in there]
    )


def _whole(text: str) -> str:
    """The text without halves of characters."""
    return text.encode("utf-8", "replace").decode() if _HALF.search(text) else text


def object_bounds(content: bytes, path: Path) -> NDArray[np.int64]:
    """Return where each object begins and ends (N, 2): the lines that are not blank, or the members of one list.

    The list may be the file, or the only list of objects in one object, such as {"version": 1, "data": [...]}.
    """
    start = list_start(content, path)
    if start is not None:
        return members(content, start, path)
    raw = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(raw == 10) + 1
    ends = ends if len(ends) and ends[-1] == len(raw) else np.append(ends, len(raw))
    bounds = np.empty((len(ends), 2), np.int64)
    bounds[:1, 0], bounds[1:, 0], bounds[:, 1] = 0, ends[:-1], ends
    maybe_blank = bounds[bounds[:, 1] - bounds[:, 0] < _SHORTEST]
    blank = [end for start, end in maybe_blank.tolist() if not content[start:end].strip()]
    return bounds[~np.isin(ends, blank)] if blank else bounds


def list_start(content: bytes, path: Path) -> int | None:
    """Return the place of the bracket that opens the list of all objects; None where each line is an object."""
    opening = _OPENING.match(content)
    start = opening.end() if opening else 0
    first = content[start : start + 1]
    end = content.find(b"\n", start)
    line = content[start : end if end >= 0 else None]
    if first == b"[" and (b"{" in line or not _is_json(line)):
        return start
    if first != b"{" or (
        _is_json(line) and (content.find(b"\n", end + 1) > end >= 0 or path.name.lower().endswith(_LINES))
    ):
        return None
    text = content.decode("latin-1")  # one character per byte; all of JSON's own marks are ASCII
    try:
        lists = _lists(text, start)
    except ValueError:
        return None
    if len(lists) == 1:
        return next(iter(lists.values()))
    if _is_json(line) and not lists and not all(isinstance(v, dict | list) for v in json.loads(line).values()):
        return None
    value = json.loads(content)
    names = ", ".join(lists or list(value)[:5])
    raise InputError(
        f"{path} is one JSON object ({names}) with {len(lists)} lists of objects; expected one list, or one JSON "
        f"object per line{_of_pandas(value)}."
    )


def _of_pandas(value: dict[str, Json]) -> str:
    """How to rewrite an object that pandas wrote in another form; "" where it is none.

    >>> "orient='split'" in _of_pandas({"columns": ["a"], "index": [0], "data": [[1]]})
    True
    """
    inner = list(value.values())
    rows = len(inner) > 1 and all(isinstance(one, dict) and one for one in inner)
    if set(value) in ({"columns", "index", "data"}, {"columns", "data"}):
        form = "split"
    elif rows and len({tuple(one) for one in inner if isinstance(one, dict)}) == 1:
        form = "index"
    else:
        return ""
    return (
        f"; it looks like what pandas writes with orient='{form}', which pandas.read_json(path, orient='{form}') reads "
        "as a DataFrame that can be opened, or written with to_json(path, orient='records')"
    )


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _lists(text: str, start: int) -> dict[str, int]:
    """The members of the object at `start` that are lists of objects, and where each begins."""
    rest = text[end_of_object(text, start) :]
    if rest.strip():
        raise ValueError(rest[:20])
    found = [one for one in pairs(text, start) if isinstance(one.value, list) and one.value]
    return {one.name: one.begin for one in found if all(isinstance(entry, dict) for entry in one.value)}


def write(source: Path, keep: Sequence[int], out: Path) -> int:
    """Write one file with only the objects at `keep`; positions outside of the file are ignored."""
    content = content_of(source) if source.stat().st_size else b""
    bounds = object_bounds(content, source)
    at = [i for i in keep if 0 <= i < len(bounds)]
    if not len(bounds) or list_start(content, source) is None:
        return write_records(out, content, b"", bounds, keep, source)
    between = content[bounds[0][1] : bounds[1][0]] if len(bounds) > 1 else b","
    head, tail = content[: bounds[0][0]], content[bounds[-1][1] :]
    smaller = head + between.join(content[slice(*bounds[i].tolist())] for i in at) + tail
    write_records(out, smaller, smaller, np.empty((0, 2), np.int64), [], source)
    return len(bounds)
