"""What one forward pass says about each example, from its logits z and its true label y.

    p = softmax(z)
    target_prob  p_y                           loss         -ln p_y
    margin       z_y - max_{j != y} z_j        prob_margin  p_y - max_{j != y} p_j
    error_norm   ||p - onehot(y)||_2           entropy      -sum_j p_j ln p_j

All six follow from five numbers, which one pass over the logits gives. With m = max_j z_j and e_j = exp(z_j - m):

    z_y,  max_{j != y} z_j,  sum_{j != y} e_j,  (sum_{j != y} e_j^2)^(1/2),  sum_{j != y} e_j (z_j - m)

No other class is ever subtracted from a sum that holds it, so neither a hopeless nor a well-learned example loses
digits: the usual z_y - ln sum_j e^{z_j} gives a loss of exactly 0 from p_y = 1 - 6e-8 on, and all of those examples
would tie. A class that is masked by a logit of -inf has probability 0. Everything is float32, whatever the logits are.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

ESPS_GUARD = 1e-12  # the constant that ESPS adds to norms
TDDS_GUARD = 1e-8  # the constant that TDDS adds inside both logarithms, arXiv:2311.13613
STATISTICS = 5  # columns of logit_statistics
LOWEST = -110.0  # exp of this is 0 in float32, and 0 * -110 is a number where 0 * -inf is not


def logit_statistics(logits: Tensor, label: Tensor) -> Tensor:
    """Return the five numbers per example that every channel follows from.

    Args:
        logits: Float (B, K), unchanged.
        label: True classes, int64 (B,).

    Returns:
        float32 (B, 5): z_y, the largest other logit, and the sum, the norm and the weighted sum of the others' e_j.
    """
    at_label = label[:, None]
    others = logits.to(torch.float32, copy=True)  # (B, K)
    own = others.gather(1, at_label)  # (B, 1)
    others.scatter_(1, at_label, -torch.inf)
    rival = others.amax(dim=1, keepdim=True)
    lower = others.sub_(torch.maximum(own, rival))
    odds = lower.exp()  # of -inf at the label: that is quick, where exp(-110) takes twenty times as long
    lower.clamp_(min=LOWEST)
    total, norm = odds.sum(dim=1, keepdim=True), torch.linalg.vector_norm(odds, dim=1, keepdim=True)
    return torch.cat([own, rival, total, norm, lower.mul_(odds).sum(dim=1, keepdim=True)], dim=1)


class _Predictions:
    """The columns of `logit_statistics`, (n,) each, and what follows from them, each computed at most once."""

    def __init__(self, statistics: Tensor) -> None:
        self.own, self.rival, self.others, self.norm, self.weighted = statistics.unbind(dim=1)

    @cached_property
    def top(self) -> Tensor:
        return torch.maximum(self.own, self.rival)

    @cached_property
    def behind(self) -> Tensor:
        return self.own - self.top

    @cached_property
    def odds(self) -> Tensor:
        return self.behind.exp()

    @cached_property
    def total(self) -> Tensor:
        return self.odds + self.others

    @cached_property
    def log_total(self) -> Tensor:
        return torch.where(self.behind == 0, self.others.log1p(), self.total.log())


def _target_prob(predictions: _Predictions) -> Tensor:
    return predictions.odds / predictions.total


def _margin(predictions: _Predictions) -> Tensor:
    return predictions.own - predictions.rival


def _prob_margin(predictions: _Predictions) -> Tensor:
    return (predictions.odds - (predictions.rival - predictions.top).exp()) / predictions.total


def _error_norm(predictions: _Predictions) -> Tensor:
    return torch.hypot(predictions.others, predictions.norm) / predictions.total


def _entropy(predictions: _Predictions) -> Tensor:
    own = torch.where(predictions.odds > 0, predictions.odds * predictions.behind, predictions.odds)
    return predictions.log_total - (predictions.weighted + own) / predictions.total


def _loss(predictions: _Predictions) -> Tensor:
    return predictions.log_total - predictions.behind


CHANNELS: Mapping[str, Callable[[_Predictions], Tensor]] = {
    "target_prob": _target_prob,
    "margin": _margin,
    "prob_margin": _prob_margin,
    "error_norm": _error_norm,
    "entropy": _entropy,
    "loss": _loss,
}


def channel_values(statistics: Tensor, channels: Sequence[str]) -> Tensor:
    """Return the named channels, float32 (n, C), from logit statistics (n, 5)."""
    predictions = _Predictions(statistics)
    return torch.stack([CHANNELS[name](predictions) for name in channels], dim=1)


def measure(logits: Tensor, label: Tensor, channels: Sequence[str]) -> Tensor:
    """Return the named channels of a batch, float32 (B, C), from logits (B, K) and true labels (B,).

    >>> import torch
    >>> logits = torch.log(torch.tensor([[0.1, 0.9], [0.7, 0.3]]))
    >>> print(measure(logits, torch.tensor([0, 0]), ["target_prob", "prob_margin", "error_norm"]).numpy().round(4))
    [[ 0.1    -0.8     1.2728]
     [ 0.7     0.4     0.4243]]
    """
    return channel_values(logit_statistics(logits, label), channels)


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
    return step.masked_fill(~before.any(dim=1), torch.nan)


def cos_step(prob: Tensor, before: Tensor) -> Tensor:
    """Return how far each prediction turned since the epoch before, (B,), as ESPS measures it.

        d = 1 - <p, before> / ((|p| + 1e-12) (|before| + 1e-12))

    `prob` and `before` are as in kl_step. IEEE Access 14, 74912, 2026.

    >>> import torch
    >>> print(cos_step(torch.tensor([[0.2, 0.8]]), torch.tensor([[0.8, 0.2]])).numpy().round(4))
    [0.5294]
    """
    length = (torch.linalg.vector_norm(prob, dim=1) + ESPS_GUARD) * (
        torch.linalg.vector_norm(before, dim=1) + ESPS_GUARD
    )
    step: Tensor = 1 - (prob * before).sum(dim=1) / length
    return step.masked_fill(~before.any(dim=1), torch.nan)


# Channels of two epochs: from the softmax of this epoch and of the one before.
STEPS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"kl_step": kl_step, "cos_step": cos_step}
