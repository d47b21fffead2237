"""What the values of a column are: images, vectors, texts, numbers, names of files, numbers of rows."""

import re

import numpy as np
from numpy.typing import NDArray

from datapare.data.column_names import EMBEDDINGS, FILES_OF_IMAGES, ID_WORDS, IMAGES, ROW_NUMBERS, TOKENS
from datapare.data.foreign_types import ArrowColumn, ArrowType, Rows, Value
from datapare.data.layouts import is_image
from datapare.data.nested_arrays import number_depth

FILES = re.compile(
    r"(?i)[^\n\t]*[^\s/\\]\.(jpe?g|png|webp|avif|bmp|gif|tiff?|heic|heif|svg|dcm|wav|mp3|flac|ogg|mp4|avi|mov|npy|pdf)(\?\S*)?"
)
_IN_LETTERS = re.compile(r"data:image/\S+|[A-Za-z0-9+/_-]{64,}={0,2}")  # images as base64
_HEADS = (
    b"\x89PNG",
    b"\xff\xd8",
    b"GIF8",
    b"BM",
    b"RIFF",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0",
    *(b"P%d" % i for i in range(1, 7)),
)
_MEASURED = re.compile(r"[-+]?(?:[$€£¥] ?\d[\d.,]*|\d[\d.,]* ?[%$€£¥])")
_NUMBER = re.compile(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?")
MIN_COUNTED = 10  # fewer consecutive numbers may be measured
_INDEXES = frozenset({"", "unnamed", "level_0"})  # what pandas calls an index that was saved
MIN_DIFFERENT = 20  # rows, of which each may have another category by chance
MIN_VECTOR = 8  # whole numbers per list; shorter lists are places and spans
MIN_WORDS = 3  # per value, on average, of a column of free text


def type_of(rows: Rows, column: str, *, named: bool = False) -> str:
    """One of: image, vector, string, number, other."""
    import datasets
    import pyarrow as pa

    feature, kind = rows.info.features[column], rows.data.schema.field(column).type  # .features copies them all
    stored = pa.types.is_struct(kind) and {field.name for field in kind} >= {"bytes", "path"}
    depth = number_depth(kind)
    pixels = depth in {2, 3} and (named or column.lower() in IMAGES)
    if isinstance(feature, datasets.Image) or pixels:
        return "image"
    if stored or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "image" if named or column.lower() in IMAGES or _are_images(rows, column) else "other"
    if depth > 1 or (column.lower() in TOKENS and not named):
        return "other"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return "vector" if _is_vector(rows, column, kind, named=named) else "other"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string" if named or not is_empty(rows, column) else "other"
    plain = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_temporal, pa.types.is_decimal)
    return "number" if any(is_plain(kind) for is_plain in plain) else "other"


def _is_vector(rows: Rows, column: str, kind: ArrowType, *, named: bool) -> bool:
    """Whether lists are vectors: of numbers, and by its name or by their one length of at least 8."""
    import pyarrow as pa

    if not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        return False
    if named or column.lower() in EMBEDDINGS:
        return True
    lengths = {len(value) for value in sample(rows, column)}
    return pa.types.is_floating(kind.value_type) or (len(lengths) == 1 and min(lengths) >= MIN_VECTOR)


def _are_images(rows: Rows, column: str) -> bool:
    """Whether any of the first bytes, or of the paths of what is stored elsewhere, is that of an image."""
    for value in sample(rows, column, 20):
        content = value["bytes"] if isinstance(value, dict) else value
        if content is None and is_image(str(value.get("path"))):
            return True
        if content is not None and content.startswith(_HEADS):
            return True
    return False


def sample(rows: Rows, column: str, size: int = 1000) -> list[Value]:
    """Values of a column that are not missing, from rows spread evenly over the whole dataset."""
    from datapare.data.dataset import cells

    at = np.unique(np.linspace(0, max(len(rows) - 1, 0), num=min(size, len(rows))).astype(int))
    return [value for value in cells(rows, column, at.tolist()) if value is not None]


def is_free_text(rows: Rows, column: str) -> bool:
    """Whether the values are sentences: three words or more on average, and mostly different."""
    values = sample(rows, column)
    words = [len(value.split()) for value in values]
    return bool(values) and float(np.mean(words)) >= MIN_WORDS and 2 * len(set(values)) > len(values)


def is_empty(rows: Rows, column: str) -> bool:
    """Whether a text column holds nothing in any row, as behind a separator at the end of each line."""
    from datapare.data.dataset import column as whole_column

    if any(value.strip() for value in sample(rows, column, 20)):
        return False
    import pyarrow.compute as pc

    return not pc.any(pc.not_equal(pc.utf8_trim_whitespace(whole_column(rows, column)), "")).as_py()


def are_numbers(rows: Rows, column: str) -> bool:
    """Whether texts are numbers, such as those of a second column with the name of a label."""
    values = sample(rows, column, 100)
    return bool(values) and all(_NUMBER.fullmatch(value.strip()) for value in values)


def odd_among_numbers(rows: Rows, column: str) -> str | None:
    """The first text that is no number in a column of which nine in ten are, such as a remark; None for any other."""
    values = [value.strip() for value in sample(rows, column) if value.strip()]
    odd = [value for value in values if not _NUMBER.fullmatch(value)]
    return odd[0] if odd and 10 * len(odd) <= len(values) else None


def are_measured(rows: Rows, column: str) -> bool:
    """Whether texts are numbers with a sign, such as 5% and $1,200."""
    values = sample(rows, column, 100)
    return bool(values) and all(_MEASURED.fullmatch(value.strip()) for value in values)


def are_files(rows: Rows, column: str) -> bool:
    """Whether all values name files, such as cat/1.png."""
    values = sample(rows, column, 100) if type_of(rows, column) == "string" else []
    return bool(values) and all(FILES.fullmatch(value) for value in values)


def are_images_elsewhere(rows: Rows, column: str) -> bool:
    """Whether texts are names or addresses of images, or images in letters, by the column's name and its values."""
    if column.lower() not in FILES_OF_IMAGES:
        return False
    values = sample(rows, column, 100)
    return bool(values) and all(FILES.fullmatch(v) or _IN_LETTERS.fullmatch(v) or _is_path(v) for v in values)


def _is_path(text: str) -> bool:
    return "/" in text and not re.search(r"\s", text)


def is_identifier(rows: Rows, column: str) -> bool:
    """Whether texts, or whole numbers that are called an id, differ in every row, so that no model learns from them."""
    import pyarrow as pa

    from datapare.data.dataset import column as whole_column

    kind = rows.data.schema.field(column).type
    called = column.strip().lower().replace("-", "_").rpartition("_")[2] in ID_WORDS or column.endswith(("Id", "ID"))
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if len(rows) < MIN_DIFFERENT or not (text or (called and pa.types.is_integer(kind))):
        return False
    values = sample(rows, column)
    if len(set(values)) < len(values) or (text and (are_numbers(rows, column) or is_free_text(rows, column))):
        return False
    whole = whole_column(rows, column)
    return not whole.null_count and len(whole.unique()) == len(whole)


def mostly_differ(rows: Rows, column: str) -> bool:
    """Whether texts are mostly other ones in other rows, as names are and categories are not."""
    values = sample(rows, column)
    return (
        len(values) >= MIN_DIFFERENT and all(isinstance(v, str) for v in values) and 2 * len(set(values)) > len(values)
    )


def is_row_number(rows: Rows, column: str) -> bool:
    """Whether numbers, or texts that are numbers, count the rows.

    They do where each is another one of N consecutive whole numbers, in whatever order; where they rise or fall by the
    same step from row to row; and under a name of row numbers where they all differ or count from the start again.
    """
    name = column.strip().lower()
    if name.startswith("__index_level_"):  # the index of a DataFrame
        return True
    if len(rows) < 3:
        return False
    called = name in {*_INDEXES, *ROW_NUMBERS} or name.startswith("unnamed:")
    number = _whole_numbers(rows, column, called=called)
    if number is None:
        return False
    if name in _INDEXES or name.startswith("unnamed:"):  # an index that was saved, however often it was joined since
        return True
    step = np.diff(number)
    if len(number) >= MIN_COUNTED and (_are_consecutive(number) or (step[0] != 0 and bool((step == step[0]).all()))):
        return True
    starts = np.r_[number[0], number[1:][step != 1]]
    again = len(starts) < len(number) and bool((starts == number[0]).all())
    return called and (again or len(np.unique(number)) == len(number))


def _are_consecutive(number: NDArray[np.float64]) -> bool:
    """Whether these are N consecutive numbers in any order."""
    low = number.min()
    if number.max() - low != len(number) - 1:
        return False
    seen = np.zeros(len(number), bool)
    seen[(number - low).astype(np.int64)] = True
    return bool(seen.all())


def _whole_numbers(rows: Rows, column: str, *, called: bool) -> NDArray[np.float64] | None:
    """The values where all are whole numbers, those that texts are too; None where one is anything else, or missing.

    None also for those not `called` row numbers that a first look shows not to be any.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from datapare.data.dataset import column as whole_column

    values = whole_column(rows, column)
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    plain = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if values.null_count or not (plain or (text and are_numbers(rows, column))):
        return None
    try:
        first = _as_floats(values.slice(0, MIN_COUNTED))
        if not np.isfinite(first).all() or (first != np.floor(first)).any():
            return None
        if plain and not called and len(np.unique(np.diff(first))) > 1:
            ends = pc.min_max(values).as_py()
            if ends["max"] - ends["min"] != len(values) - 1:
                return None
        number = _as_floats(values)
    except pa.ArrowInvalid:  # texts of which a later one is no number
        return None
    return number if np.isfinite(number).all() and (number == np.floor(number)).all() else None


def _as_floats(values: ArrowColumn) -> NDArray[np.float64]:
    import pyarrow as pa

    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
