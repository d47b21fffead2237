"""Identity travels with the sample: a wrapped data loader whose batches begin with the positions of their examples.

The wrapped loader shares the samplers, generator, workers and every other setting of the loader it is made from, so it
draws the same examples in the same order; only its dataset and its collation are wrapped. Each example's position
travels beside it through worker processes and collation, so shuffling, replacement, dropped batches and out-of-order
workers cannot part them.

A collation may leave examples out of its batch: those that are None, those it removes from the list it is given, and
those that it also leaves out when it gets them alone. One that re-orders a list of its own cannot be followed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset
from torch.utils.data.dataloader import _BaseDataLoaderIter

from datapare.errors import InputError
from datapare.recording.foreign_types import Batch, Collation, Join, Loader, MapDataset, StatefulLoader

FORMER = "__pl_saved"  # from what Lightning notes here it would make the loader anew, without its positions
SET = "_datapare_epoch_set"
OWN_INDICES = "pass your own positions to observe(index, logits, target) instead of using track"
# Attributes of a DataLoader that may be iterators without holding a place in an epoch.
SETTINGS = {"_iterator", "sampler", "batch_sampler", "dataset", "generator"}


class _Fetched(NamedTuple):
    """What a dataset gave for these positions: a list of items, or a batch where it fetches batches."""

    positions: object
    items: object


class _Numbered:
    """A dataset that gives its items together with their positions; anything else is asked of the dataset itself."""

    dataset: MapDataset

    def __init__(self, dataset: MapDataset) -> None:
        self.__dict__["dataset"] = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: object) -> _Fetched:
        where = range(len(self.dataset))[position] if isinstance(position, slice) else position
        return _Fetched(where, self.dataset[position])

    def __getitems__(self, positions: Sequence[object]) -> _Fetched:
        fetch = getattr(self.dataset, "__getitems__", None)
        items = fetch(positions) if fetch else [self.dataset[position] for position in positions]
        return _Fetched(positions, items)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # unpickling in a worker asks for these before there is a dataset
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.dataset, name, value)  # as a worker_init_fn that opens a file does


class _Collate:
    """The loader's own collation, with the examples' positions put beside its result."""

    def __init__(
        self,
        collate: Collation,
        base: NDArray[np.int64] | None,
        join: Join,
    ) -> None:
        self.collate = collate
        self.base = base
        self.join = join

    def __call__(self, fetched: _Fetched) -> Batch:
        positions, items = self._index(fetched.positions), fetched.items
        if not isinstance(items, list) or len(items) != len(positions):
            return self.join(torch.from_numpy(positions), self.collate(items))
        given = list(items)
        batch = self.collate(items)
        left = _left_in(given, items, batch, self.collate)
        return self.join(torch.from_numpy(positions if left is None else positions[left]), batch)

    def _index(self, positions: object) -> NDArray[np.int64]:
        index = np.atleast_1d(np.asarray(positions))
        if not np.issubdtype(index.dtype, np.integer) or index.ndim != 1:
            raise InputError(
                f"the loader's sampler yields {positions!r:.60}, not positions in the dataset; {OWN_INDICES}."
            )
        index = index.astype(np.int64)
        return index if self.base is None else self.base[index]


def _left_in(
    given: Sequence[object], items: Sequence[object], batch: object, collate: Collation
) -> NDArray[np.int64] | None:
    """Return which of the given items are in the batch, in its order; None where all are, in theirs."""
    if len(items) != len(given) or any(one is not other for one, other in zip(items, given, strict=True)):
        known = [id(item) for item in given]  # the collation changed its list
        if all(known.count(id(item)) == 1 for item in items):
            return np.array([known.index(id(item)) for item in items], dtype=np.int64)
    lengths = _lengths(batch)
    present = np.flatnonzero([item is not None for item in given])
    if len(present) < len(given):
        if len(given) in lengths:
            raise InputError(
                f"{len(given) - len(present)} of {len(given)} examples of a batch are None, and the collation made a "
                f"batch of {len(given)} all the same, so it is unknown which examples are in it; leave them out of the "
                f"batch, or {OWN_INDICES}."
            )
        if len(present) in lengths:
            return present
    if len(lengths) != 1 or len(given) in lengths:
        return None  # as many rows, or no number of rows at all, as graphs and boxes have
    alone = np.array([_rows_of(item, collate) for item in given])
    return np.flatnonzero(alone) if alone.max() == 1 and alone.sum() in lengths else None


def _rows_of(item: object, collate: Collation) -> int:
    """Return how many rows a collation makes of one item alone; 0 where it fails, as it does on an empty batch."""
    try:
        lengths = _lengths(collate([item]))
    except Exception:  # noqa: BLE001 - whatever a collation raises on an empty list
        return 0
    return max(lengths, default=0)


def _lengths(batch: object) -> set[int]:
    """Return how many rows the tensors, arrays and lists of a batch have."""
    if isinstance(batch, Tensor | np.ndarray):
        return {len(batch)} if batch.ndim else set()
    if isinstance(batch, Mapping):
        return set().union(*map(_lengths, batch.values()))
    if isinstance(batch, tuple | list):
        inside = set().union(*map(_lengths, batch))
        return inside or ({len(batch)} if batch else {0})
    return set()


def prepend_index(index: Tensor, batch: object) -> tuple[object, ...]:
    """Return (index, *batch) for a tuple or list, (index, batch) for any other batch."""
    return (index, *batch) if isinstance(batch, tuple | list) else (index, batch)


def with_indices(loader: Loader, count: int, join: Join = prepend_index) -> Loader:
    """Return a loader that yields join(index, batch) where the given one yields batch; `index` is int64 (B,).

    Args:
        loader: A torch DataLoader, of any subclass; its dataset has `count` examples, or is a `Subset` of one that has.
            Where it has a state, as those of torchdata have, that is the wrapped loader's from now on.
        count: How many labels the positions refer to.
        join: Puts the index and the batch together; it travels to worker processes.

    Raises:
        InputError: When positions cannot be known.
    """
    if not isinstance(loader, DataLoader):
        raise InputError(f"track follows a torch DataLoader, not a {type(loader).__name__}; {OWN_INDICES}.")
    wrapped: Loader = object.__new__(type(loader))
    wrapped.__dict__.update({name: value for name, value in vars(loader).items() if not name.startswith(FORMER)})
    if "base_dataloader" in loader.__dict__:  # accelerate wraps a loader in its own class
        wrapped.__dict__["base_dataloader"] = with_indices(loader.__dict__["base_dataloader"], count, join)
    else:
        base = _positions(loader.dataset, count)
        # A DataLoader forbids setting its dataset; written past that guard, every other setting stays the loader's own.
        wrapped.__dict__.update(
            dataset=_Numbered(loader.dataset), collate_fn=_Collate(loader.collate_fn, base, join), _iterator=None
        )
        _start_kept_iterators(wrapped)
    _share_state(wrapped, loader)
    return wrapped


def sync_epoch(wrapped: Loader, loader: Loader) -> None:
    """Have a wrapped loader start at the epoch that was set on its loader; accelerate's loaders count epochs."""
    epoch = vars(loader).get("iteration")
    if epoch != vars(wrapped).get(SET):
        wrapped.__dict__.update({"iteration": epoch, SET: epoch})


def _start_kept_iterators(wrapped: Loader) -> None:
    """Make anew the iterators that a loader keeps over all epochs, which belong to the unwrapped one."""
    for name, value in list(vars(wrapped).items()):
        if name in SETTINGS or not isinstance(value, Iterator):
            continue
        if not isinstance(value, _BaseDataLoaderIter):
            raise InputError(
                f"this {type(wrapped).__name__} keeps an iterator over its batches ({name}) that cannot be made anew; "
                f"track a loader without one, or {OWN_INDICES}."
            )
        wrapped.__dict__[name] = DataLoader.__iter__(wrapped)


def _share_state(wrapped: StatefulLoader, loader: StatefulLoader) -> None:
    """Have a loader with a state, which it can save and restore, do so for the wrapped loader, which is iterated."""
    if not hasattr(type(loader), "state_dict"):
        return
    if vars(loader).get("_initial_iter_for_state_dict"):  # torchdata: its iterator was begun to be asked for its state
        wrapped.load_state_dict(loader.state_dict())
    for name in ("state_dict", "load_state_dict"):
        loader.__dict__[name] = getattr(wrapped, name)


def _positions(dataset: MapDataset, count: int) -> NDArray[np.int64] | None:
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
    *others, index = fitting
    if not all(np.array_equal(index, other) for other in others):
        raise InputError(
            f"the loader's Subset and its base both have {count:,} examples in different orders, so the labels may "
            f"belong to either; {OWN_INDICES}."
        )
    return None if np.array_equal(index, np.arange(count)) else index
