"""Columns that say which split each row belongs to: by name, as in `split`, or by a mark, as in `is_train`."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datapare.data.foreign_types import ArrowColumn
from datapare.data.paths import split_of
from datapare.errors import InputError

_SURE = frozenset({"split", "splits", "dataset_split", "data_split", "fold", "folds", "kfold", "cv_fold", "partition"})
_POSSIBLE = frozenset({"set", "subset", "usage", "phase", "dataset"})  # where every value names a split
_MARK = re.compile(
    r"is_?(train|test|val)(ing|idation)?(_?(img|image|set|split|sample|example|data|row))?|(?P<unclear>is_?valid)"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ON = {"1": True, "0": False, "true": True, "false": False, "1.0": True, "0.0": False}
_MOST = 50  # different values


@dataclass(frozen=True, eq=False)
class SplitRows:
    """What columns say of the split of each row.

    Attributes:
        columns: Columns that speak of splits, which are no inputs.
        row: The rows (n,) of the split that is read; None where all are.
        notes: What is worth saying about them, one sentence each.
    """

    columns: tuple[str, ...] = ()
    row: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()


def rows_of_split(
    names: Sequence[str], values: Callable[[str], ArrowColumn], split: str, known: Collection[str | None] = ()
) -> SplitRows:
    """Find the rows of a split by a column whose values all name splits, or mark the rows of one with 1, others with 0.

    Others that are called so, such as the numbers of folds, choose no rows and are no inputs either.

    Args:
        names: The columns.
        values: Returns one of them.
        split: The split that is read.
        known: Columns with another use: the label, and inputs that were named.

    Raises:
        InputError: Where a column names several splits and not this one.

    >>> import pyarrow as pa
    >>> table = pa.table({"x": [1, 2, 3], "is_train": [1, 1, 0]})
    >>> rows_of_split(table.column_names, table.column, "test").row.tolist()
    [2]
    """
    wanted = split_of(split) or split
    vague: list[str] = []
    found: dict[str, tuple[list[str], NDArray[np.int64]]] = {}
    for name in names:
        plain = re.sub(r"\W+", "_", name.strip().lower())
        if name in known or not (plain in _SURE | _POSSIBLE or _MARK.fullmatch(plain)):
            continue
        said = _said(plain, values(name))
        if said is not None:
            found[name] = said
        elif plain not in _POSSIBLE:
            vague.append(name)
    notes = [f"{', '.join(vague)}: called like a split, but does not name any, so all rows are read; it is no input"]
    notes = notes if vague else []
    several = next((name for name, (splits, _) in found.items() if len(splits) > 1), None)
    if several is None:
        return SplitRows((*found, *vague), None, tuple(notes))
    splits, index = found[several]
    if wanted not in splits:
        raise InputError(
            f"the column {several!r} names the splits {', '.join(sorted(splits))}, but no {split!r}; name one with "
            "split= (--split)."
        )
    row = np.flatnonzero(index == splits.index(wanted))
    others = ", ".join(sorted({*splits} - {wanted}))
    start = f"the column {several!r} says the split"
    note = f"{start}: {len(row):,} rows are of {wanted}, and those of {others} stay as they are"
    return SplitRows((*found, *vague), row, (note, *notes))


def _said(name: str, values: ArrowColumn) -> tuple[list[str], NDArray[np.int64]] | None:
    """The splits that a column names, and which of them each row (N,) is of; None where a value names none."""
    import pyarrow as pa

    if values.null_count or pa.types.is_nested(values.type) or len(values.slice(0, 1000).unique()) > _MOST:
        return None
    encoded = values.dictionary_encode() if not pa.types.is_dictionary(values.type) else values
    encoded = encoded.unify_dictionaries().combine_chunks()
    encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    texts = [str(one).strip() for one in encoded.dictionary.to_pylist()]
    mark = _MARK.fullmatch(name)
    meant = [split_of(_CAMEL.sub("_", one)) for one in texts] if mark is None else _marked(name, texts)
    splits = list(dict.fromkeys(one for one in meant if one is not None))
    if None in meant or not splits:
        return None
    place = np.array([splits.index(one) for one in meant if one is not None], np.int64)
    return splits, place[encoded.indices.to_numpy(zero_copy_only=False)]


def _marked(name: str, texts: Sequence[str]) -> list[str | None]:
    """The split of each value of a mark; what is not for training is for testing.

    Of `is_valid` nothing is known: fastai marks the validation set so, and others what has been checked.
    """
    found = _MARK.fullmatch(name)
    if found is None or found["unclear"] or not all(one.lower() in _ON for one in texts):
        return [None]
    of_mark = {"train": "train", "test": "test", "val": "validation"}[found[1]]
    others = "test" if of_mark == "train" else "train"
    return [of_mark if _ON[one.lower()] else others for one in texts]
