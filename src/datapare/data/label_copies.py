"""Columns beside the label that say it too, in other words or on another scale: a model must not read them unasked."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Kind
from datapare.data.column_names import EMBEDDINGS, IMAGES, LABELS, PAIRS, TEXTS
from datapare.data.dataset import column
from datapare.data.foreign_types import ArrowColumn, ArrowType, Rows
from datapare.errors import InputError

_INPUTS = frozenset({*TEXTS, *PAIRS, *IMAGES, *EMBEDDINGS})
_LABEL = re.compile(r"labels?|targets?")
_CLASS = re.compile(r"class(es)?|category|target")
_BESIDE_CLASS = re.compile(
    r"id|ids|idx|index|name|names|text|str|string|num|number|code|int|encoded|coarse|fine|super|sub|true|gold|\d+"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SAMPLE = 1000
MIN_ROWS = 20  # of fewer rows, or fewer in each class, columns may agree by chance
MIN_PER_CLASS = 5
_READ = "to have a model read it, name the inputs with --input"
_OTHER_LABELS = frozenset({"class", "target", "labels"})


@dataclass(frozen=True)
class LabelCopies:
    """What the columns beside a label are to it.

    Attributes:
        same: Columns with one value for each class, by which a model would know the label at once.
        named: Columns that are called like labels, and say something else.
    """

    same: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """All of them."""
        return frozenset({*self.same, *self.named})

    def notes(self, inputs: Collection[str], label: str) -> list[str]:
        """Return a sentence for each kind of column, those that are no inputs and those that are."""
        out = [one for one in self.same if one not in inputs]
        read = [one for one in self.same if one in inputs]
        named = [one for one in self.named if one not in inputs]
        found = [f"{', '.join(out)}: the label {label!r} in other words, so no input; {_READ}"] if out else []
        if read:
            found.append(f"{', '.join(read)}: one value for each class of {label!r}, and read as nothing else can be")
        if named:
            found.append(f"{', '.join(named)}: called like a label, so no input; choose it with --label, or {_READ}")
        return found


def is_label_name(name: str) -> bool:
    """Whether a column is called like a label.

    >>> [is_label_name(name) for name in ("coarse_label", "labelText", "class_id", "passenger_class", "available")]
    [True, True, True, False, False]
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if any(_LABEL.fullmatch(word) for word in words):
        return True
    rest = [word for word in words if not _CLASS.fullmatch(word)]
    return len(rest) < len(words) and all(_BESIDE_CLASS.fullmatch(word) for word in rest) and name.lower() != "category"


def find_label_copies(rows: Rows, label: str, number: NDArray[np.int64]) -> LabelCopies:
    """Find the columns that say the label too.

    Args:
        rows: A `datasets.Dataset` of N rows.
        label: Its label column.
        number: The class of each row (N,).

    Returns:
        Columns of texts, whole numbers and truth values with one value for each class and another one for each other
        class (of numbers only those that are called like the label), and columns that are called like labels.
    """
    others = [one for one in rows.column_names if one != label and one.lower() not in _INPUTS]
    possible = [one for one in others if _could_be(rows.data.schema.field(one).type, one, label)]
    at = np.unique(np.linspace(0, max(len(rows) - 1, 0), num=min(_SAMPLE, len(rows))).astype(int))
    if len(rows) < max(MIN_ROWS, MIN_PER_CLASS * int(np.count_nonzero(np.bincount(number)))):
        possible = [one for one in possible if is_label_name(one)]
    sample = rows.select_columns(possible).with_format("arrow")[at.tolist()] if possible and len(at) else None
    alike = [one for one in possible if sample is not None and _says(sample.column(one), number[at])]
    same = tuple(one for one in alike if _says(column(rows, one), number))
    return LabelCopies(same, tuple(one for one in others if is_label_name(one) and one not in same))


def _could_be(kind: ArrowType, name: str, label: str) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return True
    one, other = name.lower(), label.lower()
    shared = min(len(one), len(other)) > 2 and (one in other or other in one)
    return bool((pa.types.is_integer(kind) or pa.types.is_boolean(kind)) and (is_label_name(name) or shared))


def _says(values: ArrowColumn, number: NDArray[np.int64]) -> bool:
    """Whether there is one value for each class, and one class for each value."""
    import pyarrow as pa

    if values.null_count:
        return False
    encoded = values.combine_chunks()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    index = (encoded if pa.types.is_dictionary(encoded.type) else encoded.dictionary_encode()).indices
    pair = np.unique(np.stack([index.to_numpy(zero_copy_only=False), number]), axis=1)
    classes, values_ = len(np.unique(pair[1])), len(np.unique(pair[0]))
    return bool(1 < classes == values_ == pair.shape[1] < len(number))


def refuse_second_label(kind: Kind, label: str, copies: LabelCopies, columns: Sequence[str]) -> None:
    """Raise InputError where a table has two columns either of which may be the label, or an input."""
    found = [one for one in copies.named if one.lower() in _OTHER_LABELS]
    if kind == "table" and found:
        raise InputError(
            f"which column is the label? {label} and {', '.join(found)} could all be it; name it with label= "
            f"(--label), and what a model reads with input= (--input): {', '.join(columns)}."
        )


def other_labels(columns: Collection[str], label: str, inputs: Collection[str], copies: LabelCopies) -> list[str]:
    """Return a sentence about columns that could be the label too, beside the one that was taken by its name.

    >>> other_labels(["text", "label", "intent"], "label", ["text"], LabelCopies())
    ['intent could be the label too; choose the label with --label']
    """
    plain = {*LABELS} - ({"y"} if "x" in {one.lower() for one in columns} else set())  # coordinates
    found = [one for one in columns if one != label and one.lower() in plain and one not in copies.columns]
    if not found:
        return []
    read = ", and is read as an input" if set(found) & set(inputs) else ""
    return [f"{', '.join(found)} could be the label too{read}; choose the label with --label"]
