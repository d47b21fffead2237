"""Labels as class numbers. A label is the text of the source: 01 is not 1, and a date is a name."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import column
from datapare.data.foreign_types import ArrowColumn, ArrowType, Rows, Value
from datapare.errors import InputError
from datapare.numerics.threads import in_blocks, take

WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_ROWS = 1 << 17  # encoded at a time
FRACTION = re.compile(r"[-+]?[0-9]*\.[0-9]+")


def read_labels(
    rows: Rows, name: str, held_out: Sequence[str] | None, said: Sequence[str] | None = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Read the class numbers (N,) and class names of a label column.

    Args:
        rows: A `datasets.Dataset`.
        name: Its label column.
        held_out: The classes of a training set; labels are then looked up among them, by name and never by place.
        said: Class names in the order of their numbers, as a card says them; used where all labels are such numbers or
            names.

    Returns:
        Class numbers (N,), and the class names. Whole numbers keep their number, with names for the numbers between,
        unless they lie far apart; other names are sorted. A class column of `datasets` keeps its own names and order.

    Raises:
        InputError: For missing or negative labels, measured numbers, several labels for one example, and a class that
            the training set does not have.
    """
    import pyarrow as pa

    values = column(rows, name)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if isinstance(values.type, pa.BaseExtensionType):  # JSON, say
        values = values.cast(values.type.storage_type)
    if values.null_count or not (_is_text(values.type) or pa.types.is_integer(values.type)):
        _refuse_missing(values, name)
    names = getattr(rows.info.features[name], "names", None)
    if names is not None and pa.types.is_integer(values.type):
        number = values.to_numpy(zero_copy_only=False).astype(np.int64)
        _refuse_numbers_without_names(number, name, names)
        if held_out is None or tuple(names) == tuple(held_out):
            return number, tuple(names)
        return _looked_up(list(names), number.astype(np.int32), held_out)
    text, index = _distinct(values, name)
    if not all(one.strip() for one in text):
        _refuse_missing(values, name)
    if said is not None and (named := _in_words(text, said)) is not None:
        if held_out is not None and tuple(held_out) != tuple(said):
            return _looked_up(named, index, held_out)
        return take(np.array([said.index(one) for one in named], np.int64), index), tuple(said)
    if held_out is not None:
        return _looked_up(text, index, held_out)
    classes = _classes(text, index, name)
    place = {one: i for i, one in enumerate(classes)}
    return take(np.array([place[one] for one in text], np.int64), index), classes


def _in_words(text: Sequence[str], said: Sequence[str]) -> list[str] | None:
    """The class names of labels that are all names, or all numbers, of those; None where one is neither.

    >>> _in_words(["1", "0"], ["no", "yes"]), _in_words(["yes"], ["no", "yes"]), _in_words(["2"], ["no", "yes"])
    (['yes', 'no'], ['yes'], None)
    """
    if all(one in said for one in text):
        return list(text)
    if all(WHOLE.fullmatch(one) and 0 <= int(one) < len(said) for one in text):
        return [said[int(one)] for one in text]
    return None


def similar_names(classes: Sequence[str]) -> list[str]:
    """Return a sentence about class names that differ in spaces or capitals alone, which are classes of their own.

    >>> similar_names(["cat", " Cat", "dog"])
    ["class names differ in spaces or capitals alone, and are read as classes of their own: ' Cat' and 'cat'"]
    """
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(unicodedata.normalize("NFC", " ".join(name.casefold().split())), []).append(name)
    found = [" and ".join(map(repr, sorted(names))) for names in alike.values() if len(names) > 1]
    if not found:
        return []
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    start = "class names differ in spaces or capitals alone, and are read as classes of their own: "
    return [start + ", ".join(found[:3]) + more]


def outer_spaces(columns: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Return a sentence about names that begin or end with a space, such as behind the commas of a CSV.

    >>> outer_spaces(["text", " label"], [" a", " b"])
    ["read with the spaces around them, as they stand in the file: ' label', ' a', ' b'"]
    """
    found = [repr(name) for name in [*columns, *classes] if name != name.strip(" \t")]
    if not found:
        return []
    more = ", …" if len(found) > 4 else ""
    return [f"read with the spaces around them, as they stand in the file: {', '.join(found[:4])}{more}"]


def check_classes(label: NDArray[np.int64], classes: Sequence[str]) -> None:
    """Raise InputError unless there are two classes with examples, and most examples are not alone in theirs.

    >>> check_classes(np.array([0, 1, 2]), ["a", "b", "c"])
    Traceback (most recent call last):
    datapare.errors.InputError: 3 of 3 examples are the only one of their class ('a', 'b', 'c'): such a column names \
examples and not classes; name another with label= (--label).
    """
    count = np.bincount(label, minlength=len(classes))
    present = np.flatnonzero(count)
    if len(present) < 2:
        raise InputError(
            f"all {len(label):,} examples are of the class {classes[int(present[0])]!r}; "
            "a classifier needs two or more classes."
        )
    single = np.flatnonzero(count == 1)
    if 2 * len(single) > len(label):
        first = ", ".join(repr(classes[i]) for i in single[:5].tolist()) + (", …" if len(single) > 5 else "")
        raise InputError(
            f"{len(single):,} of {len(label):,} examples are the only one of their class ({first}): such a column "
            "names examples and not classes; name another with label= (--label)."
        )


def _refuse_missing(values: ArrowColumn, name: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(values):
        return
    if pa.types.is_null(values.type):
        raise InputError(f"the label column {name!r} is empty; name another with label= (--label).")
    missing = pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False)
    if _is_text(values.type):
        blank = pc.equal(pc.utf8_trim_whitespace(values), "")
        missing = missing | pc.fill_null(blank, fill_value=True).to_numpy(zero_copy_only=False)
    if missing.any():
        raise InputError(
            f"{int(missing.sum()):,} of {len(values):,} examples have no label in the column {name!r}, "
            f"the first in row {int(missing.argmax())}; fill them in or remove those rows."
        )


def _is_text(kind: ArrowType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _distinct(values: ArrowColumn, name: str) -> tuple[list[str], NDArray[np.int32]]:
    """The different labels as texts, in order of first appearance, and which of them each example (N,) has."""
    import pyarrow as pa

    if pa.types.is_floating(values.type):
        values = pa.chunked_array([pa.array(_whole(values, name))])
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        raise InputError(
            f"a label is one class per example, but the column {name!r} holds {values.type}; name another."
        )
    found: dict[int, ArrowColumn] = {}

    def encode(block: slice) -> None:
        whole = pa.concat_arrays(values[block].chunks)
        found[block.start] = whole.dictionary_encode()

    in_blocks(encode, len(values), _ROWS)
    number: dict[Value, int] = {}
    places = {
        start: np.array([number.setdefault(one, len(number)) for one in found[start].dictionary.to_pylist()], np.int32)
        for start in sorted(found)
    }
    index = np.empty(len(values), np.int32)

    def fill(block: slice) -> None:
        index[block] = places[block.start][found[block.start].indices.to_numpy(zero_copy_only=False)]

    in_blocks(fill, len(values), _ROWS)
    return [str(one) for one in number], index


def _whole(values: ArrowColumn, name: str) -> NDArray[np.int64]:
    """Floating-point labels as whole numbers."""
    number = values.to_numpy(zero_copy_only=False).astype(np.float64)
    broken = ~np.isfinite(number) | (number != np.floor(number)) | (abs(number) > 2**53)
    if broken.any():
        _refuse_measured(int(broken.sum()), name, repr(float(number[broken.argmax()])), int(broken.argmax()))
    return np.asarray(number, dtype=np.int64)


def _refuse_measured(count: int, name: str, first: str, row: int) -> None:
    raise InputError(
        f"labels are classes, but {count:,} values of {name!r} are not whole numbers, the first ({first}) in row "
        f"{row}; name the column of classes with label= (--label)."
    )


def _classes(text: list[str], index: NDArray[np.int32], name: str) -> tuple[str, ...]:
    """The class names in the order of their numbers."""
    if text and all(WHOLE.fullmatch(one) for one in text):
        return _numbered(text, index, name)
    number = [WHOLE.fullmatch(one) or FRACTION.fullmatch(one) for one in text]
    measured = np.array([one is not None and float(text[i]) % 1 != 0 for i, one in enumerate(number)], bool)
    if all(number) and measured.any():
        at = measured[index]
        _refuse_measured(int(at.sum()), name, text[index[at.argmax()]], int(at.argmax()))
    return tuple(sorted(text))


def _numbered(text: list[str], index: NDArray[np.int32], name: str) -> tuple[str, ...]:
    """Whole numbers with a class for every number from 0 on; only those there are, where they lie far apart."""
    number = sorted(int(one) for one in text)
    if number[0] < 0 and number != [-1, 1]:  # -1 and 1 are the two classes of many binary datasets
        negative = np.array([int(one) < 0 for one in text])[index]
        found = ", ".join(str(one) for one in number if one < 0)
        raise InputError(
            f"labels are class numbers from 0, but {int(negative.sum()):,} examples of {name!r} have {found}, "
            f"the first in row {int(negative.argmax())}; -1 usually means unlabelled: remove those rows, or write "
            "class names."
        )
    if number[0] < 0 or number[-1] > 2 * len(number) + 8:
        return tuple(str(one) for one in number)
    return tuple(str(i) for i in range(number[-1] + 1))


def _refuse_numbers_without_names(number: NDArray[np.int64], name: str, names: Sequence[str]) -> None:
    if number.min(initial=0) < 0:
        negative = number < 0
        raise InputError(
            f"labels are class numbers from 0, but {int(negative.sum()):,} examples of {name!r} have "
            f"{int(number[negative][0])}, the first in row {int(negative.argmax())}; -1 usually means unlabelled: "
            "remove those rows."
        )
    if number.max(initial=-1) >= len(names):
        raise InputError(
            f"{name!r} has the class number {number.max()}, but there are {len(names)} classes, 0 to {len(names) - 1}."
        )


def _looked_up(
    text: list[str], index: NDArray[np.int32], held_out: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class numbers among the classes of the training data, by name."""
    place = {one: i for i, one in enumerate(held_out)}
    count = np.bincount(index, minlength=len(text))
    unknown = [i for i in range(len(text)) if count[i] and text[i] not in place]
    if unknown:
        first = min(unknown, key=lambda i: text[i])
        more = f" and {len(unknown) - 1} more that" if len(unknown) > 1 else ", which"
        raise InputError(
            f"the held-out data has the class {text[first]!r} ({count[first]:,} examples){more} "
            f"the training data does not have; its classes are {', '.join(held_out[:10])}"
            f"{', …' if len(held_out) > 10 else ''}, and labels are matched by name."
        )
    return take(np.array([place.get(one, -1) for one in text], np.int64), index), tuple(held_out)
