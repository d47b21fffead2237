"""The mean of word embeddings, for texts.

Source      arXiv:1607.01759, Joulin, Grave, Bojanowski, Mikolov, 2016.
Reads       token ids (B, L) int64, 0 = padding.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from datapare.data import Inputs
from datapare.training.config import TrainingConfig
from datapare.training.networks.classifier import Classifier

NAMES = ("textnet",)
KINDS = ("text",)


def build(inputs: Inputs, num_classes: int, config: TrainingConfig) -> nn.Module:
    """Return a network for texts of this vocabulary."""
    return TextNet(inputs.encoding.tokens, num_classes, width=config.width)


class TextNet(Classifier):
    """The mean of the word embeddings: on 5,000 to 10,000 short texts a convolution was slower and no better."""

    def __init__(self, vocabulary: int, n_classes: int, *, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        with torch.no_grad():
            self.embedding.weight.mul_(0.1)  # from N(0, 1) it needs twice the epochs
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the mean embedding (B, width) of the words that are there; zeros for a text without words."""
        mean: Tensor = self.dropout(embedding_bag(x, self.embedding.weight, mode="mean", padding_idx=0))
        return mean
