"""Pare a labelled dataset down to the examples worth training on, judged from the first few epochs of training.

data     = dp.open_dataset("photos/")
dynamics = dp.record(data, epochs=30)
scores   = dp.score(dynamics, "dual")
subset   = dp.select(scores, "beta", keep=0.3, dynamics=dynamics)
dp.export(data, subset, "photos-30/")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from datapare.errors import DatapareError, InputError
from datapare.types import Comparison, Dynamics, Recipe, Scores, Subset

if TYPE_CHECKING:
    from datapare.agreement import average
    from datapare.api import realign, score, select
    from datapare.comparison import compare
    from datapare.data import Dataset, export, open_dataset, scenario
    from datapare.doubt import suspects
    from datapare.extrapolation import extrapolate
    from datapare.gauging import gauge
    from datapare.page import report
    from datapare.pruning import prune
    from datapare.recorder import Recorder
    from datapare.sizing import curve
    from datapare.store import load, save
    from datapare.train import record

# Each verb loads its room on first use, so that `import datapare` stays quick.
ROOM = {
    "score": "api", "select": "api", "realign": "api", "average": "agreement", "extrapolate": "extrapolation",
    "Dataset": "data", "open_dataset": "data", "export": "data", "scenario": "data", "suspects": "doubt",
    "Recorder": "recorder", "record": "train", "compare": "comparison", "curve": "sizing", "prune": "pruning",
    "gauge": "gauging", "report": "page", "save": "store", "load": "store",
}  # fmt: skip

__all__ = [
    "Comparison",
    "DatapareError",
    "Dataset",
    "Dynamics",
    "InputError",
    "Recipe",
    "Recorder",
    "Scores",
    "Subset",
    "average",
    "compare",
    "curve",
    "export",
    "extrapolate",
    "gauge",
    "load",
    "open_dataset",
    "prune",
    "realign",
    "record",
    "report",
    "save",
    "scenario",
    "score",
    "select",
    "suspects",
]


def __getattr__(name: str) -> Any:
    if name == "during":  # a room to look into, as its methods are many
        return import_module("datapare.during")
    if name not in ROOM:
        raise AttributeError(f"module 'datapare' has no attribute {name!r}")
    value = getattr(import_module(f"datapare.{ROOM[name]}"), name)
    globals()[name] = value
    return value
