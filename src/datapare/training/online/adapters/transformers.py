"""Prune during a training of the Hugging Face Trainer: a mixin in front of it.

    class PruningTrainer(PruningTrainerMixin, Trainer): ...
    trainer = PruningTrainer(model, arguments, train_dataset=data, sampler=dp.online.infobatch(y, epochs=3))

Make the sampler after the TrainingArguments, which initialise a distributed training; it divides the examples among the
processes itself. The Trainer counts steps where this counts epochs: the learning rate of each epoch is that of an epoch
of full length, in fewer steps.
"""

from collections.abc import MutableMapping
from typing import TypedDict, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import TrainOutput

from datapare.errors import InputError
from datapare.recording.adapters.transformers import (
    POSITION,
    beside,
    checkpoint_folder,
    load_beside,
    logits_of,
    problem_type_of,
    save_beside,
)
from datapare.recording.foreign_types import Criterion, Loader, Outputs
from datapare.recording.losses import PROBLEM_TYPES, SINGLE, from_criterion
from datapare.training.online.learning_rate import scale_steps
from datapare.training.online.loss import Loss
from datapare.training.online.sampler import Sampler, SamplerState

STATE = "datapare_sampler.pt"  # in a checkpoint


class CheckpointState(TypedDict):
    """What is saved beside a checkpoint: the sampler's state, and how many batches of its epoch were trained on."""

    sampler: SamplerState
    batches: int


class PruningTrainerMixin:
    """Trains each epoch on what the sampler has planned for it, and has the sampler observe every batch.

    The loss is the Trainer's, or, where the sampler weighs examples, the weighted mean of a loss per example. With a
    `loss` of datapare.online it is the mean of that: soft labels of a record, also on a static subset, which is a pool
    that an epoch draws whole. A training resumes from any checkpoint.

    Args:
        *arguments: Those of the Trainer.
        sampler: Of as many epochs as the Trainer trains, over `train_dataset`.
        loss: A loss of datapare.online over `train_dataset`, such as soft_labels.
        problem_type: One of those of `per_example_loss`, where it does not follow from the model.
        per_example_loss: A torch loss module, or a function of (logits, labels) that returns losses (B,), where it is
            not that of the problem type.
        **settings: Those of the Trainer.

    Raises:
        InputError: When the Trainer counts its epochs in another way, or trains for more of them.
    """

    def __init__(
        self,
        *arguments: object,
        sampler: Sampler,
        loss: Loss | None = None,
        problem_type: str | None = None,
        per_example_loss: Criterion | None = None,
        **settings: object,
    ) -> None:
        super().__init__(*arguments, **settings)
        self.sampler = sampler
        self.batches = 0  # trained on in this epoch
        self._loss = loss
        self._problem_type = problem_type
        self._criterion = None if per_example_loss is None else from_criterion(per_example_loss)
        self._resumed: CheckpointState | None = None
        self._check()
        self.model_accepts_loss_kwargs = False  # the loss is a mean over examples, not over tokens of several batches
        self.add_callback(_Epochs(self))  # type: ignore[attr-defined, arg-type]

    def get_train_dataloader(self) -> Loader:
        """Return a loader that draws from the sampler, with the position of each example in its batches."""
        arguments, data = self.args, self.train_dataset  # type: ignore[attr-defined]
        collate = self.data_collator  # type: ignore[attr-defined]
        if hasattr(data, "column_names"):
            data = self._remove_unused_columns(data, description="training")  # type: ignore[attr-defined]
        else:
            collate = self._get_collator_with_removed_columns(collate, description="training")  # type: ignore[attr-defined]
        loader: Loader = DataLoader(
            data,
            batch_size=self._train_batch_size,  # type: ignore[attr-defined]
            sampler=self.sampler,
            collate_fn=collate,
            drop_last=arguments.dataloader_drop_last,
            num_workers=arguments.dataloader_num_workers,
            pin_memory=arguments.dataloader_pin_memory,
            persistent_workers=arguments.dataloader_persistent_workers,
            prefetch_factor=arguments.dataloader_prefetch_factor,
        )
        self.loader = loader
        return self.sampler.track(loader, beside)

    def train(
        self, resume_from_checkpoint: str | bool | None = None, *arguments: object, **settings: object
    ) -> TrainOutput:
        """Train, and continue the sampler's epoch from a checkpoint."""
        folder = checkpoint_folder(self, resume_from_checkpoint)
        self._resumed = None
        if folder is not None:
            if not (folder / STATE).is_file():
                raise InputError(f"{folder} holds no state of a sampler; resume from a checkpoint of this Trainer.")
            self._resumed = cast("CheckpointState", load_beside(folder / STATE))
        return super().train(resume_from_checkpoint, *arguments, **settings)  # type: ignore[misc]

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: MutableMapping[str, Tensor],
        return_outputs: bool = False,
        **settings: object,
    ) -> Outputs:
        """Return the loss, of training batches as the sampler weighs them, and have the sampler observe these."""
        position = inputs.pop(POSITION, None)
        labels = inputs.get("labels")
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **settings)  # type: ignore[misc]
        if position is not None:
            logits = logits_of(outputs, with_loss="labels" in inputs)
            losses = self.observe(position, logits, labels)
            self.batches += 1
            if self._loss is not None and labels is not None:
                losses = self._loss(position, logits, labels)
            if losses is not None and (self._loss is not None or self.sampler.is_weighted):
                loss = (self.sampler.weight(position).to(losses.device) * losses).mean()
        return (loss, outputs) if return_outputs else loss

    def observe(self, position: Tensor, logits: Tensor, labels: Tensor | None) -> Tensor | None:
        """Have the sampler observe a batch; return its losses (B,), None without labels."""
        task = self._problem_type or problem_type_of(self.accelerator.unwrap_model(self.model))  # type: ignore[attr-defined]
        task = task or (None if self._criterion else SINGLE)
        losses = None if labels is None else self._losses(task, logits, labels)
        if losses is None or task == SINGLE:
            self.sampler.observe(position, logits, labels)
        else:
            self.sampler.observe(position, loss=losses)
        return losses

    def _losses(self, task: str | None, logits: Tensor, labels: Tensor) -> Tensor:
        if self._criterion is not None:
            return self._criterion(logits, labels)
        if task == SINGLE:
            smoothing = self.args.label_smoothing_factor  # type: ignore[attr-defined]
            return functional.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)
        return PROBLEM_TYPES[task or SINGLE](logits, labels)

    def _check(self) -> None:
        arguments, data = self.args, self.train_dataset  # type: ignore[attr-defined]
        if self._loss is not None and len(self._loss.value) != len(data):
            raise InputError(
                f"the loss {self._loss.name} is of {len(self._loss.value):,} examples, but the training data hold "
                f"{len(data):,}; make both of the same dataset."
            )
        if not hasattr(Trainer, "_run_epoch"):
            raise InputError(
                "a sampler in the Trainer needs transformers 5 or later; upgrade it, or use a loop of your own."
            )
        if arguments.max_steps > 0 or arguments.num_train_epochs > self.sampler.epochs:
            raise InputError(
                f"the sampler is of {self.sampler.epochs} epochs, but the Trainer has max_steps={arguments.max_steps} "
                f"and num_train_epochs={arguments.num_train_epochs}; give both as many epochs, and no max_steps."
            )

    def _init_training_state(self, *arguments: object, **settings: object) -> tuple[int, int]:
        epoch, skipped = super()._init_training_state(*arguments, **settings)  # type: ignore[misc]
        if self._resumed is None:
            return epoch, skipped
        self.sampler.load_state_dict(self._resumed["sampler"])
        self.batches = self._resumed["batches"]
        return self.sampler.epoch, self.batches

    def _run_epoch(self, *, train_dataloader: Loader, **settings: object) -> None:
        steps = len(train_dataloader)
        updates = -(-steps // self.args.gradient_accumulation_steps)  # type: ignore[attr-defined]
        settings |= {"steps_in_epoch": steps, "num_update_steps_per_epoch": updates}
        super()._run_epoch(train_dataloader=train_dataloader, **settings)  # type: ignore[misc]

    def _save_checkpoint(self, *arguments: object, **settings: object) -> None:
        super()._save_checkpoint(*arguments, **settings)  # type: ignore[misc]
        state: CheckpointState = {"sampler": self.sampler.state_dict(inside_epoch=True), "batches": self.batches}
        save_beside(self, state, STATE)


class _Epochs(TrainerCallback):  # type: ignore[misc]
    """Ends the sampler's epochs, and has the schedule follow epochs that are shorter than the first."""

    def __init__(self, trainer: "_PruningTrainer") -> None:
        self.trainer = trainer

    def on_train_begin(self, *_: object, optimizer: torch.optim.Optimizer, **__: object) -> None:
        scale_steps(getattr(optimizer, "optimizer", optimizer), self.trainer.sampler)  # accelerate wraps it

    def on_step_end(self, *_: object, lr_scheduler: object, **__: object) -> None:
        trainer = self.trainer
        if isinstance(lr_scheduler, torch.optim.lr_scheduler.LambdaLR):
            done = trainer.sampler.epoch + trainer.batches / len(trainer.loader)
            due = int(done * trainer.state.max_steps / trainer.state.num_train_epochs + 0.5)
            for _step in range(due - lr_scheduler.last_epoch):
                lr_scheduler.step()

    def on_epoch_end(self, *_: object, **__: object) -> None:
        trainer = self.trainer
        model = trainer.model
        was_training = model.training
        model.eval()
        with torch.no_grad():
            for batch in trainer.sampler.revisit(trainer.loader, beside):
                inputs = trainer._prepare_inputs(batch)  # noqa: SLF001
                position = inputs.pop(POSITION)
                outputs = model(**inputs)
                trainer.observe(position, logits_of(outputs, with_loss="labels" in inputs), inputs.get("labels"))
        model.train(was_training)
        trainer.sampler.end_epoch()
        trainer.batches = 0


class _PruningTrainer(PruningTrainerMixin, Trainer):  # type: ignore[misc]
    """The type of what the callback belongs to."""
