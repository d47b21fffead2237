"""Fully connected layers, for tables and embeddings.

Reads       numbers (B, F).
"""

from itertools import pairwise

from torch import Tensor, nn

from datapare.data import Inputs
from datapare.training.config import TrainingConfig
from datapare.training.networks.classifier import Classifier

NAMES = ("mlp",)
KINDS = ("table", "embedding")


def build(inputs: Inputs, num_classes: int, config: TrainingConfig) -> nn.Module:
    """Return a network for rows of this many numbers."""
    return MLP(inputs.array.shape[1], num_classes, width=config.width)


class MLP(Classifier):
    """Fully connected layers with batch norm, for tables and embeddings."""

    def __init__(
        self, n_features: int, n_classes: int, *, width: int = 128, depth: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        sizes = [n_features, *[width] * depth]
        self.body = nn.Sequential(*(_dense(a, b, dropout) for a, b in pairwise(sizes)))
        self.head = nn.Linear(width, n_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the last hidden layer (B, width)."""
        hidden: Tensor = self.body(x)
        return hidden


def _dense(wide_in: int, wide_out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(wide_in, wide_out), nn.BatchNorm1d(wide_out), nn.ReLU(inplace=True), nn.Dropout(dropout)
    )
