"""Map-style datasets of PyTorch: every item is asked for once, in order."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from datapare.data.column_names import LABELS
from datapare.data.dataset import Dataset
from datapare.data.foreign_types import Array, Value
from datapare.data.formats import arrays, hf_datasets
from datapare.data.placing import PlaceFile
from datapare.data.source import OpenRequest, RawTable, rows_of
from datapare.errors import InputError

if TYPE_CHECKING:
    from PIL import Image


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

    A label is a number, a text, or a row of zeros with a single 1.

    Inputs are numbers, texts, or images of Pillow or (C, H, W) tensors with values from 0 to 1 or 0 to 255. Row i is
    item i, so that `torch.utils.data.Subset(dataset, subset.index)` is the smaller dataset.

    Raises:
        InputError: For items of another form.
    """
    if not len(source):
        raise InputError(f"{type(source).__name__} has no examples.")
    labels = _labels(source, request)
    items = [_named(source, i, request, labels) for i in range(len(source))]
    columns = {name: [_plain(item[name]) for item in items] for name in items[0]}
    columns = {name: _labels_of(values) if _is_label(name, request) else values for name, values in columns.items()}
    names = _class_names(source)
    found = _stacked(columns, request) if names is None else _rows(columns, names, request)
    return replace(found, notes=(*found.notes, *_further(source, labels)))


def _class_names(source: object) -> list[str] | None:
    """The names in `.classes` or `.class_to_idx`, also those of the datasets that this one is a part or a chain of.

    Raises:
        InputError: Where datasets of a chain have other names, so that one number means several classes.
    """
    classes, number = getattr(source, "classes", None), getattr(source, "class_to_idx", None)
    if isinstance(classes, Sequence) and not isinstance(classes, str):
        return [str(one) for one in classes]
    if isinstance(number, Mapping) and sorted(number.values()) == [*range(len(number))]:
        return [str(name) for name in sorted(number, key=lambda name: int(number[name]))]
    found = [names for part in _parts(source) if (names := _class_names(part)) is not None]
    other = next((one for one in found if one != found[0]), None)
    if other is not None:
        raise InputError(
            f"the datasets in this {type(source).__name__} number their classes differently ({_some(found[0])} and "
            f"{_some(other)}); open one of them, or give all the same classes."
        )
    return found[0] if found and len(found) == len(_parts(source)) else None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _parts(source: object) -> list[object]:
    """The datasets that a ConcatDataset is a chain of, or the one that a Subset is a part of."""
    chained = getattr(source, "datasets", None)
    if isinstance(chained, list | tuple):
        return list(chained)
    part = getattr(source, "dataset", None)
    return [] if part is None else [part]


def _labels(source: MapStyleDataset, request: OpenRequest) -> Sequence[Value] | None:
    """The labels that the dataset holds beside its items, as those of torchvision do; None for items with labels."""
    if isinstance(_item(source, 0), Mapping | tuple | list):
        return None
    return _labels_beside(source, request)


def _labels_beside(source: object, request: OpenRequest) -> Sequence[Value] | None:
    """The labels of a dataset, or of the datasets that it is a part or a chain of."""
    for name in (request.label, "targets", "labels"):
        found = getattr(source, name, None) if name else None
        if found is not None and hasattr(found, "__getitem__") and len(found) == len(cast("MapStyleDataset", source)):
            return found  # type: ignore[no-any-return]
    inner = [_labels_beside(part, request) for part in _parts(source)]
    known = [one for one in inner if one is not None]
    if not known or len(known) < len(inner):
        return None
    index = getattr(source, "indices", None)
    return [label for part in known for label in part] if index is None else [known[0][int(i)] for i in index]


def _is_label(name: str, request: OpenRequest) -> bool:
    return name in {request.label, "y"} or name.strip().lower() in LABELS


def _labels_of(values: list[Value]) -> list[Value]:
    """Labels as single values: of arrays of one number, as in MedMNIST, and of rows of zeros with a single 1."""
    single = [value.item() if isinstance(value, np.ndarray) and value.size == 1 else value for value in values]
    width = {len(value) if isinstance(value, list | tuple | np.ndarray) else 0 for value in single}
    if len(width) != 1 or width == {0}:
        return single
    rows = np.asarray(single)
    if rows.dtype.kind not in "biuf":
        return single
    number = arrays.one_hot_classes(rows)
    if number is None:
        raise InputError(
            f"the label of item 0 is {single[0]}, and others are like it; one class is read for each example: a "
            "number, a text, or zeros with a single 1."
        )
    return list(number.tolist())


def _further(source: MapStyleDataset, labels: Sequence[Value] | None) -> list[str]:
    """A sentence about labels beside the items, or about items of more than two parts."""
    if labels is not None:
        return [f"items have no label: those that {type(source).__name__} holds beside them are read"]
    item = source[0]
    if isinstance(item, Mapping) or len(item) == 2:
        return []
    return [f"items are tuples of {len(item)}: the first part is read as the input and the second one as the label"]


def _item(source: MapStyleDataset, i: int) -> Value:
    try:
        return source[i]
    except Exception as error:  # the user's own code
        raise InputError(f"item {i} of {type(source).__name__} cannot be read: {error!r}.") from error


def _named(source: MapStyleDataset, i: int, request: OpenRequest, labels: Sequence[Value] | None) -> dict[str, Value]:
    item = _item(source, i)
    if isinstance(item, Mapping):
        return {str(name): value for name, value in item.items()}
    if isinstance(item, tuple | list) and len(item) >= 2:
        first = (
            {str(name): value for name, value in item[0].items()} if isinstance(item[0], Mapping) else {"x": item[0]}
        )
        return {**first, request.label or "y": item[1]}
    if labels is not None:
        return {"x": item, request.label or "y": labels[i]}
    raise InputError(
        f"item {i} of {type(source).__name__} is a {type(item).__name__}; expected a pair (input, label), a mapping "
        f"with a label, or an attribute targets or labels of {len(source):,} labels."
    )


def _plain(value: Value) -> Value:
    """Tensors and images of 8-bit grey or colours as arrays; anything else as it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
        if value.ndim == 3 and value.shape[0] in {1, 3, 4}:
            value = value.transpose(1, 2, 0)  # (C, H, W), as torch has images -> (H, W, C)
    elif _is_picture(value) and value.mode in {"L", "RGB"}:
        value = np.asarray(value)
    return value.item() if isinstance(value, np.ndarray | np.generic) and value.ndim == 0 else value


def _is_picture(value: Value) -> bool:
    """Whether this is an image of Pillow."""
    return hasattr(value, "convert") and hasattr(value, "getexif")


def _stacked(columns: Mapping[str, list[Value]], request: OpenRequest) -> RawTable:
    """Named arrays where every column has one shape, else rows."""
    pictures = any(_is_picture(value) for values in columns.values() for value in values)
    if pictures or any(len({_shape(name, value) for value in values}) > 1 for name, values in columns.items()):
        return _rows(columns, None, request)
    made = {name: np.asarray(values) for name, values in columns.items()}
    return arrays.from_arrays(made, request)


def _shape(name: str, value: Value) -> tuple[int, ...]:
    try:
        return np.shape(value)
    except ValueError as error:
        raise InputError(
            f"the input {name} of an item is several arrays of different shapes, and an example is one array, image or "
            "text; give a dataset whose items hold one of them."
        ) from error


def _rows(columns: Mapping[str, list[Value]], names: list[str] | None, request: OpenRequest) -> RawTable:
    """A table with images as PNG, and numbers of classes with their names."""
    import datasets
    import pyarrow as pa

    made, features = {}, {}
    for name, values in columns.items():
        first = values[0]
        if _is_picture(first) or (isinstance(first, np.ndarray) and first.ndim in {2, 3}):
            scale = _scale(values)
            cells = [
                {"bytes": _picture(value) if _is_picture(value) else _png(value, scale), "path": None}
                for value in values
            ]
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


def _picture(image: "Image.Image") -> bytes:
    """A file of an image of Pillow that keeps its transparency and its 16 bits; pixels as they are, not turned."""
    if image.mode in {"P", "PA", "La", "RGBa"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    file = io.BytesIO()
    clean = image.copy()
    clean.info = {name: value for name, value in image.info.items() if name == "transparency"}
    clean.save(file, "png" if image.mode in {"1", "L", "LA", "RGB", "RGBA", "I;16"} else "tiff")
    return file.getvalue()


def _png(pixels: Array, scale: int) -> bytes:
    from PIL import Image

    if pixels.ndim == 3 and pixels.shape[2] not in {1, 3, 4} and pixels.shape[0] in {1, 3, 4}:
        pixels = pixels.transpose(1, 2, 0)  # (C, H, W) -> (H, W, C)
    if pixels.ndim == 3 and pixels.shape[2] not in {1, 3, 4}:
        raise InputError(f"an image has the shape {pixels.shape}; expected 1, 3 or 4 channels.")
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > 255:
            raise InputError(
                f"an image holds values between {low:g} and {high:g}; expected 0 to 255, or 0.0 to 1.0: open the "
                "dataset without its normalising transform."
            )
        pixels = np.rint(pixels * scale).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(file, "png")
    return file.getvalue()


def _scale(values: Sequence[Value]) -> int:
    """What makes values of all images 0 to 255: fractions are where none of any image is above 1."""
    pixels = [value for value in values if isinstance(value, np.ndarray) and value.size]
    fractions = all(value.dtype.kind == "f" and float(value.max()) <= 1 for value in pixels)
    return 255 if fractions else 1


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:
    """Write the kept items as arrays in an .npz file, or as a save_to_disk folder where they have no one shape."""
    if isinstance(data.origin, Mapping):
        return arrays.write_all(data, keep, out, place)
    return hf_datasets.write_all(data, keep, out, place)
