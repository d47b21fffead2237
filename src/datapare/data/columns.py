"""Which column is the label, which ones a model reads, which one identifies an example: by name, type and content."""

from collections.abc import Collection, Sequence

from datapare.artifacts import Kind
from datapare.data.column_contents import (
    are_files,
    are_images_elsewhere,
    are_measured,
    are_numbers,
    is_empty,
    is_free_text,
    is_identifier,
    is_row_number,
    mostly_differ,
    odd_among_numbers,
    sample,
    type_of,
)
from datapare.data.column_names import BESIDE_TEXTS, EMBEDDINGS, IDS, IMAGES, LABELS, PAIRS, TEXTS, TOKENS
from datapare.data.foreign_types import Rows
from datapare.errors import InputError, nearest

_HEAD = 1000  # rows that are looked at


def find_label(columns: Sequence[str], named: str | None) -> str:
    """Return the label column: the named one, `label`, or the only one with a usual name.

    >>> find_label(["image", "Class"], None)
    'Class'
    """
    if named is not None:
        return require(columns, named, "label")
    found = _usual(columns, LABELS)
    same = [column for column in columns if found and column.strip().lower() == found[0].strip().lower()]
    if len(same) > 1:  # Label and label
        found = same
    elif len(found) == 1 or (found and found[0].strip().lower() == "label"):
        return found[0]
    problem = f"{_listed(found)} could all be it" if found else "none has a usual name such as label or class"
    raise InputError(f"which column is the label? {problem}; name it with label= (--label): {_listed(columns)}.")


def text_columns(columns: Sequence[str], label: str | None, id_: str | None) -> list[str]:
    """Return the columns whose values stay the text of the file: labels and ids.

    >>> text_columns(["id", "text", "label", "n"], None, None)
    ['id', 'label']
    """
    usual = {*LABELS, *IDS}
    return [one for one in columns if one in {label, id_} or one.strip().lower() in usual]


def require(columns: Sequence[str], name: str, option: str) -> str:
    """Return the column itself; raise InputError, listing those there are, where there is none of this name."""
    if name not in columns:
        raise InputError(
            f"{option} names the column {name!r}, but the columns are {_listed(columns)}{nearest(name, columns)}"
        )
    return name


def one_hot_columns(rows: Rows) -> list[str]:
    """The columns of 0 and 1 of which every row has exactly one 1, as labels are spread; empty where there are none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    head = rows.data.slice(0, _HEAD)
    found = [name for name, kind in zip(head.column_names, head.schema.types, strict=True) if pa.types.is_integer(kind)]
    marks = {name: head[name] for name in found if not head[name].null_count}
    marks = {name: one for name, one in marks.items() if {*pc.unique(one).to_pylist()} <= {0, 1}}
    if len(marks) < 2:
        return []
    total = sum(one.to_numpy().astype(int) for one in marks.values())
    return list(marks) if bool((total == 1).all()) else []


def _refuse_file_names(rows: Rows, columns: Sequence[str]) -> None:
    found = [column for column in columns if are_files(rows, column)]
    if found:
        raise InputError(
            f"{found[0]!r} names files ({sample(rows, found[0], 1)[0]}), which are not read as text: open the folder "
            "that holds both the files and this list, or name another column with input= (--input)."
        )


def _refuse_images_elsewhere(rows: Rows, columns: Sequence[str]) -> None:
    found = [column for column in columns if are_images_elsewhere(rows, column)]
    if found:
        raise InputError(
            f"{found[0]!r} names images or holds them as text ({sample(rows, found[0], 1)[0][:40]}): open the folder "
            "that holds both the images and this list, or say what a model reads with kind= or input= (--kind, "
            "--input)."
        )


def refuse_tokens(columns: Collection[str], others: Collection[str]) -> None:
    """Raise InputError where there are numbers of tokens and nothing else that a model reads."""
    found = [column for column in columns if column.lower() in TOKENS]
    if found and not others:
        raise InputError(
            f"{_listed(found)} are numbers of tokens, which mean nothing without their tokenizer: open the texts that "
            "they were made from, or record a training loop of your own with datapare.Recorder."
        )


def find_inputs(
    rows: Rows, label: str, named: Sequence[str] | None, kind: Kind | None, without: Collection[str] = ()
) -> tuple[Kind, tuple[str, ...]]:
    """Find what the examples are, and the columns a model reads: images, embeddings, texts, or else a table.

    Columns of row numbers, of file names and those in `without` are never inputs unless named. Where a text and an
    embedding, or free text and numbers, would make different datasets, neither is guessed.

    Raises:
        InputError: Where nothing can be read, or two readings are possible.
    """
    if named is not None:
        columns = tuple(require(rows.column_names, name, "input") for name in named)
        _refuse_file_names(rows, columns)
        _check_kind(rows, columns, kind)
        return kind or kind_of(rows, columns), columns
    rest = [column for column in rows.column_names if column != label and column not in without]
    types = {column: type_of(rows, column) for column in rest}
    images = [column for column in rest if types[column] == "image"]
    if kind in {None, "image"} and images:
        return "image", (_single(images, IMAGES, "image"),)
    if kind in {None, "image"}:
        _refuse_images_elsewhere(rows, [column for column in rest if types[column] == "string"])
    vectors = [column for column in rest if types[column] == "vector"]
    texts = _texts(rows, types)
    if kind is None and texts and _usual(vectors, EMBEDDINGS):
        raise InputError(
            f"{vectors[0]} holds vectors and {_listed(texts)} text; say what a model reads with kind=embedding or "
            "kind=text (--kind)."
        )
    if kind == "embedding" or (kind is None and vectors and not texts):
        if vectors:
            return "embedding", (_single(vectors, EMBEDDINGS, "embedding"),)
    elif kind in {None, "text"} and texts:
        return "text", texts
    if kind in {None, "table", "text"}:
        found = _table_or_free_text(rows, types, kind)
        if found is not None:
            return found
    _refuse_file_names(rows, [column for column in rest if types[column] == "string"])
    refuse_tokens(rest, [])
    missing = "anything a model reads" if kind is None else f"{kind}s"
    there = f"name one with input= (--input): {_listed(rest)}" if rest else "there is none beside the label"
    counted = [column for column in rest if is_row_number(rows, column)]
    note = f" (numbers of the rows: {_listed(counted)})" if counted else ""
    raise InputError(f"no column holds {missing}{note}; {there}.")


def _texts(rows: Rows, types: dict[str, str]) -> tuple[str, ...]:
    """The columns with usual names of texts, all in their order; or the only column there is besides ids."""
    strings = [column for column, type_ in types.items() if type_ == "string" and not are_files(rows, column)]
    pair = {*TEXTS, *PAIRS}
    usual = [column for column in strings if column.strip().lower() in pair]
    if usual and (len(usual) > 1 or usual[0].strip().lower() != "text"):
        # "text" alone is the whole text; other words name a part, such as the body below a title
        usual = [column for column in strings if column.strip().lower() in {*pair, *BESIDE_TEXTS}]
    if usual:
        return tuple(usual)
    others = [column for column in types if column.strip().lower() not in IDS and not is_row_number(rows, column)]
    return tuple(others) if len(others) == 1 and others[0] in strings and not are_numbers(rows, others[0]) else ()


def _table_or_free_text(rows: Rows, types: dict[str, str], kind: Kind | None) -> tuple[Kind, tuple[str, ...]] | None:
    """The inputs of a table; or its columns of free text, where there are no numbers beside them."""
    usable = [
        column
        for column, type_ in types.items()
        if type_ in {"number", "string"} and not is_row_number(rows, column) and not are_files(rows, column)
    ]
    single_valued = {column for column in usable if is_identifier(rows, column)}
    free = [column for column in usable if types[column] == "string" and is_free_text(rows, column)]
    numbers = [column for column in usable if types[column] == "number" and column not in single_valued]
    if kind == "text":
        return ("text", tuple(free)) if free else None
    if kind is None and free:
        if not numbers:
            return "text", tuple(free)
        if len(numbers) <= len(free):
            raise InputError(
                f"{_listed(free)} holds free text and {_listed(numbers)} numbers; say what a model reads with "
                "kind=text or kind=table (--kind), or name the columns with input= (--input)."
            )
    if kind is None and not numbers and usable and all(mostly_differ(rows, column) for column in usable):
        return "text", tuple(usable)  # names, say: as categories they would be one for each row
    found = [column for column in usable if column not in single_valued] or usable
    return ("table", tuple(found)) if found else None


def kind_of(rows: Rows, columns: Sequence[str]) -> Kind:
    """Return what kind of examples the named columns hold, from their types and their content."""
    types = {type_of(rows, column, named=True) for column in columns}
    if types == {"image"} and len(columns) == 1:
        return "image"
    if types == {"vector"} and len(columns) == 1:
        return "embedding"
    if types == {"string"} and (len(columns) == 1 or all(_is_text(rows, column) for column in columns)):
        return "text"
    if types <= {"number", "string"}:
        return "table"
    raise InputError(
        f"{_listed(columns)} cannot be read together: name one column of images or vectors, or plain ones."
    )


def _check_kind(rows: Rows, columns: Sequence[str], kind: Kind | None) -> None:
    """Raise InputError where named columns are to be images or embeddings and hold something else."""
    wanted = {"image": "image", "embedding": "vector"}.get(kind or "")
    if wanted is None or (len(columns) == 1 and type_of(rows, columns[0], named=True) == wanted):
        return
    held = ", ".join(str(rows.data.schema.field(column).type) for column in columns)
    raise InputError(
        f"kind= says {kind}, but {_listed(columns)} holds {held}; name one column of {wanted}s with input= (--input), "
        "or leave kind= (--kind) out."
    )


def _is_text(rows: Rows, column: str) -> bool:
    return column.strip().lower() in {*TEXTS, *PAIRS, *BESIDE_TEXTS} or is_free_text(rows, column)


def _single(found: Sequence[str], usual: Sequence[str], kind: str) -> str:
    """The only candidate, or the first in the order of usual names."""
    if len(found) == 1:
        return found[0]
    named = _usual(found, usual)
    if named:
        return named[0]
    raise InputError(f"{_listed(found)} all hold {kind}s; say which one a model reads with input= (--input).")


def _usual(columns: Sequence[str], usual: Sequence[str]) -> list[str]:
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return [by_name[name] for name in usual if name in by_name]


def left_out(rows: Rows, label: str, inputs: Sequence[str], id_: str | None) -> dict[str, str]:
    """Return why each column is no input that is neither the label nor the id.

    Returns:
        A reason by column, in the order of the columns.
    """
    reasons = {}
    for column in rows.column_names:
        if column in {label, id_} or column in inputs:
            continue
        if is_row_number(rows, column):
            reasons[column] = "row numbers"
        elif are_files(rows, column):
            reasons[column] = "file names"
        elif type_of(rows, column, named=True) == "string" and is_empty(rows, column):
            reasons[column] = "empty"
        elif type_of(rows, column) == "string" and (odd := odd_among_numbers(rows, column)) is not None:
            reasons[column] = f"numbers but for {odd!r}; write that as an empty cell to have them read"
        elif is_identifier(rows, column):
            reasons[column] = "different in every row"
        else:
            reasons[column] = "not read"
    return reasons


def answers(rows: Rows) -> list[str]:
    """Return a sentence about the answers of Prodigy, where they reject labels, whose rows are read all the same."""
    there = "answer" in rows.column_names and type_of(rows, "answer") == "string"
    found = {*sample(rows, "answer")} if there else set()
    if not found <= {"accept", "reject", "ignore"} or found <= {"accept"}:
        return []
    note = "'answer' says that some labels were rejected or ignored, and they are read as they are"
    return [f"{note}; keep the rows with 'accept' to have only right ones"]


def measured_notes(rows: Rows, inputs: Sequence[str]) -> list[str]:
    """Return a sentence about inputs that are numbers with a sign of a unit, which are read as they are written."""
    found = [name for name in inputs if type_of(rows, name, named=True) == "string" and are_measured(rows, name)]
    if not found:
        return []
    example = sample(rows, found[0], 1)[0]
    return [f"{_listed(found)}: numbers with a sign ({example}), read as words; write plain ones to have them measured"]


def _listed(columns: Sequence[str], most: int = 12) -> str:
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    return ", ".join(columns[:most]) + more
