"""CSV and TSV: read as a table, written back as the very records that were read."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.data.columns import text_columns
from datapare.data.foreign_types import ArrowTable, ArrowType
from datapare.data.mixed_folders import rows_are_the_dataset
from datapare.data.source import MAX_GIB, OpenRequest, RawTable, SourceFiles, rows_of
from datapare.data.tables import concatenated, numbers_with_commas, types_of_texts
from datapare.data.text_files import content_of, first_line, open_packed, with_packed
from datapare.errors import InputError
from datapare.numerics.threads import in_blocks

SUFFIXES = with_packed((".csv", ".tsv"))
PRIORITY = 1
_LONGEST = 1 << 30
_PIECE = 1 << 20  # bytes, which stay in the processor's cache
_SEPARATORS = ",\t;|"


def matches(files: SourceFiles, request: OpenRequest) -> bool:
    """Whether the files are the dataset of a folder that holds images too."""
    return rows_are_the_dataset(files, request, SUFFIXES, _peek)


def _peek(path: Path) -> tuple[list[str], int]:
    content = content_of(path, MAX_GIB)
    separator, names = _header(content)
    return names, len(record_bounds(content, separator, path)) - 1


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Read the rows of files with a header line; the separator is the one that cuts header and records alike.

    Labels and ids stay the text of the file; of other columns numbers and dates are recognised.
    """
    chosen = files.with_suffix(SUFFIXES, request.split)
    tables = [csv_table(file, request) for file in chosen]
    for _ in range(2):
        mixed = types_of_texts(tables)
        again = {i for i, table in enumerate(tables) if mixed & {f.name for f in table.schema if not _is_text(f.type)}}
        if not again:
            break
        tables = [csv_table(file, request, mixed) if i in again else tables[i] for i, file in enumerate(chosen)]
    return RawTable(rows_of(texts_for_nothing(concatenated(tables, chosen))), files.path, chosen)


def _is_text(kind: ArrowType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind))


def texts_for_nothing(table: ArrowTable) -> ArrowTable:
    """Return the table with empty texts in the columns that are empty everywhere, which have no type otherwise."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_null(field.type):
            table = table.set_column(i, field.name, pa.array([""] * table.num_rows, pa.string()))
    return table


def csv_table(path: Path, request: OpenRequest | None = None, texts: frozenset[str] = frozenset()) -> ArrowTable:
    """Read a CSV file as a `pyarrow.Table`, one row per record of `record_bounds`; the columns `texts` as text."""
    import pyarrow as pa

    content = content_of(path, MAX_GIB if request is None else request.max_gib)
    separator, names = _header(content)
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise InputError(
            f"{path} has two columns of the same name: {', '.join(twice[:5])}{', …' if len(twice) > 5 else ''}; rename "
            "one, or write a first line of names where there is none."
        )
    kept = text_columns(names, None, None) if request is None else text_columns(names, request.label, request.id)
    if content.find(b"\n", 0, -1) < 0 and len(record_bounds(content, separator, path)) == 1:  # nothing was kept of it
        return pa.table({name: pa.nulls(0) for name in names})
    table = _parsed(content, separator, {*kept, *texts}, path)
    if not _has_a_record_per_line(content, table.num_rows):
        _check_records(content, table.num_rows, separator, path)
    return numbers_with_commas(table, {*kept, *texts}, thousands=separator == ",")


def _has_a_record_per_line(content: bytes, rows: int) -> bool:
    """Whether the header and each parsed row are one line, as in most files, so that their bounds need no look.

    Each takes at least a line, so none has several where there are as many lines.
    """
    lines = int(_counted(np.frombuffer(content, np.uint8), 10).sum()) + (not content.endswith(b"\n"))
    return lines == rows + 1 and (b"\r" not in content or content.count(b"\r") == content.count(b"\r\n"))


def _counted(raw: NDArray[np.uint8], byte: int) -> NDArray[np.int64]:
    """Count a byte in each piece of a text (P,)."""
    found = np.zeros(-(-len(raw) // _PIECE), np.int64)

    def count(piece: slice) -> None:
        found[piece.start // _PIECE] = np.count_nonzero(raw[piece] == byte)

    in_blocks(count, len(raw), _PIECE)
    return found


def _check_records(content: bytes, rows: int, separator: str, path: Path) -> None:
    """Raise InputError where line breaks and quotation marks do not cut the file into the records that were parsed.

    Two parsers must cut alike, or every later row would shift; none of 60,000 random texts was cut differently.
    """
    bounds = record_bounds(content, separator, path)
    if len(bounds) - 1 != rows:
        raise InputError(
            f"{path} has {len(bounds) - 1:,} records by its line breaks and {rows:,} by its quotes; "
            'a quotation mark inside a field is written "".'
        )
    _refuse_swallowed_lines(content, bounds, separator, path)


def _header(content: bytes) -> tuple[str, list[str]]:
    """The separator and the column names."""
    separator = _separator(content)
    return separator, next(csv.reader(io.StringIO(_start(content), newline=""), delimiter=separator))


def _start(content: bytes) -> str:
    return content[: 1 << 18].decode("utf-8-sig", "ignore")


def _separator(content: bytes) -> str:
    """The separator that cuts most of the first records into as many fields as the header, and into most fields."""

    def fit(separator: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(_start(content), newline=""), delimiter=separator)
        try:
            found = [len(fields) for _, fields in zip(range(50), reader, strict=False) if fields]
        except csv.Error:
            return 0.0, 0
        whole = found[:-1] if len(found) > 2 else found  # the last one may be cut off
        return (sum(one == found[0] for one in whole) / len(whole), found[0]) if found[0] > 1 else (0.0, 1)

    return max(_SEPARATORS, key=fit)


def _parsed(content: bytes, separator: str, texts: set[str], path: Path) -> ArrowTable:
    import pyarrow as pa
    import pyarrow.csv as pc

    parse = pc.ParseOptions(delimiter=separator, newlines_in_values=b'"' in content)
    convert = pc.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()))
    whole = min(max(len(content) + 1, 1024), _LONGEST)
    for size in (1 << 22, whole):  # types are found in the first block, so what a later one contradicts is read again
        try:
            read = pc.ReadOptions(block_size=min(size, whole))
            return pc.read_csv(
                pa.BufferReader(content), read_options=read, parse_options=parse, convert_options=convert
            )
        except pa.ArrowInvalid as error:
            if size == whole or len(content) < size:
                header = _start(content).splitlines()[0]
                if re.search(rb"[,;\t|] +\"", content):
                    raise InputError(
                        f"{path} has spaces before quotation marks, which then quote nothing, and records of different "
                        "lengths; remove those spaces, or open the DataFrame of pandas.read_csv(FILE, "
                        "skipinitialspace=True)."
                    ) from None
                raise InputError(
                    f"{path} is no table that can be read: {first_line(error)}; its first line, {header[:60]!r}, is "
                    "taken for the names of the columns."
                ) from None
    raise AssertionError


def record_bounds(content: bytes, separator: str, path: Path) -> NDArray[np.int64]:
    """Return where the header and each record begin and end (1 + N, 2); empty lines are no records.

    A record ends at a line break outside of quotation marks. Where every quotation mark has its partner, they are
    counted at once; else each field is looked at.
    """
    raw = np.frombuffer(content, np.uint8)
    breaks = np.flatnonzero(raw == 10) if b"\n" in content or b"\r" not in content else np.flatnonzero(raw == 13)
    ends = (
        np.append(breaks + 1, len(raw)) if len(raw) and (not len(breaks) or breaks[-1] != len(raw) - 1) else breaks + 1
    )
    marks = np.flatnonzero(raw == 34)
    if _has_loose_marks(raw, separator) or content.count(b"\r") != content.count(b"\r\n"):
        return _bounds_by_fields(content, separator, path)
    if len(marks):
        ends = ends[np.searchsorted(marks, ends) % 2 == 0]
    starts = np.append(0, ends[:-1])
    size = ends - starts
    first = raw[np.minimum(starts, len(raw) - 1)]
    blank = ((size == 1) & ((first == 10) | (first == 13))) | ((size == 2) & (first == 13))
    bounds: NDArray[np.int64] = np.stack([starts, ends], axis=1)[~blank].astype(np.int64)
    return bounds


def _has_loose_marks(raw: NDArray[np.uint8], separator: str) -> bool:
    """Whether a quotation mark stands elsewhere than around a field, or doubled inside of one."""
    edge = np.zeros(256, bool)
    edge[[10, 13, 34, ord(separator)]] = True
    first = 3 if raw[:3].tobytes() == b"\xef\xbb\xbf" else 0
    count = _counted(raw, 34)
    is_inside = (np.cumsum(count) - count) % 2
    loose = np.zeros(len(count), bool)

    def look(piece: slice) -> None:
        number = piece.start // _PIECE
        marks = np.flatnonzero(raw[piece] == 34) + piece.start
        opening, closing = marks[is_inside[number] :: 2], marks[1 - is_inside[number] :: 2]
        before = raw[opening[opening > first] - 1]
        after = raw[closing[closing < len(raw) - 1] + 1]
        loose[number] = not (edge[before].all() and edge[after].all())

    in_blocks(look, len(raw), _PIECE)
    return bool(loose.any() or count.sum() % 2)


def _bounds_by_fields(content: bytes, separator: str, path: Path) -> NDArray[np.int64]:
    lines = content.splitlines(keepends=True)
    offset = np.append(0, np.cumsum([len(line) for line in lines]))
    found: list[tuple[int, int]] = []
    start = 0
    before = csv.field_size_limit(_LONGEST)
    try:
        # latin-1 keeps one character per byte, and no separator or quote is part of a UTF-8 sequence
        reader = csv.reader((line.decode("latin-1") for line in lines), delimiter=separator)
        for fields in reader:
            if fields:
                found.append((int(offset[start]), int(offset[reader.line_num])))
            start = reader.line_num
    except csv.Error as error:
        raise InputError(f"{path} is no table that can be read, line {start + 1}: {error}.") from None
    finally:
        csv.field_size_limit(before)
    return np.array(found, np.int64)


def _refuse_swallowed_lines(content: bytes, bounds: NDArray[np.int64], separator: str, path: Path) -> None:
    """Refuse a lone quotation mark that makes one record of many: lines that are whole records by themselves."""
    if b'"' not in content:
        return
    sep, width = separator.encode(), len(_header(content)[1])
    breaks = np.flatnonzero(np.frombuffer(content, np.uint8) == 10)
    first, last = np.searchsorted(breaks, bounds).T
    several = (np.flatnonzero(last[1:] - first[1:] > 1) + 1).tolist()
    known: list[set[bytes]] = []
    for i in several[:1000]:
        start, end = bounds[i].tolist()
        fields = [line.strip(b"\r").split(sep) for line in content[start:end].strip(b"\r\n").split(b"\n")]
        if any(len(one) != width for one in fields):
            continue
        if not known:
            single = np.setdiff1d(np.arange(1, len(bounds)), several)[:10_000]
            records = [content[slice(*bounds[j].tolist())].strip(b"\r\n").split(sep) for j in single.tolist()]
            known = [set(column) for column in zip(*(one for one in records if len(one) == width), strict=True)]
            known = [values if 2 * len(values) <= len(records) else set() for values in known]
        if any({one[k] for one in fields} <= values for k, values in enumerate(known)):
            line = content.count(b"\n", 0, start) + 1
            raise InputError(
                f"{path}, line {line}: a quotation mark opens a field that goes on for {len(fields)} lines, each of "
                f"which is a whole record of {width} fields; remove the mark, or double it inside quoted text."
            )


def csv_records(path: Path) -> tuple[bytes, list[bytes]]:
    """Return the header and the records of a CSV file as they stand, line breaks included."""
    content = content_of(path)
    bounds = record_bounds(content, _separator(content), path).tolist()
    return content[slice(*bounds[0])], [content[start:end] for start, end in bounds[1:]]


def write_records(
    out: Path, content: bytes, header: bytes, bounds: NDArray[np.int64], keep: Sequence[int], like: Path
) -> int:
    """Write the header and the kept records byte for byte, packed like another file; the number there were."""
    view = memoryview(content)
    at = np.asarray(keep, np.int64)
    with open_packed(out, "wb", like) as file:
        file.write(header)
        for start, end in bounds[at[(at >= 0) & (at < len(bounds))]].tolist():
            file.write(view[start:end])
    return len(bounds)


def write_lines(out: Path, header: bytes, records: Sequence[bytes], keep: Sequence[int]) -> int:
    """Write the header and the kept records byte for byte; the number of records there were."""
    with out.open("wb") as file:
        file.write(header)
        file.writelines(records[int(i)] for i in keep if 0 <= i < len(records))
    return len(records)


def write(source: Path, keep: Sequence[int], out: Path) -> int:
    """Write one CSV file with only the records at `keep`; positions outside of the file are ignored."""
    content = content_of(source)
    bounds = record_bounds(content, _separator(content), source)
    return write_records(out, content, content[slice(*bounds[0].tolist())], bounds[1:], keep, source)
