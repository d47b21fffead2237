"""Early training and retraining: presets, networks, one loop. Names load torch when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datapare.training.adversarial import predict_attacked as predict_attacked
    from datapare.training.adversarial import robust_accuracy as robust_accuracy
    from datapare.training.config import TrainingConfig as TrainingConfig
    from datapare.training.config import retraining as retraining
    from datapare.training.config import same_iterations as same_iterations
    from datapare.training.config import subset_batch as subset_batch
    from datapare.training.epoch import Progress as Progress
    from datapare.training.inference import accuracy as accuracy
    from datapare.training.inference import class_accuracy as class_accuracy
    from datapare.training.inference import embed as embed
    from datapare.training.inference import predict as predict
    from datapare.training.loop import Trained as Trained
    from datapare.training.loop import resolve as resolve
    from datapare.training.loop import train as train
    from datapare.training.presets import PRESETS as PRESETS
    from datapare.training.presets import choose as choose
    from datapare.training.presets import preset as preset
    from datapare.training.scoring_run import record as record
    from datapare.training.scoring_run import settings as settings
    from datapare.training.signals.final import costly as costly
    from datapare.training.targets import SoftLabels as SoftLabels
    from datapare.training.targets import soft_labels as soft_labels
    from datapare.training.thinning import thin as thin
    from datapare.training.turtle import Settings as Settings
    from datapare.training.turtle import assign as assign
    from datapare.training.turtle import cluster as cluster
    from datapare.training.turtle import matched_accuracy as matched_accuracy

_PLACES = {
    "adversarial": ("predict_attacked", "robust_accuracy"),
    "scoring_run": ("record", "settings"),
    "epoch": ("Progress",),
    "inference": ("accuracy", "class_accuracy", "embed", "predict"),
    "signals.final": ("costly",),
    "loop": ("Trained", "resolve", "train"),
    "thinning": ("thin",),
    "targets": ("SoftLabels", "soft_labels"),
    "turtle": ("Settings", "assign", "cluster", "matched_accuracy"),
    "config": ("TrainingConfig", "retraining", "same_iterations", "subset_batch"),
    "presets": ("PRESETS", "choose", "preset"),
}
_FILE = {name: file for file, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _FILE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_FILE)
