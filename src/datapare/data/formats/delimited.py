"""CSV and TSV: read as a table, written back as the very records that were read."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of
from datapare.errors import InputError

SUFFIXES = (".csv", ".tsv")
PRIORITY = 1
_LONGEST = 1 << 30


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """The rows of CSV or TSV files with a header line; the separator is the one its header uses."""
    chosen = files.with_suffix(SUFFIXES, request.split)
    table = joined([csv_table(file) for file in chosen], chosen)
    return RawTable(rows_of(texts_for_nothing(table)), files.path, chosen)


def texts_for_nothing(table: Any) -> Any:
    """The table with empty texts in the columns that are empty everywhere, which have no type otherwise."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_null(field.type):
            table = table.set_column(i, field.name, pa.array([""] * table.num_rows, pa.string()))
    return table


def joined(tables: list[Any], files: Sequence[Path]) -> Any:
    """Return one `pyarrow.Table` of the tables of several files, in a type that holds the values of all."""
    import pyarrow as pa

    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowInvalid as error:
        names = ", ".join(file.name for file in files[:5])
        raise InputError(
            f"{names} do not have the same columns ({first_line(error)}); name one file, or make them alike."
        ) from None


def csv_table(path: Path) -> Any:
    """A CSV file as a `pyarrow.Table`, one row per record of `csv_records`."""
    import pyarrow as pa
    import pyarrow.csv as pc

    content = content_of(path)
    header, records = csv_records(path)
    if not records:  # a shard that was pruned away
        names = next(csv.reader([header.decode("utf-8-sig")], delimiter=_separator(content)))
        return pa.table({name: pa.nulls(0) for name in names})
    parse = pc.ParseOptions(delimiter=_separator(content), newlines_in_values=True)
    read = pc.ReadOptions(block_size=min(max(len(content) + 1, 1024), 1 << 30))
    try:
        table = pc.read_csv(io.BytesIO(content), read_options=read, parse_options=parse)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is no table that can be read: {first_line(error)}.") from None
    if len(set(table.column_names)) < len(table.column_names):
        raise InputError(f"{path} has two columns of the same name: {', '.join(table.column_names)}; rename one.")
    # two parsers must cut alike, or every later row would shift; none of 60,000 random texts was cut differently
    if len(records) != table.num_rows:
        raise InputError(
            f"{path} has {len(records):,} records by its line breaks and {table.num_rows:,} by its quotes; "
            'a quotation mark inside a field is written "".'
        )
    return table


def csv_records(path: Path) -> tuple[bytes, list[bytes]]:
    """The header and the records of a CSV file as they stand, line breaks included; empty lines are no records."""
    content = content_of(path)
    lines = content.splitlines(keepends=True)
    separator = _separator(content)
    records: list[bytes] = []
    start = 0
    before = csv.field_size_limit(_LONGEST)
    try:
        # latin-1 keeps one character per byte, and no separator or quote is part of a UTF-8 sequence
        reader = csv.reader((line.decode("latin-1") for line in lines), delimiter=separator)
        for fields in reader:
            if fields:
                records.append(b"".join(lines[start : reader.line_num]))
            start = reader.line_num
    except csv.Error as error:
        raise InputError(f"{path} is no table that can be read, line {start + 1}: {error}.") from None
    finally:
        csv.field_size_limit(before)
    return records[0], records[1:]


def content_of(path: Path) -> bytes:
    """Return the bytes of a file that holds UTF-8 text."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start:,}); convert it first.") from None
    if not text.strip("\ufeff \r\n"):
        raise InputError(f"{path} is empty; expected a header line and one record per example.")
    return content


def first_line(error: Exception) -> str:
    """Return the first line of a message of pyarrow, without the stop at its end."""
    return str(error).strip().split("\n", 1)[0].rstrip(".:")


def _separator(content: bytes) -> str:
    header = content.split(b"\n", 1)[0]
    return max(",\t;|", key=lambda one: header.count(one.encode()))


def write_lines(out: Path, header: bytes, records: Sequence[bytes], keep: Sequence[int]) -> int:
    """Write the header and the kept records byte for byte; the number of records there were."""
    with out.open("wb") as file:
        file.write(header)
        file.writelines(records[int(i)] for i in keep if 0 <= i < len(records))
    return len(records)


def write(source: Path, keep: Sequence[int], out: Path) -> int:
    """One CSV file with only the records at `keep`; positions outside of the file are ignored."""
    header, records = csv_records(source)
    return write_lines(out, header, records, keep)
