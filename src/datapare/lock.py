"""One process at a time in a folder: the second is refused at once, and a killed holder lets go by itself."""

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from datapare.errors import BusyError, InputError

LOCK = ".lock"
_held: "weakref.WeakSet[FileIO]" = weakref.WeakSet()


def take(folder: Path, doing: str) -> FileIO:
    """Create the folder if need be and lock it; close what is returned to let go.

    Raises BusyError when another process holds it, InputError when it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileIO(folder / LOCK, "a")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot write to {folder}: {reason}; choose a folder you can write to.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BusyError(f"another process is {doing} in {folder}; wait for it or choose another folder.") from None
    _held.add(lock)
    return lock


def release(lock: FileIO) -> None:
    """Let go of a folder."""
    _held.discard(lock)
    lock.close()


@contextmanager
def hold(folder: Path, doing: str) -> Iterator[None]:
    """Hold a folder for the length of a with-block."""
    lock = take(folder, doing)
    try:
        yield
    finally:
        release(lock)


def _release_in_child() -> None:
    # A forked data-loading worker would otherwise keep the folder locked for as long as it outlives a killed parent.
    for lock in list(_held):
        lock.close()
    _held.clear()


os.register_at_fork(after_in_child=_release_in_child)
