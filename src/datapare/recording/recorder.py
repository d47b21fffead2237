"""Record what a model believes about each example while it trains: one line in anyone's training loop.

    with Recorder("run/dynamics", labels=y, epochs=30) as recorder:
        for epoch in range(recorder.epoch, 30):
            for index, batch, target in recorder.track(loader):
                logits = model(batch)
                recorder.observe(index, logits, target)
                ...
            recorder.end_epoch()

No forward pass is added and the host never waits for the device inside an epoch: each batch is measured where its
logits are and scattered into one number per example and channel, which come to the disk once per epoch.

Under `torchrun` or `accelerate launch` every process runs these lines; `end_epoch` merges, and the first writes.
"""

import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics, Observed, Provenance
from datapare.errors import InputError
from datapare.recording import indexed_loader
from datapare.recording.arguments import check_names, check_sizes, facts
from datapare.recording.epoch_buffer import EpochBuffer
from datapare.recording.logit_signals import CHANNELS
from datapare.recording.logit_tables import LogitSpool, LogitTables
from datapare.recording.process_group import ProcessGroup
from datapare.recording.record_writer import RecordWriter


class Recorder:
    """Writes a `Dynamics` to a folder, epoch by epoch, from the logits a training loop computes anyway.

    `labels` (N,) are the true labels, and every channel is about them, also where the loop trains on mixed or smoothed
    targets. `epochs` is T, how many will be recorded. `channels` are any of target_prob, margin, prob_margin,
    error_norm, entropy, loss, and kl_step, whose row t is the change from epoch t - 1 to t (row 0 is NaN);
    `arrays` may ask for logit_mean (N, K). `observed` says which pass the loop hands over: train-pass, eval-pass (after
    each epoch, nothing augmented) or two-view (nothing augmented, before each update). An example not observed in an
    epoch is NaN there, one observed twice keeps the last. `key` (N,) uint64 identifies examples independently of their
    position.

    In a distributed training every process makes its Recorder, after `torch.distributed` is initialised, with the same
    arguments, and calls the same methods; only the first touches the folder.

    Reopening an unfinished folder with the same arguments continues at `epoch`. Raises InputError when the folder holds
    something else or another record, cannot be written or has too little space; BusyError when another process records
    in it.

    >>> import tempfile, numpy as np
    >>> logits = np.log([[0.1, 0.9], [0.9, 0.1]])
    >>> with Recorder(Path(tempfile.mkdtemp()) / "dynamics", labels=[0, 0], epochs=1) as recorder:
    ...     recorder.observe([0, 1], logits)
    ...     recorder.end_epoch()
    >>> print(recorder.dynamics().channels["target_prob"].round(4))
    [[0.1 0.9]]
    """

    def __init__(
        self,
        path: str | Path,
        labels: Any,
        epochs: int,
        *,
        channels: Sequence[str] = tuple(CHANNELS),
        arrays: Sequence[str] = (),
        classes: Sequence[str] = (),
        key: NDArray[np.uint64] | None = None,
        observed: Observed = "train-pass",
        provenance: Provenance = Provenance(step="record"),  # noqa: B008 - frozen
    ) -> None:
        check_names(channels, arrays, observed)
        plain = Dynamics({}, labels, classes=tuple(classes), key=key, observed=observed, provenance=provenance)
        check_sizes(plain, epochs)
        self._plain = plain
        self.epochs = epochs
        self._folder = Path(path)
        self._arrays = tuple(arrays)
        self._channels = tuple(channels)
        self._peers = ProcessGroup()
        self._peers.check_same(facts(plain, epochs, channels, arrays))
        self._board = EpochBuffer(plain.label, [name for name in channels if name != "kl_step"])
        self._archive: RecordWriter | None = None  # in the first process
        self._carry: LogitTables | LogitSpool | None = None  # where there are tables to carry
        self._coverage, self._seconds = self._peers.first(self._opened)
        if self._peers.rank > 0 and ("kl_step" in channels or "logit_mean" in arrays):
            self._carry = LogitSpool()
        self._twins: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._since = time.perf_counter()
        self._open = True

    def __len__(self) -> int:
        return len(self._plain)

    @property
    def epoch(self) -> int:
        """The next epoch to record, counting from 0; equal to `epochs` when all are recorded."""
        return len(self._coverage)

    @property
    def observed(self) -> Observed:
        """Which pass is recorded."""
        return self._plain.observed

    @property
    def coverage(self) -> NDArray[np.float64]:
        """The fraction of the examples that was observed in each finished epoch."""
        return np.asarray(self._coverage, dtype=np.float64)

    def track(self, loader: Any) -> Any:
        """Return a torch DataLoader like the given one, with the examples' positions in front of each batch.

        It yields (index, *batch) for tuple and list batches, (index, batch) for others; `index` is int64 (B,). The
        order, the workers and all other settings are the loader's. Iterate over it, or hand it to a trainer. Raises
        InputError when the loader's examples cannot be matched with the labels.
        """
        if loader not in self._twins:  # kept, so that persistent workers persist
            self._twins[loader] = indexed_loader.with_indices(loader, len(self._plain))
        indexed_loader.follow(self._twins[loader], loader)
        return self._twins[loader]

    def observe(self, index: Any, logits: Any = None, target: Any = None, *, loss: Any = None) -> None:
        """Note the logits (B, K) of the examples at `index` (B,), before the step that they lead to.

        `target` (B,), where given as class numbers, is compared with the labels, and a difference is reported by
        `end_epoch`; soft targets are ignored. A task without one class per example (several labels, regression) gives
        its own `loss` (B,) instead of logits, to a Recorder with channels=("loss",); labels are then any grouping, such
        as zeros. Tensors on any device, arrays and lists are welcome. Best called outside of what torch.compile
        compiles, which would break its graph here. Raises InputError when shapes or types cannot be right, or a
        position is outside the dataset.
        """
        if not self._open or self.epoch == self.epochs:
            state = f"all {self.epochs} epochs are recorded" if self._open else "the recorder is closed"
            raise InputError(f"nothing more can be observed: {state}; record into a new folder.")
        if (logits is None) == (loss is None):
            raise InputError("observe takes either logits (B, K) or loss=(B,), one of the two.")
        if logits is None:
            self._check_loss_alone()
            self._board.post_loss(index, loss)
            return
        index, logits = self._board.post(index, logits, target, len(self._plain.classes))
        if self._carry is not None:
            self._carry.add(self.epoch, index, logits)

    def end_epoch(self) -> None:
        """Bring the epoch's rows to the disk, merged over all processes.

        Raises DivergedError when logits were NaN or infinite, and InputError when nothing was observed, when positions
        were outside the dataset or targets differ from the labels; the epoch then does not count.
        """
        epoch = self.epoch
        try:
            rows, seen, ours = self._board.read(epoch, self._peers)
            if self._carry is not None:
                self._carry.settle(epoch, self._peers, ours)
            self._coverage, self._seconds = self._peers.first(lambda: self._written(epoch, rows, seen))
        finally:
            self._forget()
            self._since = time.perf_counter()

    def rewind(self, epoch: int) -> None:
        """Record again from this epoch on, as a training does whose checkpoint is older than the record.

        Raises InputError for an epoch not yet reached, a finished record, and, where `kl_step` or `logit_mean` are
        recorded, more than one epoch back (except to the start), since they build on the epoch before.
        """
        self._coverage, self._seconds = self._peers.first(lambda: self._rewound(epoch))
        self._forget()
        self._since = time.perf_counter()

    def resume(self, epoch: int) -> None:
        """Be where a training stands that is about to train this epoch: back to it where the record is ahead.

        A finished record stays as it is. Raises InputError when epochs before it are missing, and as rewind does.
        """
        if self.epoch < min(epoch, self.epochs):
            raise InputError(
                f"the training goes on with epoch {epoch + 1}, but {self.epoch} epochs are recorded; go on from the "
                "checkpoint of that epoch, or record a new training into a new folder."
            )
        if epoch < self.epoch and not self._peers.first(lambda: storage.is_finished(self._folder)):
            self.rewind(epoch)

    def stop(self) -> None:
        """Make the epochs recorded so far the whole record, as a training that stops early needs.

        What was observed since the last end_epoch does not count. Raises InputError when no epoch is recorded.
        """
        if self.epoch == 0:
            raise InputError("no epoch is recorded yet; call end_epoch after each epoch, then stop.")
        self._forget()
        self.epochs = self.epoch
        if self._archive is not None:
            self._archive.stop()

    def dynamics(self) -> Dynamics:
        """Return the finished record; raises InputError when epochs are missing.

        In a distributed training the first process may ask at any time, the others after their recorder is closed.
        """
        if self.epoch < self.epochs:
            raise InputError(
                f"{self.epoch} of {self.epochs} epochs are recorded; record the others first, or call stop() to keep "
                "these alone."
            )
        self._finish()
        return cast("Dynamics", storage.load(self._folder))

    def close(self) -> None:
        """Let go of the folder; a complete record becomes a finished one, an incomplete one can be continued.

        Raises InputError when there are observations of an epoch that was never ended.
        """
        pending = self._board.observations
        if self._open and self.epoch == self.epochs:
            self._peers.first(self._finish)
        self._let_go()
        if pending:
            raise InputError(
                f"{pending:,} observations of epoch {self.epoch + 1} are not recorded, because end_epoch was not "
                "called after them: call it after each epoch, or stop() where the training stops early."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._let_go()

    def _opened(self) -> tuple[list[float], list[float]]:
        self._archive = RecordWriter(self._folder, self._plain, self.epochs, self._channels, self._arrays)
        self._carry = self._archive.carry
        return self._archive.progress

    def _written(
        self, epoch: int, rows: Mapping[str, NDArray[np.float32]], seen: NDArray[np.bool_]
    ) -> tuple[list[float], list[float]]:
        assert self._archive is not None  # noqa: S101
        return self._archive.write(epoch, rows, float(seen.mean()), time.perf_counter() - self._since)

    def _rewound(self, epoch: int) -> tuple[list[float], list[float]]:
        assert self._archive is not None  # noqa: S101
        return self._archive.rewind(epoch)

    def _finish(self) -> None:
        if self._archive is not None:
            self._archive.finish()

    def _forget(self) -> None:
        self._board.reset()
        if self._carry is not None:
            self._carry.reset()

    def _let_go(self) -> None:
        self._open = False
        self._forget()
        self._twins.clear()
        self._peers.leave()
        if self._archive is not None:
            self._archive.close()

    def _check_loss_alone(self) -> None:
        if self._channels != ("loss",) or self._arrays:
            kept = ", ".join(self._channels + self._arrays)
            raise InputError(
                f'a loss fills the channel loss alone, but this recorder keeps {kept}; keep ("loss",) only.'
            )
