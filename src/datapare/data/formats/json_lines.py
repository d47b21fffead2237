"""JSON lines: one object per line, written back as the very lines that were read."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datapare.data.formats.delimited import content_of, first_line, joined, write_lines
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of
from datapare.errors import InputError

SUFFIXES = (".jsonl", ".ndjson", ".json")
PRIORITY = 1


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """The rows of files with one JSON object per line."""
    chosen = files.with_suffix(_suffixes(files), request.split)
    tables = [_json_table(file) for file in chosen if len(chosen) == 1 or file.stat().st_size]
    return RawTable(rows_of(joined(tables, chosen)), files.path, chosen)


def _suffixes(files: SourceFiles) -> tuple[str, ...]:
    """In a folder, .json files are read where there are no JSON lines: most of them are settings."""
    lines = SUFFIXES[:2]
    return lines if any(name.lower().endswith(lines) for name in files.names) else SUFFIXES


def json_records(path: Path) -> list[bytes]:
    """The lines of a JSON lines file as they stand; empty ones are no records."""
    return [line for line in io.BytesIO(content_of(path)) if line.strip()] if path.stat().st_size else []


def _json_table(path: Path) -> Any:
    import pyarrow as pa

    parsed: list[dict[str, Any]] = []
    if not path.stat().st_size:
        raise InputError(f"{path} is empty; expected one JSON object per line.")
    for number, line in enumerate(json_records(path)):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path} holds one JSON object per line, but record {number} is none: {error}.") from None
        if not isinstance(value, dict):
            raise InputError(f"{path} holds one JSON object per line, but record {number} is a {type(value).__name__}.")
        parsed.append(value)
    try:
        return pa.Table.from_struct_array(pa.array(parsed))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"{path} holds values of different types in one column: {first_line(error)}.") from None


def write(source: Path, keep: Sequence[int], out: Path) -> int:
    """One JSON lines file with only the records at `keep`; positions outside of the file are ignored."""
    return write_lines(out, b"", json_records(source), keep)
