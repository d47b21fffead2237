"""JSON of one object with a list, or an object of one key per row, for each column, as pandas reads and writes it."""

import json
from collections.abc import Sequence
from pathlib import Path

from datapare.data.columns import find_label
from datapare.data.foreign_types import ArrowTable
from datapare.data.formats.detect import format_of
from datapare.data.formats.json_lines import SETTINGS, values_column
from datapare.data.json_annotations import Json
from datapare.data.json_spans import members, pairs
from datapare.data.layouts import is_image
from datapare.data.source import MAX_GIB, OpenRequest, RawTable, SourceFiles, rows_of
from datapare.data.tables import concatenated
from datapare.data.text_files import content_of, open_packed, with_packed
from datapare.errors import InputError

_ENDINGS = with_packed((".json",))
_SPLIT = {"columns", "index", "data"}  # another form of pandas
_HEAD = 1 << 10


def matches(files: SourceFiles, request: OpenRequest) -> bool:
    """Whether all JSON files of the split are such objects, one of their columns being the label."""
    known = {name.lower().endswith(_ENDINGS) for name in files.names if format_of(name) is not None}
    if known != {True} or any(map(is_image, files.names)):
        return False
    try:
        chosen = _chosen(files, request)
        return bool(chosen) and all(_columns(file, request) is not None for file in chosen)
    except InputError:
        return False


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """Read one row per entry of the columns."""
    chosen = _chosen(files, request)
    tables = [_table(_columns(file, request) or {}) for file in chosen]
    note = "a JSON object of columns is read as pandas reads it, one row per entry"
    return RawTable(rows_of(concatenated(tables, chosen)), files.path, chosen, notes=(note,))


def _chosen(files: SourceFiles, request: OpenRequest) -> tuple[Path, ...]:
    found = files.with_suffix(_ENDINGS, request.split)
    return tuple(file for file in found if not files.is_folder or not SETTINGS.fullmatch(file.name.lower()))


def _columns(path: Path, request: OpenRequest) -> dict[str, list[Json]] | None:
    """The values by column; None where the file is no such object."""
    with open_packed(path, "rb") as file:
        if not file.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            return None
    try:
        value = json.loads(content_of(path, min(request.max_gib, MAX_GIB)).removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return None
    found = _as_columns(value)
    return found if found is not None and _has_label(list(found), request) else None


def _has_label(names: Sequence[str], request: OpenRequest) -> bool:
    try:
        return len(names) > 1 and bool(find_label(names, request.label))
    except InputError:
        return False


def _as_columns(value: Json) -> dict[str, list[Json]] | None:
    """The lists of an object of columns, all of one length or with the same keys.

    >>> _as_columns({"text": {"0": "a", "1": "b"}, "label": {"0": 1, "1": 0}})
    {'text': ['a', 'b'], 'label': [1, 0]}
    >>> _as_columns({"text": ["a", "b"], "label": [1]}) is None
    True
    """
    if not isinstance(value, dict) or set(value) == _SPLIT:
        return None
    inner = list(value.values())
    if all(isinstance(one, list) for one in inner):
        lists = {name: list(one) for name, one in value.items()}
    elif all(isinstance(one, dict) for one in inner) and len({tuple(one) for one in inner}) == 1:
        lists = {name: list(one.values()) for name, one in value.items()}
    else:
        return None
    objects = any(one and all(isinstance(entry, dict) for entry in one) for one in lists.values())
    return lists if not objects and len({len(one) for one in lists.values()}) == 1 else None


def _table(columns: dict[str, list[Json]]) -> ArrowTable:
    import pyarrow as pa

    return pa.table({name: values_column(values) for name, values in columns.items()})


def write(source: Path, keep: Sequence[int], out: Path) -> int:
    """Write one file with only the entries at `keep` of each column; positions outside of the file are ignored."""
    content = content_of(source)
    text = content.decode("latin-1")  # one character per byte
    pieces, last, count = [], 0, 0
    for column in list(pairs(text, text.index("{"))):
        bounds = _entries(content, text, column.begin, source)
        count = len(bounds)
        if not count:
            continue
        between = content[bounds[0][1] : bounds[1][0]] if count > 1 else b","
        kept = between.join(content[slice(*bounds[i])] for i in keep if 0 <= i < count)
        pieces += [content[last : bounds[0][0]], kept]
        last = bounds[-1][1]
    with open_packed(out, "wb", source) as file:
        file.write(b"".join([*pieces, content[last:]]))
    return count


def _entries(content: bytes, text: str, begin: int, path: Path) -> list[tuple[int, int]]:
    """Where each entry of a column lies: the members of its list, or of its object with their keys."""
    if text[begin] == "{":
        return [(one.start, one.end) for one in pairs(text, begin)]
    return [(int(start), int(end)) for start, end in members(content, begin, path)]
