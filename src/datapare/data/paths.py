"""Files of a source: walking folders, telling splits apart, and never leaving the folder."""

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from datapare.errors import InputError

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


def walk(root: Path) -> tuple[list[str], list[str]]:
    """Folders and files under `root` as sorted relative POSIX paths, without hidden ones; links are followed once."""
    folders: list[str] = []
    files: list[str] = []
    seen: set[str] = set()
    for here, below, names in os.walk(root, followlinks=True):
        real = os.path.realpath(here)
        below[:] = [] if real in seen else sorted(name for name in below if not name.startswith("."))
        seen.add(real)
        prefix = Path(here).relative_to(root).as_posix()
        prefix = "" if prefix == "." else prefix + "/"
        folders += [prefix + name for name in below]
        files += [prefix + name for name in names if not name.startswith(".")]
    for name in (*folders, *files):
        if not name.isascii() and name.encode("utf-8", "replace").decode() != name:
            raise InputError(f"{root} holds a name that is not UTF-8, {os.fsencode(name)!r}; rename it.")
    return sorted(folders), sorted(files)


def split_of(name: str) -> str | None:
    """The split that a relative path names, as Hugging Face does: "train-00000-of-4.parquet" is train; None if none.

    >>> split_of("val/cat/1.jpg"), split_of("train10k.parquet"), split_of("strain.parquet")
    ('validation', 'train', None)
    """
    words = re.split(r"[-._ 0-9/]+", name.lower())
    return next((split for split, usual in SPLITS.items() if any(word in usual for word in words)), None)


def is_split(name: str) -> bool:
    """Whether a folder's whole name is that of a split: "test" is, "test tube" is not."""
    return any(name.lower() in usual for usual in SPLITS.values())


def same_split(name: str, split: str) -> bool:
    """Whether a folder or split name means `split`: "val" means "validation"."""
    return name == split or name.lower() in SPLITS.get(split_of(split) or split, ())


def of_split(root: Path, files: Sequence[str], split: str) -> list[str]:
    """The files of one split; all of them where no name says a split."""
    splits = {name: split_of(name) for name in files}
    if not any(splits.values()):
        return list(files)
    chosen = [name for name in files if splits[name] == (split_of(split) or split)]
    if not chosen:
        found = ", ".join(sorted({one for one in splits.values() if one}))
        raise InputError(f"{root} holds the splits {found}, but no {split!r}; name one with split= (--split).")
    return chosen


def inside(root: Path, name: str, where: str) -> Path:
    """`root/name`, or an InputError when the name is absolute or leads out of `root`.

    >>> inside(Path("photos"), "cat/1.jpg", "row 0").as_posix()
    'photos/cat/1.jpg'
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or re.match(r"[A-Za-z]:", name) or not path.parts:
        raise InputError(
            f"{where} names the file {name!r}, which is not inside {root}; write it relative to that folder."
        )
    return root / name
