"""The feed-forward blocks of a network: linear layers that read hidden neurons, and the layers that feed these.

Blocks are found by how the network behaves, not by its names: what feeds a neuron changes this neuron of this token and
nothing else. So they are the two layers of a transformer's FFN (three in a gated one) and neighbours in a perceptron,
and neither the layers around an attention nor those beside a shortcut.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from datapare.errors import InputError

Batch = Tensor | Mapping[str, Tensor]  # what a network is called with, or its keyword arguments
NEAR = 3  # linear layers before a reader that may feed it: the two of a gated block, and one to spare
PROBED = 2  # examples on which it is seen what feeds what


@dataclass(frozen=True, eq=False)
class Block:
    """Hidden neurons, by the names of modules.

    Attributes:
        feeds: Linear layers whose outputs become the neurons.
        inner: Modules after them that hold a number for each neuron, such as batch norms.
        reader: The linear layer that reads the neurons.
        size: Number of neurons n.
        positions: Tokens of an example; 1 without tokens.
    """

    feeds: tuple[str, ...]
    inner: tuple[str, ...]
    reader: str
    size: int
    positions: int


@dataclass(frozen=True, eq=False)
class Pass:
    """A forward pass: by name, in order, what entered and left each module that was called once; and the output."""

    entered: dict[str, Tensor]
    left: dict[str, Tensor]
    output: Tensor


def feed_forward_blocks(model: nn.Module, batch: Batch) -> list[Block]:
    """Return the blocks of a network in eval mode, in the order of their readers.

    Where a network works on tokens, a head that works on one vector per example is no block.

    Raises:
        InputError: When there are none.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> block = feed_forward_blocks(net, torch.randn(2, 4))[0]
    >>> block.feeds, block.reader, block.size
    (('0',), '2', 8)
    """
    some = first_examples(batch, PROBED)
    whole = run(model, some)
    linear = [name for name in whole.left if is_linear(model.get_submodule(name))]
    found = []
    for at, reader in enumerate(linear):
        hidden = whole.entered[reader]
        near = [name for name in linear[max(0, at - NEAR) : at] if whole.left[name].shape == hidden.shape]
        feeds = tuple(name for name in near if _feeds(model, some, whole, name, reader))
        if feeds:
            found.append(_block(model, whole, feeds, reader))
    if any(block.positions > 1 for block in found):
        found = [block for block in found if block.positions > 1]
    if not found:
        raise InputError(
            "this network has no hidden linear layers that could be thinned; give a transformer or a perceptron, or "
            "record with a narrower network."
        )
    return found


def is_linear(module: nn.Module) -> bool:
    """Whether a module is a linear layer, also that of GPT-2 in transformers (Conv1D, with a transposed weight)."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def weight_of(layer: nn.Module) -> Tensor:
    """Return the weight (wide_out, wide_in) of a linear layer."""
    weight = cast("Tensor", layer.weight)
    return weight if isinstance(layer, nn.Linear) else weight.T


def first_examples(batch: Batch, count: int) -> Batch:
    """Return the first examples of a batch."""
    return batch[:count] if isinstance(batch, Tensor) else {name: value[:count] for name, value in batch.items()}


def size_of(batch: Batch) -> int:
    """Return how many examples a batch holds."""
    return len(batch) if isinstance(batch, Tensor) else len(next(iter(batch.values())))


@torch.no_grad()
def run(
    model: nn.Module,
    batch: Batch,
    change: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    enter: Mapping[str, Tensor] | None = None,
) -> Pass:
    """Pass a batch through a network and note what happens in it.

    Args:
        model: The network.
        batch: What it is called with.
        change: What becomes of the outputs of modules, by name.
        enter: What enters modules in place of what arrives, by name.
    """
    entered: dict[str, list[Tensor]] = {}
    left: dict[str, list[Tensor]] = {}

    def note(name: str, arrived: tuple[object, ...], made: object) -> None:
        if arrived and isinstance(arrived[0], Tensor) and isinstance(made, Tensor):
            entered.setdefault(name, []).append(arrived[0])
            left.setdefault(name, []).append(made)

    with _hooks() as handles:
        for name, module in model.named_modules():
            if enter and name in enter:
                given = enter[name]
                handles.append(module.register_forward_pre_hook(lambda _, _arrived, given=given: (given,)))
            if change and name in change:
                made_of = change[name]
                handles.append(module.register_forward_hook(lambda _, _arrived, made, made_of=made_of: made_of(made)))
            if not list(module.children()):
                handles.append(
                    module.register_forward_hook(lambda _, arrived, made, name=name: note(name, arrived, made))
                )
        output = _output(model, batch)
    once = [name for name, all_ in left.items() if len(all_) == 1]
    return Pass({name: entered[name][0] for name in once}, {name: left[name][0] for name in once}, output)


def _feeds(model: nn.Module, batch: Batch, whole: Pass, name: str, reader: str) -> bool:
    """Whether the outputs of a layer become the neurons that the reader reads, each its own, and nothing else."""
    hidden = whole.entered[reader]
    some = torch.zeros_like(hidden, dtype=torch.bool)
    some.view(len(hidden), -1, hidden.shape[-1])[:, 0, ::2] = True  # half of the neurons of one token
    changed = run(model, batch, {name: lambda made: torch.where(some, made + 1, made)}).entered[reader]
    if not torch.equal(changed[~some], hidden[~some]) or torch.equal(changed[some], hidden[some]):
        return False
    elsewhere = run(model, batch, {name: _ramped}, {reader: hidden})
    return torch.equal(elsewhere.output, whole.output)


def _ramped(made: Tensor) -> Tensor:
    """Change each number by another amount: an attention does not see what all its keys have in common."""
    return made + torch.linspace(0, 1, made.numel(), dtype=made.dtype, device=made.device).view_as(made)


def _block(model: nn.Module, whole: Pass, feeds: tuple[str, ...], reader: str) -> Block:
    hidden, names = whole.entered[reader], list(whole.left)
    size = hidden.shape[-1]
    between = [name for name in names[names.index(feeds[0]) : names.index(reader)] if name not in feeds]
    inner = tuple(name for name in between if per_neuron(model, name, size))
    return Block(feeds, inner, reader, size, positions=hidden.numel() // (size * len(hidden)))


def per_neuron(model: nn.Module, name: str, size: int) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module that hold one number for each of `size` neurons."""
    module = model.get_submodule(name)
    held = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return {key: value for key, value in held if value.shape == (size,)}


@contextmanager
def _hooks() -> Iterator[list[torch.utils.hooks.RemovableHandle]]:
    handles: list[torch.utils.hooks.RemovableHandle] = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()


def _output(model: nn.Module, batch: Batch) -> Tensor:
    made = model(batch) if isinstance(batch, Tensor) else model(**batch)
    while not isinstance(made, Tensor):
        made = made.logits if hasattr(made, "logits") else made[0]
    return made
