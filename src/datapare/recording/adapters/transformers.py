"""Record in the Hugging Face Trainer: a mixin in front of it.

    class RecordingTrainer(Recording, Trainer): ...
    trainer = RecordingTrainer(model, arguments, train_dataset=data, recorder=recorder)

The positions come from the loader, not from a column of the dataset, so `remove_unused_columns` cannot strip them. Make
the Recorder after the TrainingArguments, which initialise a distributed training.
"""

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback

from datapare.recording import Recorder
from datapare.recording.indexed_loader import with_indices

POSITION = "datapare_position"


class Recording:
    """Observes the logits of every training batch, at the positions in `train_dataset`, whose labels were given.

    Training may be longer than the record, and may be resumed from a checkpoint.
    """

    def __init__(self, *arguments: Any, recorder: Recorder, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.recorder = recorder
        self.add_callback(_Epochs(recorder))  # type: ignore[attr-defined]

    def get_train_dataloader(self) -> Any:
        """Return the Trainer's loader with the position of each example in its batches."""
        return with_indices(super().get_train_dataloader(), len(self.recorder), _beside)  # type: ignore[misc]

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **settings: Any) -> Any:
        """Return the Trainer's loss, and note the logits it came from."""
        position, target = inputs.pop(POSITION, None), inputs.get("labels")
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **settings)  # type: ignore[misc]
        if position is not None and self.recorder.epoch < self.recorder.epochs:
            # a tuple begins with the loss, unless smoothing took the labels away
            logits = outputs["logits"] if isinstance(outputs, Mapping) else outputs[int("labels" in inputs)]
            self.recorder.observe(position, logits, target)
        return (loss, outputs) if return_outputs else loss


class _Epochs(TrainerCallback):  # type: ignore[misc]
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def on_train_begin(self, _arguments: Any, state: Any, _control: Any, **_: Any) -> None:
        self.recorder.resume(int(state.epoch or 0))

    def on_epoch_end(self, _arguments: Any, _state: Any, _control: Any, **_: Any) -> None:
        if self.recorder.epoch < self.recorder.epochs:
            self.recorder.end_epoch()


def _beside(index: Any, batch: Any) -> Any:
    batch[POSITION] = index
    return batch
