"""Which column is the label, which are read by a model, which says who the example is: by name, or by saying so."""

from collections.abc import Mapping, Sequence
from typing import Any

from datapare.artifacts import Kind
from datapare.errors import InputError

LABELS = ("label", "labels", "class", "target", "y", "fine_label", "category", "sentiment", "intent")
TEXTS = ("text", "sentence", "content", "review", "utterance", "document", "question", "query", "message", "body")
PAIRS = ("sentence1", "sentence2", "premise", "hypothesis", "question1", "question2", "text1", "text2")
IMAGES = ("image", "img", "jpg", "png", "jpeg", "picture", "photo")
EMBEDDINGS = ("embedding", "embeddings", "features", "feature", "vector", "x")
IDS = ("id", "__key__", "key", "uid", "uuid", "guid", "file_name", "filename", "file", "path", "image_id")


def find_label(columns: Sequence[str], named: str | None) -> str:
    """The label column: the named one, `label`, or the only one with a usual name.

    >>> find_label(["image", "Class"], None)
    'Class'
    """
    if named is not None:
        return require(columns, named, "label")
    by_name = {column.lower(): column for column in reversed(columns)}
    found = [by_name[name] for name in LABELS if name in by_name]
    if len(found) == 1 or (found and found[0].lower() == "label"):
        return found[0]
    problem = f"{_listed(found)} could all be it" if found else "none has a usual name such as label or class"
    raise InputError(f"which column is the label? {problem}; name it with label= (--label): {_listed(columns)}.")


def require(columns: Sequence[str], name: str, option: str) -> str:
    """The column itself, or an InputError that lists those there are."""
    if name not in columns:
        raise InputError(f"{option} names the column {name!r}, but the columns are {_listed(columns)}.")
    return name


def find_inputs(rows: Any, label: str, named: Sequence[str] | None, kind: Kind | None) -> tuple[Kind, tuple[str, ...]]:
    """What kind of examples these are and the columns a model reads: images, embeddings, text, or else a table."""
    if named is not None:
        columns = tuple(require(rows.column_names, name, "input") for name in named)
        return kind or kind_of(rows, columns), columns
    rest = [column for column in rows.column_names if column != label]
    types = {column: _type(rows, column) for column in rest}
    wanted: tuple[tuple[Kind, str, Sequence[str]], ...] = (
        ("image", "image", IMAGES),
        ("embedding", "vector", EMBEDDINGS),
    )
    for one, type_, usual in wanted:
        found = [column for column in rest if types[column] == type_]
        if kind in {None, one} and found:
            return one, (_single(found, usual, one),)
    texts = _texts(types)
    if kind in {None, "text"} and texts:
        return "text", texts
    table = tuple(column for column in rest if types[column] in {"number", "string"})
    if kind in {None, "table"} and table:
        return "table", table
    raise InputError(
        f"no column holds {'anything a model reads' if kind is None else kind + 's'}; "
        f"name one with input= (--input): {_listed(rest)}."
    )


def _texts(types: Mapping[str, str]) -> tuple[str, ...]:
    """The text column with the most usual name, or all columns where there are only texts besides an id."""
    strings = {column.lower(): column for column in reversed(list(types)) if types[column] == "string"}
    usual = [strings[name] for name in TEXTS if name in strings]
    others = [column for column in types if column.lower() not in IDS]
    if usual:
        return (usual[0],)
    pair = tuple(column for column in others if column.lower() in PAIRS and types[column] == "string")
    return pair or (tuple(others) if len(others) == 1 and types[others[0]] == "string" else ())


def kind_of(rows: Any, columns: Sequence[str]) -> Kind:
    """What kind of examples the named columns hold, from their types."""
    types = {_type(rows, column) for column in columns}
    if types == {"image"} and len(columns) == 1:
        return "image"
    if types == {"vector"} and len(columns) == 1:
        return "embedding"
    if types == {"string"} and (
        len(columns) == 1 or all(column.lower() in (*TEXTS, *PAIRS, "title") for column in columns)
    ):
        return "text"
    if types <= {"number", "string"}:
        return "table"
    raise InputError(
        f"{_listed(columns)} cannot be read together: name one column of images or vectors, or plain ones."
    )


def _single(found: Sequence[str], usual: Sequence[str], kind: str) -> str:
    """The only candidate, or the first in the order of usual names."""
    if len(found) == 1:
        return found[0]
    by_name = {column.lower(): column for column in reversed(found)}
    named = [by_name[name] for name in usual if name in by_name]
    if named:
        return named[0]
    raise InputError(f"{_listed(found)} all hold {kind}s; say which one a model reads with input= (--input).")


def _type(rows: Any, column: str) -> str:
    """One of: image, vector, string, number, other."""
    import datasets
    import pyarrow as pa

    feature, kind = rows.features[column], rows.data.schema.field(column).type
    if isinstance(feature, datasets.Image) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "image"
    if pa.types.is_struct(kind):
        return "image" if {field.name for field in kind} >= {"bytes", "path"} else "other"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        number = pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
        return "vector" if number else "other"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "string"
    plain = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_temporal, pa.types.is_decimal)
    return "number" if any(is_plain(kind) for is_plain in plain) else "other"


def find_id(
    rows: Any, label: str, inputs: Sequence[str], named: str | None
) -> tuple[str, list[str]] | tuple[None, None]:
    """The id column and its texts: the named one, or one with a usual name whose values are all there and differ."""
    from datapare.data.dataset import column

    if named is not None:
        require(rows.column_names, named, "id")
        values = [None if value is None else str(value) for value in column(rows, named).to_pylist()]
        if None in values:
            raise InputError(
                f"the id column {named!r} is missing in row {values.index(None)}; every example needs an id."
            )
        return named, _distinct(named, [value for value in values if value is not None])
    by_name = {one.lower(): one for one in reversed(rows.column_names)}
    for name in IDS:
        one = by_name.get(name)
        if one is None or one == label or (one in inputs and len(inputs) == 1) or not _could_be_id(rows, one):
            continue
        values = column(rows, one).to_pylist()
        if None not in values and len(set(values)) == len(values):
            return one, [str(value) for value in values]
    return None, None


def _distinct(name: str, values: list[str]) -> list[str]:
    seen: set[str] = set()
    for row, value in enumerate(values):
        if value in seen:
            raise InputError(f"the id column {name!r} repeats {value!r} in row {row}; an id belongs to one example.")
        seen.add(value)
    return values


def _could_be_id(rows: Any, column: str) -> bool:
    import pyarrow as pa

    kind = rows.data.schema.field(column).type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))


def _listed(columns: Sequence[str], most: int = 12) -> str:
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    return ", ".join(columns[:most]) + more
