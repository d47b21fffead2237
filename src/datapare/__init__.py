"""Prune a labelled dataset to the examples worth training on, from the first few epochs of training.

data     = dp.open_dataset("photos/")
dynamics = dp.record(data, epochs=30)
scores   = dp.score(dynamics, "dual")
subset   = dp.select(scores, "beta", keep=0.3, dynamics=dynamics)
dp.export(data, subset, "photos-30/")
"""

from importlib import import_module
from warnings import warn

# Every public name, by the module that defines it; it is imported on first use, so that `import datapare` stays quick.
# Type checkers read the same names from __init__.pyi, which `python docs/make.py` writes.
_EXPORTS = {
    "artifacts": ("Comparison", "Dynamics", "Perturbation", "Provenance", "Scores", "Subset"),
    "cli.environment": ("doctor",),
    "data": ("Dataset", "Inspection", "export", "inspect", "open_dataset", "perturb"),
    "errors": ("DatapareError", "InputError"),
    "evaluation.advice": ("advise",),
    "evaluation.comparison": ("compare",),
    "evaluation.keep_sweep": ("sweep",),
    "evaluation.label_issue_check": ("check_label_issues",),
    "evaluation.verdicts": ("verdict",),
    "methods": ("",),
    "methods.dataset_metrics": ("measure",),
    "methods.extrapolation": ("extrapolate",),
    "methods.label_issues": ("label_issues",),
    "methods.scoring": ("average_scores", "reorder", "score"),
    "methods.selection": ("select",),
    "pipeline.cost_estimate": ("estimate_cost",),
    "pipeline.demo": ("demo",),
    "pipeline.description": ("show",),
    "pipeline.label_decisions": ("read_decisions",),
    "pipeline.pruning": ("prune",),
    "pipeline.run_folder": ("RunFolder",),
    "pipeline.steps": ("set_embedding",),
    "recording": ("Recorder",),
    "reporting": ("report",),
    "reporting.hub": ("push_to_hub",),
    "storage": ("load", "save"),
    "training": ("record",),
    "training.online": ("",),  # the module itself
}  # fmt: skip
_MODULES = {name or module.rpartition(".")[2]: (module, name) for module, names in _EXPORTS.items() for name in names}
_RENAMED = {"Recipe": "Provenance"}  # since 0.2; the old names go in 0.3

__all__ = sorted(_MODULES)  # noqa: PLE0605 - a list of strings


def __getattr__(name: str) -> object:
    if name in _RENAMED:
        new = _RENAMED[name]
        warn(f"datapare.{name} is called {new} since 0.2; the old name goes in 0.3", DeprecationWarning, stacklevel=2)
        return __getattr__(new)
    if name not in _MODULES:
        raise AttributeError(f"module 'datapare' has no attribute {name!r}")
    module, attribute = _MODULES[name]
    value = import_module(f"datapare.{module}")
    globals()[name] = getattr(value, attribute) if attribute else value
    return globals()[name]


def __dir__() -> list[str]:
    return __all__
