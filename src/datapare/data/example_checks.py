"""Which examples cannot be used, and why; the others as an array where they are one already."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Kind
from datapare.data.dataset import BadExample, cells, column
from datapare.data.image_io import check
from datapare.data.source import RawTable
from datapare.errors import InputError


def examine(found: RawTable, kind: Kind, inputs: Sequence[str]) -> tuple[dict[int, str], NDArray[Any] | None]:
    """{row: reason} of the unusable examples, and the pixels (without those) or vectors (with them) of the others.

    Raises InputError when the column holds no such examples at all.
    """
    if found.array is not None:
        return _not_finite(found.array), found.array
    if kind == "image":
        return check(cells(found.rows, inputs[0]), len(found.rows))
    if kind == "embedding":
        vectors, reasons = _vectors(found.rows, inputs[0])
        return _not_finite(vectors) | reasons, vectors
    if kind == "text":
        absent = [column(found.rows, name).is_null().to_numpy(zero_copy_only=False) for name in inputs]
        return dict.fromkeys(np.flatnonzero(np.all(absent, axis=0)).tolist(), "there is no text"), None
    return {}, None


def refuse(bad: Sequence[BadExample], total: int, on_bad: str) -> None:
    """Raise InputError, naming the first few, if examples are bad and should not be, or if all are."""
    first = "; ".join(f"{one.name}: {one.reason}" for one in bad[:3]) + ("; …" if len(bad) > 3 else "")
    if len(bad) == total:
        raise InputError(f"none of the {total:,} examples can be read ({first}).")
    if bad and on_bad == "fail":
        raise InputError(
            f"{len(bad):,} of {total:,} examples cannot be read ({first}); "
            "repair or remove them, or leave them out with --on-bad-example skip."
        )


def _not_finite(array: NDArray[Any]) -> dict[int, str]:
    if array.dtype.kind != "f":
        return {}
    rest = tuple(range(1, array.ndim))
    finite = [np.isfinite(array[i : i + 4096]).all(axis=rest) for i in range(0, len(array), 4096)]
    return dict.fromkeys(np.flatnonzero(~np.concatenate(finite)).tolist(), "it holds NaN or infinity")


def _vectors(rows: Any, name: str) -> tuple[NDArray[np.float32], dict[int, str]]:
    """A column of lists as (N, F) of its usual length, and {row: reason} of the lists of another length."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = column(rows, name).combine_chunks()
    length = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    usual = int(np.bincount(length).argmax())
    flat = pc.list_flatten(lists).cast(pa.float32()).to_numpy(zero_copy_only=False)
    fits = length == usual
    out = np.zeros((len(length), usual), np.float32)
    out[fits] = flat[np.repeat(fits, length)].reshape(-1, usual)
    reasons = {i: f"its vector has {length[i]} numbers, the others {usual}" for i in np.flatnonzero(~fits).tolist()}
    return out, reasons
