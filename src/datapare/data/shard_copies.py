"""Copies of shards that lie at URLs, made when something of them is read, and only as many as fit a limit."""

import os
import tempfile
import weakref
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from threading import Lock

from datapare.data.remote import copy_to

MOST_BYTES = 8 << 30  # of copies on this disk, the last one not counted


class ShardCopy:
    """A copy of the file at a URL, which is removed from the disk once no one reads it.

    Raises:
        InputError: Where it cannot be read.
    """

    def __init__(self, url: str) -> None:
        self._file, name = tempfile.mkstemp(prefix="datapare-", suffix=f"-{url.rsplit('/', 1)[-1]}")
        self.path = Path(name)
        weakref.finalize(self, _remove, self._file, self.path)
        copy_to(url, self.path)
        self.size = self.path.stat().st_size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return a part of the file."""
        return os.pread(self._file, size, offset)


def _remove(file: int, path: Path) -> None:
    os.close(file)
    path.unlink(missing_ok=True)


_copies: OrderedDict[str, Future[ShardCopy]] = OrderedDict()
_lock = Lock()


def shard_copy(url: str) -> ShardCopy:
    """Return the copy of the file at a URL; raises InputError where it cannot be read.

    Threads that ask for one file wait for the same copy. Those not used for longest are given up first.
    """
    with _lock:
        known = _copies.get(url)
        made = known or Future()
        _copies[url] = made
        _copies.move_to_end(url)
    if known is None:
        try:
            made.set_result(ShardCopy(url))
        except BaseException as error:  # noqa: BLE001 (whoever waits for it gets it)
            with _lock:
                del _copies[url]
            made.set_exception(error)
        _give_up()
    return made.result()


def _give_up() -> None:
    with _lock:
        done = {url: one.result().size for url, one in _copies.items() if one.done()}
        total = sum(done.values())
        for url in list(done)[:-1]:
            if total > MOST_BYTES:
                total -= done[url]
                del _copies[url]
