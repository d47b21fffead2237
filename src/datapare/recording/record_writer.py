"""A record on the disk of the one process that writes it: opened or continued, an epoch at a time, finished once."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics
from datapare.errors import BusyError, InputError
from datapare.recording.arguments import record_identity
from datapare.recording.logit_signals import STEPS
from datapare.recording.logit_tables import LogitTables
from datapare.recording.record_files import RecordFiles

Progress = tuple[list[float], list[float]]  # the coverage and the seconds of each finished epoch


class RecordWriter:
    """The files of a record, the tables that epochs pass on to each other, and the finished record in the end.

    Args:
        folder: Where the record is, or will be.
        plain: The record without its channels and arrays.
        epochs: How many will be recorded.
        channels: Their names, those of STEPS included.
        arrays: Names of the arrays besides.
        overwrite: Whether a record that is there is removed first.

    Raises:
        InputError, BusyError: As RecordFiles does.
    """

    def __init__(
        self,
        folder: Path,
        plain: Dynamics,
        epochs: int,
        channels: Sequence[str],
        arrays: Sequence[str],
        *,
        overwrite: bool = False,
    ) -> None:
        self._plain = plain
        self._channels = channels
        self._arrays = arrays
        self._files = _record_files(folder, plain, epochs, channels, arrays, overwrite=overwrite)
        steps, total = [name for name in channels if name in STEPS], "logit_mean" in arrays
        self.tables = LogitTables(folder, len(plain), steps=steps, total=total) if steps or total else None

    @property
    def progress(self) -> Progress:
        """The coverage and the seconds of each finished epoch."""
        return self._files.coverage, self._files.seconds

    def write(self, epoch: int, rows: Mapping[str, NDArray[np.float32]], coverage: float, seconds: float) -> Progress:
        """Write an epoch's rows (N,) and count it; returns the progress."""
        steps = {} if self.tables is None else dict(zip(self.tables.steps, self.tables.step, strict=True))
        for name in self._channels:
            row = steps[name] if name in steps else rows[name]
            self._files.write_row(name, epoch, row)
        self._files.commit([*self._files.coverage, coverage], [*self._files.seconds, seconds])
        return self.progress

    def skip(self) -> Progress:
        """Count an epoch of which nothing is known; returns the progress."""
        epoch = len(self._files.coverage)
        unknown = np.full(len(self._plain), np.nan, dtype=np.float32)
        if self.tables is not None:
            self.tables.reset()
            self.tables.skip(epoch)
        return self.write(epoch, dict.fromkeys(self._channels, unknown), 0.0, 0.0)

    def rewind(self, epoch: int) -> Progress:
        """Count only the epochs before this one; returns the progress. Raises as Recorder.rewind."""
        now = len(self._files.coverage)
        finished = storage.is_finished(self._files.folder)
        if not 0 <= epoch <= now or finished:
            state = "finished" if finished else f"at epoch {now}"
            raise InputError(f"cannot go back to epoch {epoch}: the record is {state}; record into a new folder.")
        if self.tables is not None and not self.tables.can_repeat(epoch):
            raise InputError(
                f"cannot go back from epoch {now} to {epoch}: kl_step and logit_mean build on the epoch before, which "
                "is kept for one epoch only; go back to 0, record into a new folder, or store recorder.state_dict() "
                "in the checkpoints, which keeps what they need."
            )
        self._files.commit(self._files.coverage[:epoch], self._files.seconds[:epoch])
        return self.progress

    def stop(self) -> None:
        """Make the epochs counted so far all there are."""
        if not storage.is_finished(self._files.folder):
            self._files.shorten()

    def finish(self) -> None:
        """Make the epochs counted so far an ordinary record, if they are none yet."""
        coverage, seconds = self.progress
        if not storage.is_finished(self._files.folder):
            if self.tables is not None and "logit_mean" in self._arrays:
                self.tables.write_logit_mean(len(coverage) - 1, self._files.file("arrays.logit_mean"))
            self._files.resize(len(coverage))
            channels = {name: self._files.load(f"channels.{name}") for name in self._channels}
            arrays = {name: self._files.load(f"arrays.{name}") for name in self._arrays}
            took = np.asarray(seconds)
            np.save(self._files.file("seconds"), took, allow_pickle=False)
            storage.write_meta(self._files.folder, replace(self._plain, channels=channels, arrays=arrays, seconds=took))
        if self.tables is not None and len(coverage) == self._files.shape[0]:
            self.tables.drop()

    def close(self) -> None:
        """Release the folder."""
        self._files.close()


def _record_files(
    folder: Path, plain: Dynamics, epochs: int, channels: Sequence[str], arrays: Sequence[str], *, overwrite: bool
) -> RecordFiles:
    stored = {"label": plain.label} if plain.key is None else {"label": plain.label, "key": plain.key}
    try:
        return RecordFiles(folder, record_identity(plain, epochs, channels, arrays), stored, overwrite=overwrite)
    except BusyError as busy:
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            raise
        raise BusyError(
            f"one of {count} processes already records in {folder}, and this one by itself as well: make each Recorder "
            "after torch.distributed is initialised, so that they record together."
        ) from busy
