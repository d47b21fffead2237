"""The folder of an unfinished record: locked, reserved in full, and never ahead of what is safely on disk.

Each channel is one preallocated `.npy` file (T, N). A row is written and flushed first, then `progress.json` is
replaced to count it, so that a process killed anywhere leaves a folder that the next one continues. `meta.json`, which
makes the folder an ordinary finished record, comes last. A record that was closed before all its epochs were recorded
is finished with those that are there; reopening it removes `meta.json` and extends the channels again.
"""

import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.errors import InputError
from datapare.recording.arguments import Identity
from datapare.recording.foreign_types import Array

PROGRESS = "progress.json"
REMEDY = "record again in a new folder"


class Progress(TypedDict):
    """What `progress.json` holds: the epochs that are safely on disk, and the identity of the record."""

    datapare: int
    reserved: bool
    coverage: list[float]
    seconds: list[float]
    facts: Identity


class RecordFiles:
    """Rows of named channels, epoch by epoch, in a folder that one process at a time may write.

    `coverage` and `seconds` hold one number per finished epoch.

    Args:
        folder: Where the record is, or will be.
        identity: What a continued record must agree with.
        arrays: What is stored once: label and key, (N,).
        overwrite: Whether a record that is there, finished or not, is removed first.

    Raises:
        InputError: When the folder holds something else, belongs to another record or cannot hold this one.
        BusyError: When another recorder has it open.
    """

    def __init__(
        self, folder: Path, identity: Identity, arrays: Mapping[str, Array], *, overwrite: bool = False
    ) -> None:
        self.folder = folder
        self.identity: Identity = json.loads(json.dumps(identity, default=_plain))
        self.shape = (int(identity["epochs"]), int(identity["examples"]))
        _check_ours(folder)
        self._lock = storage.acquire_lock(folder, "recording")
        try:
            if overwrite:
                _remove_record(folder)
            self.coverage: list[float]
            self.seconds: list[float]
            self.coverage, self.seconds = self._opened(arrays)
        except BaseException:
            self.close()
            raise

    def write_row(self, channel: str, epoch: int, row: NDArray[np.float32]) -> None:
        """Write one epoch (N,) of a channel and flush it to the disk."""
        rows = storage.read_array(self.file(f"channels.{channel}"), REMEDY, writable=True)
        rows[epoch] = row
        cast("np.memmap[Any, Any]", rows).flush()

    def commit(self, coverage: Sequence[float], seconds: Sequence[float]) -> None:
        """Count the epochs that are safely on disk: one coverage and one wall time each."""
        self.coverage, self.seconds = list(coverage), list(seconds)
        self._write_progress(reserved=True)

    def shorten(self) -> None:
        """Make the epochs counted so far all there are."""
        self.identity["epochs"] = len(self.coverage)
        self.shape = (len(self.coverage), self.shape[1])
        self._write_progress(reserved=True)

    def resize(self, epochs: int) -> None:
        """Cut or extend each channel to this many epochs; rows that are added are NaN."""
        for file in self._channel_files():
            rows = storage.read_array(file, REMEDY)
            if len(rows) != epochs:
                missing = np.full((max(0, epochs - len(rows)), self.shape[1]), np.nan, dtype=np.float32)
                with storage.atomic_write(file) as draft, draft.open("wb") as out:
                    np.save(out, np.concatenate([rows[:epochs], missing]), allow_pickle=False)

    def file(self, name: str) -> Path:
        """Return the file of the array of this name."""
        return self.folder / f"{name}.npy"

    def load(self, name: str) -> Array:
        """Return the array of this name, memory-mapped read-only."""
        return storage.read_array(self.file(name), REMEDY)

    def close(self) -> None:
        """Release the folder."""
        storage.release_lock(self._lock)

    def _opened(self, arrays: Mapping[str, Array]) -> tuple[list[float], list[float]]:
        progress = read_progress(self.folder)
        if progress is not None:
            _check_same(self.folder, progress["facts"], self.identity)
            if progress["reserved"]:
                self._check_channels()
                if len(progress["coverage"]) < self.shape[0]:  # closed early, and now continued
                    (self.folder / storage.META).unlink(missing_ok=True)
                    self.resize(self.shape[0])
                return list(progress["coverage"]), list(progress["seconds"])
        self._reserve(arrays)
        return [], []

    def _check_channels(self) -> None:
        for file in self._channel_files():
            rows = storage.read_array(file, REMEDY)
            if rows.dtype != np.float32 or rows.shape[1:] != self.shape[1:]:
                raise InputError(f"{file} is damaged (it holds {rows.dtype} of shape {rows.shape}); {REMEDY}.")

    def _reserve(self, arrays: Mapping[str, Array]) -> None:
        channels = self._channel_files()
        try:
            self.coverage, self.seconds = [], []
            self._write_progress(reserved=False)
            for file in channels:
                reserve(file, self.shape)
            for file in channels:
                _fill(file, self.shape)
            for name, array in arrays.items():
                np.save(self.file(name), array, allow_pickle=False)
            self._write_progress(reserved=True)
        except OSError as error:
            needed = 4 * len(channels) * self.shape[0] * self.shape[1]
            free = shutil.disk_usage(self.folder).free
            for file in [*channels, *map(self.file, arrays), self.folder / PROGRESS, self.folder / storage.LOCK]:
                file.unlink(missing_ok=True)
            raise InputError(
                f"the record needs {needed:,} bytes in {self.folder} ({len(channels)} channels, {self.shape[0]} "
                f"epochs, {self.shape[1]:,} examples), but {_reason(error)} with {free:,} bytes free; free some space, "
                "choose another folder, or record fewer channels."
            ) from error

    def _channel_files(self) -> list[Path]:
        return [self.file(f"channels.{name}") for name in self.identity["channels"]]

    def _write_progress(self, *, reserved: bool) -> None:
        progress: Progress = {
            "datapare": 1,
            "reserved": reserved,
            "coverage": self.coverage,
            "seconds": self.seconds,
            "facts": self.identity,
        }
        storage.write_json(self.folder / PROGRESS, progress)


def reserve(file: Path, shape: tuple[int, int]) -> None:
    """Create a float32 `.npy` file of zeros whose blocks are already taken, so that a full disk shows now."""
    with file.open("wb") as out:
        header = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(out, header)
        out.flush()
        size = out.tell() + 4 * shape[0] * shape[1]
        try:
            os.posix_fallocate(out.fileno(), 0, size)
        except (AttributeError, OSError) as error:
            # macOS has no such call and some network disks refuse it; there the file grows as it is filled.
            if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            out.truncate(size)


def _fill(file: Path, shape: tuple[int, int]) -> None:
    with file.open("r+b") as out:
        np.lib.format.read_magic(out)
        np.lib.format.read_array_header_1_0(out)
        row = np.full(shape[1], np.nan, dtype=np.float32)
        for _ in range(shape[0]):
            out.write(row.data)


def _check_ours(folder: Path) -> None:
    """Raise InputError unless the folder is absent, empty, or a record in the making; touches nothing."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"cannot record in {folder}: {_reason(error)}; choose another folder.") from error
    drafts = {name for name in names if name.startswith(f".{PROGRESS}.")}
    if PROGRESS not in names and names - drafts - {storage.LOCK}:
        raise InputError(f"{folder} already holds something else; choose a new folder for the record.")


def _remove_record(folder: Path) -> None:
    """Remove a record: first what says that it is finished, and last what says that it is a record."""
    for file in sorted(folder.iterdir(), key=lambda file: (file.name == PROGRESS, file.name != storage.META)):
        if file.name != storage.LOCK:
            storage.remove(file)


def read_progress(folder: Path) -> Progress | None:
    """Return how far the record in a folder is, None where none was begun; raises InputError for a damaged one."""
    progress = storage.read_described(folder / PROGRESS, Progress, REMEDY)
    if progress is not None and progress["datapare"] != 1:
        raise InputError(f"{folder / PROGRESS} was not written by this version of datapare; {REMEDY}.")
    return progress


def _check_same(folder: Path, begun: Mapping[str, object], identity: Mapping[str, object]) -> None:
    differing = [name for name in identity if begun.get(name) != identity[name]]
    if differing:
        shown = [
            f"{name} {begun.get(name)} there and {identity[name]} here"
            for name in differing
            if name in ("epochs", "examples", "channels")
        ]
        detail = f" ({'; '.join(shown)})" if shown else ""
        raise InputError(
            f"{folder} holds a record that was begun with other {' and '.join(differing)}{detail}; give the same to "
            "continue it, or choose a new folder."
        )


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else str(value)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
