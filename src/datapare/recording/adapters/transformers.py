"""Record in the Hugging Face Trainer: a mixin in front of it.

    class RecordingTrainer(RecordingTrainerMixin, Trainer): ...
    trainer = RecordingTrainer(model, arguments, train_dataset=data, recorder=recorder)

The positions come from the loader, not from a column of the dataset, so `remove_unused_columns` cannot strip them. Make
the Recorder after the TrainingArguments, which initialise a distributed training.

Several labels, regression, language modelling, token classification and segmentation are recorded as a loss per
example, by a Recorder with channels=("loss",) and any grouping as labels, such as zeros. Which of them it is follows
from the model: its `problem_type`, or its class.
"""

import warnings
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, TrainOutput, get_last_checkpoint

from datapare.errors import InputError
from datapare.recording import Recorder
from datapare.recording.arguments import RecorderState
from datapare.recording.foreign_types import Criterion, Loader, Outputs, Targets
from datapare.recording.indexed_loader import with_indices
from datapare.recording.losses import from_criterion, observe_batch
from datapare.storage import atomic_write

if TYPE_CHECKING:
    from transformers import Trainer, TrainerState

POSITION = "datapare_position"
STATE = "datapare_recorder.pt"  # in a checkpoint
# What a model's class is named after, and its problem type; "…LMHeadModel" and decoders that generate are causal.
TASKS = {
    "ForCausalLM": "causal_lm",
    "LMHeadModel": "causal_lm",
    "ForConditionalGeneration": "causal_lm",
    "ForMaskedLM": "token_classification",
    "ForTokenClassification": "token_classification",
    "ForSemanticSegmentation": "semantic_segmentation",
}


class RecordingTrainerMixin:
    """Records every training batch, at its positions in `train_dataset`, whose labels the recorder has.

    Training may be longer than the record, and may be resumed from any checkpoint: one inside an epoch holds what the
    epoch has observed.

    Args:
        *arguments: Those of the Trainer.
        recorder: An open Recorder.
        problem_type: One of those of `per_example_loss`, where it does not follow from the model.
        per_example_loss: A function of (outputs, labels) that returns losses (B,), for a record of losses; `labels` is
            a tuple where the model has several. Or a torch loss module, which is given logits and labels.
        **settings: Those of the Trainer.
    """

    def __init__(
        self,
        *arguments: object,
        recorder: Recorder,
        problem_type: str | None = None,
        per_example_loss: Criterion | None = None,
        **settings: object,
    ) -> None:
        super().__init__(*arguments, **settings)
        self.recorder = recorder
        self._problem_type = problem_type
        self._criterion = None if per_example_loss is None else from_criterion(per_example_loss)
        self._takes_logits = isinstance(per_example_loss, torch.nn.Module)
        self._epochs = _Epochs(recorder)
        self.add_callback(self._epochs)  # type: ignore[attr-defined]

    def get_train_dataloader(self) -> Loader:
        """Return the Trainer's loader with the position of each example in its batches."""
        return with_indices(super().get_train_dataloader(), len(self.recorder), beside)  # type: ignore[misc]

    def train(
        self, resume_from_checkpoint: str | bool | None = None, *arguments: object, **settings: object
    ) -> TrainOutput:
        """Train, and continue the record with what a checkpoint has of it."""
        folder = checkpoint_folder(self, resume_from_checkpoint)
        stored = None if folder is None else folder / STATE
        found = load_beside(stored) if stored is not None and stored.is_file() else None
        self._epochs.state = cast("RecorderState | None", found)
        return super().train(resume_from_checkpoint, *arguments, **settings)  # type: ignore[misc]

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: MutableMapping[str, Tensor],
        return_outputs: bool = False,
        **settings: object,
    ) -> Outputs:
        """Return the Trainer's loss, and record what it came from."""
        position = inputs.pop(POSITION, None)
        names = self.label_names or ["labels"]  # type: ignore[attr-defined]
        target = tuple(inputs.get(name) for name in names) if len(names) > 1 else inputs.get(names[0])
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **settings)  # type: ignore[misc]
        if position is not None and self.recorder.epoch < self.recorder.epochs:
            self._observe(position, outputs, target, with_loss=names[0] in inputs)
        return (loss, outputs) if return_outputs else loss

    def _observe(self, position: Tensor, outputs: Outputs, target: Targets, *, with_loss: bool) -> None:
        if self._criterion is not None and not self._takes_logits:
            observe_batch(self.recorder, position, outputs, target, criterion=self._criterion)
            return
        model = self.accelerator.unwrap_model(self.model)  # type: ignore[attr-defined]
        observe_batch(
            self.recorder,
            position,
            logits_of(outputs, with_loss=with_loss),
            target,
            problem_type=self._problem_type or problem_type_of(model),
            criterion=self._criterion,
        )

    def _save_checkpoint(self, *arguments: object, **settings: object) -> None:
        super()._save_checkpoint(*arguments, **settings)  # type: ignore[misc]
        save_beside(self, self.recorder.state_dict(), STATE)


def problem_type_of(model: torch.nn.Module) -> str | None:
    """Return what a model says of its task; None where the shapes decide."""
    model = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    config, name = getattr(model, "config", None), type(model).__name__
    if "Classification" in name and "ForToken" not in name:
        problem: str | None = getattr(config, "problem_type", None)
        return problem
    task = next((task for end, task in TASKS.items() if end in name), None)
    return "token_classification" if task == "causal_lm" and getattr(config, "is_encoder_decoder", False) else task


def save_beside(trainer: "Trainer", state: object, name: str) -> None:
    """Save a state in the folder of the checkpoint that the Trainer has just written."""
    folder = Path(trainer._get_output_dir(None)) / f"{PREFIX_CHECKPOINT_DIR}-{trainer.state.global_step}"  # noqa: SLF001
    if trainer.args.should_save and folder.is_dir():
        with atomic_write(folder / name) as draft:
            torch.save(state, draft)


def checkpoint_folder(trainer: "Trainer", resume_from_checkpoint: str | bool | None) -> Path | None:
    """Return the folder that Trainer.train is asked to resume from, if any."""
    folder = resume_from_checkpoint
    if folder is True:
        folder = get_last_checkpoint(trainer.args.output_dir)
    return Path(folder) if folder else None


class _Epochs(TrainerCallback):  # type: ignore[misc]
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.state: RecorderState | None = None

    def on_train_begin(self, _arguments: object, state: "TrainerState", _control: object, **_: object) -> None:
        trained = float(state.epoch or 0) + 1e-6  # as a sum of steps, it may be a little below a whole number
        epoch = int(trained)
        if self.state is not None:
            self.recorder.load_state_dict(self.state)
            if self.recorder.epoch < min(epoch, self.recorder.epochs):
                self.recorder.end_epoch()  # killed after the checkpoint of the epoch's last step
            self.state = None
            return
        self.recorder.resume(epoch)
        if trained - epoch > 1e-5 and self.recorder.epoch == epoch < self.recorder.epochs:
            warnings.warn(
                f"the checkpoint lies inside epoch {epoch + 1} and holds nothing of the record; the examples trained "
                "on before it are missing from the record in this epoch.",
                stacklevel=2,
            )

    def on_epoch_end(self, _arguments: object, _state: object, _control: object, **_: object) -> None:
        if self.recorder.epoch < self.recorder.epochs:
            self.recorder.end_epoch()


def logits_of(outputs: Outputs, *, with_loss: bool) -> Outputs:
    """Return the logits out of what a model of transformers returns, which may begin `with_loss`."""
    if isinstance(outputs, Mapping):
        if "logits" not in outputs:
            raise InputError(
                f"the model returns {', '.join(outputs)} and no logits, so its task is unknown; pass "
                "per_example_loss=, a function of (outputs, labels) that returns a loss per example, and a Recorder "
                'with channels=("loss",).'
            )
        return outputs["logits"]
    return outputs[int(with_loss)]  # a tuple begins with the loss, unless smoothing took the labels away


def load_beside(file: Path) -> dict[str, Any]:  # what `save_beside` was given
    """Return a state from the folder of a checkpoint; raises InputError when the file is damaged."""
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
    except Exception as error:  # readers of a damaged file raise anything
        raise InputError(f"{file} is damaged ({error!s:.80}); resume from an earlier checkpoint.") from error
    return state


def beside(index: Tensor, batch: MutableMapping[str, Tensor]) -> MutableMapping[str, Tensor]:
    """Return a batch with the positions of its examples in it."""
    batch[POSITION] = index
    return batch
