"""Tables that name images by an id, as those of CUB-200: images.txt says which image each id is, others go on by it."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datapare.data.image_names import ImageNames
from datapare.data.layouts import is_image
from datapare.data.paths import split_of
from datapare.errors import InputError

_SPLIT = re.compile(r".*(train.*test|split).*\.txt")
_LARGEST = 1 << 30


@dataclass(frozen=True)
class IdTables:
    """The table of images, and those of their splits, boxes, parts and so on.

    Attributes:
        image: {id: image in the folder}.
        tables: All such files; each of their lines begins with an id, and all of them have the same ids.
        training: The ids of training images; None where no table says them.
    """

    image: Mapping[str, str]
    tables: tuple[str, ...]
    training: frozenset[str] | None = None

    def of_split(self, split: str) -> list[str] | None:
        """The images of the split; None where no table says splits.

        Raises:
            InputError: For another split than those for training and testing.
        """
        wanted = split_of(split) or split
        if self.training is None:
            return None
        if wanted not in {"train", "test"}:
            raise InputError(
                f"{self.tables[0]} and the tables beside it say the splits test, train, but no {split!r}; name one "
                "with split= (--split)."
            )
        return [name for one, name in self.image.items() if (one in self.training) == (wanted == "train")]


def find_id_tables(root: Path, files: Sequence[str]) -> IdTables | None:
    """Find the tables of a folder; None where no file of it says in each line an id and an image.

    Args:
        root: The folder.
        files: Its files, as relative names.
    """
    lists = [name for name in files if name.lower().endswith(".txt") and name.count("/") < 2]
    lists = [name for name in lists if (root / name).is_file() and 0 < (root / name).stat().st_size < _LARGEST]
    for name in lists:
        if _names_an_image(root / name):
            images = [one for one in files if is_image(one)]
            image = _images(root / name, ImageNames(images, name.rpartition("/")[0], "train"))
            if image is not None:
                tables = [one for one in lists if one == name or {_id(line) for line in _lines(root / one)} == {*image}]
                return IdTables(image, tuple(tables), _training(root, [one for one in tables if one != name]))
    return None


def without_images(root: Path, files: Sequence[str], dropped: Collection[str]) -> dict[str, bytes]:
    """What the tables of a folder say without some images, {table: its new content}; empty where there are none."""
    found = find_id_tables(root, files)
    if found is None:
        return {}
    gone = {one for one, name in found.image.items() if name in dropped}
    return {
        name: b"".join(line for line in _lines(root / name) if _id(line) not in gone) for name in found.tables if gone
    }


def _names_an_image(path: Path) -> bool:
    with path.open("rb") as file:
        words = file.readline(4096).split(maxsplit=1)
    return (
        len(words) == 2
        and is_image(words[1].decode("utf-8", "replace").strip())
        and not is_image(words[0].decode("latin-1"))
    )


def _images(path: Path, names: ImageNames) -> dict[str, str] | None:
    """The image of each id; None where a line says none, or an id repeats."""
    found: dict[str, str] = {}
    for line in _lines(path):
        words = line.decode("utf-8", "replace").split(maxsplit=1)
        image = names.find(words[1].strip()) if len(words) == 2 else None
        if image is None or words[0] in found:
            return None
        found[words[0]] = image
    return found


def _training(root: Path, tables: Sequence[str]) -> frozenset[str] | None:
    """The ids that a table marks with 1, others with 0, where it is called like one of splits."""
    for name in tables:
        words = [line.split() for line in _lines(root / name)] if _SPLIT.fullmatch(name.lower()) else []
        if words and all(len(one) == 2 and one[1] in {b"0", b"1"} for one in words):
            return frozenset(one[0].decode("utf-8", "replace") for one in words if one[1] == b"1")
    return None


def _lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.strip()]


def _id(line: bytes) -> str:
    return line.split(maxsplit=1)[0].decode("utf-8", "replace")
