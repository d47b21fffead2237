"""Lists that name the images of a split and nothing else, such as train.txt and test.txt beside class folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from datapare.data.image_names import ImageNames
from datapare.data.layouts import is_image
from datapare.data.paths import split_of
from datapare.errors import InputError

_HEAD = 20  # lines that say whether a file is such a list


class ListedSplit(NamedTuple):
    """The images of the split that was asked for; None where all are read. `notes` say by which lists, or why not."""

    images: list[str] | None
    notes: tuple[str, ...] = ()


def read_split_lists(root: Path, files: Sequence[str], split: str) -> ListedSplit:
    """Find the images of a split by text files called like splits, each line of which names an image.

    A split without such a list has the images that no list names. Several lists of one split, such as those of several
    repetitions, choose nothing.

    Args:
        root: The dataset's folder.
        files: Its files, as relative names.
        split: The split that is read.

    Raises:
        InputError: For a split that no list names, other than the training split.
    """
    wanted = split_of(split) or split
    called = [name for name in files if name.lower().endswith(".txt") and name.count("/") < 3]
    called = [name for name in called if split_of(name.rpartition("/")[2]) is not None]
    images = [name for name in files if is_image(name)] if called else []
    if any(split_of(folder) for folder in {name.rpartition("/")[0] for name in images}):
        return ListedSplit(None)  # the folders say it
    listed: dict[str, dict[str, set[str]]] = {}
    for name in called:
        found = _images(root / name, ImageNames(images, name.rpartition("/")[0], split))
        if found is not None:
            listed.setdefault(split_of(name.rpartition("/")[2]) or "", {})[name] = found
    if not listed:
        return ListedSplit(None)
    shown = ", ".join(name for lists in listed.values() for name in lists)
    if any(len(lists) > 1 for lists in listed.values()):
        return ListedSplit(None, (f"{shown} list images of splits in several ways, and all images are read",))
    by_split = {one: next(iter(lists.values())) for one, lists in listed.items()}
    others = set().union(*(found for one, found in by_split.items() if one != wanted))
    if wanted not in {*by_split, "train"}:
        there = ", ".join(sorted({*by_split, "train"}))
        raise InputError(f"{shown} say the splits {there}, but no {split!r}; name one with split= (--split).")
    chosen = by_split.get(wanted, {*images} - others)
    if not chosen or chosen & others:
        return ListedSplit(None, (f"{shown} list images of splits that overlap, and all images are read",))
    return ListedSplit(sorted(chosen), (f"{shown} say the split: {len(chosen):,} images are of {wanted}",))


def _images(path: Path, names: ImageNames) -> set[str] | None:
    """The images that a file names, one in each line; None where a line names none."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        return None
    if not lines or any(names.find(line) is None for line in lines[:_HEAD]):
        return None
    found = [names.find(line) for line in lines]
    return {one for one in found if one is not None} if None not in found else None
