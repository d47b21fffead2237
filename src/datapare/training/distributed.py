"""One training on several devices: every process computes its share of each batch.

Batches, their order and all that is drawn for their examples are those of one process, whatever the number of them.
DistributedDataParallel averages gradients over processes, so the loss of a share is weighted by its part of the batch:
shares of unequal size count right. Batch norm takes its statistics over the whole batch, and dropout is drawn for it,
as with one process, so a resumed training may have another number of them. What is left is the order of additions,
whose rounding a network with kinks amplifies: benchmarks/processes.py measures the difference.
"""

import socket
import tempfile
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from datapare.artifacts import Array
from datapare.data import Encoding, Inputs
from datapare.data.encodings.streamed import StreamedImages, stream_of
from datapare.errors import InputError
from datapare.recording.process_group import ProcessGroup
from datapare.training.shares import Share, share_of, whole

T = TypeVar("T")
BATCH_NORM = "over the whole batch of all processes"  # in the provenance of a training by several


class Devices:
    """The processes that compute one training, each on a device of its own.

    Args:
        group: The processes; None for a training that this process computes alone.
    """

    def __init__(self, group: ProcessGroup | None = None) -> None:
        self._group = group
        self.rank = 0 if group is None else group.rank
        self.count = 1 if group is None else group.count
        self._layers: list[WholeBatchNorm | WholeDropout] = []

    def share(self, total: int) -> Share:
        """Return the rows of a batch of `total` that are this process's."""
        return share_of(total, self.rank, self.count)

    def on_rank_zero(self, act: Callable[[], T]) -> T:
        """Call `act` in the first process; every process returns its result or raises its error."""
        return act() if self._group is None else self._group.on_rank_zero(act)

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def wrap(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """Return what computes the network's logits in a training step, so that gradients are those of whole batches.

        Raises:
            InputError: For a network whose kind of batch norm is of its own.
        """
        self._layers = synchronise(network)
        make = nn.parallel.DistributedDataParallel
        renamed = "forward_sync_buffers" in signature(make).parameters  # of torch 2.13
        buffers = "forward_sync_buffers" if renamed else "broadcast_buffers"
        # buffers are equal already; static_graph: also for networks with parameters that the loss does not reach
        options: dict[str, Any] = {"static_graph": True, buffers: False}  # of torch, each of its own type
        wrapped: Callable[[Tensor], Tensor] = make(network, **options)
        return wrapped

    def weigh(self, loss: Tensor, share: Share) -> Tensor:
        """Return the mean loss of a share with the weight that makes the average over processes that of the batch."""
        return loss if self.count == 1 else loss * (share.size * self.count / share.total)

    def begin_step(self, share: Share) -> None:
        """Have the layers that look at the whole batch know which rows of it are here."""
        for layer in self._layers:
            layer.share = share

    def once_per_machine(self, encode: Callable[[], Inputs]) -> Inputs:
        """Return the encoded examples, which one process of each machine encodes and the others map."""
        if self._group is None or self.count == 1:
            return encode()
        hosts = self._group.gather(socket.gethostname())
        first = hosts.index(hosts[self.rank])
        stored = StoredInputs.of(encode()) if first == self.rank else None
        try:
            found = self._group.gather(stored)[first]
            inputs = found.load() if found is not None and found.is_there() else encode()
            self._group.gather(None)  # all have mapped the file
        finally:
            if stored is not None:
                stored.remove()
        return inputs


class StoredInputs(NamedTuple):
    """Encoded examples in a temporary file, for processes of the same machine to map; a stream is its own source."""

    path: Path
    encoding: Encoding
    stream: StreamedImages | None = None

    @classmethod
    def of(cls, inputs: Inputs) -> "StoredInputs":
        """Write the examples; raises InputError where the disk has no such space."""
        if (stream := stream_of(inputs.array)) is not None:
            return cls(Path(), inputs.encoding, stream)
        folder = Path(tempfile.mkdtemp(prefix="datapare-inputs-"))
        stored = cls(folder / "inputs.npy", inputs.encoding)
        try:
            np.save(stored.path, inputs.array, allow_pickle=False)
        except OSError as error:
            stored.remove()
            raise InputError(
                f"the encoded examples take {inputs.array.nbytes / 2**30:.1f} GiB of disk for the processes to share, "
                f"but {error.strerror or error}: set TMPDIR to a larger place, or image_size to fewer pixels."
            ) from error
        return stored

    def is_there(self) -> bool:
        """Say whether the examples can be loaded here."""
        return self.stream is not None or self.path.exists()

    def load(self) -> Inputs:
        """Return the examples, mapped from the file, which may be removed from now on."""
        if self.stream is not None:
            return Inputs(cast("Array", self.stream), self.encoding)
        return Inputs(np.load(self.path, mmap_mode="r", allow_pickle=False), self.encoding)

    def remove(self) -> None:
        """Remove the file, which stays readable where it is mapped."""
        if self.stream is not None:
            return
        self.path.unlink(missing_ok=True)
        self.path.parent.rmdir()


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes, with its gradient."""

    @staticmethod
    def forward(_ctx: object, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_ctx: object, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class WholeBatchNorm(_BatchNorm):
    """Batch norm with the statistics of all processes' examples; torch.nn.SyncBatchNorm computes on GPUs alone.

    An ordinary batch norm becomes one by its class, so parameters, buffers and their names stay.
    """

    share = whole(0)

    def _check_input_dim(self, _: Tensor) -> None:
        """Accept what the layer accepted before: (B, C, …)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised batch (B, C, …)."""
        if not self.training and self.running_mean is not None:
            return super().forward(x)
        rest = [d for d in range(x.ndim) if d != 1]
        rows = x.float() if self.share.counted else x.float()[:0]
        size = rows.new_tensor([rows.numel() / x.shape[1]])
        sums = _all_sum(torch.cat([rows.sum(rest), size]))
        total = sums[-1].detach()
        mean = sums[:-1] / total  # (C,)
        var = _all_sum((rows - _along(mean, x)).square().sum(rest)) / total
        self._update(mean.detach(), var.detach(), total)
        out = (x.float() - _along(mean, x)) * _along((var + self.eps).rsqrt(), x)
        if self.affine:
            out = out * _along(self.weight, x) + _along(self.bias, x)
        return out.to(x.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, var: Tensor, total: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(var * (total / (total - 1)), rate)


class WholeDropout(nn.Dropout):
    """Dropout whose draws for a batch are those of one process, whichever rows of it are here."""

    share = whole(0)

    def forward(self, x: Tensor) -> Tensor:
        """Return the rows with some of their values zero."""
        low, high, total, _ = self.share
        if not self.training or len(x) != high - low:
            return super().forward(x)
        kept = nn.functional.dropout(x.new_ones((total, *x.shape[1:])), self.p)
        return x * kept[low:high]


def synchronise(network: nn.Module) -> list[WholeBatchNorm | WholeDropout]:
    """Have every batch norm and dropout of a network look at the whole batch of all processes; returns them.

    Raises:
        InputError: For a kind of batch norm that is not torch's own.
    """
    found: list[WholeBatchNorm | WholeDropout] = []
    for module in network.modules():
        if type(module) in {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d}:
            module.__class__ = WholeBatchNorm
        elif type(module) is nn.Dropout:
            module.__class__ = WholeDropout
        elif isinstance(module, _BatchNorm) and not isinstance(module, WholeBatchNorm):
            raise InputError(
                f"several processes take the statistics of torch.nn.BatchNorm over the whole batch, which the "
                f"network's {type(module).__name__} does not allow; record in one process."
            )
        if isinstance(module, WholeBatchNorm | WholeDropout):
            found.append(module)
    return found


def _all_sum(value: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(value)  # type: ignore[no-untyped-call]
    return total


def _along(value: Tensor, x: Tensor) -> Tensor:
    """Return (C,) as what multiplies a batch (B, C, …)."""
    return value.view(-1, *[1] * (x.ndim - 2))
