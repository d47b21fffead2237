"""Which examples cannot be used, and why; the others as an array where they are one already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Kind
from datapare.data.dataset import BadExample, cells, column
from datapare.data.foreign_types import Array, Rows
from datapare.data.image_io import MAX_PIXELS, Decoding, sampled_decoding, validate_images
from datapare.data.source import RawTable
from datapare.errors import InputError


@dataclass(frozen=True)
class CheckOptions:
    """How examples are checked.

    Attributes:
        max_pixels: Images with more pixels are not decoded, and bad.
        trust_images: Leave images unchecked; one that cannot be decoded stops the run where it is met.
        progress: Called with (examples checked, how many there are) now and then.
    """

    max_pixels: int = MAX_PIXELS
    trust_images: bool = False
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True, eq=False)
class ExampleCheck:
    """What the check of all examples found.

    Attributes:
        bad: {row: reason} of the unusable examples.
        array: Pixels (without those) or vectors (with them) of the examples, where they are arrays.
        decoding: How encoded images become pixels.
    """

    bad: dict[int, str]
    array: Array | None = None
    decoding: Decoding = field(default_factory=Decoding)


def check_examples(
    found: RawTable, kind: Kind, inputs: Sequence[str], options: CheckOptions | None = None
) -> ExampleCheck:
    """Find the examples that cannot be used.

    Raises:
        InputError: For an impossible limit.
    """
    options = options or CheckOptions()
    if options.max_pixels < 1:
        raise InputError(f"--max-pixels is a number of pixels, not {options.max_pixels}.")
    if found.array is not None:
        return ExampleCheck(_not_finite(found.array), found.array)
    if kind == "image":
        return _check_images(found.rows, inputs[0], options)
    if kind == "embedding":
        vectors, reasons = _vectors(found.rows, inputs[0])
        return ExampleCheck(_not_finite(vectors) | reasons, vectors)
    if kind == "text":
        absent = [column(found.rows, name).is_null().to_numpy(zero_copy_only=False) for name in inputs]
        return ExampleCheck(dict.fromkeys(np.flatnonzero(np.all(absent, axis=0)).tolist(), "there is no text"))
    return ExampleCheck({})


def _check_images(rows: Rows, name: str, options: CheckOptions) -> ExampleCheck:
    if options.trust_images:
        decoding = sampled_decoding(lambda at: cells(rows, name, at), len(rows), options.max_pixels)
        return ExampleCheck({}, decoding=decoding)
    decoding = Decoding(options.max_pixels)
    checked = validate_images(lambda: cells(rows, name), len(rows), decoding, options.progress)
    return ExampleCheck(checked.bad, checked.pixels, checked.decoding)


def refuse(bad: Sequence[BadExample], total: int, on_bad: str) -> None:
    """Raise InputError, naming the first few, if examples are bad and should not be, or if all are."""
    first = "; ".join(f"{one.name}: {one.reason}" for one in bad[:3]) + ("; …" if len(bad) > 3 else "")
    if len(bad) == total:
        raise InputError(f"none of the {total:,} examples can be read ({first}).")
    if bad and on_bad == "fail":
        raise InputError(
            f"{len(bad):,} of {total:,} examples cannot be read ({first}); "
            "repair or remove them, or leave them out with on_bad_example='skip' (--on-bad-example skip)."
        )


def _not_finite(array: Array) -> dict[int, str]:
    if array.dtype.kind != "f":
        return {}
    rest = tuple(range(1, array.ndim))
    finite = [np.isfinite(array[i : i + 4096]).all(axis=rest) for i in range(0, len(array), 4096)]
    return dict.fromkeys(np.flatnonzero(~np.concatenate(finite)).tolist(), "it holds NaN or infinity")


def _vectors(rows: Rows, name: str) -> tuple[NDArray[np.float32], dict[int, str]]:
    """A column of lists as (N, F) of its usual length, and {row: reason} of the lists of another length."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = column(rows, name).combine_chunks()
    length = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    usual = int(np.bincount(length).argmax())
    if usual == 0:
        raise InputError(f"{name!r} holds no numbers in most rows; name another column with input= (--input).")
    flat = pc.list_flatten(lists).cast(pa.float32()).to_numpy(zero_copy_only=False)
    fits = length == usual
    out = np.zeros((len(length), usual), np.float32)
    out[fits] = flat[np.repeat(fits, length)].reshape(-1, usual)
    reasons = {i: f"its vector has {length[i]} numbers, the others {usual}" for i in np.flatnonzero(~fits).tolist()}
    return out, reasons
