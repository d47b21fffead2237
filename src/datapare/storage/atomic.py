"""Write a file or folder completely or not at all: to a draft beside its place, flushed to the disk, then renamed.

A draft is called `.NAME.HOST.PID.draft`; later writers of the same place remove those of dead processes.
"""

import errno
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np

from datapare.artifacts import Array
from datapare.errors import InputError

ASIDE = ".aside."  # in the name of what is being replaced
MANY = 1000  # places that are flushed one by one
META = "meta.json"  # its existence means that a folder is complete
RUN = "run.json"  # says of a run folder which dataset it is about
_drafts: set[Path] = set()  # what this process is writing


@contextmanager
def atomic_write(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give a free place beside `path` to write a file or folder to; it takes the place of `path` at the end.

    Args:
        path: Where the file or folder is to appear, complete or not at all.
        replace: Whether something that is there by then is replaced; an empty folder always is.

    Raises:
        InputError: When it cannot be written, the disk is full, or, without `replace`, another process was first.
    """
    draft = draft_of(path)
    _drafts.add(draft)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        recover(path)
        remove_drafts(path)
        remove(draft)
        yield draft
        flush_all(draft)
        if draft.is_dir():
            _place_folder(draft, path, replace=replace)
        else:
            _place_file(draft, path, replace=replace)
        flush(path.parent)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        with suppress(OSError):  # of a name that is too long; what went wrong has been said
            remove(draft)
        _drafts.discard(draft)


def write_error(error: OSError, path: Path) -> InputError:
    """Return what went wrong while writing `path`, as a sentence."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, None}:  # numpy reports a short write without an error number
        return InputError(f"cannot write {path}: the disk is full; free some space or choose another place.")
    if error.errno == errno.ENOTEMPTY:
        return InputError(f"{path} was written by another process in the meantime; that one stays.")
    if error.errno == errno.EXDEV:
        return InputError(
            f"cannot write {path}: it is on another disk than the source, where hard links cannot lead; "
            "use copy or symlink."
        )
    return InputError(f"cannot write {path}: {error.strerror or error}; choose a place you can write to.")


def draft_of(path: Path) -> Path:
    """Return where this process writes a file or folder before it takes its place."""
    return path.with_name(f".{path.name}.{_host()}.{os.getpid()}.draft")


def place_of(draft: Path) -> Path:
    """Return the place that a draft of this process will take.

    >>> place_of(draft_of(Path("small/photos.npz"))).name
    'photos.npz'
    """
    return draft.with_name(".".join(draft.name.removeprefix(".").split(".")[:-3]))


def recover(path: Path) -> None:
    """Put a folder in its place whose process was killed between the two renamings of a replacement."""
    if os.path.lexists(path):
        return
    for draft in sorted(_drafts_of(path), key=lambda one: ASIDE in one.name):  # the new one first
        if _is_abandoned(draft) and (ASIDE in draft.name or (draft / META).is_file()):
            with suppress(OSError):
                draft.rename(path)
            return


def remove(path: Path) -> None:
    """Remove a file or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def discard(path: Path) -> None:
    """Remove a folder at once: of one whose removal is killed nothing is left in its place, only a draft."""
    remove_drafts(path)
    draft = draft_of(path)
    with suppress(FileNotFoundError):  # another process was first
        path.rename(draft)
    remove(draft)


def remove_drafts(path: Path) -> None:
    """Remove what dead processes left of `path`."""
    for draft in _drafts_of(path):
        if _is_abandoned(draft):
            remove(draft)


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file atomically, so that a reader sees the old or the new one and never half of it."""
    with atomic_write(path) as draft, draft.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, default=plain)


def write_text(path: Path, text: str) -> None:
    """Write a text file, complete or not at all."""
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_array(path: Path, array: Array) -> None:
    """Write a `.npy` file, complete or not at all."""
    with atomic_write(path) as draft, draft.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def flush_all(path: Path) -> None:
    """Wait until a file, or a folder with all that is in it, has reached the disk."""
    places = [path]
    for folder, _, files in os.walk(path):
        places += [Path(folder), *(file for name in files if not (file := Path(folder, name)).is_symlink())]
        if len(places) > MANY:
            os.sync()  # of everything at once: waiting for each of a million files would take hours
            return
    for place in reversed(places):
        flush(place)


def flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, have reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF}:  # file systems that cannot
            raise
    finally:
        os.close(handle)


@cache
def _host() -> str:
    return socket.gethostname().partition(".")[0] or "localhost"


def _is_abandoned(draft: Path) -> bool:
    """Whether the process that wrote a draft is dead, or this one; of other machines it is not known."""
    *_, host, number, _ = draft.name.split(".")
    if draft in _drafts or host != _host() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return int(number) == os.getpid()


def _drafts_of(path: Path) -> list[Path]:
    with suppress(OSError):
        return [entry for entry in path.parent.iterdir() if _is_draft(entry.name, path.name)]
    return []


def _is_draft(entry: str, name: str) -> bool:
    rest = entry.removeprefix(f".{name}").removeprefix(ASIDE.rstrip("."))
    return entry.startswith(f".{name}.") and rest.count(".") == 3 and rest.endswith(".draft")


def _place_folder(draft: Path, path: Path, *, replace: bool) -> None:
    aside = draft.with_name(f".{path.name}{ASIDE}{_host()}.{os.getpid()}.draft")
    if replace and os.path.lexists(path):
        path.rename(aside)
    try:
        draft.rename(path)  # an empty folder is replaced, no other
    except OSError:
        if aside.exists():
            aside.rename(path)
        raise
    remove(aside)


def _place_file(draft: Path, path: Path, *, replace: bool) -> None:
    if replace:
        draft.replace(path)
        return
    try:
        os.link(draft, path)  # unlike a renaming, it fails when the place is taken
    except OSError as error:
        if os.path.lexists(path):
            raise OSError(errno.ENOTEMPTY, error.strerror) from error
        draft.rename(path)  # a file system without links


def plain(value: object) -> object:
    """Return a numpy number or a path as JSON has it, for `json.dumps(default=…)`."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
