"""What passes between a format and `open_dataset`: the named files, the request, and the table of all rows."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from datapare.artifacts import Kind, Perturbation
from datapare.data.cards import split_files
from datapare.data.decoded_sizes import decoded_bytes
from datapare.data.foreign_types import Array, ArrowTable, Rows
from datapare.data.paths import Tree, check_unsplit, list_tree, of_split
from datapare.errors import InputError

MAX_GIB = 64.0
_PACKED = re.compile(r"\.(gz|bz2|xz|zst)$")


@dataclass(frozen=True)
class OpenRequest:
    """The options of `open_dataset` that a format reads: the split, and the columns (or arrays) of label and inputs.

    `stream` is for sources that need not fit in memory, nor on the disk.
    """

    split: str = "train"
    label: str | None = None
    inputs: tuple[str, ...] | None = None
    kind: Kind | None = None
    id: str | None = None
    follow_links: bool = False
    max_gib: float = MAX_GIB
    stream: bool = False

    @property
    def input(self) -> str | None:
        """The first named input."""
        return self.inputs[0] if self.inputs else None


@dataclass(frozen=True)
class SourceFiles:
    """The files that were named: a folder with all it holds, one file, or the files that match a pattern.

    Attributes:
        path: The folder, the file or the pattern.
        chosen: The files to read where not a whole folder was named; else empty.
        configuration: The configuration that was named behind a colon, of those in the card of the folder.
        follow_links: Whether links in the folder may lead out of it.
    """

    path: Path
    chosen: tuple[Path, ...] = field(default=(), repr=False)
    configuration: str | None = None
    follow_links: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether a whole folder was named."""
        return not self.chosen

    @property
    def root(self) -> Path:
        """The folder itself, or that of the named files."""
        return self.path if self.is_folder else self.chosen[0].parent

    @cached_property
    def tree(self) -> Tree:
        """What the folder holds, or that of the named files."""
        return list_tree(self.root, follow_links=self.follow_links)

    @property
    def walked(self) -> tuple[list[str], list[str]]:
        """Folders and files of the folder as sorted relative POSIX paths, without hidden ones."""
        return self.tree.folders, self.tree.files

    @property
    def names(self) -> list[str]:
        """The files of the folder as sorted relative POSIX paths; of named files their names."""
        return self.walked[1] if self.is_folder else [file.name for file in self.chosen]

    def with_suffix(self, suffixes: Iterable[str], split: str) -> tuple[Path, ...]:
        """The named files, or those of the split in the folder, whose names end in one of `suffixes`."""
        if not self.is_folder:
            check_unsplit(self.path, split)
            return self.chosen
        known = tuple(suffixes)
        carded = split_files(self.path, split, self.configuration)
        if carded is not None:
            return tuple(file for file in carded if file.name.lower().endswith(known))
        fitting = [name for name in self.names if name.lower().endswith(known)]
        chosen = of_split(self.path, fitting, split)
        _refuse_packed_twice(self.path, chosen)
        return tuple(self.path / name for name in chosen)


def _refuse_packed_twice(folder: Path, names: Iterable[str]) -> None:
    """Raise InputError where a file lies there packed too: the same examples would be read twice."""
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(_PACKED.sub("", name.lower()), name)
        if other != name:
            raise InputError(f"{folder} holds {other} and {name}, which are called like one file; name one of them.")


@dataclass(frozen=True, eq=False)
class RawTable:
    """All rows of a source, and what its format already says about them.

    Attributes:
        rows: A `datasets.Dataset` of every row, images undecoded.
        path: The folder, file or pattern the rows came from; None for objects in memory.
        files: The files the rows came from, in order.
        kind: What the examples are; None where the columns decide.
        inputs: The columns a model reads; None where their names decide.
        label: The label column; None where its name decides.
        identity: The texts that keys are made from; None means the id column, or else the content of the row.
        name: The name of each row; None means its id or its number.
        array: The inputs, where they are arrays (N, …).
        origin: The object the rows came from, where there is no file.
        perturbation: What was done to another dataset to make this one.
        notes: What is worth saying about how the source was read, one sentence each.
        class_names: The names of the classes of columns that the card of the folder says them of.
        address: What opens the source again: an absolute path, a URL or a name on the hub; None for objects in memory.
        format: The file in `data/formats/` that read the rows; set by the registry.
    """

    rows: Rows
    path: Path | None = None
    files: tuple[Path, ...] = ()
    kind: Kind | None = None
    inputs: tuple[str, ...] | None = None
    label: str | None = None
    identity: Sequence[str] | None = None
    name: Sequence[str] | None = None
    array: Array | None = None
    origin: object = None  # whatever the user opened
    perturbation: Perturbation | None = None
    notes: tuple[str, ...] = ()
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    address: str | None = None
    format: str = ""


def check_unpacked(file: Path | str, unpacked: int, max_gib: float) -> None:
    """Raise InputError for a compressed file that unpacks to more bytes than the limit."""
    if unpacked > max_gib * 2**30:
        raise InputError(
            f"{file} unpacks to {unpacked / 2**30:,.3g} GiB, and the limit is {max_gib:g}; raise it with "
            "--max-gib if you trust the file."
        )


def rows_of(table: ArrowTable, max_gib: float = MAX_GIB) -> Rows:
    """Return a `datasets.Dataset` over an Arrow table in memory: its features are kept, images left undecoded.

    Raises:
        InputError: For two columns of one name, and for one that takes more than `max_gib` once it is decoded.
    """
    import datasets

    if len(set(table.column_names)) < table.num_columns:
        raise InputError(f"two columns have the same name ({', '.join(table.column_names)}); rename one.")
    try:
        # a fingerprint given beforehand keeps `datasets` from hashing the whole table
        rows = datasets.Dataset(datasets.table.InMemoryTable(_plain(table, max_gib)), fingerprint=uuid4().hex[:16])
    except (ValueError, TypeError, NotImplementedError) as error:
        raise InputError(f"a column has a type that cannot be read: {str(error).splitlines()[0]}.") from error
    return undecoded(rows)


def _plain(table: ArrowTable, max_gib: float) -> ArrowTable:
    """The table with columns of types that `datasets` does not have as lists of pairs (maps) or as text."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from datasets.features.features import generate_from_arrow_type

    for at, (name, kind) in enumerate(zip(table.column_names, table.schema.types, strict=True)):
        column = table.column(at)
        check_unpacked(f"the column {name!r}", decoded_bytes(column), max_gib)
        if pa.types.is_dictionary(kind):  # categories of pandas
            column = column.cast(kind.value_type)
        if pa.types.is_run_end_encoded(kind):
            column = pc.run_end_decode(column)
        if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
            column = column.cast(pa.large_string() if pa.types.is_string_view(column.type) else pa.large_binary())
        if pa.types.is_map(kind):
            pair = pa.struct([kind.key_field, kind.item_field])
            column = pa.chunked_array([chunk.cast(pa.list_(pair)) for chunk in column.chunks], pa.list_(pair))
        try:
            generate_from_arrow_type(column.type)
        except ValueError:
            column = pa.array([None if one is None else str(one) for one in column.to_pylist()], pa.string())
        if column.type != kind:
            table = table.set_column(at, name, column)
    return table


def undecoded(rows: Rows) -> Rows:
    """Return the same rows without any output format and with every image column as bytes and path."""
    import datasets

    rows = rows.with_format(None)
    for column, feature in rows.features.items():
        if isinstance(feature, datasets.Image) and feature.decode:
            rows = rows.cast_column(column, datasets.Image(decode=False))
    return rows
