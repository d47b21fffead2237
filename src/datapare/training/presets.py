"""Settings of trainings by name: those of the papers, and one for each kind of data.

Source      `cifar10`, `cifar100`: arXiv:2502.06905, Cho, Shin, Kang, Yun, 2025 (ResNet-18, a 200-epoch schedule of
            which the scoring run uses 30). `imagenet`: the same authors' ResNet-34 settings. The rest are ours.
"""

from dataclasses import replace

from datapare.data import Inputs
from datapare.errors import InputError, suggest
from datapare.training.config import TrainingConfig

_DUAL_CIFAR = TrainingConfig(epochs=30, schedule_epochs=200, augment=("flip", "crop"))

PRESETS: dict[str, TrainingConfig] = {
    "cifar10": replace(
        _DUAL_CIFAR,
        mean=(125.3 / 255, 123.0 / 255, 113.9 / 255),
        std=(63.0 / 255, 62.1 / 255, 66.7 / 255),
    ),
    "cifar100": replace(
        _DUAL_CIFAR,
        mean=(129.3 / 255, 124.1 / 255, 112.4 / 255),
        std=(68.2 / 255, 65.4 / 255, 70.4 / 255),
    ),
    "imagenet": TrainingConfig(
        epochs=60,
        batch_size=256,
        min_lr=1e-4,
        nesterov=False,
        weight_decay=1e-4,
        augment=("resized-crop", "flip"),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        model="resnet34",
        subset_budget="iterations",
    ),
    "tiny": TrainingConfig(epochs=15, schedule_epochs=40, batch_size=64, augment=("shift",), model="resnet8", width=16),
    "small": TrainingConfig(
        epochs=12, schedule_epochs=40, batch_size=64, augment=("flip", "crop"), model="resnet18", width=16
    ),
    "large": TrainingConfig(
        epochs=15,
        schedule_epochs=60,
        batch_size=64,
        lr=0.05,
        weight_decay=1e-4,
        augment=("resized-crop", "flip"),
        model="resnet18",
        width=32,
    ),
    "text": TrainingConfig(
        epochs=10, batch_size=128, lr=5e-3, optimizer="adamw", weight_decay=1e-2, model="textnet", width=64
    ),
    "table": TrainingConfig(
        epochs=15, batch_size=256, lr=2e-3, optimizer="adamw", weight_decay=1e-2, model="mlp", width=128
    ),
    "finetune": TrainingConfig(
        epochs=6, batch_size=32, lr=3e-5, optimizer="adamw", weight_decay=1e-2, model="transformers:"
    ),
    "features": TrainingConfig(
        epochs=10, batch_size=256, lr=1e-3, optimizer="adamw", weight_decay=1e-2, model="features"
    ),
    "embedding": TrainingConfig(
        epochs=15, batch_size=128, lr=1e-3, optimizer="adamw", weight_decay=1e-2, model="mlp", width=256
    ),
}


def preset(name: str) -> TrainingConfig:
    """Return the preset of this name; InputError lists the names when there is none.

    >>> preset("cifar10").epochs
    30
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}; {suggest(name, list(PRESETS))}")
    return PRESETS[name]


def choose(inputs: Inputs, n_classes: int) -> TrainingConfig:
    """Return a sensible preset for these Inputs: by kind, and for images by size and number.

    The presets of the papers are never chosen silently: they are requested by name.
    """
    del n_classes  # no rule needs it yet: width and epochs follow the size of the data
    if inputs.encoding.kind != "image":
        return PRESETS[inputs.encoding.kind]
    size = max(inputs.array.shape[1:3])
    if size > 64:
        return PRESETS["large"]
    return PRESETS["tiny"] if size <= 16 else PRESETS["small"]
