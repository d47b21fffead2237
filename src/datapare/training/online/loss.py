"""A loss that knows each example by its position, because a number about every example takes part in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from datapare.artifacts import Array
from datapare.errors import InputError
from datapare.recording.device_copies import on_device

BatchValues = Tensor | ArrayLike  # tensors on any device, arrays and lists


class Lookup:
    """One row per example (N, …), copied once to each device that asks; float64 becomes float32."""

    def __init__(self, value: Array) -> None:
        narrow = np.float32 if value.dtype == np.float64 else value.dtype
        self.value = np.require(value, dtype=narrow, requirements=["C", "W"])  # what torch shares memory with
        self._copies: dict[torch.device, Tensor] = {}

    def at(self, index: BatchValues, device: torch.device | None = None) -> Tensor:
        """Return the rows of some examples.

        Args:
            index: Positions of the examples, integers (B,).
            device: Where to; None for where the index is.

        Returns:
            (B, …).
        """
        index = torch.as_tensor(index)
        where = index.device if device is None else device
        if where not in self._copies:
            self._copies[where] = torch.from_numpy(self.value).to(where)
        return self._copies[where][on_device(index, where).long()]


@dataclass(frozen=True, eq=False)
class Loss:
    """A criterion: `loss(index, logits, target)` is one loss per example, (B,); train on their mean.

    Args:
        name: Name of the method.
        value: What is known about every example of the dataset, (N,) or (N, …).
        params: Parameters of the method by name.
        formula: Makes the losses (B,) from logits (B, K), target (B,) and the batch's rows of `value` and `more`.
        more: Further arrays (N, …), where one does not hold all.
    """

    name: str
    value: Array
    params: Mapping[str, float]
    formula: Callable[..., Tensor]
    more: tuple[Array, ...] = ()
    _lookup: tuple[Lookup, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lookup", tuple(Lookup(array) for array in (self.value, *self.more)))

    def __call__(self, index: BatchValues, logits: Tensor, target: Tensor) -> Tensor:
        """Return the losses of a batch.

        Args:
            index: Positions of the examples in the dataset, integers (B,).
            logits: float (B, K).
            target: Class numbers, integers (B,).

        Returns:
            float (B,), on the device of the logits.
        """
        return self.formula(logits, target, *(known.at(index, logits.device) for known in self._lookup))


def numbers(what: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return one finite number per example.

    Args:
        what: What they are, for the message.
        values: The numbers (N,).

    Returns:
        float64 (N,).

    Raises:
        InputError: For another shape, no numbers, or some that are not finite.
    """
    given: NDArray[np.generic] = np.asarray(values)
    array = given.astype(np.float64) if given.dtype.kind in "biuf" else np.full(given.shape, np.nan)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise InputError(
            f"expected {what} of every example, finite numbers of shape (N,), but they have shape {array.shape} and "
            f"{int((~np.isfinite(array)).sum()):,} of them are no number; score the whole dataset first."
        )
    return array
