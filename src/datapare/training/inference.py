"""What a network says about encoded rows: logits, embeddings, accuracy."""

from collections.abc import Callable
from itertools import zip_longest

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datapare.artifacts import Floats
from datapare.data import Inputs
from datapare.data.encodings.base import allocate
from datapare.training.batches import BatchSource
from datapare.training.device import autocast
from datapare.training.networks.factory import Network


def predict(model: Network, inputs: Inputs, *, batch: int = 512, precision: str = "fp32") -> NDArray[np.float32]:
    """Return the logits (N, K) float32 of `inputs` in eval mode; nothing is augmented, the model's mode is restored."""
    return _through(model, model.forward, inputs, batch, precision)


def embed(model: Network, inputs: Inputs, *, batch: int = 512, precision: str = "fp32") -> NDArray[np.float32]:
    """Return the penultimate features (N, d) float32 of `inputs` in eval mode."""
    return _through(model, model.features, inputs, batch, precision)


@torch.no_grad()
def clean(model: Network, batch: Tensor, precision: str) -> Tensor:
    """Return the logits (B, K) of rows as they are, in eval mode; draws no random number, the mode is restored."""
    before = model.training
    model.eval()
    with autocast(batch.device, precision):
        logits: Tensor = model(batch)
    model.train(before)
    return logits


def accuracy(logits: Floats, label: NDArray[np.int64]) -> float:
    """Return the share of rows whose largest logit is at their label; NaN without rows.

    >>> accuracy(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    0.5
    """
    return float(np.mean(logits.argmax(1) == label)) if len(label) else float("nan")


def class_accuracy(logits: Floats, label: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the accuracy (K,) over the rows of each class; NaN for a class without rows.

    >>> class_accuracy(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([0, 1, 1]))
    array([1. , 0.5])
    """
    n_classes = logits.shape[1]
    count = np.bincount(label, minlength=n_classes)
    right = np.bincount(label[logits.argmax(1) == label], minlength=n_classes)
    share: NDArray[np.float64] = np.divide(right, count, out=np.full(n_classes, np.nan), where=count > 0)
    return share


@torch.inference_mode()
def _through(
    model: Network, call: Callable[[Tensor], Tensor], inputs: Inputs, batch: int, precision: str
) -> NDArray[np.float32]:
    rows, before = BatchSource(inputs.array, inputs.encoding.kind), model.training
    batches, out = torch.split(torch.arange(len(inputs.array)), batch), np.zeros((0, 0), dtype=np.float32)
    model.eval()
    try:
        for some, following in zip_longest(batches, batches[1:]):
            if following is not None:
                rows.prefetch(following.numpy())
            with autocast(rows.device, precision):
                found = call(rows.take(some)).float().cpu().numpy()
            out = out if out.size else allocate((len(inputs.array), *found.shape[1:]), np.float32)
            out[some[0] : some[-1] + 1] = found
    finally:
        model.train(before)
    return out
