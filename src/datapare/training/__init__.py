"""Early training and retraining: presets, networks, one loop. Names load torch when they are first used."""

from importlib import import_module
from typing import Any

_PLACES = {
    "adversarial": ("predict_attacked", "robust_accuracy"),
    "scoring_run": ("record", "settings"),
    "epoch": ("Progress",),
    "inference": ("accuracy", "class_accuracy", "embed", "predict"),
    "signals.final": ("costly",),
    "loop": ("Trained", "resolve", "train"),
    "turtle": ("Settings", "assign", "cluster"),
    "config": ("PRESETS", "TrainingConfig", "choose", "preset", "retraining", "same_iterations", "subset_batch"),
}
_FILE = {name: file for file, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _FILE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_FILE)
