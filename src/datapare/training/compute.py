"""How a training step is computed, where its settings leave that open: a fixed table, never a stopwatch.

The choice follows from the device, its capability, the network and the size of its inputs, so that equal calls give
equal bits whatever else the machine is doing. `autotune.py` may time instead, on request, and what it finds is kept in
the provenance. docs/reproducibility.md shows the table and lists what results depend on.

The number of threads is part of the table, because the order of additions, and so the last bits, follow from it: the
same number is used on one core and on sixty. Steps of a few milliseconds are computed on one thread: with more, threads
wait for each other, and for their turn on a busy machine.
"""

import math
from dataclasses import dataclass, replace

import torch

from datapare.data import Inputs
from datapare.training.config import AUTO_TUNED, Layout, Precision, TrainingConfig
from datapare.training.device import device
from datapare.training.networks.factory import backbone

LEAST_WORK = 32 * 32 * 16  # pixels x width of a network from which an image is work for two threads
HEAVY = "pretrained networks, and images with at least 32 x 32 pixels x width 16"
LIGHT = "everything else"


@dataclass(frozen=True)
class Choice:
    """One row of the table: where it applies, and how a step is computed there."""

    device: str
    capability: tuple[int, int]  # at least this one
    network: str
    precision: Precision
    layout: Layout
    compiled: bool
    threads: int


TABLE = (
    Choice("cuda", (8, 0), HEAVY, "bf16", "channels-last", compiled=False, threads=2),
    Choice("cuda", (8, 0), LIGHT, "bf16", "channels-last", compiled=False, threads=1),
    Choice("cuda", (0, 0), HEAVY, "fp32", "channels-last", compiled=False, threads=2),
    Choice("cuda", (0, 0), LIGHT, "fp32", "channels-last", compiled=False, threads=1),
    Choice("cpu", (0, 0), HEAVY, "fp32", "channels-last", compiled=False, threads=2),
    Choice("cpu", (0, 0), LIGHT, "fp32", "channels-last", compiled=False, threads=1),
)


def with_defaults(training: TrainingConfig, inputs: Inputs) -> TrainingConfig:
    """Return the settings with nothing left open: what they do not say is looked up in TABLE."""
    row = lookup(device().type, _capability(), network_class(training, inputs))
    unset = {name: getattr(row, name) for name, value in AUTO_TUNED.items() if getattr(training, name) == value}
    return replace(training, **unset)


def lookup(kind: str, capability: tuple[int, int], network: str) -> Choice:
    """Return the row of TABLE for a device kind, its capability and the class of a network.

    >>> lookup("cpu", (0, 0), LIGHT).threads, lookup("cuda", (9, 0), HEAVY).precision
    (1, 'bf16')
    """
    return next(row for row in TABLE if (row.device, row.network) == (kind, network) and capability >= row.capability)


def network_class(training: TrainingConfig, inputs: Inputs) -> str:
    """Return HEAVY or LIGHT: whether one step of this network on these inputs is worth dividing among threads."""
    large = inputs.encoding.kind == "image" and math.prod(inputs.array.shape[1:3]) * training.width >= LEAST_WORK
    return HEAVY if large or backbone(training.model) is not None else LIGHT


def describe() -> list[str]:
    """Return the table as lines of Markdown."""
    head = "| device | network | precision | layout of images | torch.compile | threads |"
    return [head, "|---|---|---|---|---|---|", *(_line(row) for row in TABLE)]


def _line(row: Choice) -> str:
    major, minor = row.capability
    where = row.device + (f", capability {major}.{minor} or more" if major else "")
    compiled = "on" if row.compiled else "off"
    return f"| {where} | {row.network} | {row.precision} | {row.layout} | {compiled} | {row.threads} |"


def _capability() -> tuple[int, int]:
    return torch.cuda.get_device_capability() if device().type == "cuda" else (0, 0)
