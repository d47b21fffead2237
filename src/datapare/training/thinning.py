"""Thin a trained network: remove the hidden neurons of its feed-forward blocks that are least needed, without training.

Neurons of all blocks are ranked together by neuron_ranking.py and kept while the multiply-adds are within the budget;
each block keeps one at least. What is in no block (attention, embeddings, convolutions, the head of a transformer)
stays whole.
"""

import copy
import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from datapare.data import Inputs
from datapare.errors import InputError
from datapare.training.batches import BatchSource
from datapare.training.config import TrainingConfig
from datapare.training.feed_forward_blocks import (
    Batch,
    Block,
    feed_forward_blocks,
    first_examples,
    per_neuron,
    run,
    size_of,
    weight_of,
)
from datapare.training.networks.factory import Network, backbone
from datapare.training.neuron_ranking import importance

ROWS, BATCH = 512, 32  # of the encoded examples that a network of ours is thinned by
ROUNDING = 1e-9  # of a budget


def thin(model: nn.Module, batches: Sequence[Batch], *, keep: float) -> nn.Module:
    """Return a copy of a trained network with fewer hidden neurons, chosen by KCM. arXiv:2303.04185.

    Args:
        model: A perceptron, or a network with feed-forward blocks, such as a transformer.
        batches: Unlabeled inputs, each as the model is called with: a tensor, or a mapping of keyword arguments.
        keep: Part of the multiply-adds of a forward pass to keep, 0..1.

    Returns:
        The thinner network, in the same mode; nothing is trained.

    Raises:
        InputError: For a network without hidden linear layers, and a budget below what the rest of it takes.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> thin(net, [torch.randn(16, 4)], keep=0.5)[0].out_features
    4
    """
    if not 0 < keep <= 1:
        raise InputError(f"keep is a part of the multiply-adds, above 0 and at most 1, not {keep}.")
    if not batches:
        raise InputError("a network is thinned by what it does with some inputs; give at least one batch of them.")
    thinner = copy.deepcopy(model).eval()
    blocks = [block for block in feed_forward_blocks(thinner, batches[0]) if _can_be_cut(thinner, block, batches[0])]
    if not blocks:
        raise InputError("the hidden neurons of this network are added to what is not thinned; give another network.")
    scores = rank(thinner, blocks, batches)
    for block, neurons in zip(blocks, best(thinner, blocks, scores, batches[0], keep), strict=True):
        cut(thinner, block, neurons)
    return thinner.train(model.training)


def thinned(network: Network, inputs: Inputs, training: TrainingConfig) -> Network:
    """Return a copy of a pretrained network with `thin` of its multiply-adds, by ROWS of the examples, evenly spread.

    Raises:
        InputError: For a network that begins untrained, and whatever `thin` refuses.
    """
    assert training.thin is not None  # noqa: S101 - asked for
    if backbone(training.model) is None and ":" not in training.model:
        raise InputError(
            f"thin removes neurons of a trained network, and {training.model} begins untrained; name a pretrained "
            "backbone with --model transformers:NAME, or a narrower network."
        )
    rows = BatchSource(inputs.array, inputs.encoding.kind)
    position = np.linspace(0, len(inputs.array) - 1, min(ROWS, len(inputs.array))).astype(np.int64)
    batches = [rows.take(some) for some in torch.split(torch.from_numpy(position), BATCH)]
    return cast("Network", thin(network, batches, keep=training.thin))


def rank(model: nn.Module, blocks: Sequence[Block], batches: Sequence[Batch]) -> list[NDArray[np.float64]]:
    """Return the importance (n,) of the neurons of each block, larger = more needed."""
    weights = [weight_of(model.get_submodule(block.reader)).detach().cpu() for block in blocks]
    active = activity(model, blocks, batches)
    return [importance(weight, one).numpy() for weight, one in zip(weights, active, strict=True)]


def activity(model: nn.Module, blocks: Sequence[Block], batches: Sequence[Batch]) -> list[Tensor]:
    """Return the root of the sum over tokens of squared activations (n,) of each block's neurons, mean over batches."""
    found: list[list[Tensor]] = [[] for _ in blocks]
    for batch in batches:
        entered = run(model, batch).entered
        for block, so_far in zip(blocks, found, strict=True):
            hidden = entered[block.reader]
            there = _there(batch, hidden)
            tokens = hidden.reshape(-1, block.size) if there is None else hidden[there]
            so_far.append(tokens.double().square().sum(0).sqrt().cpu())
    return [torch.stack(one).mean(0) for one in found]


def best(
    model: nn.Module, blocks: Sequence[Block], scores: Sequence[NDArray[np.float64]], batch: Batch, keep: float
) -> list[NDArray[np.int64]]:
    """Return the neurons of each block to keep, sorted: the best of all blocks together that the budget allows.

    Args:
        model: The network.
        blocks: Its blocks.
        scores: Importance (n,) of the neurons of each; ties go to the earlier block and neuron.
        batch: What the multiply-adds are counted on.
        keep: Part of them that may be left.

    Raises:
        InputError: When one neuron for each block is too much already.
    """
    owner = np.concatenate([np.full(block.size, i) for i, block in enumerate(blocks)])
    neuron = np.concatenate([np.arange(block.size) for block in blocks])
    order = np.argsort(-np.concatenate(scores), kind="stable")
    first = np.array([order[np.flatnonzero(owner[order] == i)[0]] for i in range(len(blocks))])
    order = np.concatenate([first, order[~np.isin(order, first)]])
    counts = np.cumsum(owner[order][:, None] == np.arange(len(blocks)), axis=0)  # (all neurons, blocks)
    whole = multiply_adds(model, batch)
    spent = whole - _in_blocks(model, blocks, counts[-1]) + _in_blocks(model, blocks, counts)
    budget = keep * whole * (1 + ROUNDING)
    if spent[len(blocks) - 1] > budget:
        least = math.ceil(1000 * spent[len(blocks) - 1] / whole) / 1000
        raise InputError(
            f"what is not thinned takes more than {keep:g} of the multiply-adds of this network; keep at least "
            f"{least:g} of them."
        )
    chosen = order[: int(np.searchsorted(spent, budget, side="right"))]
    return [np.sort(neuron[chosen[owner[chosen] == i]]) for i in range(len(blocks))]


def _in_blocks(model: nn.Module, blocks: Sequence[Block], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the multiply-adds (…) of the linear layers of blocks with so many neurons each (…, B)."""
    fed = {name: i for i, block in enumerate(blocks) for name in block.feeds}
    read = {block.reader: i for i, block in enumerate(blocks)}
    total = np.zeros(counts.shape[:-1])
    for name in {**fed, **read}:
        wide_out, wide_in = weight_of(model.get_submodule(name)).shape
        out = counts[..., fed[name]] if name in fed else wide_out
        into = counts[..., read[name]] if name in read else wide_in
        total += blocks[fed.get(name, read.get(name, 0))].positions * out * into
    return total


@torch.no_grad()
def cut(model: nn.Module, block: Block, neurons: NDArray[np.int64]) -> None:
    """Remove all neurons of a block but these, in place."""
    for name in block.feeds:
        layer = model.get_submodule(name)
        _replace(layer, "weight", _stored(layer, weight_of(layer)[neurons]))
        if layer.bias is not None:
            _replace(layer, "bias", layer.get_parameter("bias")[neurons])
        _resize(layer, ("out_features", "nf"), len(neurons))
    reader = model.get_submodule(block.reader)
    _replace(reader, "weight", _stored(reader, weight_of(reader)[:, neurons]))
    _resize(reader, ("in_features", "nx"), len(neurons))
    for name in block.inner:
        module = model.get_submodule(name)
        for key, value in per_neuron(model, name, block.size).items():
            _replace(module, key, value[neurons])
        _resize(module, ("num_features", "num_parameters"), len(neurons))


def _can_be_cut(model: nn.Module, block: Block, batch: Batch) -> bool:
    """Whether the network still runs without half of a block: nothing of full width meets its neurons."""
    tried = copy.deepcopy(model)
    cut(tried, block, np.arange((block.size + 1) // 2))
    try:
        run(tried, first_examples(batch, 1))
    except RuntimeError:  # shapes do not fit
        return False
    return True


@torch.no_grad()
def multiply_adds(model: nn.Module, batch: Batch) -> float:
    """Return the multiply-adds of a forward pass per example, those of attention and convolutions included.

    >>> multiply_adds(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.ones(2, 4))
    48.0
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    some = first_examples(batch, 1)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:  # fused kernels are not counted
        run(model, some)
    return float(counted.get_total_flops() / 2 / size_of(some))


def _there(batch: Batch, hidden: Tensor) -> Tensor | None:
    """Return which tokens (B, L) of a batch are no padding; None where that is not known."""
    mask = batch if isinstance(batch, Tensor) else batch.get("attention_mask")
    if mask is None or mask.is_floating_point() or mask.shape != hidden.shape[:-1]:
        return None
    return mask != 0


def _stored(layer: nn.Module, weight: Tensor) -> Tensor:
    return weight if isinstance(layer, nn.Linear) else weight.T


def _replace(module: nn.Module, name: str, value: Tensor) -> None:
    old, new = getattr(module, name), value.detach().clone(memory_format=torch.contiguous_format)
    setattr(module, name, nn.Parameter(new, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else new)


def _resize(module: nn.Module, names: Sequence[str], size: int) -> None:
    for name in names:
        if hasattr(module, name):
            setattr(module, name, size)
