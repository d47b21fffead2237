"""Logits that wait on their device until there are enough of them for one pass, instead of one pass per batch."""

import torch
from torch import Tensor


class PendingLogits:
    """Copies of what was observed, in its order.

    Args:
        limit: How many bytes of logits are worth a pass.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.clear()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._index

    def clear(self) -> None:
        """Forget all."""
        self._index: list[Tensor] = []
        self._logits: list[Tensor] = []
        self._bytes = 0

    def add(self, index: Tensor, logits: Tensor) -> bool:
        """Keep copies of index (B,) and logits (B, K), as float32; returns whether there are enough now."""
        self._index.append(index.clone())
        self._logits.append(logits.to(torch.float32, copy=True))
        self._bytes += 4 * logits.numel()
        return self._bytes >= self._limit

    def fetch(self) -> tuple[Tensor, Tensor]:
        """Return all that waits, index (n,) and logits (n, K), which waits no more."""
        index, logits = torch.cat(self._index), torch.cat(self._logits)
        self.clear()
        return index, logits
