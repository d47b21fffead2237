"""Losses of a network that is thinned step by step, as a measure of how much of it an example needs.

    l_s = cross-entropy of the logits 1 / ||f_s(x) - mu_c||, c = 1..K,   mu_c the mean feature of class c, s = 0
    network s keeps 98 % of the weights of network s - 1, the largest of all layers together; network 0 is whole

Source      arXiv:2402.05356, 2024 (distorting-based learning complexity), whose networks are pre-trained on other data;
            the first is not thinned, so the last of 50 keeps 0.98^49 = 37 % of the weights.
Ours        Thinned are the hidden linear layers where there are any (as in transformers and perceptrons), else the
            convolutions; never biases, norms, or the last linear layer. Class means are those of the same examples.
            A distance of 0 counts as 1e-12.
"""

import copy
from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from datapare.errors import InputError
from datapare.training.signals.batching import Seen, Take, evaluation_mode, through

BATCH = 512
NEAREST = 1e-12


def distorted_loss(
    network: nn.Module,
    take: Take,
    label: NDArray[np.int64],
    *,
    networks: int = 50,
    share: float = 0.02,
    seen: Seen | None = None,
) -> NDArray[np.float32]:
    """Return the loss (N, S) of each example in each of S thinned networks; column 0 is the whole network's.

    `network.features` maps a batch to what enters the last linear layer (B, d). Costs S + 1 forward passes over the
    examples. Raises InputError for a network without layers to thin.
    """
    label = np.unique(label, return_inverse=True)[1]  # a class without examples has no mean
    with evaluation_mode(network) as device:
        centre = _class_means(_features(network), take, label, device)
        losses = np.empty((len(label), networks), dtype=np.float32)
        for step, thinned in enumerate(_thinned(network, networks, share)):
            losses[:, step] = through(_loss(_features(thinned), centre), take, label, device, BATCH)
            if seen is not None:
                seen((step + 1) * len(label), networks * len(label))
    return losses


def _features(network: nn.Module) -> Callable[[Tensor], Tensor]:
    return cast("Callable[[Tensor], Tensor]", network.features)


def _loss(features: Callable[[Tensor], Tensor], centre: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    @torch.no_grad()
    def loss(rows: Tensor, target: Tensor) -> Tensor:
        # by differences: products would lose the small distances
        distance = torch.cdist(features(rows).float(), centre, compute_mode="donot_use_mm_for_euclid_dist")  # (B, K)
        return cross_entropy(1 / distance.clamp(min=NEAREST), target, reduction="none")

    return loss


def _class_means(
    features: Callable[[Tensor], Tensor], take: Take, label: NDArray[np.int64], device: torch.device
) -> Tensor:
    """Return the mean feature (K, d) of each class; every class has an example."""
    with torch.no_grad():
        feature = through(lambda rows, _: features(rows).float(), take, label, device, BATCH)  # (N, d)
    mean = [feature[label == own].mean(axis=0, dtype=np.float64) for own in range(int(label.max()) + 1)]
    return torch.from_numpy(np.stack(mean).astype(np.float32)).to(device)


def _thinned(network: nn.Module, networks: int, share: float) -> Iterator[nn.Module]:
    """Yield the network whole, then thinner and thinner; always the same copy, so use it before the next."""
    copied = copy.deepcopy(network)
    weights = [layer.weight for layer in _layers(copied)]
    size = [weight.numel() for weight in weights]
    # a weight that is gone stays gone, so the order in which they go is known beforehand
    order = torch.cat([weight.detach().abs().flatten() for weight in weights]).argsort(stable=True)
    gone = 0
    for step in range(networks):
        if step:
            more = round(share * (len(order) - gone))
            lost = torch.zeros(len(order), dtype=torch.bool, device=order.device)
            lost[order[gone : gone + more]] = True
            for weight, part in zip(weights, torch.split(lost, size), strict=True):
                weight.data.masked_fill_(part.view_as(weight), 0)
            gone += more
        yield copied


def _layers(network: nn.Module) -> list[nn.Linear] | list[nn.Conv2d]:
    """Return the layers to thin: hidden linear ones, else convolutions."""
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)][:-1]
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    if not linear and not convolutions:
        raise InputError(
            "distorted_loss thins hidden linear layers or convolutions, and this network has neither; "
            "record it with another --model."
        )
    return linear or convolutions
