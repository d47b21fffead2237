"""The processes of one training, which record together: each observes its share, and rank 0 alone touches the disk.

They are those of `torch.distributed`, when it is initialised before the Recorder is made. They communicate once per
epoch, in a group of their own on the host: it works beside NCCL, and no collective of the training can come between.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from datapare.errors import InputError

T = TypeVar("T")
END = -1
PATIENCE = timedelta(days=1)  # for a process that works while others wait; one that is lost shows at once
JOIN_SECONDS = 20.0  # how long a process waits for the others to make their Recorder


class ProcessGroup:
    """This process and those that record with it; a process alone has rank 0 of one.

    Raises:
        InputError: When the other processes do not make theirs within 20 seconds.
    """

    made: ClassVar[int] = 0  # by this process, so that each group has a name of its own

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        self.rank = dist.get_rank() if together else 0
        self.count = dist.get_world_size() if together else 1
        self._group: dist.ProcessGroup | None = None
        if together:
            ProcessGroup.made += 1
            self._meet(f"datapare/group-{ProcessGroup.made}")
            self._group = dist.new_group(backend="gloo", timeout=PATIENCE)

    def _meet(self, name: str) -> None:
        """Wait for the others; new_group would wait for as long as the training's own limit, often half an hour."""
        # The store through which the processes found each other has no public name.
        store = dist.distributed_c10d.PrefixStore(name, dist.distributed_c10d._get_default_store())  # noqa: SLF001
        store.set(str(self.rank), "here")
        everyone = [str(rank) for rank in range(self.count)]
        try:
            store.wait(everyone, timedelta(seconds=JOIN_SECONDS))
        except RuntimeError as error:
            absent = ", ".join(rank for rank in everyone if not store.check([rank]))
            raise InputError(
                f"process {self.rank} of {self.count} has waited {JOIN_SECONDS:.0f} seconds for process {absent} to "
                "make its Recorder or sampler: every process makes it, not rank 0 alone, and only rank 0 writes; where "
                "some arrive later, call torch.distributed.barrier() before."
            ) from error

    def check_same(self, identity: Mapping[str, object]) -> None:
        """Raise InputError, in every process, unless all of them came with the same identity."""
        everyone = self.gather(identity)
        for rank, other in enumerate(everyone):
            differing = [name for name in identity if other[name] != everyone[0][name]]
            if differing:
                raise InputError(
                    f"process {rank} of {self.count} records with other {' and '.join(differing)} than process 0; give "
                    "every process the same."
                )

    def on_rank_zero(self, act: Callable[[], T]) -> T:
        """Call `act` in rank 0; every process returns its result or raises its error."""
        if self._group is None:
            return act()
        outcome: list[Any] = [None, None]  # a result of any type, or an error
        if self.rank == 0:
            try:
                outcome[0] = act()
            except Exception as error:  # noqa: BLE001 - raised below, in every process
                outcome[1] = error
        dist.broadcast_object_list(outcome, src=0, group=self._group)
        if outcome[1] is not None:
            raise outcome[1]
        result: T = outcome[0]
        return result

    def gather(self, value: T) -> list[T]:
        """Return the values that the processes came with, by rank; each is pickled on its way."""
        everyone: list[Any] = [value] * self.count
        if self._group is not None:
            dist.all_gather_object(everyone, value, group=self._group)
        return everyone

    def total(self, counts: Sequence[int]) -> list[int]:
        """Return the sums over all processes."""
        if self._group is None:
            return list(counts)
        sums = torch.tensor(counts)
        dist.all_reduce(sums, group=self._group)
        return [int(total) for total in sums]

    def merge_latest(
        self, turn: NDArray[np.int64], value: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the values (C, N) of each example's last observation anywhere, who was observed, and whose was ours.

        `turn` (N,) counts this process's calls, -1 for an example it did not observe. A later call wins, of the same
        call the later process: as if one process had seen the batches of the first, the second, and so on in turn.
        """
        seen = turn >= 0
        if self._group is None:
            return value, seen, seen
        order = torch.from_numpy(np.where(seen, turn * self.count + self.rank, -1))
        last = order.clone()
        dist.all_reduce(last, dist.ReduceOp.MAX, group=self._group)
        ours = ((order == last) & (last >= 0)).numpy()
        # As whole numbers: a sum of floats would lose the sign of -0.
        bits = np.where(ours, value, np.float32(0)).view(np.int32)  # (C, N)
        dist.all_reduce(torch.from_numpy(bits), group=self._group)
        seen = (last >= 0).numpy()
        return np.where(seen, bits.view(np.float32), np.float32(np.nan)), seen, ours

    def collect(self, pieces: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield, in rank 0, the pieces (index (B,), logits (B, K)) of all others; they send theirs and yield none."""
        if self._group is None:
            return
        if self.rank > 0:
            for index, logits in pieces:
                for tensor in (torch.tensor(logits.shape), index.contiguous(), logits.contiguous()):
                    dist.send(tensor, 0, group=self._group)
            dist.send(torch.tensor([END, END]), 0, group=self._group)
            return
        for rank in range(1, self.count):
            while (shape := self._received(rank, (2,), torch.int64).tolist()) != [END, END]:
                index = self._received(rank, (shape[0],), torch.int64)
                yield index, self._received(rank, tuple(shape), torch.float32)

    def leave(self) -> None:
        """Act alone from now on."""
        self._group = None

    def _received(self, rank: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        tensor = torch.empty(shape, dtype=dtype)
        dist.recv(tensor, rank, group=self._group)
        return tensor
