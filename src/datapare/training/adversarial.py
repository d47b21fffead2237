"""Adversarial training: in place of each image, the worst one within a small distance of it.

    x_0 = x + eps u,   u uniform in [-1, 1];   x_{s+1} = clip(x_s + step sign(grad loss(f(x_s), y)))
    clip: to within eps of x, and to 0..255;   eps and step in units of the pixel range

Source      arXiv:1706.06083 (PGD); dynamics of predictions on such examples: arXiv:2406.13283,
            BjoernNieth/LS-Dataset-pruning-in-AT.
Published   eps 8/255, step 2/255, 10 steps; recorded after each epoch in eval mode without augmentation, of attacked
            images: record(…, observed="eval-pass"). Trained with TRADES (beta 5), which is not built here: the loss is
            the cross-entropy of the attacked images alone.
Ours        The attack looks at the network in eval mode, so that it moves no batch norm.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from datapare.data import Inputs
from datapare.errors import InputError
from datapare.recording.device_copies import on_device
from datapare.training.batches import BatchSource
from datapare.training.config import TrainingConfig
from datapare.training.device import autocast
from datapare.training.inference import accuracy
from datapare.training.networks.factory import Network
from datapare.training.shares import Share, whole
from datapare.training.signals.batching import evaluation_mode

BATCH = 512


def attack(
    network: Network,
    batch: Tensor,
    target: Tensor,
    training: TrainingConfig,
    generator: torch.Generator,
    share: Share | None = None,
) -> Tensor:
    """Return the images (B, H, W, C) float32 in 0..255 that PGD makes of a batch, as `training` says.

    `generator` draws where the ascent starts: for a `share` of a batch as when it is whole. The network is left as it
    was.
    """
    clean, size, step = batch.float(), 255 * training.epsilon, 255 * training.attack_step
    low, high = (clean - size).clamp(min=0), (clean + size).clamp(max=255)
    start = (share or whole(len(batch))).drawn(
        lambda count: torch.rand((count, *clean.shape[1:]), generator=generator, device=clean.device)
    )
    moved = torch.lerp(clean - size, clean + size, start).clamp(low, high)
    with evaluation_mode(network):
        for _ in range(training.attack_steps):
            moved.requires_grad_()
            with autocast(clean.device, training.precision):
                loss = cross_entropy(network(moved), target, reduction="sum")
            (slope,) = torch.autograd.grad(loss, moved)
            moved = (moved.detach() + step * slope.sign()).clamp(low, high)
    return moved


def predict_attacked(
    network: Network, inputs: Inputs, label: NDArray[np.int64], training: TrainingConfig, *, seed: int = 0
) -> NDArray[np.float32]:
    """Return the logits (N, K) float32, in eval mode, of images that were attacked as `training` says."""
    rows = BatchSource(inputs.array, inputs.encoding.kind)
    target = torch.from_numpy(np.array(label, dtype=np.int64)).to(rows.device)
    generator = torch.Generator(rows.device.type).manual_seed(seed)
    attacked = under_attack(network, rows, target, np.arange(len(label)), training, generator)
    return np.concatenate([logits.cpu().numpy() for _, logits in attacked])


def under_attack(
    network: Network,
    rows: BatchSource,
    label: Tensor,
    index: NDArray[np.int64],
    training: TrainingConfig,
    generator: torch.Generator,
    share_of_batch: Callable[[int], Share] = whole,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield positions (B,) of `index` and the logits (B, K), in eval mode, of their images after an attack.

    `share_of_batch` says of each batch which of its rows this process computes.
    """
    for together in torch.split(torch.from_numpy(index), BATCH):
        share = share_of_batch(len(together))
        position = together[share.low : share.high]
        batch, target = rows.take(position), label[on_device(position, label.device)]
        moved = attack(network, batch, target, training, generator, share)
        if not share.counted:
            continue
        with evaluation_mode(network), torch.no_grad(), autocast(moved.device, training.precision):
            yield position, network(moved).float()


def robust_accuracy(
    network: Network, inputs: Inputs, label: NDArray[np.int64], training: TrainingConfig, *, seed: int = 0
) -> float:
    """Return the share of images that are classified rightly after they were attacked as `training` says.

    Raises InputError for anything but images.
    """
    check_images(inputs)
    return accuracy(predict_attacked(network, inputs, label, training, seed=seed), label)


def check_images(inputs: Inputs) -> None:
    """Raise InputError unless these are images, whose pixels have a range."""
    if inputs.encoding.kind != "image":
        raise InputError(f"an attack changes the pixels of images, not {inputs.encoding.kind} data; set epsilon to 0.")
