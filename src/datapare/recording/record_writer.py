"""A record on the disk of the one process that writes it: opened or continued, an epoch at a time, finished once."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics
from datapare.errors import BusyError, InputError
from datapare.recording.arguments import facts
from datapare.recording.logit_tables import LogitTables
from datapare.recording.record_files import RecordFiles


class RecordWriter:
    """The journal of a record, the tables it carries from epoch to epoch, and the finished record in the end.

    `plain` is the record without its channels and arrays. Raises what Journal raises.
    """

    def __init__(
        self, folder: Path, plain: Dynamics, epochs: int, channels: Sequence[str], arrays: Sequence[str]
    ) -> None:
        self._plain = plain
        self._channels = channels
        self._arrays = arrays
        self._journal = _journal(folder, plain, facts(plain, epochs, channels, arrays))
        softmax, total = "kl_step" in channels, "logit_mean" in arrays
        self.carry = LogitTables(folder, len(plain), softmax=softmax, total=total) if softmax or total else None

    @property
    def progress(self) -> tuple[list[float], list[float]]:
        """The coverage and the seconds of each finished epoch."""
        return self._journal.coverage, self._journal.seconds

    def write(
        self, epoch: int, rows: Mapping[str, NDArray[np.float32]], coverage: float, seconds: float
    ) -> tuple[list[float], list[float]]:
        """Write an epoch's rows (N,) and count it; returns the progress."""
        for name in self._channels:
            row = self.carry.step if name == "kl_step" and self.carry is not None else rows[name]
            self._journal.write_row(name, epoch, row)
        self._journal.commit([*self._journal.coverage, coverage], [*self._journal.seconds, seconds])
        return self.progress

    def rewind(self, epoch: int) -> tuple[list[float], list[float]]:
        """Count only the epochs before this one; returns the progress. Raises as Recorder.rewind."""
        now = len(self._journal.coverage)
        finished = storage.is_finished(self._journal.folder)
        if not 0 <= epoch <= now or finished:
            state = "finished" if finished else f"at epoch {now}"
            raise InputError(f"cannot go back to epoch {epoch}: the record is {state}; record into a new folder.")
        if self.carry is not None and not self.carry.can_repeat(epoch):
            raise InputError(
                f"cannot go back from epoch {now} to {epoch}: kl_step and logit_mean keep one epoch only; go back to 0 "
                "or record into a new folder."
            )
        self._journal.commit(self._journal.coverage[:epoch], self._journal.seconds[:epoch])
        return self.progress

    def stop(self) -> None:
        """Make the epochs counted so far all there are."""
        if not storage.is_finished(self._journal.folder):
            self._journal.shorten()

    def finish(self) -> None:
        """Make it an ordinary record, if it is none yet."""
        if not storage.is_finished(self._journal.folder):
            coverage, seconds = self.progress
            if self.carry is not None and "logit_mean" in self._arrays:
                self.carry.write_logit_mean(len(coverage) - 1, self._journal.file("arrays.logit_mean"))
            self._journal.trim()
            channels = {name: self._journal.load(f"channels.{name}") for name in self._channels}
            arrays = {name: self._journal.load(f"arrays.{name}") for name in self._arrays}
            took = np.asarray(seconds)
            np.save(self._journal.file("seconds"), took, allow_pickle=False)
            storage.write_meta(
                self._journal.folder, replace(self._plain, channels=channels, arrays=arrays, seconds=took)
            )
        if self.carry is not None:
            self.carry.drop()

    def close(self) -> None:
        """Let go of the folder."""
        self._journal.close()


def _journal(folder: Path, plain: Dynamics, described: Mapping[str, Any]) -> RecordFiles:
    stored = {"label": plain.label} if plain.key is None else {"label": plain.label, "key": plain.key}
    try:
        return RecordFiles(folder, described, stored)
    except BusyError as busy:
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            raise
        raise BusyError(
            f"one of {count} processes already records in {folder}, and this one by itself as well: make each Recorder "
            "after torch.distributed is initialised, so that they record together."
        ) from busy
