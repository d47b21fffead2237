"""One epoch in the making, on the device where the logits are: a number per example and channel, and three checks.

Nothing here makes the host wait: wrong positions are written to a spare row instead of branching on them, and the
checks only count. `read`, once per epoch, is where the host looks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datapare.errors import DivergedError, InputError
from datapare.recording.logit_signals import measure
from datapare.recording.process_group import ProcessGroup

INSIDE, FINITE, SAME = range(3)  # what must be true of every observation


class EpochBuffer:
    """What was observed in the running epoch: values (N + 1, C), the last row for what must not count."""

    def __init__(self, label: NDArray[np.int64], channels: Sequence[str]) -> None:
        self.count = len(label)
        self.channels = list(channels)
        self._classes_needed = int(label.max()) + 1
        self._host_label = label
        self._label: Tensor | None = None
        self._width = 0  # of the logits, once some were seen
        self.reset()

    def reset(self) -> None:
        """Forget the epoch."""
        self.observations = 0
        self._starts: list[int] = []  # how many observations there were before each call
        if self._label is not None:
            self._value.fill_(torch.nan)
            self._turn.fill_(-1)
            self._true.zero_()

    @torch.no_grad()
    def post(self, index: Any, logits: Any, target: Any, classes: int) -> tuple[Tensor, Tensor]:
        """Note the logits (B, K) of examples `index` (B,); returns both as tensors on the board's device."""
        index, logits = _tensor(index), _tensor(logits).detach()
        self._check_shapes(index, logits, classes)
        self._width = logits.shape[1]
        index, logits, safe = self._found(index, logits)
        inside, label = safe < self.count, self._placed_label[safe]
        same = inside if target is None else self._same(target, label)
        self._true += torch.stack([inside, logits.isfinite().all(dim=1), same]).sum(dim=1)
        if self.channels:
            self._write(safe, measure(logits, label, self.channels))
        else:
            self._write(safe, self._value.new_zeros(len(safe), 0))
        return index, logits

    @torch.no_grad()
    def post_loss(self, index: Any, loss: Any) -> None:
        """Note the losses (B,) of examples `index` (B,), where loss is the only channel."""
        index, loss = _tensor(index), _tensor(loss).detach()
        if loss.ndim != 1 or not loss.is_floating_point():
            raise InputError(
                f"a loss is one float per example, shape (B,), not {loss.dtype} of shape {tuple(loss.shape)}; ask the "
                "loss function for reduction='none' and average what belongs to one example."
            )
        _check_index(index, len(loss), "losses")
        index, loss, safe = self._found(index, loss)
        inside = safe < self.count
        self._true += torch.stack([inside, loss.isfinite(), inside]).sum(dim=1)
        self._write(safe, loss.float()[:, None])

    def _found(self, index: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return both on the board's device, and the index with the spare row in place of wrong positions."""
        self._check_positions(index)
        if self._label is None:
            self._place(values.device)
        values, index = _moved(values, self._placed_label.device), _moved(index, self._placed_label.device).long()
        return index, values, torch.where((index >= 0) & (index < self.count), index, self.count)

    @property
    def _placed_label(self) -> Tensor:
        assert self._label is not None  # noqa: S101
        return self._label

    def read(
        self, epoch: int, peers: ProcessGroup
    ) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the rows (N,) of each channel, who was observed (N,) and whose last observation was made here (N,).

        All processes return the same rows, and raise the same InputError or DivergedError when a check failed.
        """
        true = [0, 0, 0] if self._label is None else self._true.tolist()
        total, *true = peers.total([self.observations, *true])
        if total == 0:
            raise InputError(
                f"nothing was observed in epoch {epoch + 1}; call observe for every batch before end_epoch."
            )
        self._check_truths(epoch, total, *(total - count for count in true))
        value, seen, ours = peers.latest(*self._read())
        return dict(zip(self.channels, value, strict=True)), seen, ours

    def _read(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return in which call each example was last observed, (N,), -1 for never, and its values (C, N)."""
        if self._label is None:
            nothing = np.full((len(self.channels), self.count), np.nan, dtype=np.float32)
            return np.full(self.count, -1), nothing
        turn = self._turn[: self.count].cpu().numpy()
        call = np.searchsorted(np.asarray(self._starts), turn, side="right") - 1
        return call, self._value[: self.count].cpu().numpy().T.copy()  # of its own: reset clears the board

    def _write(self, index: Tensor, values: Tensor) -> None:
        """Scatter (B, C) values; of a repeated example only the last observation, in every channel."""
        # Writes of one call race on a device. The latest turn wins first, then all others go to the spare row.
        start = self.observations
        turn = torch.arange(start, start + len(index), dtype=self._turn.dtype, device=self._turn.device)
        self._starts.append(start)
        self.observations += len(index)
        self._turn.scatter_reduce_(0, index, turn, "amax")
        winner = torch.where(self._turn[index] == turn, index, self.count)
        self._value.index_copy_(0, winner, values)

    def _same(self, target: Any, label: Tensor) -> Tensor:
        target = _tensor(target)
        if target.is_floating_point() or target.ndim > 1:  # soft or one-hot: mixed on purpose
            return torch.ones_like(label, dtype=torch.bool)
        if len(target) != len(label):
            raise InputError(f"expected one target per position, {len(label)}, but {len(target)} arrived.")
        return _moved(target, label.device) == label

    def _place(self, device: torch.device) -> None:
        label = torch.from_numpy(np.append(self._host_label, 0))
        self._label = label.to(device)
        self._value = torch.full((self.count + 1, len(self.channels)), torch.nan, device=device)
        self._turn = torch.full((self.count + 1,), -1, dtype=torch.int32, device=device)
        self._true = torch.zeros(3, dtype=torch.int64, device=device)

    def _check_shapes(self, index: Tensor, logits: Tensor, classes: int) -> None:
        if logits.ndim != 2 or not logits.is_floating_point():
            raise InputError(f"logits are floats of shape (B, K), not {logits.dtype} of shape {tuple(logits.shape)}.")
        _check_index(index, len(logits), "rows of logits")
        width = logits.shape[1]
        if classes and width != classes:
            raise InputError(f"expected logits of {classes} classes, but they have {width} columns.")
        if self._width and width != self._width:
            raise InputError(
                f"expected logits of {self._width} classes as before, but they have {width} columns; keep one logit "
                "per class throughout."
            )
        if width < max(2, self._classes_needed):
            raise InputError(
                f"expected logits of at least {max(2, self._classes_needed)} classes, as the labels ask for, but they "
                f"have {width} column{'s' * (width != 1)}; give one logit per class."
            )

    def _check_positions(self, index: Tensor) -> None:
        if len(index) == 0:  # an empty list has no type of its own
            return
        if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
            raise InputError(
                f"positions are whole numbers such as int64, not {index.dtype}, which may have rounded them; carry the "
                "index beside the sample as an integer."
            )
        if torch.iinfo(index.dtype).max < self.count - 1:
            raise InputError(f"positions of {self.count:,} examples do not fit {index.dtype}; carry them as int64.")
        if index.device.type == "cpu":
            low, high = (int(end) for end in index.long().aminmax())
            if low < 0 or high >= self.count:
                raise InputError(
                    f"positions lie between 0 and {self.count - 1}, but {low if low < 0 else high} arrived; pass "
                    "positions in the dataset whose labels were given."
                )

    def _check_truths(self, epoch: int, total: int, outside: int, infinite: int, differing: int) -> None:
        if outside:
            raise InputError(
                f"{outside:,} of {total:,} positions in epoch {epoch + 1} lie outside 0 … {self.count - 1}; pass "
                "positions in the dataset whose labels were given."
            )
        if differing:
            raise InputError(
                f"the target of {differing:,} examples differ from the labels given (of {total:,} observed in epoch "
                f"{epoch + 1}): the index does not point at these examples; pass positions in the dataset whose labels "
                "were given, or no target where the loop changes it on purpose."
            )
        if infinite:
            raise DivergedError(
                f"training diverged in epoch {epoch + 1}: {infinite:,} of {total:,} observed examples have NaN or "
                "infinite logits or losses; lower the learning rate, warm it up, clip the gradients, or train in "
                "float32."
            )


def _check_index(index: Tensor, count: int, what: str) -> None:
    if index.ndim != 1 or len(index) != count:
        raise InputError(
            f"expected one position for each of {count} {what}, but the index has shape {tuple(index.shape)}."
        )


def _tensor(values: Any) -> Tensor:
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    if array.dtype.kind not in "biufc":
        raise InputError(
            f"expected numbers, but {values!r:.60} arrived; an example is observed by its position in the dataset, a "
            "whole number: keep names and ids of other kinds in a dict from id to position."
        )
    return torch.as_tensor(array)


def _moved(values: Tensor, device: torch.device) -> Tensor:
    if values.device == device:
        return values
    if values.device.type == "cpu" and device.type == "cuda":
        values = values.pin_memory()  # a copy from pageable memory would wait for the device
    # A copy towards the host must be waited for: what has not arrived yet would be read.
    return values.to(device, non_blocking=device.type != "cpu")
