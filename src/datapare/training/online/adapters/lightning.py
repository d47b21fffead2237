"""Prune during a training of the Lightning Trainer: a callback that ends the sampler's epochs.

    pruning = PruningCallback(lambda: dp.online.infobatch(y, epochs=30))

    class Module(LightningModule):
        def train_dataloader(self):
            return pruning.track(DataLoader(data, batch_size=128, sampler=pruning.sampler))

        def training_step(self, batch, _):
            index, x, target = batch
            logits = self(x)
            losses = cross_entropy(logits, target, reduction="none")
            return {"loss": (pruning.sampler.weight(index) * losses).mean(), "logits": logits, "target": target}

    trainer = Trainer(
        max_epochs=30, callbacks=[pruning], reload_dataloaders_every_n_epochs=1, use_distributed_sampler=False
    )

Lightning notes how many batches an epoch has when it asks for the loader, and the sampler changes that in each epoch.
The sampler divides the examples among the processes itself. Schedules by epoch fit shorter epochs by themselves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, TypedDict

import torch
from lightning.pytorch import Callback
from torch import Tensor

from datapare.errors import InputError
from datapare.recording.foreign_types import Batch, Loader
from datapare.training.online.learning_rate import scale_steps
from datapare.training.online.sampler import Sampler, SamplerState

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class CallbackState(TypedDict):
    """What a checkpoint holds: the sampler's state, and how many batches of its epoch were trained on."""

    sampler: SamplerState
    batches: int


class PruningCallback(Callback):  # type: ignore[misc]
    """Makes a `sampler` when the processes of the training exist, and has it observe and plan each epoch.

    A training resumes from any checkpoint: one inside an epoch holds what the epoch has observed, and the loader goes
    on with the batches that are left.

    Args:
        make: Returns the sampler.
        predict: Returns the logits (B, K) of a batch (index, *batch) of hidden examples, for rules that look at these
            after each epoch; by default `module(batch[1])`.
    """

    sampler: Sampler

    def __init__(
        self,
        make: Callable[[], Sampler],
        predict: Callable[["LightningModule", Batch], Tensor] = lambda module, batch: module(batch[1]),
    ) -> None:
        self._make, self._predict = make, predict
        self._batches = 0  # trained on in this epoch
        self._resumed = False

    def setup(self, trainer: "Trainer", module: "LightningModule", stage: str) -> None:
        """Make the sampler."""
        if stage != "fit":
            return
        if trainer.reload_dataloaders_every_n_epochs != 1:
            raise InputError(
                "a sampler changes the number of batches in each epoch, but Lightning keeps that of the first; make "
                "the Trainer with reload_dataloaders_every_n_epochs=1."
            )
        self._trainer, self._module = trainer, module
        self.sampler = self._make()

    def track(self, loader: Loader) -> Loader:
        """Return a loader that draws from the sampler with positions in front of each batch, for this epoch."""
        if hasattr(type(loader), "state_dict"):  # Lightning would resume its epoch a second time
            raise InputError(
                f"a {type(loader).__name__} keeps its place in an epoch, which the sampler does itself; give a "
                "DataLoader of torch."
            )
        self._loader = loader
        if self._batches > 0 and not self._resumed:  # resumed after the last batch: Lightning begins the next epoch
            self._end_epoch()
            tracked = self.sampler.track(loader)
            # It forgets the batches of the one before only where there were at least as many as there are now.
            self._trainer.fit_loop.epoch_loop.batch_progress.current.completed += len(tracked)
            return tracked
        tracked = self.sampler.track(loader)
        if self._resumed:
            tracked.__dict__["batch_sampler"] = _Remaining(tracked.batch_sampler, self._batches)
            self._resumed = False
        return tracked

    def on_train_start(self, trainer: "Trainer", _module: "LightningModule") -> None:
        """Have the optimizers take the sampler's factor of the learning rate."""
        if self.sampler not in (trainer.train_dataloader.sampler, _sampler_of(trainer.train_dataloader)):
            raise InputError(
                "Lightning has divided the sampler's examples among the processes, which the sampler does itself; "
                "make the Trainer with use_distributed_sampler=False, and the loader with "
                "DataLoader(data, sampler=pruning.sampler)."
            )
        for optimizer in trainer.optimizers:
            scale_steps(optimizer, self.sampler)

    def on_train_batch_end(
        self, _trainer: "Trainer", _module: "LightningModule", outputs: object, batch: Batch, _batch_idx: int
    ) -> None:
        """Note what the step returned."""
        if not isinstance(outputs, Mapping) or not ({"logits", "losses"} & set(outputs)):
            raise InputError('training_step returns {"loss": loss, "logits": logits} to be observed; add the logits.')
        if "losses" in outputs:
            self.sampler.observe(batch[0], loss=outputs["losses"])
        else:
            self.sampler.observe(batch[0], outputs["logits"], outputs.get("target"))
        self._batches += 1

    def on_train_epoch_end(self, _trainer: "Trainer", _module: "LightningModule") -> None:
        """Look at the hidden examples, and plan the next epoch."""
        self._end_epoch()

    def state_dict(self) -> CallbackState:
        """Return what a checkpoint holds."""
        return {"sampler": self.sampler.state_dict(inside_epoch=True), "batches": self._batches}

    def load_state_dict(self, state_dict: CallbackState) -> None:
        """Continue where the checkpoint was written."""
        self.sampler.load_state_dict(state_dict["sampler"])
        self._batches = state_dict["batches"]
        self._resumed = self._batches > 0

    @torch.no_grad()
    def _end_epoch(self) -> None:
        module, was_training = self._module, self._module.training
        module.eval()
        for hidden in self.sampler.revisit(self._loader):
            batch = module.transfer_batch_to_device(hidden, module.device, 0)
            self.sampler.observe(batch[0], self._predict(module, batch))
        module.train(was_training)
        self.sampler.end_epoch()
        self._batches = 0


class _Remaining:
    """The batches of a batch sampler after the first few; they are as many as all in the eyes of Lightning."""

    def __init__(self, batch_sampler: Iterable[list[int]] | None, skipped: int) -> None:
        assert batch_sampler is not None  # noqa: S101 - a loader with a sampler has one
        self.batch_sampler, self.skipped = batch_sampler, skipped
        self.sampler = getattr(batch_sampler, "sampler", None)

    def __len__(self) -> int:
        return len(self.batch_sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[list[int]]:
        skipped, self.skipped = self.skipped, 0
        return islice(self.batch_sampler, skipped, None)


def _sampler_of(loader: Loader) -> object:
    return getattr(loader.batch_sampler, "sampler", None)
