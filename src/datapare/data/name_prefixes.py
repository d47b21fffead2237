"""Images whose classes stand in their names, such as cat.0.jpg and dog.1.jpg: read so where that is asked for."""

import re
from collections import Counter
from collections.abc import Sequence

from datapare.data.layouts import ClassFolders
from datapare.data.paths import split_of
from datapare.errors import InputError

LABEL = "prefix"  # what --label says
_NUMBERED = re.compile(r"(.*?[^\W\d_].*?)[\W_]*\d+\)?")


def prefix_of(name: str) -> str | None:
    """Return what stands before the number at the end of a file's name; None where there is no such.

    >>> [prefix_of(name) for name in ("train/cat.0.jpg", "american_bulldog_12.jpg", "dog (3).png", "17.jpg")]
    ['cat', 'american_bulldog', 'dog', None]
    """
    found = _NUMBERED.fullmatch(name.rpartition("/")[2].rpartition(".")[0])
    return found[1] if found else None


def classes_in_names(images: Sequence[str]) -> list[str]:
    """Return the prefixes of all names, sorted, where they may be classes: several, of several images each.

    >>> classes_in_names(["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.jpg"]), classes_in_names(["img_1.jpg"])
    (['cat', 'dog'], [])
    """
    count: Counter[str] = Counter()
    for name in images:
        prefix = prefix_of(name)
        if prefix is None:
            return []
        count[prefix] += 1
    return sorted(count) if len(count) > 1 and 2 * len(count) <= len(images) else []


def of_split(images: Sequence[str], split: str) -> list[str]:
    """Return the images in the folders of a split; where there are none, those in folders of no split."""
    wanted = split_of(split) or split
    folders = [split_of(name.rpartition("/")[0]) for name in images]
    ours = wanted if wanted in folders else None
    return [name for name, one in zip(images, folders, strict=True) if one == ours]


def read_name_prefixes(where: str, images: Sequence[str], split: str) -> ClassFolders:
    """Find the images of a split and the classes that their names begin with.

    Raises:
        InputError: For an image without a number in its name, and where there is none of the split.
    """
    chosen = of_split(images, split)
    if not chosen:
        raise InputError(f"{where} holds no images of the split {split!r}; name another one with split= (--split).")
    prefixes = [prefix_of(name) for name in chosen]
    if None in prefixes:
        raise InputError(
            f"{where} holds {chosen[prefixes.index(None)]!r}, whose name is no word and number, so that --label "
            f"{LABEL} says no class of it; rename it, or move it away."
        )
    classes = sorted({one for one in prefixes if one is not None})
    return ClassFolders("", chosen, [classes.index(one) for one in prefixes if one is not None], classes, [])
