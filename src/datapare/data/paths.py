"""Files of a source: walk folders, distinguish splits, normalise names, and stay inside the folder."""

import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from datapare.errors import InputError

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_WORD = {word: split for split, words in SPLITS.items() for word in words}
# what may stand beside that word in the name of a split's folder: training_set, train_images, TestData, val2017
_FILLER = "sets?|split|data|dataset|images?|imgs?|photos?|pictures?|samples?|examples?|files|jpe?gs?|pngs?|folder"
_TRAIN_AND_MORE = re.compile(r"train(ing)?[^a-z]*val(id|idation)?")  # all that is not for testing
_SPLIT_FOLDER = re.compile(rf"(?:(?:{_FILLER})[^a-z]*)*({'|'.join(_WORD)})[^a-z]*(?:(?:{_FILLER})[^a-z]*)*")
_SPLIT_WORD = re.compile(rf"({'|'.join(_WORD)})(?:set|data|images?|imgs?)?")
# what file managers, archivers and file servers leave behind
_LITTER = frozenset(
    {"thumbs.db", "desktop.ini", "__macosx", "@eadir", "ehthumbs.db", "$recycle.bin", "system volume information"}
    | {"lost+found"}
)
_MOST_PLACES = 16


class Tree(NamedTuple):
    """What a folder holds, as sorted relative POSIX paths; `hidden` entries are named and not looked into."""

    folders: list[str]
    files: list[str]
    hidden: list[str]


def walk(root: Path, *, follow_links: bool = False) -> tuple[list[str], list[str]]:
    """List the folders and the files under `root` that are not hidden; see `list_tree`."""
    found = list_tree(root, follow_links=follow_links)
    return found.folders, found.files


def list_tree(root: Path, *, follow_links: bool = False, shown: Collection[str] = ()) -> Tree:
    """List what lies under `root`.

    Entries with a leading dot are hidden, as are the leavings of file managers. A link is followed, but not to a folder
    above itself. A split's folder directly under `root` may be a link to anywhere.

    Args:
        root: The folder.
        follow_links: Whether other links may lead out of `root` too.
        shown: Hidden entries to list all the same.

    Raises:
        InputError: For a link that leads out of `root`, and for a name that is not UTF-8.
    """
    tree = Tree([], [], [])
    places: Counter[str] = Counter()
    home = os.path.realpath(root)
    waiting = [_Folder("", (home,), (home,))]
    while waiting:
        folder = waiting.pop()
        for entry in _entries(root / folder.prefix):
            name = folder.prefix + entry.name
            if (entry.name.startswith(".") or entry.name.lower() in _LITTER) and name not in shown:
                tree.hidden.append(name)
            elif not entry.is_dir():
                if entry.is_symlink():
                    _check_link(root, name, folder, follow_links=follow_links)
                if not entry.is_file() and (root / name).exists():  # a link to nothing is an unreadable file
                    raise InputError(f"{root / name} is no file but a pipe, a socket or a device; remove it.")
                tree.files.append(name)
            elif (inner := _enter(root, entry, folder, follow_links=follow_links)) is not None:
                tree.folders.append(name)
                _count_place(root, inner.above[-1], places)
                waiting.append(inner)
    for names in tree:
        names.sort()
        _refuse_unreadable(root, names)
    return tree


class _Folder(NamedTuple):
    """A folder on the way: its name with a slash, the real folders from the root to it, and where links may lead."""

    prefix: str
    above: tuple[str, ...]
    bounds: tuple[str, ...]


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        return list(entries)


def _enter(root: Path, entry: "os.DirEntry[str]", folder: _Folder, *, follow_links: bool) -> _Folder | None:
    """The folder that an entry is, or is a link to; None for a link to a folder above itself."""
    real, bounds = f"{folder.above[-1]}/{entry.name}", folder.bounds
    if entry.is_symlink():
        split = not folder.prefix and is_split(entry.name)
        real = _check_link(root, folder.prefix + entry.name, folder, follow_links=follow_links or split)
        bounds = (*bounds, real)
    if real in folder.above:
        return None
    return _Folder(f"{folder.prefix}{entry.name}/", (*folder.above, real), bounds)


def _check_link(root: Path, name: str, folder: _Folder, *, follow_links: bool) -> str:
    """Where a link leads; raise InputError where that is out of bounds."""
    real = os.path.realpath(root / name)
    allowed = follow_links or any(_is_within(real, bound) for bound in folder.bounds)
    if not allowed and Path(real).exists():  # a link to nothing reads nothing
        raise leading_out(root, name, real)
    return real


def leading_out(root: Path, name: str, real: str) -> InputError:
    """The error about a link that leads out of the folder."""
    return InputError(
        f"{root / name} is a link to {real}, which is not inside {root}; allow such links with --follow-links if you "
        "trust the dataset."
    )


def _count_place(root: Path, real: str, places: Counter[str]) -> None:
    places[real] += 1
    if places[real] > _MOST_PLACES:
        raise InputError(f"{root} holds links that show {real} in more than {_MOST_PLACES} places; remove them.")


def _refuse_unreadable(root: Path, names: Sequence[str]) -> None:
    for name in names:
        if not name.isascii() and name.encode("utf-8", "replace").decode() != name:
            if sys.getfilesystemencoding() != "utf-8":
                raise InputError(
                    f"{root} holds names of other letters than this locale knows; start Python with PYTHONUTF8=1."
                )
            raise InputError(f"{root} holds a name that is not UTF-8, {os.fsencode(name)!r}; rename it.")


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def split_of(name: str) -> str | None:
    """The split that a relative path names, as Hugging Face does: "train-00000-of-4.parquet" is train; None if none.

    >>> split_of("val/cat/1.jpg"), split_of("train10k.parquet"), split_of("strain.parquet"), split_of("trainset.csv")
    ('validation', 'train', None, 'train')
    """
    words = [found[1] for word in re.split(r"[-._ 0-9/]+", name.lower()) if (found := _SPLIT_WORD.fullmatch(word))]
    return next((split for split, usual in SPLITS.items() if any(word in usual for word in words)), None)


def folder_split(name: str) -> str | None:
    """The split that the whole name of a folder means; None where it means none, or may mean something else.

    >>> folder_split("training_set"), folder_split("Testing"), folder_split("images_val2017"), folder_split("test tube")
    ('train', 'test', 'validation', None)
    >>> folder_split("trainval")
    'train'
    """
    if _TRAIN_AND_MORE.fullmatch(name.lower()):
        return "train"
    found = _SPLIT_FOLDER.fullmatch(name.lower())
    return _WORD[found[1]] if found else None


def is_split(name: str) -> bool:
    """Whether a folder's whole name is that of a split: "test" and "test_set" are, "test tube" is not."""
    return folder_split(name) is not None


def same_split(name: str, split: str) -> bool:
    """Whether a folder or split name means `split`: "val" means "validation"."""
    meant = split_of(split) or split
    return name == split or name.lower() in SPLITS.get(meant, ()) or folder_split(name) == meant


def of_split(root: Path, files: Sequence[str], split: str) -> list[str]:
    """The files of one split; all of them where no name says a split."""
    splits = {name: split_of(name) for name in files}
    if not any(splits.values()):
        if files:
            check_unsplit(root, split)
        return list(files)
    chosen = [name for name in files if splits[name] == (split_of(split) or split)]
    if not chosen:
        found = ", ".join(sorted({one for one in splits.values() if one}))
        raise InputError(f"{root} holds the splits {found}, but no {split!r}; name one with split= (--split).")
    return chosen


def check_unsplit(where: object, split: str) -> None:
    """Raise InputError where a dataset without splits is asked for one that no dataset has by habit.

    Args:
        where: What the dataset is called in the message.
        split: The split that was asked for.

    >>> check_unsplit("photos", "test")
    >>> check_unsplit("photos", "trian")
    Traceback (most recent call last):
    datapare.errors.InputError: photos has no splits, so there is no 'trian'; did you mean train?
    """
    if split_of(split) is None and folder_split(split) is None:
        near = get_close_matches(split.lower(), SPLITS, n=1)
        remedy = f"did you mean {near[0]}?" if near else "leave --split out."
        raise InputError(f"{where} has no splits, so there is no {split!r}; {remedy}")


def normalise(name: str) -> str:
    r"""Return the one spelling of a relative path: slashes, no "." parts, no empty ones.

    >>> normalise(r".\\images\\cat//0.png")
    'images/cat/0.png'
    """
    if name.isalnum():
        return name
    return "/".join(part for part in name.strip().replace("\\", "/").split("/") if part not in {"", "."})


def leads_out(name: str) -> bool:
    """Whether a path is absolute or leads out of the folder that it is relative to.

    >>> leads_out("cat/1.jpg"), leads_out("../1.jpg"), leads_out("C:/1.jpg"), leads_out("/etc/passwd")
    (False, True, True, True)
    """
    path = name.strip().replace("\\", "/")
    return path.startswith("/") or "\0" in path or ".." in path.split("/") or re.match(r"[A-Za-z]:", path) is not None


def safe_join(root: Path, name: str, where: str) -> Path:
    """Return `root/name` for a relative path that stays inside of `root`.

    Raises:
        InputError: When the name is empty, absolute or leads out of `root`; `where` says who names it.

    >>> safe_join(Path("photos"), "cat/1.jpg", "row 0").as_posix()
    'photos/cat/1.jpg'
    """
    check_inside(root, name, where)
    return root / normalise(name)


def check_inside(root: Path, name: str, where: str) -> None:
    """Raise InputError when a name is empty, absolute or leads out of `root`; `where` says who names it."""
    if leads_out(name) or not normalise(name):
        raise InputError(
            f"{where} names the file {name!r}, which is not inside {root}; write it relative to that folder."
        )
