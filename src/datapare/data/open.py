"""Open any dataset as labelled examples with keys; what cannot be used is refused with one sentence."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from datapare.data import keys
from datapare.data.columns import find_id, find_inputs, find_label
from datapare.data.dataset import BadExample, Dataset, RowNames, cells, column
from datapare.data.labels import check_classes, read_labels
from datapare.data.pictures import check
from datapare.data.read import read
from datapare.data.source import Source
from datapare.errors import InputError
from datapare.types import Kind

OnBad = Literal["fail", "skip"]


def open_dataset(
    source: Any,
    *,
    label: str | None = None,
    input: str | Sequence[str] | None = None,  # noqa: A002 (the word a person uses)
    id: str | None = None,  # noqa: A002
    kind: Kind | None = None,
    split: str = "train",
    on_bad_example: OnBad = "fail",
    classes: Sequence[str] | None = None,
) -> Dataset:
    """A labelled dataset from a path, a glob, a hub name, a `datasets.Dataset`, a pair (X, y) or a dict of arrays.

    Columns are found by their usual names, or named by `label`, `input` (one or several) and `id`. Held-out data is
    opened with the `classes` of the training data: its labels are numbered like those, and it may lack classes. Every
    image is decoded once, as nothing else proves that it can be read. The source is only read.

    Raises InputError, in one sentence, for what cannot be found, read or used; with `on_bad_example="skip"` unreadable
    examples are left out and listed in `bad` instead.

    >>> data = open_dataset((np.eye(4), [0, 1, 0, 1]))
    >>> data.kind, len(data), data.classes
    ('embedding', 4, ('0', '1'))
    """
    if on_bad_example not in get_args(OnBad) or kind not in (None, *get_args(Kind)):
        raise InputError(f"on_bad_example is fail or skip, and kind one of {', '.join(get_args(Kind))}.")
    names = [input] if isinstance(input, str) else input
    found = read(source, split, label, names)
    return _judge(found, label, names, id, kind, split, on_bad_example, classes)


def _judge(
    found: Source,
    label: str | None,
    names: Sequence[str] | None,
    id_: str | None,
    kind: Kind | None,
    split: str,
    on_bad: OnBad,
    held_out: Sequence[str] | None,
) -> Dataset:
    rows = found.rows
    if not len(rows):
        raise InputError(f"{found.path or 'the dataset'} has no examples.")
    label = found.label or find_label(rows.column_names, label)
    number, classes = read_labels(rows, label, held_out)
    kind, inputs = _inputs(found, label, names, kind)
    identity = find_id(rows, label, inputs, id_) if id_ or found.identity is None else None
    key = _keys(found, identity, inputs, np.asarray(classes, dtype=object)[number])
    name = found.name or identity or RowNames(np.arange(len(rows)))
    usual = [
        one for one in inputs if kind != "table" or identity is None or one not in _id_columns(rows, identity, inputs)
    ]
    reasons, array = _examine(found, kind, tuple(usual))
    bad = tuple(BadExample(i, name[i], reasons[i], int(key[i]), int(number[i])) for i in sorted(reasons))
    _refuse_bad(bad, len(rows), on_bad)
    whole = Dataset(
        rows, kind, tuple(usual), label, number, classes, key, name, "", found.format, found.path, bad,
        np.arange(len(rows)), array, found.files, found.origin, split,
    )  # fmt: skip
    return _good(whole, held_out)


def _inputs(found: Source, label: str, names: Sequence[str] | None, kind: Kind | None) -> tuple[Kind, tuple[str, ...]]:
    if found.kind is not None and found.inputs is not None:
        return kind or found.kind, found.inputs
    return find_inputs(found.rows, label, found.inputs or names, kind)


def _id_columns(rows: Any, identity: Sequence[str], inputs: Sequence[str]) -> list[str]:
    """The table column that the ids were found in: it says who the example is, not what it is like."""
    return [one for one in inputs if [str(value) for value in column(rows, one)[:20].to_pylist()] == identity[:20]]


def _keys(
    found: Source, identity: Sequence[str] | None, inputs: Sequence[str], name: NDArray[Any]
) -> NDArray[np.uint64]:
    if identity is not None or found.identity is not None:
        return keys.unique_keys(keys.text_keys(identity or found.identity or ()))
    if found.array is not None:
        return keys.unique_keys(
            keys.mix(keys.text_keys(["array"])[0], keys.array_keys(found.array) ^ keys.text_keys(name))
        )
    return keys.unique_keys(keys.content_keys(found.rows, inputs, name))


def _examine(found: Source, kind: Kind, inputs: Sequence[str]) -> tuple[dict[int, str], NDArray[Any] | None]:
    """{row: reason} of the examples that cannot be used, and the others as an array where they are one already."""
    if found.array is not None:
        return _not_finite(found.array), found.array
    if kind == "image":
        return check(cells(found.rows, inputs[0]))
    if kind == "embedding":
        vectors, reasons = _vectors(found.rows, inputs[0])
        return reasons | _not_finite(vectors), vectors
    if kind == "text":
        columns = [column(found.rows, name).is_null().to_numpy(zero_copy_only=False) for name in inputs]
        return dict.fromkeys(np.flatnonzero(np.all(columns, axis=0)).tolist(), "there is no text"), None
    return {}, None


def _not_finite(array: NDArray[Any]) -> dict[int, str]:
    if array.dtype.kind != "f":
        return {}
    rest = tuple(range(1, array.ndim))
    finite = [np.isfinite(array[i : i + 4096]).all(axis=rest) for i in range(0, len(array), 4096)]
    return dict.fromkeys(np.flatnonzero(~np.concatenate(finite)).tolist(), "it holds NaN or infinity")


def _vectors(rows: Any, name: str) -> tuple[NDArray[np.float32], dict[int, str]]:
    values = [np.asarray(value if value is not None else [], np.float32) for value in cells(rows, name)]
    lengths = [len(value) for value in values]
    usual = max(set(lengths), key=lengths.count)
    out = np.zeros((len(values), usual), np.float32)
    reasons: dict[int, str] = {}
    for i, value in enumerate(values):
        if len(value) == usual:
            out[i] = value
        else:
            reasons[i] = f"its vector has {len(value)} numbers, the others {usual}"
    return out, reasons


def _refuse_bad(bad: Sequence[BadExample], total: int, on_bad: OnBad) -> None:
    first = "; ".join(f"{one.name}: {one.reason}" for one in bad[:3]) + ("; …" if len(bad) > 3 else "")
    if len(bad) == total:
        raise InputError(f"none of the {total:,} examples can be read ({first}).")
    if bad and on_bad == "fail":
        raise InputError(
            f"{len(bad):,} of {total:,} examples cannot be read ({first}); "
            "repair or remove them, or leave them out with --on-bad-example skip."
        )


def _good(whole: Dataset, held_out: Sequence[str] | None) -> Dataset:
    """Only the readable rows, with the digest of those."""
    data = whole
    if whole.bad:
        keep = np.setdiff1d(whole.row, [one.row for one in whole.bad])
        name = RowNames(keep) if isinstance(whole.name, RowNames) else [whole.name[i] for i in keep]
        # images are decoded without the bad ones; other arrays still hold them
        array = whole.array[keep] if whole.array is not None and len(whole.array) == len(whole) else whole.array
        data = replace(whole, rows=whole.rows.select(keep), label=whole.label[keep], key=whole.key[keep], name=name,
                       row=keep, array=array)  # fmt: skip
    if held_out is None:
        check_classes(data.label, data.classes)
    return replace(data, digest=keys.digest(data.key, data.label))
