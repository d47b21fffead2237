"""Record in the Lightning Trainer: a callback, and a loader whose batches begin with the positions of their examples.

    recording = RecordingCallback("run/dynamics", labels=y, epochs=30)
    trainer = Trainer(callbacks=[recording])
    trainer.fit(module, recording.track(loader))

`training_step` gets (index, *batch) and returns {"loss": ..., "logits": ...}, and "target" to have it compared with the
labels. For several labels, regression, language modelling or segmentation the record holds a loss per example: return
"logits" and "target" and name the `problem_type`, or return the losses (B,) as "losses". With several loaders at once
return the positions of the logits as "index". Fabric needs no callback:
`fabric.setup_dataloaders(recorder.track(loader))` in a loop of one's own.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from lightning.pytorch import Callback

from datapare.errors import InputError
from datapare.recording import Recorder
from datapare.recording.arguments import RecorderSettings, RecorderState
from datapare.recording.foreign_types import Criterion, Labels, Loader, Values
from datapare.recording.indexed_loader import with_indices
from datapare.recording.losses import from_criterion, observe_batch

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class RecordingCallback(Callback):  # type: ignore[misc]
    """Makes a `recorder` when the processes of the training exist, and records every training batch.

    A checkpoint inside an epoch holds what the epoch has observed, so that a resumed training completes its row. A
    training that stops early leaves a record of the epochs it had.

    Args:
        path: The folder of the record.
        labels: True classes, integers (N,), or any grouping where the record holds losses.
        epochs: How many are recorded; training may be longer.
        problem_type: One of those of `per_example_loss`, for a record of losses.
        per_example_loss: A function of (logits, target) that returns losses (B,), or a torch loss module, for a record
            of losses.
        **settings: Further arguments of Recorder.
    """

    recorder: Recorder

    def __init__(
        self,
        path: str | Path,
        labels: Labels,
        epochs: int,
        *,
        problem_type: str | None = None,
        per_example_loss: Criterion | None = None,
        **settings: Unpack[RecorderSettings],
    ) -> None:
        self._arguments = (path, labels, epochs)
        self._settings = settings
        self._problem_type = problem_type
        self._criterion = None if per_example_loss is None else from_criterion(per_example_loss)
        self._state: RecorderState | None = None
        self._observed = False  # anything of the running epoch

    def track(self, loader: Loader) -> Loader:
        """Return the loader with the examples' positions in front of each batch, as Recorder.track does."""
        return with_indices(loader, len(self._arguments[1]))

    def on_train_start(self, trainer: "Trainer", _module: "LightningModule") -> None:
        """Make the recorder, at the epoch the training is about to train."""
        self.recorder = Recorder(*self._arguments, **self._settings)
        if self._state is None:
            self.recorder.resume(trainer.current_epoch)
            return
        self.recorder.load_state_dict(self._state)
        self._observed = len(self._state.get("index", ())) > 0
        self._state = None
        if self.recorder.epoch < min(trainer.current_epoch, self.recorder.epochs):
            self.recorder.end_epoch()  # the checkpoint was written after the epoch's last batch
            self._observed = False

    def state_dict(self) -> RecorderState:
        """Return what a checkpoint holds: the observations of the running epoch."""
        return self.recorder.state_dict() if hasattr(self, "recorder") else {}

    def load_state_dict(self, state_dict: RecorderState) -> None:
        """Keep the state of a checkpoint until the training starts."""
        self._state = state_dict or None

    def on_train_batch_end(
        self, _trainer: "Trainer", _module: "LightningModule", outputs: object, batch: object, _batch_idx: int
    ) -> None:
        """Record what the step returned."""
        if self.recorder.epoch == self.recorder.epochs:
            return
        self._observed = True
        if not isinstance(outputs, Mapping) or not ({"logits", "losses"} & set(outputs)):
            raise InputError('training_step returns {"loss": loss, "logits": logits} to be recorded; add the logits.')
        index = outputs["index"] if "index" in outputs else _index_of(batch)
        if "losses" in outputs:
            self.recorder.observe(index, loss=outputs["losses"], target=outputs.get("target"))
            return
        observe_batch(
            self.recorder,
            index,
            outputs["logits"],
            outputs.get("target"),
            problem_type=self._problem_type,
            criterion=self._criterion,
        )

    def on_train_epoch_end(self, _trainer: "Trainer", _module: "LightningModule") -> None:
        """End the record's epoch."""
        if self.recorder.epoch < self.recorder.epochs:
            if self._observed:
                self.recorder.end_epoch()
            else:
                self._skip_epoch()
        self._observed = False

    def on_train_end(self, _trainer: "Trainer", _module: "LightningModule") -> None:
        """Finish the record with the epochs that are there; training longer continues it."""
        self.recorder.close()

    def on_exception(self, _trainer: "Trainer", _module: "LightningModule", exception: BaseException) -> None:
        """Leave a record that can be continued."""
        if hasattr(self, "recorder"):
            self.recorder.__exit__(type(exception), exception, None)

    def _skip_epoch(self) -> None:
        """Leave an epoch without batches missing: Lightning had resumed a loader with a state after its last batch."""
        epoch = self.recorder.epoch + 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the process ended in it
            self.recorder.resume(epoch)
        warnings.warn(
            f"Lightning trained on no batch of epoch {epoch}, so it is missing from the record: the loader keeps its "
            "place in an epoch, and the checkpoint was written after the last batch of one; save checkpoints at the "
            "end of epochs (ModelCheckpoint(save_on_train_epoch_end=True)) or at other steps.",
            stacklevel=2,
        )


def _index_of(batch: object) -> Values:
    if isinstance(batch, tuple | list) and len(batch) > 0:
        index: Values = batch[0]
        return index
    raise InputError(
        f"a batch of several loaders or of another kind ({type(batch).__name__}) does not begin with the positions of "
        'its examples; return them from training_step as "index", beside "logits".'
    )
