"""Tables of several files as one, and columns whose type the files do not agree on."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

from datapare.data.foreign_types import ArrowColumn, ArrowTable, ArrowType
from datapare.data.json_annotations import Json
from datapare.errors import InputError

_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)?(,\d+)?([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$|^[+-]?\d{1,3}(\.\d+)?$"


def checked(table: ArrowTable, place: Path) -> ArrowTable:
    """Return a table whose memory was mapped from a file, or raise InputError when its lengths or texts are damaged.

    Arrow takes the lengths of texts and lists as the file has them, and reads beyond its memory where they are
    wrong.
    """
    import pyarrow as pa

    try:
        table.validate(full=True)
    except pa.lib.ArrowException as error:
        raise InputError(f"{place} is damaged: {str(error).splitlines()[0]}; get or save it again.") from error
    return table


def rows_at(table: ArrowTable, index: Sequence[int]) -> ArrowTable:
    """Return the rows at some positions of a table, in its own types, those that pyarrow cannot take from too."""
    import numpy as np
    import pyarrow as pa

    try:
        return table.take(index)
    except pa.ArrowNotImplementedError:
        at = np.asarray(index, np.int64)
        runs = np.split(at, np.flatnonzero(np.diff(at) != 1) + 1) if len(at) else []
        return pa.concat_tables([table.slice(int(run[0]), len(run)) for run in runs] or [table.slice(0, 0)])


def concatenated(tables: Sequence[ArrowTable], files: Sequence[Path]) -> ArrowTable:
    """Return one `pyarrow.Table` of the tables of several files, in types that hold the values of all.

    Raises:
        InputError: Where the files do not have the same columns.
    """
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0]
    _refuse_other_columns(tables, files)
    _refuse_other_class_names(tables, files)
    mixed = types_of_texts(tables)
    if mixed:
        tables = [_as_text(table, mixed) for table in tables]
    try:
        if all(table.schema.equals(tables[0].schema, check_metadata=False) for table in tables):
            return pa.concat_tables(tables).replace_schema_metadata(tables[0].schema.metadata)
        return pa.concat_tables([table.replace_schema_metadata(None) for table in tables], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        names = ", ".join(file.name for file in files[:5])
        message = str(error).strip().split("\n", 1)[0].rstrip(".:")
        raise InputError(
            f"{names} do not have the same columns ({message}); name one file, or make them alike."
        ) from None


def _refuse_other_class_names(tables: Sequence[ArrowTable], files: Sequence[Path]) -> None:
    """Raise InputError where the same class numbers mean other classes in other files."""
    known: dict[str, tuple[Json, Path]] = {}
    for table, file in zip(tables, files, strict=True):
        for column, names in _class_names(table).items():
            first, place = known.setdefault(column, (names, file))
            if first != names:
                raise InputError(
                    f"{place.name} and {file.name} number the classes of {column!r} differently "
                    f"({', '.join(first[:3])}, … and {', '.join(names[:3])}, …); save them with the same class names, "
                    "or name one file."
                )


def _class_names(table: ArrowTable) -> dict[str, Json]:
    """The class names by column, as `datasets` writes them into the schema of a file."""
    try:
        features = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: one["names"] for name, one in features.items() if isinstance(one, dict) and "names" in one}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _refuse_other_columns(tables: Sequence[ArrowTable], files: Sequence[Path]) -> None:
    first = set(tables[0].column_names)
    for table, file in zip(tables, files, strict=True):
        other = first ^ set(table.column_names)
        if other:
            by_columns: dict[frozenset[str], list[Path]] = {}
            for one, place in zip(tables, files, strict=True):
                by_columns.setdefault(frozenset(one.column_names), []).append(place)
            raise InputError(
                f"{files[0].name} and {file.name} do not have the same columns ({', '.join(sorted(other)[:5])} only in "
                "one of them); name one file, or the files of one dataset by a pattern"
                f"{listed_datasets([one[0] for one in by_columns.values()])}."
            )


def listed_datasets(places: Sequence[Path], most: int = 5) -> str:
    """Return the commands that open each of several datasets, to end a sentence.

    >>> listed_datasets([Path("d/a.csv"), Path("d/my pets")])
    ": datapare inspect d/a.csv, or datapare inspect 'd/my pets'"
    """
    commands = [f"datapare inspect {quote(str(place))}" for place in places[:most]]
    more = f", or {len(places) - most:,} more" if len(places) > most else ""
    return ": " + ", or ".join(commands) + more


def types_of_texts(tables: Sequence[ArrowTable]) -> frozenset[str]:
    """Return the columns whose types in several tables only text can hold together, such as numbers and words."""
    import pyarrow as pa

    kinds: dict[str, set[str]] = {}
    for table in tables:
        for field in table.schema:
            if not pa.types.is_null(field.type):
                kinds.setdefault(field.name, set()).add(_family(field.type))
    return frozenset(name for name, found in kinds.items() if len(found) > 1)


def _family(kind: ArrowType) -> str:
    import pyarrow as pa

    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_struct(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "struct" if pa.types.is_struct(kind) else "list"
    return str(kind)


def _as_text(table: ArrowTable, columns: Iterable[str]) -> ArrowTable:
    import pyarrow as pa

    for name in columns:
        at = table.column_names.index(name)
        values = table.column(at)
        plain = not (pa.types.is_nested(values.type) or pa.types.is_binary(values.type))
        text = values.cast(pa.string()) if plain else pa.array([_text(one) for one in values.to_pylist()], pa.string())
        table = table.set_column(at, name, text)
    return table


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else repr(value)


def numbers_with_commas(table: ArrowTable, texts: Iterable[str], *, thousands: bool) -> ArrowTable:
    """Return the table with numbers for texts such as 1.234,5; with `thousands` for 1,234.5 where all are so written.

    >>> import pyarrow as pa
    >>> numbers_with_commas(pa.table({"x": ["1,5", "-2", ""]}), [], thousands=False)["x"].to_pylist()
    [1.5, -2.0, None]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for at, field in enumerate(table.schema):
        if not pa.types.is_string(field.type) or field.name in texts:
            continue
        first = _without_blanks(table.column(at).slice(0, 1000)).drop_null()
        if not (_all_match(first, _THOUSANDS) and thousands) and not _all_match(first, _COMMA):
            continue  # most columns of text, without a look at all of them
        values = _without_blanks(table.column(at))
        grouped = thousands and _all_match(values, _THOUSANDS)
        if not pc.any(pc.match_substring(values, ",")).as_py() or not (grouped or _all_match(values, _COMMA)):
            continue
        plain = pc.replace_substring(values, "," if grouped else ".", "")
        plain = plain if grouped else pc.replace_substring(plain, ",", ".")
        table = table.set_column(at, field.name, plain.cast(pa.float64()))
    return table


def _without_blanks(values: ArrowColumn) -> ArrowColumn:
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _all_match(values: ArrowColumn, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py() is not False)
