"""Images that rows name by a path: found in the dataset's folder, and nowhere else unless the user allows it."""

import os
from collections.abc import Sequence
from pathlib import Path

from datapare.data.dataset import column
from datapare.data.foreign_types import Rows
from datapare.data.image_names import ImageNames
from datapare.data.layouts import is_image
from datapare.data.paths import leading_out, leads_out, normalise, walk
from datapare.data.source import rows_of
from datapare.errors import InputError


def with_local_images(
    rows: Rows, name: str, root: Path, *, follow_links: bool, split: str = "train"
) -> tuple[Rows, list[str]]:
    """Return the rows with the paths of images that hold no bytes made absolute, below `root`, and sentences on them.

    Where all are paths of another machine, they mean the files of `root` whose paths end alike.

    Args:
        rows: The rows of a file that someone else may have written.
        name: The column of images.
        root: The folder that relative paths start from.
        follow_links: Whether paths and links may lead out of `root`.
        split: The split that is read, whose files are meant where several end alike.

    Raises:
        InputError: For a path that leads out of `root`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = column(rows, name).combine_chunks()
    if not pa.types.is_struct(cells.type) or not len(cells):
        return rows, []
    path, stored = (pc.struct_field(cells, one) for one in ("path", "bytes"))
    by_path = pc.and_(pc.is_valid(path), pc.is_null(stored))
    if not pc.any(by_path).as_py():
        return rows, []
    names = [value if named else None for value, named in zip(path.to_pylist(), by_path.to_pylist(), strict=True)]
    names, notes = (names, []) if follow_links else _of_this_machine(names, root, split)
    local = pa.array(_local(names, root, follow_links=follow_links), pa.string())
    new = pa.StructArray.from_arrays([stored, pc.if_else(by_path, local, path)], ["bytes", "path"])
    table = rows.with_format("arrow")[:]
    table = table.set_column(table.column_names.index(name), name, new)
    return rows_of(table.replace_schema_metadata(rows.features.arrow_schema.metadata)), notes


def _of_this_machine(names: list[str | None], root: Path, split: str) -> tuple[list[str | None], list[str]]:
    """The names relative to the root where all are absolute and most of them end like files in it; else as they are."""
    there = [name for name in names if name is not None]
    if not all(map(leads_out, there)):
        return names, []
    lookup = ImageNames([one for one in walk(root)[1] if is_image(one)], "", split).below_other_root(there)
    if not lookup.other_root:
        return names, []
    example = f"the rows name files elsewhere, such as {there[0]}: read as {lookup.inner(there[0])} of this folder"
    return [None if name is None else lookup.find(name) or lookup.inner(name) for name in names], [example]


def _local(names: Sequence[str | None], root: Path, *, follow_links: bool) -> list[str | None]:
    home = os.path.realpath(root)
    found: list[str | None] = []
    for row, name in enumerate(names):
        if name is None:
            found.append(None)
            continue
        if leads_out(name) and not follow_links:
            raise InputError(
                f"row {row} names the image {name!r}, which is not inside {root}; allow such paths with "
                "--follow-links if you trust the dataset."
            )
        full = root / (name if leads_out(name) else normalise(name))
        real = os.path.realpath(full)
        if not follow_links and not real.startswith(home.rstrip("/") + "/"):
            raise leading_out(root, name, real)
        found.append(str(full))
    return found
