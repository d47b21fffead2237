"""Prune inside a single training: samplers that decide anew what each epoch trains on, and losses that weigh examples.

Example::

    sampler = dp.online.infobatch(labels, epochs=200)
    loader = DataLoader(data, batch_size=128, sampler=sampler)
    while sampler.epoch < sampler.epochs:
        for index, batch, target in sampler.track(loader):
            logits = model(batch)
            sampler.observe(index, logits, target)
            loss = (sampler.weight(index) * cross_entropy(logits, target, reduction="none")).mean()
            ...
        sampler.end_epoch()

The folders are the registry: samplers/ makes samplers, losses/ makes losses, file name = function name.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from datapare.training.online.loss import Loss
from datapare.training.online.sampler import Plan, Rule, Sampler

_FOLDER = {
    file.stem: group_name
    for group_name in ("samplers", "losses")
    for file in sorted((Path(__file__).parent / group_name).glob("[a-z]*.py"))
}  # fmt: skip

__all__ = ["Loss", "Plan", "Rule", "Sampler"]  # and, by file: the methods


def __getattr__(name: str) -> Any:  # a method of any file, which a type checker cannot know
    if name not in _FOLDER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FOLDER[name]}.{name}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_FOLDER])
