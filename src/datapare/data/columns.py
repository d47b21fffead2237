"""Which column is the label, which ones a model reads, which one identifies an example: by name, type and content."""

import re
from collections.abc import Sequence

import numpy as np

from datapare.artifacts import Kind
from datapare.data.foreign_types import ArrowType, Rows, Value
from datapare.errors import InputError
from datapare.options import nearest

LABELS = ("label", "labels", "class", "target", "y", "fine_label", "category", "sentiment", "intent")
TEXTS = ("text", "sentence", "content", "review", "utterance", "document", "question", "query", "message", "body")
PAIRS = (
    *("sentence1", "sentence2", "sentence_1", "sentence_2", "sentence_a", "sentence_b", "premise", "hypothesis"),
    *("question1", "question2", "text1", "text2", "text_1", "text_2", "text_a", "text_b", "text_pair"),
)
BESIDE_TEXTS = ("title", "headline", "answer", "context", "passage", "description")  # texts beside one of TEXTS
IMAGES = ("image", "img", "jpg", "png", "jpeg", "picture", "photo")
EMBEDDINGS = ("embedding", "embeddings", "features", "feature", "vector", "x")
IDS = (
    "id",
    "__key__",
    "key",
    "uid",
    "uuid",
    "guid",
    "file_name",
    "filename",
    "file",
    "path",
    "image_id",
    "__index_level_0__",
)
ROW_NUMBERS = ("", "index", "idx", "row", "row_id", "row_number", "rownum", "row_nr", "level_0", "unnamed", "#", "no")
FILES = re.compile(
    r"(?i)[^\n\t]*[^\s/\\]\.(jpe?g|png|webp|avif|bmp|gif|tiff?|heic|heif|svg|dcm|wav|mp3|flac|ogg|mp4|avi|mov|npy|pdf)"
)
MIN_VECTOR = 8  # whole numbers per list; shorter lists are places and spans
MIN_WORDS = 3  # per value, on average, of a column of free text


def find_label(columns: Sequence[str], named: str | None) -> str:
    """Return the label column: the named one, `label`, or the only one with a usual name.

    >>> find_label(["image", "Class"], None)
    'Class'
    """
    if named is not None:
        return require(columns, named, "label")
    found = _usual(columns, LABELS)
    same = [column for column in columns if found and column.lower() == found[0].lower()]
    if len(same) > 1:  # Label and label
        found = same
    elif len(found) == 1 or (found and found[0].lower() == "label"):
        return found[0]
    problem = f"{_listed(found)} could all be it" if found else "none has a usual name such as label or class"
    raise InputError(f"which column is the label? {problem}; name it with label= (--label): {_listed(columns)}.")


def text_columns(columns: Sequence[str], label: str | None, id_: str | None) -> list[str]:
    """Return the columns whose values stay the text of the file: labels and ids.

    >>> text_columns(["id", "text", "label", "n"], None, None)
    ['id', 'label']
    """
    usual = {*LABELS, *IDS}
    return [one for one in columns if one in {label, id_} or one.lower() in usual]


def require(columns: Sequence[str], name: str, option: str) -> str:
    """Return the column itself; raise InputError, listing those there are, where there is none of this name."""
    if name not in columns:
        raise InputError(
            f"{option} names the column {name!r}, but the columns are {_listed(columns)}{nearest(name, columns)}"
        )
    return name


def find_inputs(rows: Rows, label: str, named: Sequence[str] | None, kind: Kind | None) -> tuple[Kind, tuple[str, ...]]:
    """Find what the examples are, and the columns a model reads: images, embeddings, texts, or else a table.

    Columns of row numbers and of file names are never inputs unless named. Where a text and an embedding, or free
    text and numbers, would make different datasets, neither is guessed.

    Raises:
        InputError: Where nothing can be read, or two readings are possible.
    """
    if named is not None:
        columns = tuple(require(rows.column_names, name, "input") for name in named)
        _refuse_file_names(rows, columns)
        return kind or kind_of(rows, columns), columns
    rest = [column for column in rows.column_names if column != label]
    types = {column: _type(rows, column) for column in rest}
    images = [column for column in rest if types[column] == "image"]
    if kind in {None, "image"} and images:
        return "image", (_single(images, IMAGES, "image"),)
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
    missing = "anything a model reads" if kind is None else f"{kind}s"
    there = f"name one with input= (--input): {_listed(rest)}" if rest else "there is none beside the label"
    raise InputError(f"no column holds {missing}; {there}.")


def _texts(rows: Rows, types: dict[str, str]) -> tuple[str, ...]:
    """The columns with usual names of texts, all in their order; or the only column there is besides ids."""
    strings = [column for column, type_ in types.items() if type_ == "string" and not _are_files(rows, column)]
    pair = {*TEXTS, *PAIRS}
    usual = [column for column in strings if column.lower() in pair]
    if usual and (len(usual) > 1 or usual[0].lower() != "text"):
        # "text" alone is the whole text; other words name a part, such as the body below a title
        usual = [column for column in strings if column.lower() in {*pair, *BESIDE_TEXTS}]
    if usual:
        return tuple(usual)
    others = [column for column in types if column.lower() not in IDS and not _is_row_number(rows, column)]
    return tuple(others) if len(others) == 1 and others[0] in strings and not _are_numbers(rows, others[0]) else ()


def _table_or_free_text(rows: Rows, types: dict[str, str], kind: Kind | None) -> tuple[Kind, tuple[str, ...]] | None:
    """The inputs of a table; or its columns of free text, where there are no numbers beside them."""
    usable = [
        column
        for column, type_ in types.items()
        if type_ in {"number", "string"} and not _is_row_number(rows, column) and not _are_files(rows, column)
    ]
    free = [column for column in usable if types[column] == "string" and _is_free_text(rows, column)]
    numbers = [column for column in usable if types[column] == "number"]
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
    return ("table", tuple(usable)) if usable else None


def kind_of(rows: Rows, columns: Sequence[str]) -> Kind:
    """Return what kind of examples the named columns hold, from their types and their content."""
    types = {_type(rows, column, named=True) for column in columns}
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


def _is_text(rows: Rows, column: str) -> bool:
    return column.lower() in {*TEXTS, *PAIRS, *BESIDE_TEXTS} or _is_free_text(rows, column)


def _single(found: Sequence[str], usual: Sequence[str], kind: str) -> str:
    """The only candidate, or the first in the order of usual names."""
    if len(found) == 1:
        return found[0]
    named = _usual(found, usual)
    if named:
        return named[0]
    raise InputError(f"{_listed(found)} all hold {kind}s; say which one a model reads with input= (--input).")


def _usual(columns: Sequence[str], usual: Sequence[str]) -> list[str]:
    by_name = {column.lower(): column for column in reversed(columns)}
    return [by_name[name] for name in usual if name in by_name]


def _type(rows: Rows, column: str, *, named: bool = False) -> str:
    """One of: image, vector, string, number, other."""
    import datasets
    import pyarrow as pa

    feature, kind = rows.features[column], rows.data.schema.field(column).type
    if isinstance(feature, datasets.Image) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "image"
    if pa.types.is_struct(kind):
        return "image" if {field.name for field in kind} >= {"bytes", "path"} else "other"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return "vector" if _is_vector(rows, column, kind, named=named) else "other"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string" if named or not _is_empty(rows, column) else "other"
    plain = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_temporal, pa.types.is_decimal)
    return "number" if any(is_plain(kind) for is_plain in plain) else "other"


def _is_vector(rows: Rows, column: str, kind: ArrowType, *, named: bool) -> bool:
    """Whether lists are vectors: of numbers, and by its name or by their one length of at least 8."""
    import pyarrow as pa

    if not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        return False
    if named or column.lower() in EMBEDDINGS:
        return True
    lengths = {len(value) for value in _sample(rows, column)}
    return pa.types.is_floating(kind.value_type) or (len(lengths) == 1 and min(lengths) >= MIN_VECTOR)


def _sample(rows: Rows, column: str, size: int = 1000) -> list[Value]:
    """Values of a column that are not missing, from rows spread evenly over the whole dataset."""
    from datapare.data.dataset import cells

    at = np.unique(np.linspace(0, max(len(rows) - 1, 0), num=min(size, len(rows))).astype(int))
    return [value for value in cells(rows, column, at.tolist()) if value is not None]


def _is_free_text(rows: Rows, column: str) -> bool:
    """Whether the values are sentences: three words or more on average, and mostly different."""
    values = _sample(rows, column)
    words = [len(value.split()) for value in values]
    return bool(values) and float(np.mean(words)) >= MIN_WORDS and 2 * len(set(values)) > len(values)


def _is_empty(rows: Rows, column: str) -> bool:
    """Whether a text column holds nothing in any row, as behind a separator at the end of each line."""
    from datapare.data.dataset import column as whole_column

    if any(value.strip() for value in _sample(rows, column, 20)):
        return False
    import pyarrow.compute as pc

    return not pc.any(pc.not_equal(pc.utf8_trim_whitespace(whole_column(rows, column)), "")).as_py()


def _are_numbers(rows: Rows, column: str) -> bool:
    """Whether texts are numbers, such as those of a second column with the name of a label."""
    values = _sample(rows, column, 100)
    return bool(values) and all(re.fullmatch(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?", value.strip()) for value in values)


def _are_files(rows: Rows, column: str) -> bool:
    """Whether all values name files, such as cat/1.png."""
    values = _sample(rows, column, 100) if _type(rows, column) == "string" else []
    return bool(values) and all(FILES.fullmatch(value) for value in values)


def _refuse_file_names(rows: Rows, columns: Sequence[str]) -> None:
    found = [column for column in columns if _are_files(rows, column)]
    if found:
        raise InputError(
            f"{found[0]!r} names files ({_sample(rows, found[0], 1)[0]}), which are not read as text: open the folder "
            "that holds both the files and this list, or name another column with input= (--input)."
        )


def _is_row_number(rows: Rows, column: str) -> bool:
    """Whether whole numbers count the rows: in their order, or in any order where the name says so."""
    import pyarrow as pa

    from datapare.data.dataset import column as whole_column

    kind = rows.data.schema.field(column).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)) or len(rows) < 3:
        return False
    name = column.strip().lower()
    if name.startswith("__index_level_"):  # the index of a DataFrame
        return True
    values = whole_column(rows, column)
    if values.null_count:
        return False
    number = values.to_numpy(zero_copy_only=False)
    if pa.types.is_integer(kind) and len(number) >= MIN_COUNTED and (np.diff(number) == 1).all():
        return True
    usual = name in ROW_NUMBERS or name.startswith("unnamed")
    return usual and bool((number == np.floor(number)).all()) and len(np.unique(number)) == len(number)


MIN_COUNTED = 10  # fewer consecutive numbers may be measured


def left_out(rows: Rows, label: str, inputs: Sequence[str], id_: str | None) -> dict[str, str]:
    """Return why each column is no input that is neither the label nor the id.

    Returns:
        A reason by column, in the order of the columns.
    """
    reasons = {}
    for column in rows.column_names:
        if column in {label, id_} or column in inputs:
            continue
        if _is_row_number(rows, column):
            reasons[column] = "row numbers"
        elif _are_files(rows, column):
            reasons[column] = "file names"
        elif _type(rows, column, named=True) == "string" and _is_empty(rows, column):
            reasons[column] = "empty"
        else:
            reasons[column] = "not read"
    return reasons


def split_notes(rows: Rows, label: str, split: str) -> list[str]:
    """Return a sentence about a column that names other splits, whose rows are read all the same."""
    from datapare.data.paths import split_of

    found = [column for column in rows.column_names if column.lower() == "split" and column != label]
    values = {str(value) for column in found for value in _sample(rows, column)}
    if len(values) < 2 or any(split_of(value) is None for value in values):
        return []
    there = f"the column {found[0]!r} names the splits {_listed(sorted(values))}"
    return [f"{there}, and the rows of all are read as {split}; write one file for each split to have them apart"]


def find_id(
    rows: Rows, label: str, inputs: Sequence[str], named: str | None
) -> tuple[str, list[str]] | tuple[None, None]:
    """Find the id column and its texts: the named one, or one of a usual name with a different value in every row."""
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
        if None not in values and "" not in values and len(set(values)) == len(values):
            return one, [str(value) for value in values]
    return None, None


def _distinct(name: str, values: list[str]) -> list[str]:
    seen: set[str] = set()
    for row, value in enumerate(values):
        if value in seen:
            raise InputError(f"the id column {name!r} repeats {value!r} in row {row}; an id belongs to one example.")
        seen.add(value)
    return values


def _could_be_id(rows: Rows, column: str) -> bool:
    import pyarrow as pa

    kind = rows.data.schema.field(column).type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))


def _listed(columns: Sequence[str], most: int = 12) -> str:
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    return ", ".join(columns[:most]) + more
