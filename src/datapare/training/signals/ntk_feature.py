"""Gradient of each logit of each example, over all weights: their inner products are the neural tangent kernel.

    J_ik = grad_w f_w(x_i)_k,   each weight added, with a random sign, to one of `width` sums where there are more

Source      arXiv:2008.12478, 2020, which predicts training times from them at the weights before the first update.
Ours        The projection is a count sketch: inner products stay right on average, with a deviation of about
            ||a|| ||b|| / sqrt(width). Batch norm is frozen by `freeze`: its mean and variance are those of one batch,
            and constants from then on. Weights that were frozen do not count.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from datapare.training.signals.batching import Take

WIDTH = 4096  # 100 examples of 10 classes have 1,000 gradients, which stay independent


def ntk_feature(
    network: nn.Module, take: Take, position: NDArray[np.int64], *, width: int = WIDTH, seed: int = 0
) -> NDArray[np.float32]:
    """Return the gradient of each logit of the rows at `position` (n,): (n, K, D), D at most `width`.

    Each costs one backward pass of one example. `seed` draws the projection.

    A linear model's gradient in the row of its own class is x, and nought in the other row.

    >>> from torch import nn, tensor
    >>> x = tensor([[3.0, 4.0]])
    >>> print(ntk_feature(nn.Linear(2, 2, bias=False), lambda i: x[i], np.array([0])))
    [[[3. 4. 0. 0.]
      [0. 0. 3. 4.]]]
    """
    before = network.training
    network.eval()
    weights = [p for p in network.parameters() if p.requires_grad]
    shorten = _sketch(sum(p.numel() for p in weights), width, seed, weights[0].device)
    features = []
    try:
        for one in torch.from_numpy(position):
            logit = network(take(one[None]))[0]  # (K,)
            each = [torch.autograd.grad(z, weights, retain_graph=True, allow_unused=True) for z in logit]
            features.append(torch.stack([shorten(_flat(weights, parts)) for parts in each]).cpu())  # (K, D)
    finally:
        network.train(before)
    return torch.stack(features).numpy()


@torch.no_grad()
def freeze(network: nn.Module, batch: Tensor) -> None:
    """Set the mean and variance of every batch norm to those of this batch, and the network to eval mode."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001
    if norms:
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # an average of all batches, here one
        network.train()(batch)
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
    network.eval()


def _flat(weights: list[nn.Parameter], parts: tuple[Tensor | None, ...]) -> Tensor:
    whole = (torch.zeros_like(w) if g is None else g for w, g in zip(weights, parts, strict=True))
    return torch.cat([g.reshape(-1) for g in whole])


def _sketch(length: int, width: int, seed: int, where: torch.device) -> Callable[[Tensor], Tensor]:
    """Return the random projection of vectors of this length to `width`; short ones stay as they are."""
    if length <= width:
        return lambda vector: vector
    generator = torch.Generator().manual_seed(seed)
    place = torch.randint(0, width, (length,), generator=generator).to(where)
    sign = (2.0 * torch.randint(0, 2, (length,), generator=generator) - 1).to(where)
    return lambda vector: torch.zeros(width, device=where).index_add_(0, place, sign * vector)
