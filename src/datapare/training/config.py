"""How to train, as data: the settings of one training, and what follows from them for a subset."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from datapare.artifacts import Params
from datapare.errors import InputError

Precision = Literal["auto", "fp32", "bf16"]
Layout = Literal["auto", "channels-last", "contiguous"]

# How a step is computed, unless given: compute.py has the table, autotune.py times on request.
AUTO_TUNED: Params = {"precision": "auto", "layout": "auto", "compiled": None, "threads": None}


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of one training.

    `epochs` are trained; the learning rate follows the cosine of `schedule_epochs` (None: as many as are trained), so
    a scoring run is the true beginning of a full one. `augment` names transforms of augment.py in their order.
    With `epsilon` > 0 the training is adversarial (adversarial.py): images are attacked within that distance, in
    `attack_steps` of `attack_step`, all in units of the pixel range.
    `precision`, `layout` (of images), `compiled` (by torch.compile) and `threads` are how it is computed: by the table
    of compute.py where they are "auto" or None.
    `mean` and `std` (per image channel, 0..1) are measured on the data when empty. `subset_budget` says what a
    retraining on a subset keeps of the full one: its `epochs` (with `subset_batch`) or its `iterations`.
    `thin` is the part of a pretrained network's multiply-adds that a recording keeps (thinning.py); None keeps all.

    >>> TrainingConfig(epochs=30, schedule_epochs=200).schedule
    200
    """

    epochs: int
    schedule_epochs: int | None = None
    batch_size: int = 128
    lr: float = 0.1
    min_lr: float = 0.0
    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    augment: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    model: str = "resnet18"
    width: int = 64
    precision: Precision = "auto"
    layout: Layout = "auto"
    compiled: bool | None = None
    threads: int | None = None
    subset_budget: Literal["epochs", "iterations"] = "epochs"
    epsilon: float = 0.0
    attack_step: float = 2 / 255
    attack_steps: int = 10
    thin: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= self.schedule:
            raise InputError(
                f"epochs lie between 1 and the schedule's {self.schedule}, not {self.epochs}: "
                "train fewer, or lengthen schedule_epochs."
            )
        if self.batch_size < 2 or not self.lr > 0 or self.width < 1:
            raise InputError(
                f"a training needs batch >= 2, lr > 0 and width >= 1, "
                f"not batch {self.batch_size}, lr {self.lr} and width {self.width}."
            )
        if self.thin is not None and not 0 < self.thin <= 1:
            raise InputError(f"thin is a part of the multiply-adds, above 0 and at most 1, not {self.thin:g}.")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads is a number of at least 1, not {self.threads}.")
        if not 0 <= self.epsilon < 1 or not self.attack_step > 0 or self.attack_steps < 1:
            raise InputError(
                f"an attack needs epsilon in [0, 1), attack_step > 0 and attack_steps >= 1, "
                f"not {self.epsilon:g}, {self.attack_step:g} and {self.attack_steps}."
            )

    @property
    def schedule(self) -> int:
        """Epochs over which the learning rate falls."""
        return self.epochs if self.schedule_epochs is None else self.schedule_epochs


def learning_rate(training: TrainingConfig, iteration: int, per_epoch: int) -> float:
    """Return the rate of update `iteration` (from 0), a cosine from lr to min_lr over the whole schedule.

    >>> t = TrainingConfig(epochs=1, schedule_epochs=2, lr=1.0)
    >>> [round(learning_rate(t, i, per_epoch=2), 4) for i in range(4)]
    [1.0, 0.8536, 0.5, 0.1464]
    """
    done = iteration / (training.schedule * per_epoch)
    return training.min_lr + 0.5 * (training.lr - training.min_lr) * (1 + math.cos(math.pi * done))


def subset_batch(batch: int, keep: float) -> int:
    """Return the batch size for training on the fraction `keep`, as the DUAL paper scales it.

    The whole batch at keep >= 0.3, half at 0.2, a quarter at 0.1; other fractions take the nearest of these three
    (a tie the larger batch), so a batch is never smaller than a quarter, nor than 2.

    >>> [subset_batch(128, keep) for keep in (0.7, 0.5, 0.3, 0.2, 0.1)]
    [128, 128, 128, 64, 32]
    """
    if not 0 < keep <= 1:
        raise InputError(f"keep is a fraction between 0 and 1, not {keep}.")
    share = 1 if keep >= 0.25 else 2 if keep >= 0.15 else 4
    return max(2, batch // share)


def for_fraction(training: TrainingConfig, fraction: float | None) -> TrainingConfig:
    """Return the settings to train on a fraction only: the batch is as small as for a subset of that size.

    With the whole batch a fraction makes so few updates that its network is another one and ranks otherwise. A fraction
    of a few hundred examples still does: benchmarks/results/extrapolation.json has the agreement by size.
    """
    return training if fraction is None else replace(training, batch_size=subset_batch(training.batch_size, fraction))


def retraining(training: TrainingConfig, keep: float = 1.0) -> TrainingConfig:
    """Return the settings to train on the fraction `keep` for the full schedule, as these settings budget it.

    Retrainings run side by side, so each is computed on one thread, and a network that was thinned for the recording is
    whole again.

    >>> made = retraining(TrainingConfig(epochs=30, schedule_epochs=200), 0.1)
    >>> made.batch_size, made.epochs
    (32, 200)
    >>> made = retraining(TrainingConfig(epochs=60, batch_size=256, subset_budget="iterations"), 0.1)
    >>> made.batch_size, made.epochs
    (256, 600)
    """
    training = replace(training, threads=1, thin=None)
    if training.subset_budget == "iterations":
        return same_iterations(training, keep)
    return replace(
        training, epochs=training.schedule, schedule_epochs=None, batch_size=subset_batch(training.batch_size, keep)
    )


def same_iterations(training: TrainingConfig, keep: float) -> TrainingConfig:
    """Return the settings to train on the fraction `keep` for as many updates as the full schedule makes.

    >>> same_iterations(TrainingConfig(epochs=30, schedule_epochs=200), 0.25).epochs
    800
    """
    if not 0 < keep <= 1:
        raise InputError(f"keep is a fraction between 0 and 1, not {keep}.")
    return replace(training, epochs=max(1, round(training.schedule / keep)), schedule_epochs=None)
