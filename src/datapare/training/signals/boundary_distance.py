"""How far an example is from the decision boundary: the norm of the change that DeepFool finds to flip its label.

    repeat until f_y is no longer the largest:  j = argmin_{k != y} (f_y - f_k) / || grad f_y - grad f_k ||
    r = (f_y - f_j) / || grad f_y - grad f_j ||^2 * (grad f_j - grad f_y),   x <- x + 1.02 r
    distance = || sum of r ||

Source      arXiv:1511.04599 (DeepFool); arXiv:2405.06298 (PUMA), whose network is trained to be robust.
Released    DeepCore: at most 50 steps, and the squared norm.
Ours        Each step goes 2 % beyond, as DeepFool's does, or rounding would leave it on the boundary; that is not
            counted. Rivals are the nine classes that come nearest in logits: all of them up to ten classes. An example
            that did not flip in 50 steps has the distance it came, one without any gradient is infinitely far.
"""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from datapare.errors import InputError
from datapare.training.signals.batching import Seen, Take, evaluation_mode, through

BATCH = 256
BEYOND = 1.02


def boundary_distance(
    network: nn.Module,
    take: Take,
    label: NDArray[np.int64],
    *,
    steps: int = 50,
    rivals: int = 9,
    seen: Seen | None = None,
) -> NDArray[np.float32]:
    """Return the distance (N,) of each example to the decision boundary, in units of its row (grey levels); 0 if wrong.

    Costs, per step, a forward pass and one backward pass per rival. Raises InputError for rows that are no numbers to
    move, such as words.

    Logits 3 x and 4 y: (2, 1) is of class 0 by 6 - 4 = 2, and the difference of the gradients, (3, -4), has length 5.

    >>> from torch import nn, tensor
    >>> network = nn.Linear(2, 2, bias=False)
    >>> _ = network.weight.data.copy_(tensor([[3.0, 0.0], [0.0, 4.0]]))
    >>> x = tensor([[2.0, 1.0], [1.0, 2.0]])
    >>> print(boundary_distance(network, lambda i: x[i], np.array([0, 0])).round(4))  # 2 / 5, and wrong already
    [0.4 0. ]
    """
    measure = partial(_deepfool, network, steps=steps, rivals=rivals)
    with evaluation_mode(network) as device:
        return through(measure, take, label, device, BATCH, seen)


def _deepfool(network: nn.Module, rows: Tensor, label: Tensor, *, steps: int, rivals: int) -> Tensor:
    start, change = rows.float(), torch.zeros(rows.shape, device=rows.device)  # (B, …)
    unreachable = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    active = torch.arange(len(rows), device=rows.device)
    for _ in range(steps):
        logits, gradient, rival = _lead(network, start[active] + BEYOND * change[active], label[active], rivals)
        held = logits.argmax(dim=1) == label[active]
        active, logits, gradient, rival = active[held], logits[held], gradient[held], rival[held]
        if not len(active):
            break
        lead = logits.gather(1, label[active][:, None]) - logits.gather(1, rival)  # (A, R)
        steep = gradient.flatten(2).norm(dim=2)  # (A, R)
        nearest = (lead / steep).nan_to_num(torch.inf).argmin(dim=1, keepdim=True)
        far = steep.gather(1, nearest)[:, 0] == 0
        unreachable[active[far]] = True
        active, lead, steep, nearest, gradient = (part[~far] for part in (active, lead, steep, nearest, gradient))
        size = (lead / steep.square()).gather(1, nearest)[:, 0]
        towards = -gradient[torch.arange(len(active)), nearest[:, 0]]
        change[active] += size.view(-1, *[1] * (rows.ndim - 1)) * towards
    distance: Tensor = change.flatten(1).norm(dim=1)
    return distance.masked_fill(unreachable, torch.inf)


def _lead(network: nn.Module, rows: Tensor, label: Tensor, rivals: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits (B, K), gradients (B, R, …) of f_y - f_k for the nearest R rivals k, and those rivals (B, R)."""
    rows = rows.detach().requires_grad_()
    logits = network(rows).float()
    if not logits.requires_grad:
        raise InputError(
            "boundary_distance moves the examples a little, and these are no numbers that can be moved; "
            "record it for images, tables or embeddings."
        )
    count = min(rivals, logits.shape[1] - 1)
    rival = logits.detach().scatter(1, label[:, None], -torch.inf).topk(count, dim=1).indices  # (B, R)
    lead = logits.gather(1, label[:, None]) - logits.gather(1, rival)
    gradients = [torch.autograd.grad(lead[:, k].sum(), rows, retain_graph=True)[0] for k in range(count)]
    return logits.detach(), torch.stack(gradients, dim=1), rival
