"""Arrow files and streams, and Feather."""

from collections.abc import Sequence
from pathlib import Path

from datapare.data.foreign_types import ArrowTable
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of
from datapare.data.tables import checked, concatenated, rows_at
from datapare.errors import InputError

SUFFIXES = (".arrow", ".feather", ".ipc")
PRIORITY = 2


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Read the rows of files of one schema, memory-mapped."""
    chosen = files.with_suffix(SUFFIXES, request.split)
    return RawTable(rows_of(concatenated([_table(file)[0] for file in chosen], chosen)), files.path, chosen)


def _table(file: Path) -> tuple[ArrowTable, bool]:
    """The table, and whether the file is a stream, as `datasets` writes them."""
    import pyarrow as pa

    for opened, is_stream in ((pa.ipc.open_file, False), (pa.ipc.open_stream, True)):
        try:
            return checked(opened(pa.memory_map(str(file))).read_all(), file), is_stream
        except (pa.lib.ArrowException, OSError):
            continue
    raise InputError(f"{file} is no Arrow file that can be read; it may be cut off.")


def write(source: Path, keep: Sequence[int], out: Path) -> int:
    """Write the rows of one file at `keep` in the same schema; positions outside of the file are ignored."""
    import pyarrow as pa

    table, is_stream = _table(source)
    make = pa.ipc.new_stream if is_stream else pa.ipc.new_file
    with make(str(out), table.schema) as writer:
        writer.write_table(rows_at(table, [i for i in keep if 0 <= i < table.num_rows]))
    return int(table.num_rows)
