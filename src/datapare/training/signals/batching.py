"""What all probes share: how they go through the examples, and how they leave the network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from datapare.artifacts import Array

Take = Callable[[Tensor], Tensor]
Seen = Callable[[int, int], None]  # examples done, of all


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[torch.device]:
    """The network in eval mode without gradients of its weights, on its device; afterwards all is as before."""
    training, wanted = network.training, [p.requires_grad for p in network.parameters()]
    network.eval().requires_grad_(requires_grad=False)
    try:
        yield next(network.parameters()).device
    finally:
        network.train(training)
        for parameter, before in zip(network.parameters(), wanted, strict=True):
            parameter.requires_grad_(before)


def through(
    measure: Callable[[Tensor, Tensor], Tensor],
    take: Take,
    label: NDArray[np.int64],
    device: torch.device,
    batch: int,
    seen: Seen | None = None,
) -> Array:
    """Return what `measure` says of each batch and its labels, one after the other, as one array (N, …)."""
    target = torch.from_numpy(np.array(label, dtype=np.int64))
    parts = []
    for position in torch.split(torch.arange(len(target)), batch):
        parts.append(measure(take(position), target[position].to(device)).cpu().numpy())
        if seen is not None:
            seen(int(position[-1]) + 1, len(target))
    return np.concatenate(parts)
