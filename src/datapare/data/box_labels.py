"""Labels of another task beside images: boxes and outlines, as for object detection."""

import re
from collections.abc import Sequence
from pathlib import Path

from datapare.data.layouts import is_image
from datapare.errors import InputError

_BOX = re.compile(rb"\s*\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*", re.IGNORECASE)
_LOOKED_AT = 20
_START = 1 << 16


def yolo_file(root: Path, names: Sequence[str]) -> str | None:
    """Return a file of boxes in labels/ that is called like an image in images/; None where there is none.

    Each line is a class and the place of a box or of corners, in fractions of the image.
    """
    texts = {name for name in names if name.endswith(".txt") and "labels" in name.split("/")}
    if not texts:
        return None
    beside = [_called_like(name) for name in names if is_image(name) and "images" in name.split("/")]
    there = [name for name in beside if name in texts][:_LOOKED_AT]
    for name in there:
        lines = [line for line in (root / name).read_bytes().splitlines() if line.strip()]
        if lines:
            return name if all(map(_BOX.fullmatch, lines)) else None
    return None


def _called_like(image: str) -> str:
    """The file of boxes of an image: images/0.jpg has labels/0.txt."""
    head, _, tail = f"/{image}".rpartition("/images/")
    return f"{head}/labels/{tail.rpartition('.')[0]}.txt".removeprefix("/")


def box_file(root: Path, names: Sequence[str]) -> str | None:
    """Return a file that holds boxes, in one of the usual forms; None where there is none."""
    found = yolo_file(root, names)
    if found is not None:
        return found
    for name in [one for one in names if one.lower().endswith((".xml", ".json"))][:_LOOKED_AT]:
        with (root / name).open("rb") as file:
            content = file.read(_START)
        if b"<bndbox" in content or (b'"bbox"' in content and b'"annotations"' in content):
            return name
    return None


def boxes_error(where: object, name: str) -> InputError:
    """The error about a dataset of boxes."""
    return InputError(
        f"{where} is a dataset of object detection ({name} holds boxes), and classification is read, one class per "
        "image: cut out the boxes into one folder per class, or write a labels.csv of file_name and label."
    )
