"""One linear layer on features that are not learned (frozen_features.py).

Reads       features (B, d), as `frozen` makes them.
"""

import torch
from torch import Tensor, nn

from datapare.data import Inputs
from datapare.errors import InputError
from datapare.training.config import TrainingConfig
from datapare.training.networks.classifier import Classifier

NAMES = ("features",)
KINDS = ("table",)


def build(inputs: Inputs, num_classes: int, config: TrainingConfig) -> nn.Module:
    """Return a linear classifier of features, which only a recording makes of the examples."""
    if inputs.encoding.columns:
        raise InputError(
            f"the model {config.model!r} is for recording only; train and compare with another, such as mlp."
        )
    return LinearOnFeatures(inputs.array.shape[1], num_classes)


class LinearOnFeatures(Classifier):
    """Logits that begin at 0 and are linear in the features."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(n_features, n_classes)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.zero_()

    def features(self, x: Tensor) -> Tensor:
        """Return the features as they are (B, d)."""
        return x
