"""Norm of each example's gradient, over all weights.

    || grad_w cross-entropy(f_w(x_i), y_i) ||_2

Source      arXiv:2107.07075, Paul, Ganguli, Dziugaite, 2021 (GraNd), which averages it over ten networks.
Ours        The network is in eval mode: with batch statistics an example would have no gradient of its own. Weights
            that were frozen do not count.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from datapare.training.signals.batching import Seen, Take, evaluation_mode, through

MAX_NUMBERS = 1 << 26  # numbers that the gradients of one chunk may have: 256 MiB
WIDEST = 64  # examples at once; beyond, nothing is gained


def grad_norm(
    network: nn.Module, take: Take, label: NDArray[np.int64], *, seen: Seen | None = None
) -> NDArray[np.float32]:
    """Return the gradient norm (N,) of each example's cross-entropy, at the network's weights as they are.

    Costs about three epochs of training. Examples go through in chunks whose gradients take at most 256 MiB, or one by
    one where the model does what `torch.func.vmap` cannot.

    One weight vector per class, all 0, two classes: p = (1/2, 1/2), and x = (3, 4) has gradients -x/2 and x/2.

    >>> from torch import nn, tensor
    >>> network = nn.Linear(2, 2, bias=False)
    >>> _ = nn.init.zeros_(network.weight)
    >>> x = tensor([[3.0, 4.0]])
    >>> print(grad_norm(network, lambda i: x[i], np.array([0])).round(4))  # sqrt(2) * 5 / 2
    [3.5355]
    """
    weights = {name: value.detach() for name, value in network.named_parameters() if value.requires_grad}
    chunk = max(1, min(WIDEST, MAX_NUMBERS // max(1, sum(value.numel() for value in weights.values()))))
    with evaluation_mode(network) as device:
        each = _norm_of_one(network, weights)
        measure = _together(each) if _can_vmap(each, take, label, device) else _one_by_one(each)
        return through(measure, take, label, device, chunk, seen)


def _norm_of_one(network: nn.Module, weights: dict[str, Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(at: dict[str, Tensor], row: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(functional_call(network, at, (row[None],)).float(), target[None])

    def norm(row: Tensor, target: Tensor) -> Tensor:
        gradient = grad(loss)(weights, row, target)
        return torch.stack([part.square().sum() for part in gradient.values()]).sum().sqrt()

    return norm


def _together(each: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return vmap(each)


def _one_by_one(each: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda rows, target: torch.stack([each(row, one) for row, one in zip(rows, target, strict=True)])


def _can_vmap(
    each: Callable[[Tensor, Tensor], Tensor], take: Take, label: NDArray[np.int64], device: torch.device
) -> bool:
    """Say whether two examples go through together, without torch falling back to a loop, of which it would warn."""
    import warnings

    few = torch.arange(min(2, len(label)))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            vmap(each)(take(few), torch.from_numpy(np.array(label[: len(few)])).to(device))
        except (RuntimeError, UserWarning):
            return False
    return True
