"""Map-style datasets of PyTorch: every item is asked for once, in order."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset
from datapare.data.foreign_types import Array, Value
from datapare.data.formats import arrays, hf_datasets
from datapare.data.placing import PlaceFile
from datapare.data.source import OpenRequest, RawTable, rows_of
from datapare.errors import InputError


class MapStyleDataset(Protocol):
    """A dataset of the user's with a length and items by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Value: ...


def accepts(source: object) -> bool:
    """Whether this is an object of the user's with a length and items by number, such as a `torch` Dataset."""
    known = (str, bytes, Mapping, Sequence, np.ndarray)
    ours = hasattr(source, "column_names") or hasattr(source, "columns")
    return hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, known) and not ours


def read_object(source: MapStyleDataset, request: OpenRequest) -> RawTable:
    """Read every item: a pair (input, label), or a mapping of named values; class names are those of `.classes`.

    Inputs are numbers, texts, or images of Pillow or (C, H, W) tensors with values from 0 to 1 or 0 to 255. Row i is
    item i, so that `torch.utils.data.Subset(dataset, subset.index)` is the smaller dataset.

    Raises:
        InputError: For items of another form.
    """
    if not len(source):
        raise InputError(f"{type(source).__name__} has no examples.")
    items = [_named(source, i, request) for i in range(len(source))]
    columns = {name: [_plain(item[name]) for item in items] for name in items[0]}
    classes = getattr(source, "classes", None)
    names = [str(one) for one in classes] if isinstance(classes, Sequence) and not isinstance(classes, str) else None
    found = _stacked(columns, request) if names is None else _rows(columns, names, request)
    return replace(found, notes=(*found.notes, *_further(source)))


def _further(source: MapStyleDataset) -> list[str]:
    """A sentence about items of more than two parts."""
    item = source[0]
    if isinstance(item, Mapping) or len(item) == 2:
        return []
    return [f"items are tuples of {len(item)}: the first part is read as the input and the second one as the label"]


def _named(source: MapStyleDataset, i: int, request: OpenRequest) -> dict[str, Value]:
    try:
        item = source[i]
    except Exception as error:  # the user's own code
        raise InputError(f"item {i} of {type(source).__name__} cannot be read: {error!r}.") from error
    if isinstance(item, Mapping):
        return {str(name): value for name, value in item.items()}
    if isinstance(item, tuple | list) and len(item) >= 2:
        return {"x": item[0], request.label or "y": item[1]}
    raise InputError(
        f"item {i} of {type(source).__name__} is a {type(item).__name__}; expected a pair (input, label) or a mapping "
        "with a label."
    )


def _plain(value: Value) -> Value:
    """Tensors and images as arrays; anything else as it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
        if value.ndim == 3 and value.shape[0] in {1, 3, 4}:
            value = value.transpose(1, 2, 0)  # (C, H, W), as torch has images -> (H, W, C)
    elif hasattr(value, "convert") and hasattr(value, "getexif"):  # an image of Pillow
        value = np.asarray(value if value.mode in {"L", "RGB"} else value.convert("RGB"))
    return value.item() if isinstance(value, np.ndarray | np.generic) and value.ndim == 0 else value


def _stacked(columns: Mapping[str, list[Value]], request: OpenRequest) -> RawTable:
    """Named arrays where every column has one shape, else rows."""
    same = all(len({np.shape(value) for value in values}) == 1 for values in columns.values())
    if not same:
        return _rows(columns, None, request)
    made = {name: np.asarray(values) for name, values in columns.items()}
    return arrays.from_arrays(made, request)


def _rows(columns: Mapping[str, list[Value]], names: list[str] | None, request: OpenRequest) -> RawTable:
    """A table with images as PNG, and numbers of classes with their names."""
    import datasets
    import pyarrow as pa

    made, features = {}, {}
    for name, values in columns.items():
        pixels = isinstance(values[0], np.ndarray) and values[0].ndim in {2, 3}
        if pixels:
            cells = [{"bytes": _png(value), "path": None} for value in values]
            made[name] = pa.array(cells, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
            features[name] = datasets.Image(decode=False)
        else:
            made[name] = pa.array([value.tolist() if isinstance(value, np.ndarray) else value for value in values])
            features[name] = datasets.features.features.generate_from_arrow_type(made[name].type)
        if names is not None and pa.types.is_integer(made[name].type) and name in {request.label, "y", "label"}:
            features[name] = datasets.ClassLabel(names=names)
    table = pa.table(made).cast(datasets.Features(features).arrow_schema)
    rows = rows_of(table)
    label = next((name for name in (request.label, "y") if name in made), None)
    return RawTable(rows, label=label, origin=rows)


def _png(pixels: Array) -> bytes:
    from PIL import Image

    if pixels.ndim == 3 and pixels.shape[2] not in {1, 3, 4} and pixels.shape[0] in {1, 3, 4}:
        pixels = pixels.transpose(1, 2, 0)  # (C, H, W) -> (H, W, C)
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > 255:
            raise InputError(
                f"an image holds values between {low:g} and {high:g}; expected 0 to 255, or 0.0 to 1.0: open the "
                "dataset without its normalising transform."
            )
        pixels = np.rint(pixels * (255 if pixels.dtype.kind == "f" and high <= 1 else 1)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(file, "png")
    return file.getvalue()


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:
    """Write the kept items as arrays in an .npz file, or as a save_to_disk folder where they have no one shape."""
    if isinstance(data.origin, Mapping):
        return arrays.write_all(data, keep, out, place)
    return hf_datasets.write_all(data, keep, out, place)
