"""Record in the Lightning Trainer: a callback, and a loader that puts the positions in front of each batch.

    recording = Recording("run/dynamics", labels=y, epochs=30)
    trainer = Trainer(callbacks=[recording])
    trainer.fit(module, recording.track(loader))

`training_step` gets (index, *batch) and returns {"loss": ..., "logits": ...}, and "target" to have it compared with the
labels. Fabric needs no callback: `fabric.setup_dataloaders(recorder.track(loader))` in a loop of one's own.
"""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback

from datapare.errors import InputError
from datapare.recording import Recorder
from datapare.recording.indexed_loader import with_indices


class Recording(Callback):  # type: ignore[misc]
    """Takes the arguments of Recorder and makes it when the processes of the training are there: `recorder`."""

    recorder: Recorder

    def __init__(self, path: Any, labels: Any, epochs: int, **settings: Any) -> None:
        self._arguments = (path, labels, epochs)
        self._settings = settings

    def track(self, loader: Any) -> Any:
        """Return the loader with the examples' positions in front of each batch, as Recorder.track does."""
        return with_indices(loader, len(self._arguments[1]))

    def on_train_start(self, trainer: Any, _module: Any) -> None:
        """Make the recorder, at the epoch the training is about to train."""
        self.recorder = Recorder(*self._arguments, **self._settings)
        self.recorder.resume(trainer.current_epoch)

    def on_train_batch_end(self, _trainer: Any, _module: Any, outputs: Any, batch: Any, _batch_idx: int) -> None:
        """Note the logits that the step returned."""
        if not isinstance(outputs, Mapping) or "logits" not in outputs:
            raise InputError('training_step returns {"loss": loss, "logits": logits} to be recorded; add the logits.')
        if self.recorder.epoch < self.recorder.epochs:
            self.recorder.observe(batch[0], outputs["logits"], outputs.get("target"))

    def on_train_epoch_end(self, _trainer: Any, _module: Any) -> None:
        """End the record's epoch."""
        if self.recorder.epoch < self.recorder.epochs:
            self.recorder.end_epoch()

    def on_train_end(self, _trainer: Any, _module: Any) -> None:
        """Finish a complete record; an incomplete one can be continued."""
        self.recorder.close()

    def on_exception(self, _trainer: Any, _module: Any, exception: BaseException) -> None:
        """Leave a record that can be continued."""
        if hasattr(self, "recorder"):
            self.recorder.__exit__(type(exception), exception, None)
