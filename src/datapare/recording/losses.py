"""The loss of each example of a batch, for tasks that have no single class per example.

A record of such a task holds the channel `loss` alone; every score that reads it applies: loss, fatb, cld, S2L, and the
variability of the loss. The default losses are unweighted and unsmoothed, one number per example:

    single_label_classification  logits (B, K), target int (B,)        -ln p_y
    multi_label_classification   logits (B, L), target 0..1 (B, L)     mean over labels of binary cross-entropies
    regression                   logits (B,), (B, 1), (B, ...)         mean squared error over an example's numbers
    causal_lm                    logits (B, S, V), target int (B, S)   mean over tokens of -ln p of the next token
    token_classification         logits (B, S, V), target int (B, S)   mean over tokens of -ln p; sequence-to-sequence
                                                                       and masked language models too
    semantic_segmentation        logits (B, K, H, W), target (B, H, W) mean over pixels of -ln p, logits resized to the
                                                                       target where they are smaller

Tokens and pixels whose target is -100 do not count, pixels of 255 neither; an example without any is NaN.
"""

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from datapare.errors import InputError
from datapare.recording.epoch_buffer import to_tensor
from datapare.recording.foreign_types import Criterion, Outputs, Targets, Values

if TYPE_CHECKING:
    from datapare.recording.recorder import Recorder

MASKED = -100
VOID = 255  # of segmentation masks
SINGLE = "single_label_classification"


def _single_label(logits: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float(), target.long(), reduction="none")


def _multi_label(logits: Tensor, target: Tensor) -> Tensor:
    _check_same_shape("multi_label_classification", logits, target)
    return functional.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none").mean(dim=1)


def _regression(logits: Tensor, target: Tensor) -> Tensor:
    if logits.ndim == 2 and logits.shape[1] == 1 and target.ndim == 1:
        logits = logits.squeeze(1)
    if target.ndim == 2 and target.shape[1] == 1 and logits.ndim == 1:
        target = target.squeeze(1)
    _check_same_shape("regression", logits, target)
    return (logits.float() - target.float()).square().reshape(len(logits), -1).mean(dim=1)


def _causal_lm(logits: Tensor, target: Tensor) -> Tensor:
    return _tokens(logits[:, :-1], target[:, 1:])


def _tokens(logits: Tensor, target: Tensor) -> Tensor:
    if logits.ndim != 3 or target.shape != logits.shape[:2]:
        raise _wrong_shapes("a loss per token", "(B, S, V) and (B, S)", logits, target)
    return _mean_of_classes(logits.transpose(1, 2), target, target != MASKED)


def _segmentation(logits: Tensor, target: Tensor) -> Tensor:
    if logits.ndim < 3 or target.ndim != logits.ndim - 1 or len(target) != len(logits):
        raise _wrong_shapes("semantic_segmentation", "(B, K, H, W) and (B, H, W)", logits, target)
    if logits.shape[2:] != target.shape[1:]:
        logits = functional.interpolate(logits.float(), size=target.shape[1:], mode="bilinear", align_corners=False)
    return _mean_of_classes(logits, target, (target != MASKED) & (target != VOID))


def _mean_of_classes(logits: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """Return the mean cross-entropy (B,) of logits (B, K, ...) over the places (B, ...) that count."""
    loss = functional.cross_entropy(logits.float(), target.long().where(counts, 0), reduction="none")
    loss = loss.where(counts, 0.0)
    return loss.flatten(1).sum(dim=1) / counts.flatten(1).sum(dim=1)


PROBLEM_TYPES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    SINGLE: _single_label,
    "multi_label_classification": _multi_label,
    "regression": _regression,
    "causal_lm": _causal_lm,
    "token_classification": _tokens,
    "semantic_segmentation": _segmentation,
}


def per_example_loss(logits: Values, target: Values, problem_type: str | None = None) -> Tensor:
    """Return the loss of each example of a batch, without gradients.

    Args:
        logits: What the model predicts, of the shapes above; predicted numbers for a regression.
        target: What it should predict.
        problem_type: One of the names above; None infers it from shapes and types where they leave no choice.
            Causal language models need theirs, as the shift by one token shows in no shape.

    Returns:
        float32 (B,).

    Raises:
        InputError: For shapes that do not fit, an unknown problem type, or one that cannot be inferred.

    >>> per_example_loss(torch.zeros(2, 3), torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])).numpy().round(4).tolist()
    [0.6930999755859375, 0.6930999755859375]
    >>> per_example_loss([1.0, 2.0], [1.5, 2.0], "regression").tolist()
    [0.25, 0.0]
    """
    logits, target = to_tensor(logits).detach(), to_tensor(target)
    problem_type = problem_type or infer_problem_type(logits, target)
    if problem_type not in PROBLEM_TYPES:
        raise InputError(f"problem_type is one of {', '.join(PROBLEM_TYPES)}, not {problem_type!r}.")
    return PROBLEM_TYPES[problem_type](logits, target.to(logits.device))


def infer_problem_type(logits: Tensor, target: Tensor) -> str:
    """Return the problem type that the shapes and types of logits and target allow; raises InputError when unclear."""
    if target.is_floating_point():
        if logits.shape == target.shape and logits.ndim == 2 and logits.shape[1] > 1:
            return "multi_label_classification"
        if logits.numel() == target.numel() and max(logits.ndim, target.ndim) <= 2:
            return "regression"
    elif logits.ndim == 2 and target.ndim == 1 and logits.shape[1] > 1:
        return SINGLE
    elif logits.ndim == 2 and target.shape == logits.shape and logits.shape[1] > 1:
        return "multi_label_classification"
    elif logits.ndim == 4 and target.ndim == 3:
        return "semantic_segmentation"
    raise InputError(
        f"logits of shape {tuple(logits.shape)} and a {target.dtype} target of shape {tuple(target.shape)} may be of "
        f"several tasks; pass problem_type, one of {', '.join(PROBLEM_TYPES)}, or a per_example_loss of your own."
    )


def from_criterion(criterion: Criterion) -> Criterion:
    """Return a function of (logits, target) that gives one loss per example, (B,), from a loss function or module.

    A torch loss module is used with reduction="none"; what it then gives per label, token or pixel is averaged within
    each example, without the targets that it ignores.

    >>> from_criterion(nn.MSELoss())(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.zeros(2, 2)).tolist()
    [2.5, 0.0]
    """
    module: Criterion | nn.Module = copy.copy(criterion)
    if isinstance(module, nn.Module) and hasattr(module, "reduction"):
        module.__dict__["reduction"] = "none"
    ignored = getattr(module, "ignore_index", None)

    def loss_of(logits: Outputs, target: Targets) -> Tensor:
        loss: Tensor = module(logits, target)
        if not isinstance(loss, Tensor) or loss.ndim == 0:
            raise InputError(
                "per_example_loss returned one number for the whole batch; return a loss per example, shape (B,), as "
                'reduction="none" gives.'
            )
        if loss.ndim == 1:
            return loss
        loss = loss.flatten(1)
        if ignored is None or not isinstance(target, Tensor) or target.numel() != loss.numel():
            return loss.mean(dim=1)
        counts: Tensor = target.reshape(loss.shape) != ignored
        return loss.sum(dim=1) / counts.sum(dim=1)

    return loss_of


@torch.no_grad()
def observe_batch(
    recorder: "Recorder",
    index: Values,
    logits: Outputs,
    target: Targets,
    *,
    problem_type: str | None = None,
    criterion: Criterion | None = None,
) -> None:
    """Record a batch of any task, as the adapters do: its class probabilities, or its losses.

    Raises:
        InputError: When the task has no class per example and the recorder keeps more than the loss.
    """
    if criterion is not None:
        recorder.observe(index, loss=criterion(logits, target))
    elif target is None or (problem_type in (None, SINGLE) and not recorder.keeps_loss_alone):
        recorder.observe(index, logits, target)
    elif recorder.keeps_loss_alone:
        recorder.observe(index, target=target, loss=per_example_loss(logits, target, problem_type))
    else:
        raise InputError(
            f"the task is {problem_type}, which has a loss but no class of each example; make the recorder with "
            'channels=("loss",) and any grouping as labels, such as zeros.'
        )


def _check_same_shape(what: str, logits: Tensor, target: Tensor) -> None:
    if logits.shape != target.shape:
        raise _wrong_shapes(what, "one shape", logits, target)


def _wrong_shapes(what: str, expected: str, logits: Tensor, target: Tensor) -> InputError:
    return InputError(
        f"{what} takes logits and target of {expected}, not {tuple(logits.shape)} and {tuple(target.shape)}."
    )
