"""Channels: what one forward pass says about each example, from its logits z and its true label y.

    p = softmax(z)
    target_prob  p_y                           loss         -ln p_y
    margin       z_y - max_{j != y} z_j        prob_margin  p_y - max_{j != y} p_j
    error_norm   ||p - onehot(y)||_2           entropy      -sum_j p_j ln p_j

Everything is float32, whatever the logits' type. The true class is compared with the others by

    d = z_y - ln sum_{j != y} e^{z_j},   p_y = sigmoid(d),   1 - p_y = sigmoid(-d),   -ln p_y = softplus(-d)

so that neither a hopeless example nor a well-learned one loses digits: the usual z_y - ln sum_j e^{z_j} gives a loss
of exactly 0 from p_y = 1 - 6e-8 on, and all of those examples would tie.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

TDDS_GUARD = 1e-8  # the constant that TDDS adds inside both logarithms, arXiv:2311.13613


class _Predictions:
    """A batch of logits and what follows from them, each computed at most once."""

    def __init__(self, logits: Tensor, label: Tensor) -> None:
        self.logits = logits.float()  # (B, K)
        self.at_label = label[:, None]  # (B, 1)

    @cached_property
    def others(self) -> Tensor:
        return self.logits.scatter(1, self.at_label, -torch.inf)  # (B, K)

    @cached_property
    def rival(self) -> Tensor:
        return self.others.argmax(dim=1, keepdim=True)  # (B, 1)

    @cached_property
    def lead(self) -> Tensor:
        return self.logits.gather(1, self.at_label) - self.others.logsumexp(dim=1, keepdim=True)  # (B, 1)

    @cached_property
    def log_prob(self) -> Tensor:
        return torch.log_softmax(self.logits, dim=1).scatter(1, self.at_label, logsigmoid(self.lead))  # (B, K)

    @cached_property
    def prob(self) -> Tensor:
        return self.log_prob.exp()  # (B, K)


def _target_prob(belief: _Predictions) -> Tensor:
    return belief.lead[:, 0].sigmoid()


def _margin(belief: _Predictions) -> Tensor:
    return (belief.logits.gather(1, belief.at_label) - belief.logits.gather(1, belief.rival))[:, 0]


def _prob_margin(belief: _Predictions) -> Tensor:
    return (belief.prob.gather(1, belief.at_label) - belief.prob.gather(1, belief.rival))[:, 0]


def _error_norm(belief: _Predictions) -> Tensor:
    error = belief.prob.scatter(1, belief.at_label, (-belief.lead).sigmoid())
    norm: Tensor = torch.linalg.vector_norm(error, dim=1)
    return norm


def _entropy(belief: _Predictions) -> Tensor:
    return -(belief.prob * belief.log_prob).sum(dim=1)


def _loss(belief: _Predictions) -> Tensor:
    return -logsigmoid(belief.lead)[:, 0]


CHANNELS: Mapping[str, Callable[[_Predictions], Tensor]] = {
    "target_prob": _target_prob,
    "margin": _margin,
    "prob_margin": _prob_margin,
    "error_norm": _error_norm,
    "entropy": _entropy,
    "loss": _loss,
}


def measure(logits: Tensor, label: Tensor, channels: Sequence[str]) -> Tensor:
    """Return the named channels of a batch, float32 (B, C), from logits (B, K) and true labels (B,).

    >>> import torch
    >>> logits = torch.log(torch.tensor([[0.1, 0.9], [0.7, 0.3]]))
    >>> print(measure(logits, torch.tensor([0, 0]), ["target_prob", "prob_margin", "error_norm"]).numpy().round(4))
    [[ 0.1    -0.8     1.2728]
     [ 0.7     0.4     0.4243]]
    """
    belief = _Predictions(logits, label)
    return torch.stack([CHANNELS[name](belief) for name in channels], dim=1)


def kl_step(prob: Tensor, before: Tensor) -> Tensor:
    """Return how far each prediction moved since the epoch before, (B,), as TDDS measures it.

        d = sum_c | p_c (ln(p_c + 1e-8) - ln(before_c + 1e-8)) |

    `prob` and `before` are softmax outputs (B, K) of this epoch and the one before; where `before` is all zeros the
    example was not observed then, and its step is NaN.

    >>> import torch
    >>> print(kl_step(torch.tensor([[0.2, 0.8]]), torch.tensor([[0.1, 0.9]])).numpy().round(6))
    [0.232856]
    """
    step = (prob * ((prob + TDDS_GUARD).log() - (before + TDDS_GUARD).log())).abs().sum(dim=1)
    return step.masked_fill(before.sum(dim=1) == 0, torch.nan)
