"""A sampler with a memory: it observes the training's predictions and plans each epoch from it.

A method is a `Rule` of two pure functions: what to remember of an epoch, and what to train on in the next. Everything
else is here: order, identity, state, processes. All randomness comes from (seed, epoch), so a plan follows from the
memory and a resumed run repeats it.
"""

import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from datapare.artifacts import Array, Dynamics, Params
from datapare.errors import InputError
from datapare.recording import indexed_loader
from datapare.recording.epoch_buffer import EpochBuffer
from datapare.recording.foreign_types import Join
from datapare.recording.process_group import ProcessGroup
from datapare.storage import array_digest
from datapare.training.online.loss import BatchValues, Lookup

BatchSource = Mapping[str, NDArray[np.float32]]  # channel -> (N,), NaN where not observed in this epoch
History = Mapping[str, Array]  # what a rule remembers; empty before the first epoch

Labels = Sequence[int] | Array | Tensor  # whatever Dynamics takes as labels
Loader = DataLoader[Any]  # of whatever batches the user collates

_NOBODY = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Plan:
    """What one epoch does with the examples.

    Args:
        index: Positions to train on, sorted, int64 (n,).
        weight: Factor of each example's loss, float32 (N,); None for 1.
        hidden: Positions to look at afterwards, sorted, int64 (m,).
        lr_factor: Factor of the learning rate.
    """

    index: NDArray[np.int64]
    weight: NDArray[np.float32] | None = None
    hidden: NDArray[np.int64] = field(default_factory=lambda: _NOBODY)
    lr_factor: float = 1.0


@dataclass(frozen=True, eq=False)
class Rule:
    """A method: the channels it observes, what it remembers of an epoch's rows, and how it plans an epoch.

    Args:
        name: Name of the method.
        params: Its parameters by name.
        channels: Channels that it observes, such as loss; none for a rule that plans without.
        remember: Makes the new memory from the old one and the rows (N,) of the epoch, NaN where not observed.
        plan: Makes the plan of an epoch from its number, the memory and a source of draws.
    """

    name: str
    params: Params
    channels: tuple[str, ...]
    remember: Callable[[History, BatchSource], History]
    plan: Callable[[int, History, np.random.Generator], Plan]


class SamplerState(TypedDict):
    """What resumes a sampler.

    Attributes:
        facts: The identity of its run.
        epoch: The epoch to begin or to complete.
        past: What its rule remembers.
        index: Positions observed in this epoch so far, int64 (M,).
        value: Their values, (M, W).
    """

    facts: dict[str, object]
    epoch: int
    past: dict[str, Tensor]
    index: NotRequired[Tensor]
    value: NotRequired[Tensor]


def last_known(past: History, rows: BatchSource) -> History:
    """Remember the last value observed of each example.

    Args:
        past: The memory so far, (N,) by channel; empty before the first epoch.
        rows: The epoch's values, (N,) by channel, NaN where not observed.

    Returns:
        The new memory, (N,) by channel.

    >>> last_known({"loss": np.array([1.0, 2.0])}, {"loss": np.array([np.nan, 3.0])})["loss"].tolist()
    [1.0, 3.0]
    """
    return {name: np.where(np.isnan(row), past.get(name, np.nan), row).astype(row.dtype) for name, row in rows.items()}


class Sampler(torch.utils.data.Sampler[int]):
    """Yields the positions of an epoch's examples in random order: the `sampler` of a DataLoader, one per run.

    In each epoch: train on what `track` yields, `observe` its logits, multiply its losses by `weight`, then `observe`
    what `revisit` yields in eval mode, and call `end_epoch`. Where torch.distributed was initialised before, each
    process trains on its share and all decide alike.

    Args:
        labels: True class numbers (N,); what is observed is about them, also where the loop trains on mixed or smoothed
            targets.
        epochs: Epochs of the whole run.
        rule: The method.
        seed: Seed of the draws and of the order.

    Raises:
        InputError: For labels or numbers of epochs that cannot be, or that differ between processes.
    """

    def __init__(self, labels: Labels, epochs: int, rule: Rule, *, seed: int = 0) -> None:
        label = Dynamics({}, np.asanyarray(labels)).label
        if not isinstance(epochs, int) or epochs < 1 or not len(label) or label.min() < 0:
            raise InputError(
                f"expected class numbers 0, 1, 2, … of at least one example and at least one epoch, not {len(label):,} "
                f"labels and epochs {epochs!r}."
            )
        self.total, self.epochs, self.rule, self.seed = len(label), epochs, rule, seed
        self._labels = array_digest(label)
        self._buffer = EpochBuffer(label, rule.channels)
        self._group = ProcessGroup()
        self._group.check_same(self.facts())
        self._past: History = {}
        self._drawn = False  # all of this epoch, where nothing is observed that would show it
        self._left_out = 0  # examples that a loader may drop in each process
        self._wrapped: weakref.WeakKeyDictionary[Loader, Loader] = weakref.WeakKeyDictionary()
        self._begin(0)

    @property
    def index(self) -> NDArray[np.int64]:
        """The positions (n,) that this epoch trains on, sorted, of all processes together."""
        return self._plan.index

    @property
    def hidden(self) -> NDArray[np.int64]:
        """The positions (m,) that this epoch does not train on and that `revisit` yields."""
        return self._plan.hidden

    @property
    def lr_factor(self) -> float:
        """What to multiply this epoch's learning rate with."""
        return self._plan.lr_factor

    @property
    def is_weighted(self) -> bool:
        """Whether this epoch multiplies the losses of some examples."""
        return self._plan.weight is not None

    def order(self) -> NDArray[np.int64]:
        """Return this epoch's positions (n,) in the order they are trained in, of all processes together."""
        return np.random.default_rng([self.seed, self.epoch, 1]).permutation(self.index)

    def __len__(self) -> int:
        return len(self._share(self.index))

    def __iter__(self) -> Iterator[int]:
        self._check_open()
        if (self._buffer.observations and not self._continued) or self._drawn:
            done = "observed" if self.rule.channels else "drawn"
            raise InputError(f"epoch {self.epoch + 1} was {done} but not ended; call end_epoch after each epoch.")
        yield from self._share(self.order()).tolist()
        self._drawn = not self.rule.channels

    def track(self, loader: Loader, join: Join = indexed_loader.prepend_index) -> Loader:
        """Return a DataLoader like the given one, made with this sampler, with positions in front of each batch.

        Args:
            loader: A DataLoader that draws from this sampler.
            join: Puts the index and the batch together, where that is to be done in another way.

        Returns:
            As `Recorder.track`: a loader of ``(index, *batch)`` for tuples and lists, else of (index, batch); `index`
            is int64 (B,).

        Raises:
            InputError: For a loader that draws in another way.
        """
        batches = getattr(loader, "batch_sampler", None)
        if self not in (getattr(loader, "sampler", None), getattr(batches, "sampler", None)):
            raise InputError(
                "expected a loader that draws from this sampler itself, but it has another one; make it with "
                "DataLoader(data, sampler=sampler), and do not have it divided among processes: the sampler does that."
            )
        self._check_dataset(loader)
        self._left_out = self._batch_size(loader) - 1 if getattr(loader, "drop_last", False) else 0
        if loader not in self._wrapped:  # kept, so that persistent workers persist
            self._wrapped[loader] = indexed_loader.with_indices(loader, self.total, join)
        return self._wrapped[loader]

    def revisit(self, loader: Loader, join: Join = indexed_loader.prepend_index) -> Loader:
        """Return a DataLoader of the hidden examples; they are only to be observed.

        Args:
            loader: Its batch size and collation are used; its dataset may be one without augmentation.
            join: As `track` has it.

        Returns:
            A loader that yields as `track` does, nothing where nothing is hidden.

        Raises:
            InputError: When its dataset does not have as many examples as there are labels.
        """
        self._check_dataset(loader)
        part = DataLoader(
            Subset(loader.dataset, self._share(self.hidden).tolist()),
            batch_size=self._batch_size(loader),
            collate_fn=loader.collate_fn,
            num_workers=loader.num_workers,
            worker_init_fn=loader.worker_init_fn,
        )
        indexed: Loader = indexed_loader.with_indices(part, self.total, join)
        return indexed

    def observe(
        self,
        index: BatchValues,
        logits: BatchValues | None = None,
        target: BatchValues | None = None,
        *,
        loss: BatchValues | None = None,
    ) -> None:
        """Note the predictions for a batch, before the step that they lead to; nothing where the rule reads none.

        Args:
            index: Positions of the examples in the dataset, integers (B,).
            logits: float (B, K); None where a loss is given.
            target: What the loop trains on, (B,), to be compared with the labels where it is class numbers; None for no
                check.
            loss: float (B,) in place of logits, for a task without one class per example and a rule that reads nothing
                else.

        Raises:
            InputError: When shapes or types cannot be right, or a position is outside the dataset.
        """
        self._check_open()
        if not self.rule.channels:
            return
        if logits is not None and loss is None:
            self._buffer.observe(index, logits, target, 0)
        elif loss is None or logits is not None:
            raise InputError("observe takes either logits (B, K) or loss=(B,), one of the two.")
        elif self.rule.channels == ("loss",):
            self._buffer.observe_loss(index, loss)
        else:
            read = ", ".join(self.rule.channels)
            raise InputError(f"{self.rule.name} reads {read}, which does not follow from a loss; give the logits.")

    def weight(self, index: BatchValues) -> Tensor:
        """Return the factors of some examples' losses.

        Args:
            index: Positions of the examples, integers (B,).

        Returns:
            float32 (B,), on the device of `index`.
        """
        return self._weight.at(index)

    def end_epoch(self) -> None:
        """Decide on the next epoch from what was observed.

        Raises:
            DivergedError: When logits were NaN or infinite; the epoch then does not count.
            InputError: When nothing was observed, positions were outside the dataset or targets differ from the labels;
                likewise.
        """
        self._check_open()
        if self.rule.channels:
            try:
                rows = self._buffer.read(self.epoch, self._group).rows
            finally:
                self._buffer.reset()
            self._warn_of_skipped(rows)
            self._past = self.rule.remember(self._past, rows)
        self._begin(self.epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch, as Lightning and accelerate do by themselves, where the rule observes nothing.

        Other rules begin an epoch by `end_epoch` of the one before; for them nothing happens.

        Args:
            epoch: Number of the epoch, counting from 0.
        """
        if not self.rule.channels:
            self._begin(epoch)

    def facts(self) -> dict[str, object]:
        """Return what makes this run this run: plain numbers and strings, the same for a sampler made alike."""
        rule = {"rule": self.rule.name, **self.rule.params}
        return {**rule, "epochs": self.epochs, "seed": self.seed, "labels": self._labels}

    def state_dict(self, *, inside_epoch: bool = False) -> SamplerState:
        """Return the state at the beginning of this epoch, for torch.save; an epoch in progress will be repeated.

        Args:
            inside_epoch: Whether to add what this epoch has observed, for a training that resumes with the remaining
                batches: `track` yields the same ones in the same order again, so that their number is all to be known.
                Every process calls this then.
        """
        past = {name: torch.from_numpy(value) for name, value in self._past.items()}
        state: SamplerState = {"facts": self.facts(), "epoch": self.epoch, "past": past}
        if inside_epoch and self.rule.channels:
            observed, _ = self._buffer.state(self._group)
            state |= {"index": observed["index"], "value": observed["value"]}
        return state

    def load_state_dict(self, state: SamplerState) -> None:
        """Resume from a state.

        Args:
            state: What `state_dict` returned.

        Raises:
            InputError: When its method, parameters, labels, epochs or seed differ.
        """
        facts = self.facts()
        differing = sorted(name for name in {*facts, *state["facts"]} if facts.get(name) != state["facts"].get(name))
        if differing:
            raise InputError(f"this state is of a run with other {' and '.join(differing)}; make the sampler as then.")
        self._buffer.reset()
        self._past = {name: value.numpy() for name, value in state["past"].items()}
        self._begin(state["epoch"])
        self._continued = "index" in state and len(state["index"]) > 0
        if self._continued and self._group.rank == 0:
            self._buffer.restore({"index": state["index"], "value": state["value"]})

    def _begin(self, epoch: int) -> None:
        self.epoch, self._drawn = epoch, False
        self._continued = False  # whether a part of the epoch was observed before a resume
        if epoch < self.epochs:
            self._plan = self.rule.plan(epoch, self._past, np.random.default_rng([self.seed, epoch, 0]))
        weight = self._plan.weight
        self._weight = Lookup(np.ones(self.total) if weight is None else weight)

    def _share(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process's part of the positions: equally many for each, the first repeated to fill up."""
        count = self._group.count
        whole = np.resize(order, -(-len(order) // count) * count)
        return whole[self._group.rank :: count]

    def _warn_of_skipped(self, rows: BatchSource) -> None:
        """Warn where fewer examples were observed than planned, but for those of a last batch that a loader drops."""
        planned = len(self.index)
        missing = int(np.isnan(next(iter(rows.values()))[self.index]).sum())
        if missing > self._left_out * self._group.count:
            warnings.warn(
                f"{planned - missing:,} of the {planned:,} examples planned for epoch {self.epoch + 1} were observed: "
                "a trainer that keeps the number of batches of its first epoch leaves out the others (in Lightning set "
                "reload_dataloaders_every_n_epochs=1).",
                stacklevel=3,
            )

    def _batch_size(self, loader: Loader) -> int:
        """Return the batch size of a loader; that of a batch sampler which has none follows from its length."""
        size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", None)
        if size is not None:
            return int(size)
        try:
            return -(-len(self) // max(1, len(cast("Sized", loader.batch_sampler))))
        except TypeError:
            raise InputError(
                "the batch sampler of this loader has neither a batch_size nor a length, so the size of its batches is "
                "unknown; give revisit a loader with a batch_size."
            ) from None

    def _check_open(self) -> None:
        if self.epoch >= self.epochs:
            raise InputError(f"all {self.epochs} epochs are done; make a new sampler for a new training.")

    def _check_dataset(self, loader: Loader) -> None:
        count = len(cast("Sized", loader.dataset))
        if count != self.total:
            raise InputError(
                f"expected a loader over the {self.total:,} labelled examples, but its dataset has "
                f"{count:,}; give the sampler the labels of exactly that dataset."
            )
