"""Signals of the network once its training has ended.

An entry is made after the last recorded epoch, from the examples as they are. It becomes the array of its name, or,
where a score reads a channel (T, N), that channel's last row; the epochs before were not observed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datapare.data import Inputs
from datapare.methods.signals import SIGNALS
from datapare.numerics.embeddings import softmax
from datapare.training.batches import BatchSource
from datapare.training.inference import embed, predict
from datapare.training.networks.factory import Network
from datapare.training.signals.boundary_distance import boundary_distance
from datapare.training.signals.distorted_loss import distorted_loss
from datapare.training.signals.grad_norm import grad_norm

Seen = Callable[[int, int], None]  # examples done, of all
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Finished:
    """How an entry is made; its cost in epochs of training for K classes, and whether it is a channel, from SIGNALS."""

    make: Callable[[Network, Inputs, NDArray[np.int64], Seen | None], Array]
    epochs: Callable[[int], float]
    channel: bool = False


def _prob(network: Network, inputs: Inputs, _: NDArray[np.int64], __: Seen | None) -> Array:
    return softmax(predict(network, inputs)).astype(np.float32)


def _embedding(network: Network, inputs: Inputs, _: NDArray[np.int64], __: Seen | None) -> Array:
    return embed(network, inputs)


def _probe(probe: Callable[..., Array]) -> Callable[[Network, Inputs, NDArray[np.int64], Seen | None], Array]:
    def make(network: Network, inputs: Inputs, label: NDArray[np.int64], seen: Seen | None) -> Array:
        return probe(network, BatchSource(inputs.array, inputs.encoding.kind).take, label, seen=seen)

    return make


_MAKE: Mapping[str, Callable[[Network, Inputs, NDArray[np.int64], Seen | None], Array]] = {
    "embedding": _embedding,
    "prob": _prob,
    "grad_norm": _probe(grad_norm),
    "distorted_loss": _probe(distorted_loss),
    "boundary_distance": _probe(boundary_distance),
}
FINISHED: Mapping[str, Finished] = {
    name: Finished(make, SIGNALS[name].cost_epochs or (lambda _: 0.0), SIGNALS[name].is_channel)
    for name, make in _MAKE.items()
}


def costly(channels: Sequence[str], n_classes: int) -> list[str]:
    """Say, a sentence each, which of the channels cost more than an epoch of training.

    >>> costly(("loss", "embedding", "distorted_loss"), 10)
    ['distorted_loss is made after the training and costs about as much as 25 more epochs']
    """
    price = {name: FINISHED[name].epochs(n_classes) for name in channels if name in FINISHED}
    return [
        f"{name} is made after the training and costs about as much as {cost:g} more epochs"
        for name, cost in price.items()
        if cost > 1
    ]
