"""Labels as class numbers: strings in sorted order, numbers as they are, named classes as their dataset names them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import column
from datapare.errors import InputError


def read_labels(rows: Any, name: str, held_out: Sequence[str] | None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class numbers (N,) and class names of a label column.

    With `held_out`, the classes of a training set, names are looked up there. Raises InputError for missing, negative
    or fractional labels, and for a class that the training set does not have.
    """
    import pyarrow as pa

    values = column(rows, name)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    _refuse_missing(values, name)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return _named(values.to_pylist(), held_out)
    if pa.types.is_boolean(values.type):
        return _named([str(value) for value in values.to_pylist()], held_out)
    number = _whole(values, name)
    names = getattr(rows.features[name], "names", None)
    if names is not None and held_out is not None and tuple(names) != tuple(held_out):
        return _named([names[i] for i in number], held_out)
    return number, _numbered(number, name, tuple(held_out or names or ()))


def check_classes(label: NDArray[np.int64], classes: Sequence[str]) -> None:
    """Raise InputError unless there are two classes with examples and each of those has at least two.

    >>> check_classes(np.array([0, 0, 1]), ["cat", "dog"])
    Traceback (most recent call last):
    datapare.errors.InputError: the class 'dog' has one example, which cannot be both trained on and held out: add \
another one, or remove it.
    """
    count = np.bincount(label, minlength=len(classes))
    present = np.flatnonzero(count)
    if len(present) < 2:
        raise InputError(
            f"all {len(label):,} examples are of the class {classes[int(present[0])]!r}; "
            "a classifier needs two or more classes."
        )
    lonely = [classes[i] for i in np.flatnonzero(count == 1).tolist()]
    if len(lonely) == 1:
        raise InputError(
            f"the class {lonely[0]!r} has one example, which cannot be both trained on and held out: "
            "add another one, or remove it."
        )
    if lonely:
        raise InputError(
            f"{len(lonely)} classes have one example each ({', '.join(map(repr, lonely[:5]))}…), which cannot be both "
            "trained on and held out: add another one of each, or remove them."
        )


def _refuse_missing(values: Any, name: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        missing = missing | pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), fill_value=True).to_numpy(
            zero_copy_only=False
        )
    if missing.any():
        raise InputError(
            f"{int(missing.sum()):,} of {len(values):,} examples have no label in the column {name!r}, "
            f"the first in row {int(missing.argmax())}; fill them in or remove those rows."
        )


def _named(values: list[str], held_out: Sequence[str] | None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    count = Counter(values)
    classes = tuple(sorted(count)) if held_out is None else tuple(held_out)
    number = {one: i for i, one in enumerate(classes)}
    unknown = [one for one in sorted(count) if one not in number]
    if unknown:
        raise InputError(
            f"the held-out data has the class {unknown[0]!r} ({count[unknown[0]]:,} examples), "
            f"which the training data does not have; its classes are {', '.join(classes[:10])}."
        )
    return np.fromiter((number[value] for value in values), np.int64, len(values)), classes


def _whole(values: Any, name: str) -> NDArray[np.int64]:
    import pyarrow as pa

    if pa.types.is_integer(values.type):
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.int64)
    if not pa.types.is_floating(values.type):
        raise InputError(
            f"a label is one class per example, but the column {name!r} holds {values.type}; name another."
        )
    number = values.to_numpy(zero_copy_only=False).astype(np.float64)
    broken = ~np.isfinite(number) | (number != np.floor(number))
    if broken.any():
        row = int(broken.argmax())
        raise InputError(
            f"labels are classes, but {int(broken.sum()):,} values of {name!r} are not whole numbers, the first "
            f"({float(number[row])}) in row {row}; name the column of classes with label= (--label)."
        )
    return np.asarray(number, dtype=np.int64)


def _numbered(number: NDArray[np.int64], name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    negative = np.flatnonzero(number < 0)
    if len(negative):
        found = ", ".join(str(value) for value in np.unique(number[negative])[:5])
        raise InputError(
            f"labels are class numbers from 0, but {len(negative):,} examples of {name!r} have {found}, "
            f"the first in row {negative[0]}; -1 usually means unlabelled: remove those rows."
        )
    most = int(number.max(initial=-1))
    if not names:
        if most > 10 * len(number) + 1000:
            raise InputError(
                f"the column {name!r} runs up to {most:,}: these are no class numbers; name another with label=."
            )
        return tuple(str(i) for i in range(most + 1))
    if most >= len(names):
        raise InputError(
            f"{name!r} has the class number {most}, but there are {len(names)} classes, 0 to {len(names) - 1}."
        )
    return names
