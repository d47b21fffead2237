"""One epoch in the making, on the device where the logits are: a few numbers per example, and two checks.

Nothing here makes the host wait: wrong positions are written to a spare row instead of branching on them, and the
checks only count. `read`, once per epoch, is where the host looks. Small batches are copied and measured several at
once, because a pass over 128 rows of 10 logits takes hardly less time than one over 1,600.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datapare.errors import DivergedError, InputError
from datapare.recording.device_copies import on_device
from datapare.recording.foreign_types import Values
from datapare.recording.logit_signals import STATISTICS, channel_values, logit_statistics, measure
from datapare.recording.pending_logits import PendingLogits
from datapare.recording.process_group import ProcessGroup

LOSS_ALONE = ["loss"]
WAITING_BYTES = 64 * 2**10  # of logits that are measured at once; they stay in the processor's cache
# What is counted: positions outside, targets that differ, of several classes, mixed ones, one-hot ones that differ.
OUTSIDE, DIFFERING, SEVERAL, MIXED, HOT_DIFFERING = COUNTERS = range(5)
MAX_NOT_FINITE = 0.5  # of an epoch's examples; with more, the epoch is no record of a training
SUM_TOLERANCE = 0.02  # of a soft target's sum to one, in bfloat16
WAY_OUT = (
    'record the loss of each example instead: Recorder(..., channels=("loss",)) and '
    "observe(index, loss=per_example_loss(logits, target)), from datapare.recording"
)


class EpochRows(NamedTuple):
    """What an epoch observed: rows (N,) by channel; who has a value, whose last one is of this process, each (N,)."""

    rows: dict[str, NDArray[np.float32]]
    seen: NDArray[np.bool_]
    ours: NDArray[np.bool_]
    not_finite: int


class EpochBuffer:
    """What was observed in the running epoch: values (N + 1, W), the last row for what must not count.

    A row holds the logit statistics that every channel follows from, or the loss alone where that is all that is
    recorded.

    Args:
        label: True classes, int64 (N,).
        channels: What `read` returns, names of CHANNELS.
    """

    def __init__(self, label: NDArray[np.int64], channels: Sequence[str]) -> None:
        self.count = len(label)
        self.channels = list(channels)
        self._loss_alone = self.channels == LOSS_ALONE
        self._columns = 1 if self._loss_alone else STATISTICS  # W
        self._classes_needed = int(label.max()) + 1
        self._host_label = label
        self._label: Tensor | None = None
        self._host_value: NDArray[np.float32] | None = None  # the same memory, where the device is the host
        self._width = 0  # of the logits, once some were seen
        self._waiting = PendingLogits(WAITING_BYTES)
        self.reset()

    def reset(self) -> None:
        """Forget the epoch."""
        self.observations = 0
        self._written = 0  # of these observations
        self._starts: list[int] = []  # how many observations there were before each call
        self._waiting.clear()
        self._host_wrong = [0 for _ in COUNTERS]
        self._restored: Mapping[str, Tensor] | None = None
        if self._label is not None:
            self._value.fill_(torch.nan)
            self._turn.fill_(-1)
            self._wrong.zero_()

    def observe(
        self, index: Values, logits: Values, target: Values | None = None, classes: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Record the logits of a batch.

        Args:
            index: Positions (B,) of the examples.
            logits: Float (B, K), or (B,) or (B, 1) where there are two classes: the logit of class 1 against 0.
            target: What the loop trains on; class numbers (B,) or (B, 1), also as floats, are compared with the labels.
            classes: K where it is known, else 0.

        Returns:
            Index (B,) and logits (B, K), as tensors on the buffer's device.

        Raises:
            InputError: When shapes or types cannot be right, or a position is outside the dataset.
        """
        index, logits = to_tensor(index), self._two_columns(to_tensor(logits).detach(), classes)
        self._check_shapes(index, logits, classes)
        self._width = logits.shape[1]
        index, logits, safe = self._found(index, logits)
        if target is not None:
            self._compare(to_tensor(target), self._placed_label[safe], logits.shape)
        self._count_call(len(safe))
        if self._waiting.add(safe, logits):
            self._measure_waiting()
        return index, logits

    def observe_loss(self, index: Values, loss: Values, target: Values | None = None) -> None:
        """Record the losses (B,) of examples `index` (B,), where loss is the only channel.

        An integer `target` (B,) is compared with the labels, unless these are all 0.
        """
        index, loss = to_tensor(index), to_tensor(loss).detach()
        if loss.ndim != 1 or not loss.is_floating_point():
            raise InputError(
                f"a loss is one float per example, shape (B,), not {loss.dtype} of shape {tuple(loss.shape)}; ask the "
                "loss function for reduction='none' and average what belongs to one example."
            )
        _check_index(index, len(loss), "losses")
        index, loss, safe = self._found(index, loss)
        if target is not None and self._classes_needed > 1:
            target = to_tensor(target)
            if target.ndim == 1 and not target.is_floating_point():
                self._compare(target, self._placed_label[safe], loss.shape)
        self._measure_waiting()
        self._count_call(len(safe))
        self._write(safe, loss.float()[:, None])

    def read(self, epoch: int, group: ProcessGroup) -> EpochRows:
        """Return the epoch merged over all processes; every process gets the same rows, or raises the same error.

        Raises:
            InputError: When nothing was observed, positions were outside, or targets differ from the labels.
            DivergedError: When more than half of the examples have values that are NaN or infinite.
        """
        on_device = [0 for _ in COUNTERS] if self._label is None else self._wrong.tolist()
        counts = [host + device for host, device in zip(self._host_wrong, on_device, strict=True)]
        total, *wrong = group.total([self.observations + self._restored_count, *counts])
        if total == 0:
            raise InputError(
                f"nothing was observed in epoch {epoch + 1}; call observe for every batch before end_epoch."
            )
        self._check_counts(epoch, total, *wrong)
        value, seen, ours = group.merge_latest(*self._read())
        statistics = torch.from_numpy(np.ascontiguousarray(value.T))  # (N, W)
        # Where only channels of two epochs are recorded, the probability tells which examples are no numbers.
        judged = statistics if self._loss_alone else channel_values(statistics, self.channels or ["target_prob"])
        finite = judged.isfinite().numpy()  # (N, C)
        not_finite = int((seen & ~finite.all(axis=1)).sum())
        lost = int((seen & ~finite.any(axis=1)).sum())
        if lost > MAX_NOT_FINITE * seen.sum():
            raise DivergedError(
                f"training diverged in epoch {epoch + 1}: {lost:,} of {int(seen.sum()):,} observed examples have NaN "
                "or infinite logits or losses; lower the learning rate, warm it up, clip the gradients, or train in "
                "float32."
            )
        kept = np.where(finite, judged.numpy(), np.float32(np.nan)).T
        named = dict(zip(self.channels, kept, strict=False))  # none where only kl_step is recorded
        return EpochRows(named, seen & finite.any(axis=1), ours, not_finite)

    def state(self, group: ProcessGroup) -> tuple[dict[str, Tensor], NDArray[np.bool_]]:
        """Return what was observed so far, merged over all processes, for `restore`; and whose last is ours, (N,)."""
        value, seen, ours = group.merge_latest(*self._read())
        index = np.flatnonzero(seen)
        return {"index": torch.from_numpy(index), "value": torch.from_numpy(value[:, index].T.copy())}, ours

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state; it counts as observed before everything else of the epoch."""
        self.reset()
        if len(state["index"]):
            self._restored = state
            if self._label is not None:
                self._write_restored()

    @property
    def _restored_count(self) -> int:
        return 0 if self._restored is None else len(self._restored["index"])

    def _write_restored(self) -> None:
        if self._restored is not None:
            state, self._restored = self._restored, None
            device = self._placed_label.device
            self._count_call(len(state["index"]))
            self._write(state["index"].to(device), state["value"].to(device))

    def _two_columns(self, logits: Tensor, classes: int) -> Tensor:
        """Return (B, 2) for one logit per example, which is that of class 1 where class 0 has 0."""
        if logits.is_floating_point() and (logits.ndim == 1 or (logits.ndim == 2 and logits.shape[1] == 1)):
            if self._classes_needed == 2 and classes in (0, 2):
                one = logits.reshape(-1)
                return torch.stack([torch.zeros_like(one), one], dim=1)
            if logits.ndim == 1:
                raise InputError(
                    f"one logit per example, shape {tuple(logits.shape)}, is for labels 0 and 1, but {self.count:,} "
                    f"labels go up to {self._classes_needed - 1}; give one logit per class, or {WAY_OUT}."
                )
        return logits

    def _found(self, index: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return both on the buffer's device, and the index with the spare row in place of wrong positions."""
        checked = self._check_positions(index)
        if self._label is None:
            self._place(values.device)
        values, index = on_device(values, self._placed_label.device), on_device(index, self._placed_label.device).long()
        if checked:
            return index, values, index
        inside = (index >= 0) & (index < self.count)
        self._count(OUTSIDE, ~inside)
        return index, values, torch.where(inside, index, self.count)

    @property
    def _placed_label(self) -> Tensor:
        assert self._label is not None  # noqa: S101
        return self._label

    def _read(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return in which call each example was last observed, (N,), -1 for never, and its values (W, N)."""
        if self._label is None:
            if self._restored is None:
                return np.full(self.count, -1), np.full((self._columns, self.count), np.nan, dtype=np.float32)
            self._place(torch.device("cpu"))
        self._measure_waiting()
        turn = self._turn[: self.count].cpu().numpy()
        call = np.searchsorted(np.asarray(self._starts), turn, side="right") - 1
        return call, self._value[: self.count].cpu().numpy().T.copy()  # of its own: reset clears the buffer

    def _count_call(self, observations: int) -> None:
        self._starts.append(self.observations)
        self.observations += observations

    def _measure_waiting(self) -> None:
        if not self._waiting.is_empty:
            index, logits = self._waiting.fetch()
            label = self._placed_label[index]
            self._write(
                index, measure(logits, label, LOSS_ALONE) if self._loss_alone else logit_statistics(logits, label)
            )

    def _write(self, index: Tensor, values: Tensor) -> None:
        """Scatter (n, W) values; of a repeated example only the last observation, in every column."""
        start, stop = self._written, self._written + len(index)
        self._written = stop
        if self._host_value is not None:  # numpy writes in order
            position = index.numpy()
            self._host_turn[position] = np.arange(start, stop, dtype=np.int32)
            self._host_value[position] = values.numpy()
            return
        # Writes of one call race on a device. The latest turn wins first, then all others go to the spare row.
        turn = torch.arange(start, stop, dtype=self._turn.dtype, device=self._turn.device)
        self._turn.scatter_reduce_(0, index, turn, "amax")
        winner = torch.where(self._turn[index] == turn, index, self.count)
        self._value.index_copy_(0, winner, values)

    def _compare(self, target: Tensor, label: Tensor, shape: Sequence[int]) -> None:
        """Count the targets that are class numbers and differ from the labels, and those of several classes each."""
        if target.ndim == 2 and target.shape[1] == 1:
            target = target.squeeze(1)
        if target.ndim == 1:
            if target.shape != label.shape:
                raise InputError(f"expected one target per position, {len(label)}, but {len(target)} arrived.")
            target = on_device(target, label.device)
            differing = target != label
            if target.is_floating_point():  # between classes: mixed or smoothed on purpose
                differing &= target == target.round()
            self._count(DIFFERING, differing)
        elif target.shape == torch.Size(shape):
            target = on_device(target, label.device).float()
            self._count(SEVERAL, (target.sum(dim=1) - 1).abs() > SUM_TOLERANCE)
            largest, where = target.max(dim=1)
            self._count(MIXED, largest < 1)
            self._count(HOT_DIFFERING, (largest == 1) & (where != label))

    def _count(self, what: int, wrong: Tensor) -> None:
        if self._host_value is not None:
            self._host_wrong[what] += int(np.count_nonzero(wrong.numpy()))
        else:
            self._wrong[what] += wrong.sum()

    @torch.inference_mode(mode=False)  # what is made in inference mode could not be changed outside of it
    def _place(self, device: torch.device) -> None:
        label = torch.from_numpy(np.append(self._host_label, 0))
        self._label = label.to(device)
        self._value = torch.full((self.count + 1, self._columns), torch.nan, dtype=torch.float32, device=device)
        self._turn = torch.full((self.count + 1,), -1, dtype=torch.int32, device=device)
        self._wrong = torch.zeros(len(COUNTERS), dtype=torch.int64, device=device)
        if device.type == "cpu":
            self._host_value, self._host_turn = self._value.numpy(), self._turn.numpy()
        self._write_restored()

    def _check_shapes(self, index: Tensor, logits: Tensor, classes: int) -> None:
        if logits.ndim != 2 or not logits.is_floating_point():
            more = f"; {WAY_OUT}" if logits.ndim > 2 else ""
            raise InputError(
                f"logits are floats of shape (B, K), not {logits.dtype} of shape {tuple(logits.shape)}{more}."
            )
        _check_index(index, logits.shape[0], "rows of logits")
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

    def _check_positions(self, index: Tensor) -> bool:
        """Raise InputError for what cannot be positions; return whether all are known to be inside the dataset."""
        if index.numel() == 0:  # an empty list has no type of its own
            return True
        if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
            raise InputError(
                f"positions are whole numbers such as int64, not {index.dtype}, which may have rounded them; carry the "
                "index beside the sample as an integer."
            )
        if torch.iinfo(index.dtype).max < self.count - 1:
            raise InputError(f"positions of {self.count:,} examples do not fit {index.dtype}; carry them as int64.")
        if index.device.type != "cpu":
            return False
        position = index.numpy()
        low, high = int(position.min()), int(position.max())
        if low < 0 or high >= self.count:
            raise InputError(
                f"positions lie between 0 and {self.count - 1}, but {low if low < 0 else high} arrived; pass "
                "positions in the dataset whose labels were given."
            )
        return True

    def _check_counts(self, epoch: int, total: int, *counts: int) -> None:
        outside, differing, several, mixed, hot_differing = counts
        if mixed == several == 0:  # a mixture may be all of the other example, so that alone is no error
            differing += hot_differing
        if outside:
            raise InputError(
                f"{outside:,} of {total:,} positions in epoch {epoch + 1} lie outside 0 … {self.count - 1}; pass "
                "positions in the dataset whose labels were given."
            )
        if differing:
            raise InputError(
                f"the target of {differing:,} examples differ from the labels given (of {total:,} observed in epoch "
                f"{epoch + 1}): the index does not point at these examples; pass positions in the dataset whose labels "
                "were given (a collation that re-orders its batch needs its own index), or no target where the loop "
                "changes it on purpose."
            )
        if several:
            raise InputError(
                f"the targets of {several:,} of {total:,} examples in epoch {epoch + 1} do not sum to one, so they "
                f"hold several labels each; {WAY_OUT}."
            )


def _check_index(index: Tensor, count: int, what: str) -> None:
    if index.shape != (count,):
        raise InputError(
            f"expected one position for each of {count} {what}, but the index has shape {tuple(index.shape)}; where "
            "batches are changed after they are collated, pass the positions that are left."
        )


def to_tensor(values: Values) -> Tensor:
    """Return anything array-like as a tensor, sharing memory where possible; bfloat16 arrays become float32."""
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    if array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 and float8 of ml_dtypes, as JAX gives them
        array = array.astype(np.float32)
    if array.dtype.kind not in "biufc":
        raise InputError(
            f"expected numbers, but {values!r:.60} arrived; an example is observed by its position in the dataset, a "
            "whole number: keep names and ids of other kinds in a dict from id to position."
        )
    return torch.as_tensor(array if array.flags.writeable else array.copy())  # of JAX; torch would warn of them
