"""Pare a labelled dataset down to the examples worth training on, judged from the first few epochs of training.

data     = dp.open_dataset("photos/")
dynamics = dp.record(data, epochs=30)
scores   = dp.score(dynamics, "dual")
subset   = dp.select(scores, "beta", keep=0.3, dynamics=dynamics)
dp.export(data, subset, "photos-30/")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from datapare.artifacts import Comparison, Dynamics, Perturbation, Provenance, Scores, Subset
from datapare.errors import DatapareError, InputError

if TYPE_CHECKING:
    from datapare.data import Dataset, export, open_dataset, perturb
    from datapare.evaluation.comparison import compare
    from datapare.evaluation.keep_sweep import sweep
    from datapare.methods.dataset_metrics import measure
    from datapare.methods.extrapolation import extrapolate
    from datapare.methods.label_issues import label_issues
    from datapare.methods.scoring import average_scores, reorder, score
    from datapare.methods.selection import select
    from datapare.pipeline.pruning import prune
    from datapare.recording import Recorder
    from datapare.reporting import report
    from datapare.storage import load, save
    from datapare.training import record

# Where each public name is defined; it loads on first use, so that `import datapare` stays quick.
_EXPORTS = {
    "score": "methods.scoring", "select": "methods.selection", "reorder": "methods.scoring",
    "average_scores": "methods.scoring", "extrapolate": "methods.extrapolation",
    "label_issues": "methods.label_issues",
    "Dataset": "data", "open_dataset": "data", "export": "data", "perturb": "data",
    "Recorder": "recording", "record": "training", "compare": "evaluation.comparison", "sweep": "evaluation.keep_sweep",
    "prune": "pipeline.pruning", "measure": "methods.dataset_metrics", "report": "reporting",
    "save": "storage", "load": "storage", "online": "training.online",
}  # fmt: skip

__all__ = [
    "Comparison",
    "DatapareError",
    "Dataset",
    "Dynamics",
    "InputError",
    "Perturbation",
    "Provenance",
    "Recorder",
    "Scores",
    "Subset",
    "average_scores",
    "compare",
    "export",
    "extrapolate",
    "label_issues",
    "load",
    "measure",
    "online",
    "open_dataset",
    "perturb",
    "prune",
    "record",
    "reorder",
    "report",
    "save",
    "score",
    "select",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name == "online":
        return import_module("datapare.training.online")
    if name not in _EXPORTS:
        raise AttributeError(f"module 'datapare' has no attribute {name!r}")
    value = getattr(import_module(f"datapare.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
