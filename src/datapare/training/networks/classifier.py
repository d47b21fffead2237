"""What every network of this folder has: `features(x)` (B, d), and logits (B, K) that are one linear layer on them."""

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """Logits are one linear layer, `head`, on what `features` returns."""

    head: nn.Module

    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate features (B, d)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, K); the head works in float32 always: bf16 logits would carry three digits."""
        features = self.features(x).float()
        with torch.autocast(x.device.type, enabled=False):
            logits: Tensor = self.head(features)
        return logits
