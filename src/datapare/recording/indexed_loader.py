"""Identity travels with the sample: a twin of a data loader that says which examples a batch holds.

The twin shares the loader's samplers, generator, workers and every other setting, so it draws the same examples in the
same order; only its dataset and its collation are wrapped. Each example carries its position as an int64 beside it,
through worker processes and collation, so shuffling, replacement, dropped batches and out-of-order workers cannot
part them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset

from datapare.errors import InputError

FORMER = "__pl_saved"  # from what Lightning notes here it would make the loader anew, without its positions
SET = "_datapare_epoch_set"
OWN_INDICES = "pass your own positions to observe(index, logits, target) instead of using track"


class _Numbered:
    """A dataset whose every item is (position, item); anything else is asked of the dataset itself."""

    def __init__(self, dataset: Any) -> None:
        self.__dict__["dataset"] = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: Any) -> tuple[Any, Any]:
        return position, self.dataset[position]

    @property
    def __getitems__(self) -> Callable[[Sequence[Any]], list[tuple[Any, Any]]] | None:
        fetch = getattr(self.dataset, "__getitems__", None)
        if not fetch:
            return None
        return lambda positions: list(zip(positions, fetch(positions), strict=True))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # unpickling in a worker asks for these before there is a dataset
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.dataset, name, value)  # as a worker_init_fn that opens a file does


class _Collate:
    """The loader's own collation, with the examples' positions put beside its result."""

    def __init__(
        self,
        collate: Callable[[Any], Any],
        base: NDArray[np.int64] | None,
        join: Callable[[Tensor, Any], Any],
        *,
        batched: bool,
    ) -> None:
        self.collate = collate
        self.base = base
        self.join = join
        self.batched = batched

    def __call__(self, fetched: Any) -> Any:
        if self.batched:
            positions = [position for position, _ in fetched]
            return self.join(self._index(positions), self.collate([item for _, item in fetched]))
        position, item = fetched
        return self.join(self._index(position), self.collate(item))

    def _index(self, positions: Any) -> Tensor:
        index = np.atleast_1d(np.asarray(positions))
        if not np.issubdtype(index.dtype, np.integer):
            raise InputError(
                f"the loader's sampler yields {positions!r:.60}, not positions in the dataset; {OWN_INDICES}."
            )
        index = index.astype(np.int64)
        return torch.from_numpy(index if self.base is None else self.base[index])


def prepend_index(index: Tensor, batch: Any) -> tuple[Any, ...]:
    """Return (index, *batch) for a tuple or list, (index, batch) for any other batch."""
    return (index, *batch) if isinstance(batch, tuple | list) else (index, batch)


def with_indices(loader: Any, count: int, join: Callable[[Tensor, Any], Any] = prepend_index) -> Any:
    """Return a loader that yields join(index, batch) where the given one yields batch; `index` is int64 (B,).

    `count` is the number of labels the positions must refer to: the loader's dataset has as many examples, or is a
    `Subset` of one that has. `join` travels to worker processes. Raises InputError when positions cannot be known.
    """
    if not isinstance(loader, DataLoader):
        raise InputError(f"track follows a torch DataLoader, not a {type(loader).__name__}; {OWN_INDICES}.")
    made: Any = object.__new__(type(loader))
    made.__dict__.update({name: value for name, value in vars(loader).items() if not name.startswith(FORMER)})
    if "base_dataloader" in loader.__dict__:  # accelerate wraps a loader in its own class
        made.__dict__["base_dataloader"] = with_indices(loader.__dict__["base_dataloader"], count, join)
        return made
    base = _positions(loader.dataset, count)
    batched = loader.batch_sampler is not None
    collate = _Collate(loader.collate_fn, base, join, batched=batched)
    # A DataLoader forbids setting its dataset; written past that guard, every other setting stays the loader's own.
    made.__dict__.update(dataset=_Numbered(loader.dataset), collate_fn=collate, _iterator=None)
    return made


def follow(made: Any, loader: Any) -> None:
    """Have a twin start at the epoch that was set on its loader; accelerate's loaders count epochs themselves."""
    epoch = vars(loader).get("iteration")
    if epoch != vars(made).get(SET):
        made.__dict__.update({"iteration": epoch, SET: epoch})


def _positions(dataset: Any, count: int) -> NDArray[np.int64] | None:
    """Return the positions (n,) in the labelled dataset of this dataset's items; None where they are the same."""
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise InputError(f"an iterable dataset has no positions to record by; {OWN_INDICES}.")
    index = np.arange(len(dataset))
    fitting = [index] if len(dataset) == count else []
    part = dataset
    while isinstance(part, Subset):
        index = np.asarray(part.indices, dtype=np.int64)[index]
        part = part.dataset
        if len(part) == count:  # type: ignore[arg-type]
            fitting.append(index)
    if not fitting:
        raise InputError(
            f"the loader's dataset has {len(dataset):,} examples, but {count:,} labels were given; give the labels of "
            f"this dataset, or {OWN_INDICES}."
        )
    if any(not np.array_equal(fitting[0], other) for other in fitting):
        raise InputError(
            f"the loader's Subset and its base both have {count:,} examples in different orders, so the labels may "
            f"belong to either; {OWN_INDICES}."
        )
    return None if len(fitting[0]) == count and np.array_equal(fitting[0], np.arange(count)) else fitting[0]
