"""Files that list images: each record as it is in the file, and its fields as a table."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from datapare.data import json_annotations
from datapare.data.foreign_types import ArrowType
from datapare.data.layouts import is_image
from datapare.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".tsv", ".txt", ".lst", ".jsonl", ".ndjson", ".json")
PARQUET = "metadata.parquet"  # a list by its name, as the image folders of `datasets` have it
Fields = Mapping[str, str]
_HEAD = 100  # lines that say which column is which
_MOST = 1000  # lines that say what the whole list is
_NUMBER = re.compile(r"[-+]?\d*\.?\d+")


@dataclass(frozen=True)
class Records:
    """A list as it stands: what comes before the records, each record's bytes, and the texts of its fields."""

    header: bytes
    records: Sequence[bytes]
    fields: Sequence[Fields]


def is_list(name: str) -> bool:
    """Whether a file of this name may be a list of images.

    >>> is_list("train/labels.csv"), is_list("train.parquet"), is_list("train.arrow")
    (True, True, False)
    """
    return name.lower().endswith((*SUFFIXES, ".parquet"))


def is_called_list(name: str) -> bool:
    """Whether a Parquet file is a list of images by its name.

    >>> is_called_list("train/metadata.parquet"), is_called_list("train.parquet")
    (True, False)
    """
    return name.lower().rpartition("/")[2] == PARQUET


def stores_images(path: Path) -> bool:
    """Whether a Parquet file has a column of bytes, which may be images.

    Raises:
        InputError: Where the file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        kinds = pq.read_schema(path).types
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no Parquet file that can be read: {str(error).splitlines()[0]}") from None
    return any(pa.types.is_struct(one) or pa.types.is_binary(one) or pa.types.is_large_binary(one) for one in kinds)


def _is_plain(kind: ArrowType) -> bool:
    """Whether a column holds texts or whole numbers, of all types that Arrow has for them."""
    import pyarrow as pa

    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return pa.types.is_integer(value) or pa.types.is_boolean(value) or any(one(value) for one in texts)


def parquet_fields(path: Path, limit: int | None = None) -> list[Fields]:
    """The texts and whole numbers of each row of a Parquet file, as texts; of the first `limit` rows.

    Raises:
        InputError: Where the file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            named = [one.name for one in file.schema_arrow if _is_plain(one.type)]
            if not named:
                return []
            read = file.iter_batches(65_536 if limit is None else limit, columns=named)
            blocks = islice(read, None if limit is None else 1)
            rows = [row for block in blocks for row in block.to_pylist()]
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no Parquet file that can be read: {str(error).splitlines()[0]}") from None
    return [{name: str(value) for name, value in row.items() if isinstance(value, str | int)} for row in rows]


def names_images(path: Path) -> bool:
    """Whether a text in the first rows of a Parquet file is the name of an image; True for one that cannot be read."""
    try:
        rows = parquet_fields(path, _HEAD)
    except InputError:
        return True
    return any(is_image(value) for row in rows for value in row.values())


def read_records(path: Path, limit: int = -1) -> Records:
    """Cut a list into records; of its first `limit` bytes where that is not negative.

    CSV and TSV have a header unless their first line names an image. Anything else has a record per line: an object of
    JSON lines, or words.

    Raises:
        InputError: Where the file is no text.
    """
    content = _text_of(path, limit)
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        return _csv(path, content)
    lines = content.splitlines(keepends=True)
    kept = [line for line in lines if line.strip()]
    is_json = suffix in {".jsonl", ".ndjson"}
    at = None if is_json else label_among([_cells(line) for line in kept[:_HEAD]])
    fields = [_json_fields(line) if is_json else _line_fields(line, at) for line in kept]
    return Records(b"", [line.encode("utf-8", "surrogateescape") for line in kept], fields)


def _text_of(path: Path, limit: int) -> str:
    with path.open("rb") as file:
        content = file.read(limit)
    if limit >= 0:
        whole = content if len(content) < limit else content[: content.rfind(b"\n") + 1]
        content = b"\n".join(whole.split(b"\n", _MOST)[:_MOST]) + b"\n" if whole.count(b"\n") > _MOST else whole
    if b"\0" in content[:4096]:
        raise InputError(f"{path} holds no text.")
    return content.decode("utf-8", "surrogateescape")


def _csv(path: Path, content: str) -> Records:
    lines = content.splitlines(keepends=True)
    first = lines[0].removeprefix("\ufeff") if lines else ""
    separator = max(",\t;|", key=first.count)
    rows: list[list[str]] = []
    records: list[bytes] = []
    start = 0
    reader = csv.reader(iter([first, *lines[1:]]), delimiter=separator)
    try:
        for row in reader:
            if row:
                rows.append(row)
                records.append("".join(lines[start : reader.line_num]).encode("utf-8", "surrogateescape"))
            start = reader.line_num
    except csv.Error as error:
        raise InputError(f"{path} is no table that can be read, line {start + 1}: {error}.") from None
    if not rows:
        return Records(b"", [], [])
    if any(map(is_image, rows[0])):
        columns = list(map(str, range(len(rows[0]))))
        at = 1 if len(rows[0]) == 2 and is_image(rows[0][0]) else label_among(rows[:_HEAD])
        if at is not None:
            columns[0], columns[at] = "file_name", "label"
        return Records(b"", records, [dict(zip(columns, row, strict=False)) for row in rows])
    return Records(records[0], records[1:], [dict(zip(rows[0], row, strict=False)) for row in rows[1:]])


def label_among(rows: Sequence[Sequence[str]]) -> int | None:
    """Return the only column of words beside names of images and numbers, such as boxes, in rows without a header.

    >>> label_among([["0.jpg", "n01443537", "0", "62"], ["1.jpg", "n01629819", "8", "40"]])
    1
    """
    width = len(rows[0]) if rows else 0
    if width < 3 or not all(len(row) == width and is_image(row[0]) for row in rows):
        return None
    words = [at for at in range(1, width) if not all(_NUMBER.fullmatch(row[at].strip()) for row in rows)]
    return words[0] if len(words) == 1 else None


def _cells(line: str) -> list[str]:
    whole = line.strip()
    return whole.split("\t") if "\t" in whole else whole.split()


def _line_fields(line: str, label: int | None = None) -> Fields:
    r"""What may be a name in a line: all of it, all but the last word, which may be the label, or one of its words.

    Args:
        line: The line.
        label: The place of the label, where it is known; the name is then the first of its cells.

    >>> _line_fields("cat/0 a.png 3")["file_name"]
    'cat/0 a.png'
    >>> _line_fields("cat/0.png,3")["label"]
    '3'
    >>> _line_fields("7\t1.000000\tcat/0.png")["label"]
    '1.000000'
    """
    whole = line.strip()
    numbered = whole.split("\t")
    if len(numbered) == 3 and is_image(numbered[2]) and all(map(_NUMBER.fullmatch, numbered[:2])):  # of MXNet
        return {"file_name": numbered[2], "label": numbered[1], "line": whole}
    if label is not None and len(cells := _cells(line)) > label:
        return {"file_name": cells[0], "label": cells[label], "line": whole}
    name, _, last = whole.replace("\t", " ").rpartition(" ")
    if not name and is_image(whole.partition(",")[0]):
        name, _, last = whole.partition(",")
    words = whole.replace(",", " ").replace(";", " ").split()
    return {"file_name": name.strip() or whole, "label": last if name else "", "line": whole} | {
        f"word {i}": w for i, w in enumerate(words[:4])
    }


def _json_fields(line: str) -> Fields:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    inner = {f"{a}.{b}": v for a, one in value.items() if isinstance(one, dict) for b, v in one.items()}
    return {name: str(one) for name, one in {**value, **inner}.items() if isinstance(one, str | int)}


def json_entries(path: Path) -> list[json_annotations.Entry]:
    """The labelled images of a JSON file; empty where it has no known form or cannot be read."""
    try:
        return json_annotations.entries(json_annotations.load(path)) or []
    except InputError:
        return []


def entries_table(entries: Sequence[Mapping[str, json_annotations.Json]]) -> "pa.Table":
    """Return the entries as a table, a column per field; fields of mixed types become texts."""
    import pyarrow as pa

    names = dict.fromkeys(name for entry in entries for name in entry)
    columns = {}
    for name in names:
        values = [entry.get(name) for entry in entries]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            columns[name] = pa.array([None if value is None else _as_text(value) for value in values], pa.string())
    return pa.table(columns)


def _as_text(value: json_annotations.Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)
