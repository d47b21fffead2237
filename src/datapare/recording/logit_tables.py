"""What one epoch passes to the next about each example: the last softmax (for channels of STEPS), the sum of logits.

Both are (N, K) tables, too large for the device, so they live on disk. Each epoch reads the table of the epoch before
and writes its own, so an epoch that was killed half-way is repeated from the same start. Logits wait on the device
until there are enough of them, so that the host waits once per 64 MB and not once per batch. Where several processes
record, rank 0 keeps the tables; the others keep the epoch's logits in a temporary file and send them at its end.

So a table takes its size twice on disk while an epoch is written: for 50,000 examples of 100 classes, 2 x 20 MB each
(benchmarks/results/record_memory.json). A checkpoint of the training keeps the tables that it needs, those of the last
two checkpoints as further names of the same files.

The softmax is kept in float32: from a float16 one a `kl_step` is off by up to 4e-4, more than the whole step of a
well-learned example (10,000 random examples, 100 classes).
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datapare import storage
from datapare.recording.logit_signals import STEPS
from datapare.recording.pending_logits import PendingLogits
from datapare.recording.process_group import ProcessGroup
from datapare.recording.record_files import reserve

WAITING_BYTES = 64 * 2**20
BLOCK = 65_536  # examples per pass over a table
ENTERED = 4096  # examples entered in the tables at once
KEPT = 2  # epochs to which checkpoints may return


class EpochTable:
    """One float32 file (N, W) per epoch, of which the last two are kept; unwritten rows are zeros."""

    def __init__(self, folder: Path, name: str, count: int) -> None:
        self.folder = folder
        self.name = name
        self.count = count
        self.before: NDArray[np.float32] | None = None  # as the epoch before left it; None in the first epoch
        self.now: NDArray[np.float32] | None = None

    def file(self, epoch: int) -> Path:
        """Return the file of the table as this epoch left it."""
        return self.folder / f"carry.{self.name}.{epoch}.npy"

    def begin(self, epoch: int, width: int, *, copy: bool, seen: NDArray[np.bool_] | None = None) -> None:
        """Start this epoch's table, empty or as a copy of the one before, and delete all but that one.

        With `seen` (N,) the table is continued where it exists: the rows of those examples stay as they are.
        """
        keep = {self.file(epoch - 1)} if epoch else set()
        if seen is not None:
            keep.add(self.file(epoch))
        for file in self.folder.glob(f"carry.{self.name}.*.npy"):
            if file not in keep:
                file.unlink()
        self.before = self._load(epoch - 1, "r")
        if seen is None or not self.file(epoch).exists():
            if copy and self.before is not None:
                shutil.copyfile(self.file(epoch - 1), self.file(epoch))
            else:
                reserve(self.file(epoch), (self.count, width))
            self.now = self._load(epoch, "r+")
        else:
            self.now = self._load(epoch, "r+")
            assert self.now is not None  # noqa: S101
            self.now[~seen] = self.before[~seen] if copy and self.before is not None else 0

    def keep(self, epoch: int) -> None:
        """Give the tables that repeating or continuing this epoch needs further names, those of the last two."""
        for number in (epoch - 1, epoch):
            with suppress(OSError):
                os.link(self.file(number), self._kept(epoch, number))
        epochs = sorted(
            {int(found[1]) for file in self._all_kept() if (found := re.search(r"\.for(\d+)\.", file.name))}
        )
        for old in epochs[:-KEPT]:
            for file in self.folder.glob(f"kept.{self.name}.for{old}.*.npy"):
                file.unlink()

    def bring_back(self, epoch: int) -> bool:
        """Put the table of the epoch before this one back in its place; returns whether it is there."""
        for number in (epoch - 1, epoch):
            with suppress(OSError):
                os.link(self._kept(epoch, number), self.file(number))
        return epoch == 0 or self.file(epoch - 1).exists()

    def drop(self) -> None:
        """Delete all files."""
        for file in [*self.folder.glob(f"carry.{self.name}.*.npy"), *self._all_kept()]:
            file.unlink()

    def _kept(self, epoch: int, number: int) -> Path:
        return self.folder / f"kept.{self.name}.for{epoch}.{number}.npy"

    def _all_kept(self) -> Iterator[Path]:
        return self.folder.glob(f"kept.{self.name}.*.npy")

    def _load(self, epoch: int, mode: Literal["r", "r+"]) -> NDArray[np.float32] | None:
        if not self.file(epoch).exists():
            return None
        return storage.read_array(self.file(epoch), "record again in a new folder", writable=mode == "r+")

    def flush(self) -> None:
        """Flush what was written to the disk."""
        if isinstance(self.now, np.memmap):
            self.now.flush()

    def close(self) -> None:
        """Close the files."""
        self.before = self.now = None


def remove_tables(folder: Path) -> None:
    """Delete the tables in the folder of a finished record: a process that was killed while it finished leaves them."""
    for pattern in ("carry.*.npy", "kept.*.npy"):
        for file in folder.glob(pattern):
            file.unlink()


class LogitSpool:
    """The logits of one epoch in a process that keeps no tables: in a temporary file, sent to rank 0 at its end."""

    def __init__(self) -> None:
        self._waiting = PendingLogits(WAITING_BYTES)
        self._file: IO[bytes] | None = None
        self._shapes: list[tuple[int, int]] = []

    def add(self, _epoch: int, index: Tensor, logits: Tensor) -> None:
        """Keep the logits (B, K) of the examples at `index` (B,); the caller may reuse both."""
        if self._waiting.add(index, logits):
            self._spill()

    def flush(self, _epoch: int, group: ProcessGroup, ours: NDArray[np.bool_]) -> None:
        """Send the logits of the examples whose last observation was made here."""
        self._spill()
        for _ in group.collect(self._pieces(torch.from_numpy(ours))):
            pass
        self.reset()

    def reset(self) -> None:
        """Forget the running epoch."""
        self._waiting.clear()
        self._shapes = []
        if self._file is not None:
            self._file.close()
            self._file = None

    def _spill(self) -> None:
        if self._waiting.is_empty:
            return
        index, logits = self._waiting.fetch()
        self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the epoch
        for tensor in (index, logits):
            self._file.write(tensor.cpu().numpy().data)
        self._shapes.append((len(logits), logits.shape[1]))

    def _pieces(self, ours: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        if self._file is None:
            return
        self._file.seek(0)
        for rows, width in self._shapes:
            index = torch.frombuffer(bytearray(self._file.read(8 * rows)), dtype=torch.int64)
            logits = torch.frombuffer(bytearray(self._file.read(4 * rows * width)), dtype=torch.float32)
            yield index[ours[index]], logits.reshape(rows, width)[ours[index]]


class LogitTables:
    """The tables of one record, and the logits that wait to be entered in them."""

    def __init__(self, folder: Path, count: int, *, steps: Sequence[str], total: bool) -> None:
        self.count, self.steps = count, list(steps)
        self.softmax = EpochTable(folder, "softmax", count) if steps else None  # (N, K)
        self.total = EpochTable(folder, "total", count) if total else None  # (N, K + 1): sum of logits, and of how many
        self.step = np.full((len(self.steps), count), np.nan, dtype=np.float32)  # of the running epoch
        self._waiting = PendingLogits(WAITING_BYTES)
        self._begun = False
        self._seen: NDArray[np.bool_] | None = None  # in the part of the epoch before a checkpoint

    @property
    def tables(self) -> list[EpochTable]:
        """The tables that are kept."""
        return [table for table in (self.softmax, self.total) if table is not None]

    def can_repeat(self, epoch: int) -> bool:
        """Return whether the tables that this epoch builds on exist, which checkpoints may have kept."""
        found = [table.bring_back(epoch) for table in self.tables]  # each of them, also after one that is missing
        return all(found)

    def add(self, epoch: int, index: Tensor, logits: Tensor) -> None:
        """Enter the logits (B, K) of the examples at `index` (B,), now or soon; the caller may reuse both."""
        if self._waiting.add(index, logits):
            self._enter_waiting(epoch)

    def flush(self, epoch: int, group: ProcessGroup, _ours: NDArray[np.bool_]) -> None:
        """Enter all that waits here, then what the other processes send, and flush the tables to the disk."""
        self._enter_waiting(epoch)
        for index, logits in group.collect(()):
            self._enter(epoch, index.numpy(), logits)
        for table in self.tables:
            table.flush()

    def keep(self, epoch: int) -> None:
        """Keep what repeating or continuing this epoch needs, for a checkpoint of the training."""
        for table in self.tables:
            table.keep(epoch)

    def restore(self, index: NDArray[np.int64], step: NDArray[np.float32]) -> None:
        """Continue an epoch in which the examples at `index` (n,) were entered already, with these steps (S, n)."""
        self.reset()
        self._seen = np.zeros(self.count, dtype=bool)
        self._seen[index] = True
        self.step[:, index] = step

    def skip(self, epoch: int) -> None:
        """Leave an epoch out: what was summed before stays, and the steps of the next epoch are unknown."""
        if self.total is not None and self.total.file(epoch - 1).exists():
            shutil.copyfile(self.total.file(epoch - 1), self.total.file(epoch))

    def reset(self) -> None:
        """Forget the running epoch."""
        self._waiting.clear()
        self._begun = False
        self._seen = None
        self.step.fill(np.nan)
        for table in self.tables:
            table.close()

    def drop(self) -> None:
        """Delete the tables."""
        for table in self.tables:
            table.drop()

    def write_logit_mean(self, epoch: int, file: Path) -> None:
        """Write the mean logits (N, K) over the epochs up to this one; NaN for an example never observed."""
        assert self.total is not None  # noqa: S101
        total = storage.read_array(self.total.file(epoch), "record again in a new folder")
        reserve(file, (total.shape[0], total.shape[1] - 1))
        mean = cast("np.memmap[Any, Any]", storage.read_array(file, writable=True))
        with np.errstate(invalid="ignore"):
            for start in range(0, len(total), BLOCK):
                block = total[start : start + BLOCK]
                mean[start : start + BLOCK] = block[:, :-1] / block[:, -1:]
        mean.flush()

    def _enter_waiting(self, epoch: int) -> None:
        if self._waiting.is_empty:
            return
        index, logits = (tensor.cpu() for tensor in self._waiting.fetch())
        inside = (index >= 0) & (index < self.count)  # what is outside is reported at the end of the epoch
        # A few rows at a time: ln, exp and differences of all at once are several times the logits.
        for part, rows in zip(torch.split(index[inside], ENTERED), torch.split(logits[inside], ENTERED), strict=True):
            self._enter(epoch, part.numpy(), rows)
        for table in self.tables:
            table.flush()

    def _enter(self, epoch: int, index: NDArray[np.int64], logits: Tensor) -> None:
        width = logits.shape[1]
        if not self._begun:
            if self.softmax is not None:
                self.softmax.begin(epoch, width, copy=False, seen=self._seen)
            if self.total is not None:
                self.total.begin(epoch, width + 1, copy=True, seen=self._seen)
            self._begun = True
        # numpy gives a repeated position its last value, in order, as a repeated example should.
        if self.softmax is not None and self.softmax.now is not None:
            prob = torch.softmax(logits, dim=1)
            if self.softmax.before is not None:
                before_prob = torch.from_numpy(self.softmax.before[index])
                for row, name in zip(self.step, self.steps, strict=True):
                    row[index] = STEPS[name](prob, before_prob).numpy()
            self.softmax.now[index] = prob.nan_to_num(nan=0.0).numpy()  # zeros: its next step is unknown as well
        if self.total is not None and self.total.now is not None:
            new = torch.cat([logits, torch.ones(len(index), 1)], dim=1)
            new[~(logits < torch.inf).all(dim=1)] = 0  # NaN or overflow: the example counts as not observed
            before = self.total.before
            self.total.now[index] = new.numpy() if before is None else before[index] + new.numpy()
