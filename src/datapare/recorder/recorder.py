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
"""

import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from datapare import store
from datapare.errors import InputError
from datapare.recorder import identity
from datapare.recorder.board import Board
from datapare.recorder.carry import Carry
from datapare.recorder.channels import CHANNELS
from datapare.recorder.journal import Journal, digest
from datapare.types import Dynamics, Observed, Recipe

ARRAYS = ("logit_mean",)


class Recorder:
    """Writes a `Dynamics` to a folder, epoch by epoch, from the logits a training loop computes anyway.

    `labels` (N,) are the true labels, and every channel is about them, also where the loop trains on mixed or smoothed
    targets. `epochs` is T, how many will be recorded. `channels` are any of target_prob, margin, prob_margin,
    error_norm, entropy, loss, and kl_step, whose row t is the change from epoch t - 1 to t (row 0 is NaN);
    `arrays` may ask for logit_mean (N, K). An example not observed in an epoch is NaN there, one observed twice keeps
    the last. `key` (N,) uint64 identifies examples independently of their position.

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
        recipe: Recipe = Recipe(verb="record"),  # noqa: B008 - frozen
    ) -> None:
        _check_names(channels, arrays, observed)
        plain = Dynamics({}, labels, classes=tuple(classes), key=key, observed=observed, recipe=recipe)
        _check_sizes(plain, epochs)
        self._plain = plain
        self.epochs = epochs
        self._arrays = tuple(arrays)
        stored = {"label": plain.label} if key is None else {"label": plain.label, "key": key}
        self._journal = Journal(Path(path), _facts(plain, epochs, channels, arrays), stored)
        self._board = Board(plain.label, [name for name in channels if name != "kl_step"])
        self._carry = Carry(
            self._journal.folder, len(plain), softmax="kl_step" in channels, total="logit_mean" in arrays
        )
        self._twins: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._since = time.perf_counter()
        self._open = True

    @property
    def epoch(self) -> int:
        """The next epoch to record, counting from 0; equal to `epochs` when all are recorded."""
        return len(self._journal.coverage)

    @property
    def coverage(self) -> NDArray[np.float64]:
        """The fraction of the examples that was observed in each finished epoch."""
        return np.asarray(self._journal.coverage, dtype=np.float64)

    def track(self, loader: Any) -> Iterator[tuple[Any, ...]]:
        """Iterate over a torch DataLoader as it would itself, with the examples' positions in front of each batch.

        Yields (index, *batch) for tuple and list batches, (index, batch) for others; `index` is int64 (B,). The order,
        the workers and all other settings are the loader's. Raises InputError when the loader's examples cannot be
        matched with the labels.
        """
        if loader not in self._twins:  # kept, so that persistent workers persist
            self._twins[loader] = identity.twin(loader, len(self._plain))
        return identity.batches(self._twins[loader])

    def observe(self, index: Any, logits: Any, target: Any = None) -> None:
        """Note the logits (B, K) of the examples at `index` (B,), before the step that they lead to.

        `target` (B,), where given as class numbers, is compared with the labels, and a difference is reported by
        `end_epoch`; soft targets are ignored. Tensors on any device, arrays and lists are welcome. Raises InputError
        when shapes or types cannot be right, or a position is outside the dataset.
        """
        if not self._open or self.epoch == self.epochs:
            state = f"all {self.epochs} epochs are recorded" if self._open else "the recorder is closed"
            raise InputError(f"nothing more can be observed: {state}; record into a new folder.")
        index, logits = self._board.post(index, logits, target, len(self._plain.classes))
        self._carry.add(self.epoch, index, logits)

    def end_epoch(self) -> None:
        """Bring the epoch's rows to the disk.

        Raises DivergedError when logits were NaN or infinite, and InputError when nothing was observed, when positions
        were outside the dataset or targets differ from the labels; the epoch then does not count.
        """
        epoch = self.epoch
        try:
            rows, seen = self._board.read(epoch)
            self._carry.settle(epoch)
            for name in self._journal.facts["channels"]:
                self._journal.write_row(name, epoch, self._carry.step if name == "kl_step" else rows[name])
        finally:
            self._forget()
        took, self._since = time.perf_counter() - self._since, time.perf_counter()
        self._journal.commit([*self._journal.coverage, float(seen.mean())], [*self._journal.seconds, took])

    def rewind(self, epoch: int) -> None:
        """Record again from this epoch on, as a training does whose checkpoint is older than the record.

        Raises InputError for an epoch not yet reached, a finished record, and, where `kl_step` or `logit_mean` are
        recorded, more than one epoch back (except to the start), since they build on the epoch before.
        """
        if not 0 <= epoch <= self.epoch or store.is_finished(self._journal.folder):
            state = "finished" if store.is_finished(self._journal.folder) else f"at epoch {self.epoch}"
            raise InputError(f"cannot go back to epoch {epoch}: the record is {state}; record into a new folder.")
        if not self._carry.can_repeat(epoch):
            raise InputError(
                f"cannot go back from epoch {self.epoch} to {epoch}: kl_step and logit_mean keep one epoch only; go "
                "back to 0 or record into a new folder."
            )
        self._forget()
        self._journal.commit(self._journal.coverage[:epoch], self._journal.seconds[:epoch])
        self._since = time.perf_counter()

    def dynamics(self) -> Dynamics:
        """Return the finished record; raises InputError when epochs are missing."""
        if self.epoch < self.epochs:
            raise InputError(f"{self.epoch} of {self.epochs} epochs are recorded; record the others first.")
        self._finish()
        return cast("Dynamics", store.load(self._journal.folder))

    def close(self) -> None:
        """Let go of the folder; a complete record becomes a finished one, an incomplete one can be continued."""
        if self._open and self.epoch == self.epochs:
            self._finish()
        self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._let_go()

    def _finish(self) -> None:
        if not store.is_finished(self._journal.folder):
            if "logit_mean" in self._arrays:
                self._carry.write_logit_mean(self.epochs - 1, self._journal.file("arrays.logit_mean"))
            channels = {name: self._journal.load(f"channels.{name}") for name in self._journal.facts["channels"]}
            arrays = {name: self._journal.load(f"arrays.{name}") for name in self._arrays}
            plain = self._plain
            seconds = np.asarray(self._journal.seconds)
            np.save(self._journal.file("seconds"), seconds, allow_pickle=False)
            done = replace(plain, channels=channels, arrays=arrays, seconds=seconds)
            store.write_meta(self._journal.folder, done)
        self._carry.drop()

    def _forget(self) -> None:
        self._board.reset()
        self._carry.reset()

    def _let_go(self) -> None:
        self._open = False
        self._forget()
        self._twins.clear()
        self._journal.close()


def _facts(plain: Dynamics, epochs: int, channels: Sequence[str], arrays: Sequence[str]) -> Mapping[str, Any]:
    return {
        "examples": len(plain),
        "epochs": epochs,
        "labels": digest(plain.label),
        "keys": None if plain.key is None else digest(plain.key),
        "classes": list(plain.classes),
        "channels": list(channels),
        "arrays": list(arrays),
        "observed": plain.observed,
        "recipe": asdict(plain.recipe),
    }


def _check_names(channels: Sequence[str], arrays: Sequence[str], observed: str) -> None:
    for what, given, known in (("channel", channels, (*CHANNELS, "kl_step")), ("array", arrays, ARRAYS)):
        unknown = [name for name in given if name not in known]
        if isinstance(given, str) or unknown or len(set(given)) < len(given):
            raise InputError(f"{what}s are different names out of {', '.join(known)}, not {given!r}.")
    if not channels:
        raise InputError(f"expected at least one channel out of {', '.join(CHANNELS)}, but none was named.")
    if observed not in get_args(Observed):
        raise InputError(f"observed is one of {get_args(Observed)}, not {observed!r}.")


def _check_sizes(plain: Dynamics, epochs: int) -> None:
    if not isinstance(epochs, int) or epochs < 1:
        raise InputError(f"epochs is how many epochs will be recorded, at least 1, not {epochs!r}.")
    if len(plain) == 0:
        raise InputError("expected one label per example, but there are none.")
    low, high = int(plain.label.min()), int(plain.label.max())
    if low < 0:
        raise InputError(f"labels are class numbers 0, 1, 2, …, but {low} arrived; record labelled examples only.")
    if plain.classes and high >= len(plain.classes):
        raise InputError(f"the labels go up to {high}, but only {len(plain.classes)} classes are named.")
