"""Labels of images in one JSON file: the forms of FiftyOne, Datumaro, COCO and plain ones, read and written back."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from datapare.data.column_names import LABELS
from datapare.data.paths import split_of
from datapare.errors import InputError

Json = Any  # what json.loads returns; every use below asks for its type
Entry = dict[str, Json]
MAX_DEPTH = 200


def load(path: Path) -> Json:
    """Return what a JSON file holds.

    Raises:
        InputError: Where it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} holds no JSON that can be read: {error}.") from None


def entries(value: Json) -> list[Entry] | None:
    """One {"file_name", "label", …} per labelled image; None where the value has none of the known forms.

    >>> entries({"classes": ["cat", "dog"], "labels": {"0": 1}})
    [{'file_name': '0', 'label': 'dog'}]
    >>> entries({"classes": ["cat", "dog"], "labels": {"0": {"label": 1, "confidence": 0.9}}})
    [{'file_name': '0', 'label': 'dog'}]
    >>> entries({"0.png": "cat", "1.png": "dog"})
    [{'file_name': '0.png', 'label': 'cat'}, {'file_name': '1.png', 'label': 'dog'}]
    >>> entries({"cat": ["0.png"], "dog": ["1.png"]})
    [{'file_name': '0.png', 'label': 'cat'}, {'file_name': '1.png', 'label': 'dog'}]
    >>> entries({"file_name": ["0.png", "1.png"], "label": ["cat", "dog"]})
    [{'file_name': '0.png', 'label': 'cat'}, {'file_name': '1.png', 'label': 'dog'}]
    >>> entries({"train": [["0.png", "cat"]], "test": [{"file": "1.png", "label": "dog"}]})
    [{'file_name': '0.png', 'label': 'cat', 'split': 'train'}, {'file': '1.png', 'label': 'dog', 'split': 'test'}]
    """
    for form in (_columns, _by_split, _fiftyone, _datumaro, _coco, _records, _name_to_label, _label_to_names):
        found = form(value)
        if found:
            return found
    return None


def _columns(value: Json) -> list[Entry] | None:
    """{column: [values]} or {column: {row: value}}, as pandas writes a table; a column has the name of a label."""
    if not _is_columns(value):
        return None
    rows = [[*one.values()] if isinstance(one, dict) else one for one in value.values()]
    return [dict(zip(value, row, strict=True)) for row in zip(*rows, strict=True)]


def _is_columns(value: Json) -> bool:
    if not isinstance(value, dict) or len(value) < 2 or not any(name.strip().lower() in LABELS for name in value):
        return False
    first, *rest = value.values()
    if isinstance(first, dict):
        return all(isinstance(one, dict) and one.keys() == first.keys() for one in rest)
    return isinstance(first, list) and all(isinstance(one, list) and len(one) == len(first) for one in rest)


def _by_split(value: Json) -> list[Entry] | None:
    """{split: any other form, or [[name, class], …]}."""
    if not isinstance(value, dict) or not value or not all(map(split_of, value)):
        return None
    found = []
    for name, one in value.items():
        part = _pairs(one) or entries(one)
        if not part:
            return None
        found += [{**entry, "split": name} for entry in part]
    return found


def _pairs(value: Json) -> list[Entry] | None:
    """[[name, class], …]."""
    if not isinstance(value, list) or not all(isinstance(one, list) and len(one) == 2 for one in value):
        return None
    return [{"file_name": str(name), "label": label} for name, label in value]


def _fiftyone(value: Json) -> list[Entry] | None:
    """{"classes": [names], "labels": {name without ending: class number or name, None, or {"label", "confidence"}}}."""
    if not isinstance(value, dict) or not isinstance(value.get("labels"), dict):
        return None
    classes = value.get("classes")
    names = classes if isinstance(classes, list) else []
    found = value["labels"].items()
    labels = {name: one["label"] if isinstance(one, dict) and "label" in one else one for name, one in found}
    return [{"file_name": str(name), "label": _class_name(label, names)} for name, label in labels.items()]


def _class_name(label: Json, classes: list[Json]) -> Json:
    known = isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(classes)
    return str(classes[label]) if known else label


def _datumaro(value: Json) -> list[Entry] | None:
    """{"categories": {"label": {"labels": [{"name"}]}}, "items": [{"id", "annotations": [{"label_id"}], "image"}]}."""
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        return None
    categories = value.get("categories")
    listed = categories.get("label", {}).get("labels", []) if isinstance(categories, dict) else []
    classes = [one.get("name") if isinstance(one, dict) else one for one in listed]
    found = []
    for item in filter(_is_object, value["items"]):
        image = item.get("image") or (item.get("media") or {})
        labels = [one["label_id"] for one in item.get("annotations", []) if "label_id" in one]
        if len(set(map(str, labels))) == 1:  # as with COCO: an image of several classes has no label
            name = image.get("path") or item.get("id")
            found.append({"file_name": str(name), "label": _class_name(labels[0], classes)})
    return found


def _coco(value: Json) -> list[Entry] | None:
    """{"images": [{"id", "file_name"}], "annotations": [{"image_id", "category_id"}], "categories": [{"id", …}]}."""
    parts = [value.get(part) if isinstance(value, dict) else None for part in ("images", "annotations")]
    if not all(isinstance(part, list) for part in parts):
        return None
    names = {one.get("id"): one.get("name") for one in value.get("categories") or [] if isinstance(one, dict)}
    labels: dict[Json, list[Json]] = {}
    for one in filter(_is_object, value["annotations"]):
        category = one.get("category_id")
        labels.setdefault(one.get("image_id"), []).append(names.get(category, category))
    return [
        {"file_name": str(one["file_name"]), "label": labels[one.get("id")][0]}
        for one in filter(_is_object, value["images"])
        if "file_name" in one and len(set(map(str, labels.get(one.get("id"), [])))) == 1
    ]


def _records(value: Json) -> list[Entry] | None:
    """A list of objects, or an object with one list of objects; each names an image and its class."""
    if isinstance(value, dict):
        lists = [one for one in value.values() if isinstance(one, list) and one and all(map(_is_object, one))]
        value = lists[0] if len(lists) == 1 else None
    if not isinstance(value, list) or not value or not all(map(_is_object, value)):
        return None
    return list(map(_with_classification, value))


def _with_classification(entry: Entry) -> Entry:
    """The entry with the class of its only classification as `label`, as FiftyOne's samples have it.

    >>> _with_classification({"filepath": "0.png", "ground_truth": {"_cls": "Classification", "label": "cat"}})
    {'filepath': '0.png', 'label': 'cat'}
    """
    found = [name for name, one in entry.items() if _is_object(one) and one.get("_cls") == "Classification"]
    if len(found) != 1 or "label" in entry:
        return entry
    rest = {name: one for name, one in entry.items() if name != found[0]}
    return {**rest, "label": entry[found[0]].get("label")}


def _name_to_label(value: Json) -> list[Entry] | None:
    """{name: class}, or {name: {"label": class, …}}."""
    if not isinstance(value, dict) or not value:
        return None
    if all(isinstance(one, str | int) for one in value.values()):
        return [{"file_name": name, "label": label} for name, label in value.items()]
    if all(map(_is_object, value.values())):
        return [{"file_name": name, **fields} for name, fields in value.items()]
    return None


def _label_to_names(value: Json) -> list[Entry] | None:
    """{class: [names]}."""
    if not isinstance(value, dict) or not all(isinstance(one, list) for one in value.values()):
        return None
    if not all(isinstance(name, str) for names in value.values() for name in names):
        return None
    return [{"file_name": name, "label": label} for label, names in value.items() for name in names]


def _is_object(value: Json) -> bool:
    return isinstance(value, dict)


def texts(value: Json, depth: int = 0) -> Iterator[str]:
    """Yield every text in a value, names of members too."""
    if isinstance(value, str):
        yield value
    elif depth < MAX_DEPTH and isinstance(value, dict | list):
        for one in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from texts(one, depth + 1)


def without(value: Json, is_dropped: Callable[[str], bool]) -> Json:
    """The same value without what speaks of dropped images: members by that name, and entries that name one.

    COCO's annotations go with the image that they belong to by its id.

    >>> without({"labels": {"0": 1, "1": 0}, "files": ["0", "1"]}, lambda name: name == "1")
    {'labels': {'0': 1}, 'files': ['0']}
    """
    gone: set[Json] = set()
    if isinstance(value, dict) and isinstance(value.get("images"), list):
        gone = {
            one["id"] for one in filter(_is_object, value["images"])
            if isinstance(one.get("id"), str | int) and _names_dropped(one, is_dropped)
        }  # fmt: skip
    return _pruned(value, is_dropped, gone, 0)


def _pruned(value: Json, is_dropped: Callable[[str], bool], gone: Collection[Json], depth: int) -> Json:
    if depth > MAX_DEPTH:
        return value
    if _is_columns(value):
        return _without_rows(value, is_dropped)
    if isinstance(value, dict):
        kept = {name: one for name, one in value.items() if not (is_dropped(name) or _names_dropped(one, is_dropped))}
        return {name: _pruned(one, is_dropped, gone, depth + 1) for name, one in kept.items()}
    if isinstance(value, list):
        return [_pruned(one, is_dropped, gone, depth + 1) for one in value if not _goes(one, is_dropped, gone)]
    return value


def _without_rows(value: dict[str, Json], is_dropped: Callable[[str], bool]) -> Json:
    """A table of columns without the rows in which one names a dropped image.

    >>> _without_rows({"file": ["0.png", "1.png"], "label": ["cat", "dog"]}, lambda name: name == "0.png")
    {'file': ['1.png'], 'label': ['dog']}
    """
    cells = {name: one if isinstance(one, dict) else dict(enumerate(one)) for name, one in value.items()}
    gone = {row for one in cells.values() for row, cell in one.items() if isinstance(cell, str) and is_dropped(cell)}
    left = {name: {row: cell for row, cell in one.items() if row not in gone} for name, one in cells.items()}
    return {name: one if isinstance(value[name], dict) else [*one.values()] for name, one in left.items()}


def _goes(value: Json, is_dropped: Callable[[str], bool], gone: Collection[Json]) -> bool:
    if isinstance(value, str):
        return is_dropped(value)
    if isinstance(value, list):  # a pair such as ["0.png", 1]
        return any(isinstance(one, str) and is_dropped(one) for one in value)
    return _names_dropped(value, is_dropped) or (
        isinstance(value, dict) and value.get("image_id") in gone if gone else False
    )


def _names_dropped(value: Json, is_dropped: Callable[[str], bool]) -> bool:
    """Whether an object names a dropped image in one of its own fields, or in its "image"."""
    if not isinstance(value, dict):
        return False
    inner = [value.get(name) for name in ("image", "media")]
    own: list[Mapping[str, Json]] = [value, *(one for one in inner if isinstance(one, dict))]
    return any(isinstance(one, str) and is_dropped(one) for fields in own for one in fields.values())


def dump(value: Json, like: str) -> str:
    """JSON text indented as `like` is."""
    second = like.split("\n", 2)[1] if "\n" in like.strip() else ""
    indent = len(second) - len(second.lstrip()) or None
    separators = None if indent or ", " in like or ": " in like else (",", ":")
    return (
        json.dumps(value, ensure_ascii=like.isascii(), indent=indent, separators=separators)
        + like[len(like.rstrip()) :]
    )
