"""Arrow files and streams, and Feather."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from datapare.data.foreign_types import ArrowReader, ArrowTable
from datapare.data.source import OpenRequest, RawTable, SourceFiles, check_unpacked, rows_of
from datapare.data.tables import checked, concatenated, rows_at
from datapare.errors import InputError

SUFFIXES = (".arrow", ".feather", ".ipc")
PRIORITY = 2


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Read the rows of files of one schema, memory-mapped."""
    chosen = files.with_suffix(SUFFIXES, request.split)
    tables = [_table(file, request.max_gib)[0] for file in chosen]
    return RawTable(rows_of(concatenated(tables, chosen), request.max_gib), files.path, chosen)


def _table(file: Path, max_gib: float = math.inf) -> tuple[ArrowTable, bool]:
    """The table, and whether the file is a stream, as `datasets` writes them; what is not packed stays on the disk."""
    import pyarrow as pa

    for opened, is_stream in ((pa.ipc.open_file, False), (pa.ipc.open_stream, True)):
        try:
            reader = opened(pa.memory_map(str(file)))
            batches = list(_unpacked(reader, file, max_gib))
            return checked(pa.Table.from_batches(batches, reader.schema), file), is_stream
        except (pa.lib.ArrowException, OSError):
            continue
    raise InputError(f"{file} is no Arrow file that can be read; it may be cut off.")


def _unpacked(reader: ArrowReader, file: Path, max_gib: float) -> Iterator[ArrowTable]:
    """The batches of a file or a stream, within the limit."""
    numbers = range(getattr(reader, "num_record_batches", 0))
    stored, size = file.stat().st_size, 0
    for batch in (reader.get_batch(i) for i in numbers) if hasattr(reader, "get_batch") else reader:
        size += batch.nbytes
        check_unpacked(file, size if size > stored else 0, max_gib)
        yield batch


def write(source: Path, keep: Sequence[int], out: Path) -> int:
    """Write the rows of one file at `keep` in the same schema; positions outside of the file are ignored."""
    import pyarrow as pa

    table, is_stream = _table(source)
    make = pa.ipc.new_stream if is_stream else pa.ipc.new_file
    with make(str(out), table.schema) as writer:
        writer.write_table(rows_at(table, [i for i in keep if 0 <= i < table.num_rows]))
    return int(table.num_rows)
