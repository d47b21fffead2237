"""Record what a model predicts for each example while it trains: one line in any training loop.

    with Recorder("run/dynamics", labels=y, epochs=30) as recorder:
        for epoch in range(recorder.epoch, 30):
            for index, batch, target in recorder.track(loader):
                logits = model(batch)
                recorder.observe(index, logits, target)
                ...
            recorder.end_epoch()

No forward pass is added and the host never waits for the device inside an epoch: each batch is measured where its
logits are and scattered into a few numbers per example, which are written to the disk once per epoch.

Under `torchrun` or `accelerate launch` every process runs these lines; `end_epoch` merges, and rank 0 writes.

What `track` cannot see: a dataset that returns another example where one is broken, and a collation that re-orders its
batch in a list of its own. Where that changes the class, `target` shows it at the end of the epoch; within a class
nothing can. There, carry the index beside the sample and pass it to `observe`.
"""

import time
import warnings
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics, Observed, Provenance
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.recording import indexed_loader
from datapare.recording.arguments import RecorderState, check_loss_alone, check_names, check_sizes, record_identity
from datapare.recording.epoch_buffer import EpochBuffer
from datapare.recording.foreign_types import Labels, Loader, Values
from datapare.recording.logit_signals import CHANNELS, STEPS
from datapare.recording.logit_tables import LogitSpool, LogitTables
from datapare.recording.process_group import ProcessGroup
from datapare.recording.record_writer import Progress, RecordWriter


class Recorder:
    """Writes a `Dynamics` to a folder, epoch by epoch, from the logits that a training loop computes anyway.

    In a distributed training every process makes its Recorder, after `torch.distributed` is initialised, with the same
    arguments, and calls the same methods; only rank 0 touches the folder.

    An example not observed in an epoch is NaN there, one observed twice keeps the last. So is one whose logits are NaN
    or overflow; `end_epoch` warns of them. Classes masked by a logit of -inf have probability 0.

    Reopening an unfinished folder with the same arguments continues at `epoch`. A record that is closed early, without
    an exception, holds the epochs so far; reopened with the same arguments it continues as well.

    Args:
        path: The folder of the record.
        labels: True classes, integers (N,); every channel is about them, also where the loop trains on mixed or
            smoothed targets. For a task without one class per example, any grouping, such as zeros.
        epochs: T, how many will be recorded.
        channels: Any of target_prob, margin, prob_margin, error_norm, entropy, loss, kl_step and cos_step; row t of the
            last two is the change from epoch t - 1 to t (row 0 is NaN). ("loss",) alone for tasks that `observe` gives
            a loss.
        arrays: May name logit_mean, (N, K).
        classes: Names of the K classes.
        key: uint64 (N,), identifies examples independently of their position.
        observed: train-pass, or a pass without augmentation: eval-pass after each epoch, two-view before each update.
        provenance: How the record is made, where that is known.
        overwrite: Record anew, whatever record the folder holds; without it a finished one is found and left as it is.

    Raises:
        InputError: When the folder holds something else or another record, cannot be written or has too little space,
            or when other processes make no Recorder.
        BusyError: When another process records in the folder.

    >>> import tempfile, numpy as np
    >>> logits = np.log([[0.1, 0.9], [0.9, 0.1]])
    >>> with Recorder(Path(tempfile.mkdtemp()) / "dynamics", labels=[0, 0], epochs=1) as recorder:
    ...     recorder.observe([0, 1], logits)
    ...     recorder.end_epoch()
    >>> print(recorder.dynamics().channels["target_prob"].round(4))
    [[0.1 0.9]]
    """

    @checked_call
    def __init__(
        self,
        path: str | Path,
        labels: Labels,
        epochs: int,
        *,
        channels: Sequence[str] = tuple(CHANNELS),
        arrays: Sequence[str] = (),
        classes: Sequence[str] = (),
        key: NDArray[np.uint64] | None = None,
        observed: Observed = "train-pass",
        provenance: Provenance = Provenance(step="record"),  # noqa: B008 - frozen
        overwrite: bool = False,
    ) -> None:
        check_names(channels, arrays, observed)
        label = cast("NDArray[np.int64]", labels)  # Dynamics converts them
        plain = Dynamics({}, label, classes=tuple(classes), key=key, observed=observed, provenance=provenance)
        check_sizes(plain, epochs)
        self._plain = plain
        self.epochs, self.channels = epochs, tuple(channels)
        self._folder, self._arrays = Path(path), tuple(arrays)
        self._group = ProcessGroup()
        self._group.check_same(record_identity(plain, epochs, channels, arrays))
        self._buffer = EpochBuffer(plain.label, [name for name in channels if name not in STEPS])
        self._is_grouping = self.keeps_loss_alone and not plain.label.any()
        self._writer: RecordWriter | None = None  # in rank 0
        self._tables: LogitTables | LogitSpool | None = None  # where logits are kept from epoch to epoch
        self._coverage, self._seconds = self._group.on_rank_zero(lambda: self._open_writer(overwrite=overwrite))
        if self._group.rank > 0 and (STEPS.keys() & set(channels) or "logit_mean" in arrays):
            self._tables = LogitSpool()
        self._wrapped: weakref.WeakKeyDictionary[Loader, Loader] = weakref.WeakKeyDictionary()
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
        """The fraction of the examples of which each finished epoch has values, (epoch,)."""
        return np.asarray(self._coverage, dtype=np.float64)

    @property
    def keeps_loss_alone(self) -> bool:
        """Whether the loss is all that is recorded, so that `observe` takes one for any task."""
        return self.channels == ("loss",) and not self._arrays

    def track(self, loader: Loader) -> Loader:
        """Wrap a torch DataLoader so that each batch begins with the positions of its examples.

        Args:
            loader: Its order, workers, state and all other settings stay as they are.

        Returns:
            A loader of ``(index, *batch)`` for tuple and list batches, else of (index, batch); `index` is int64 (B,).
            Iterate over it, or pass it to a trainer.

        Raises:
            InputError: When the loader's examples cannot be matched with the labels.
        """
        if loader not in self._wrapped:  # kept, so that persistent workers persist
            self._wrapped[loader] = indexed_loader.with_indices(loader, len(self._plain))
        indexed_loader.sync_epoch(self._wrapped[loader], loader)
        return self._wrapped[loader]

    def observe(
        self, index: Values, logits: Values | None = None, target: Values | None = None, *, loss: Values | None = None
    ) -> None:
        """Record the predictions for a batch, before the step that they lead to.

        Tensors on any device, arrays (bfloat16 too) and lists are accepted. Best called outside of what torch.compile
        compiles, which would break its graph here.

        Args:
            index: Positions of the examples in the dataset, integers (B,).
            logits: Float (B, K); (B,) or (B, 1) for two classes is the logit of class 1, so that p_1 = sigmoid(z).
            target: What the loop trains on, where it is to be checked: class numbers (B,) or (B, 1), as integers or
                floats, are compared with the labels, and so are one-hot rows (B, K) of an epoch in which all are.
                Floats between them and other rows that sum to one are mixed on purpose.
            loss: Float (B,) in place of logits, to a Recorder with channels=("loss",): for several labels, regression,
                language modelling or segmentation, as `per_example_loss` gives it.

        Raises:
            InputError: When shapes or types cannot be right, or a position is outside the dataset.
        """
        if not self._open or self.epoch == self.epochs:
            state = f"all {self.epochs} epochs are recorded" if self._open else "the recorder is closed"
            raise InputError(f"nothing more can be observed: {state}; record into a new folder.")
        if logits is None and loss is not None:
            check_loss_alone(self.channels, self._arrays)
            self._buffer.observe_loss(index, loss, target)
            return
        if logits is None or loss is not None:
            raise InputError("observe takes either logits (B, K) or loss=(B,), one of the two.")
        if self._is_grouping:
            raise InputError(
                "the labels are all 0, so logits say nothing about them; give the loss of each example, "
                "observe(index, loss=per_example_loss(logits, target)), from datapare.recording."
            )
        index, logits = self._buffer.observe(index, logits, target, len(self._plain.classes))
        if self._tables is not None:
            self._tables.add(self.epoch, index, logits)

    def end_epoch(self) -> None:
        """Write the epoch's rows to the disk, merged over all processes.

        Warns where some of the logits or losses were NaN or infinite: those examples are NaN in this epoch.

        Raises:
            DivergedError: When that is so for more than half of the examples.
            InputError: When nothing was observed, positions were outside the dataset, or targets differ from the
                labels. The epoch then does not count.
        """
        epoch = self.epoch
        try:
            rows, seen, ours, not_finite = self._buffer.read(epoch, self._group)
            if self._tables is not None:
                self._tables.flush(epoch, self._group, ours)
            self._coverage, self._seconds = self._group.on_rank_zero(lambda: self._write(rows, float(seen.mean())))
        finally:
            self._forget()
        if not_finite and self._group.rank == 0:
            warnings.warn(
                f"{not_finite:,} examples observed in epoch {epoch + 1} have NaN or infinite logits or losses; they "
                "are recorded as missing in this epoch.",
                stacklevel=2,
            )

    def rewind(self, epoch: int) -> None:
        """Record again from this epoch on, as for a training whose checkpoint is older than the record.

        What the running epoch has observed is forgotten.

        Args:
            epoch: The next epoch to record, counting from 0.

        Raises:
            InputError: For an epoch not yet reached, a finished record, and, where `kl_step` or `logit_mean` are
                recorded, more than one epoch back, unless it is the start or where one of the last two calls of
                `state_dict` was.
        """
        self._coverage, self._seconds = self._group.on_rank_zero(lambda: self._opened_writer.rewind(epoch))
        self._forget()

    def resume(self, epoch: int) -> None:
        """Continue where a training does that is about to train this epoch, from its beginning.

        What the running epoch has observed is forgotten, and so are later epochs of the record. An epoch that the
        training finished and the record did not, because the process was killed in between, is NaN, with a warning. A
        finished record stays as it is. For a checkpoint inside an epoch see `load_state_dict`.

        Args:
            epoch: The epoch that the training trains next, counting from 0.

        Raises:
            InputError: When more than one epoch before it is missing, and as `rewind` does.
        """
        self._forget()
        missing = min(epoch, self.epochs) - self.epoch
        if missing > 1:
            raise InputError(
                f"the training resumes with epoch {epoch + 1}, but {self.epoch} epochs are recorded; resume from the "
                "checkpoint of that epoch, or record a new training into a new folder."
            )
        if missing == 1:
            self._coverage, self._seconds = self._group.on_rank_zero(self._skip)
            if self._group.rank == 0:
                warnings.warn(
                    f"epoch {epoch} was trained, but its observations are lost because the process ended before they "
                    "were recorded; it is missing from the record.",
                    stacklevel=2,
                )
        elif epoch < self.epoch and not self._group.on_rank_zero(lambda: storage.is_finished(self._folder)):
            self.rewind(epoch)

    def state_dict(self) -> RecorderState:
        """Return what a checkpoint of the training has to hold to complete the running epoch after a resume.

        Every process calls it; the state of any of them serves all, also with another number of processes. Where
        `kl_step` or `logit_mean` are recorded, their tables as of the last two calls are kept in the record's folder.

        Returns:
            Plain tensors and numbers, a few per example observed in this epoch, for torch.save.
        """
        state, ours = self._buffer.state(self._group)
        if self._tables is not None and len(state["index"]):
            self._tables.flush(self.epoch, self._group, ours)
        step = self._group.on_rank_zero(lambda: self._keep_tables(state["index"].numpy()))
        return {"epoch": self.epoch, "index": state["index"], "value": state["value"], "step": torch.from_numpy(step)}

    def load_state_dict(self, state: RecorderState) -> None:
        """Continue where `state_dict` was called, inside an epoch too; a finished record stays as it is.

        Args:
            state: What `state_dict` returned; every process calls this with the same.

        Raises:
            InputError: As `resume` does.
        """
        self.resume(state["epoch"])
        if self.epoch == state["epoch"] < self.epochs and self._group.rank == 0:
            self._buffer.restore({"index": state["index"], "value": state["value"]})
            if isinstance(self._tables, LogitTables):
                self._tables.restore(state["index"].numpy(), state["step"].numpy())

    def stop(self) -> None:
        """Make the recorded epochs the whole record, which then cannot be continued; an epoch not ended does not count.

        Raises:
            InputError: When no epoch is recorded.
        """
        if self.epoch == 0:
            raise InputError("no epoch is recorded yet; call end_epoch after each epoch, then stop.")
        self._forget()
        self.epochs = self.epoch
        if self._writer is not None:
            self._writer.stop()

    def dynamics(self) -> Dynamics:
        """Return the finished record, or, of a recorder that was closed early, the epochs so far.

        In a distributed training rank 0 may ask at any time, the others after their recorder is closed.

        Raises:
            InputError: When epochs are missing.
        """
        if self.epoch < self.epochs and (self._open or not storage.is_finished(self._folder)):
            raise InputError(
                f"{self.epoch} of {self.epochs} epochs are recorded; record the others first, or call stop() to keep "
                "these alone."
            )
        if self._open:
            self._finish()
        return cast("Dynamics", storage.load(self._folder))

    def close(self) -> None:
        """Release the folder; it holds a finished record of the epochs so far, if any, that can be continued.

        Raises:
            InputError: When there are observations of an epoch that was never ended.
        """
        pending = self._buffer.observations
        if self._open and self.epoch:
            self._group.on_rank_zero(self._finish)
        self._release()
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
            self._release()

    @property
    def _opened_writer(self) -> RecordWriter:
        assert self._writer is not None  # noqa: S101 - asked for in rank 0 only
        return self._writer

    def _open_writer(self, *, overwrite: bool) -> Progress:
        parts = self._plain, self.epochs, self.channels, self._arrays
        self._writer = RecordWriter(self._folder, *parts, overwrite=overwrite)
        self._tables = self._writer.tables
        return self._writer.progress

    def _write(self, rows: Mapping[str, NDArray[np.float32]], coverage: float) -> Progress:
        return self._opened_writer.write(self.epoch, rows, coverage, time.perf_counter() - self._since)

    def _skip(self) -> Progress:
        return self._opened_writer.skip()

    def _keep_tables(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        if not isinstance(self._tables, LogitTables):
            return np.empty((0, len(index)), dtype=np.float32)
        self._tables.keep(self.epoch)
        return self._tables.step[:, index]

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.finish()

    def _forget(self) -> None:
        self._buffer.reset()
        if self._tables is not None:
            self._tables.reset()
        self._since = time.perf_counter()

    def _release(self) -> None:
        self._open = False
        self._forget()
        self._wrapped.clear()
        self._group.leave()
        if self._writer is not None:
            self._writer.close()
