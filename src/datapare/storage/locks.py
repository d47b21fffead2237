"""Lock a folder for one process; a killed process releases its lock."""

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from datapare.errors import BusyError, InputError
from datapare.storage.atomic import write_error

LOCK = ".lock"
_held: "weakref.WeakSet[FileIO]" = weakref.WeakSet()


def acquire_lock(folder: Path, activity: str) -> FileIO:
    """Create the folder if need be and lock it; a killed process releases its lock.

    Raises:
        BusyError: When another process holds the lock.
        InputError: When the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileIO(folder / LOCK, "a")
    except OSError as error:
        raise write_error(error, folder) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BusyError(f"another process is {activity} in {folder}; wait for it or choose another folder.") from None
    except OSError as error:
        lock.close()
        raise InputError(f"{folder} cannot be locked ({error.strerror}); choose a folder on a local disk.") from error
    _held.add(lock)
    return lock


def release_lock(lock: FileIO) -> None:
    """Release a locked folder."""
    lock.close()


@contextmanager
def folder_lock(folder: Path, activity: str) -> Iterator[None]:
    """Lock a folder for the length of a with-block."""
    lock = acquire_lock(folder, activity)
    try:
        yield
    finally:
        release_lock(lock)


def _release_in_child() -> None:
    # A forked data-loading worker would otherwise keep the folder locked for as long as it outlives a killed parent.
    for lock in list(_held):
        lock.close()


os.register_at_fork(after_in_child=_release_in_child)
