"""The artifacts of datapare, and the provenance that says how each was made.

Each artifact is a frozen bundle of plain numpy arrays; functions turn one into the next. Column i of a record is row i
of the dataset, always; a larger score is kept first, always; NaN means *not observed* or *not scored*.
"""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from datapare.errors import InputError, MismatchError, MissingExtraError
from datapare.numerics.checked_calls import check_fields, checked_call
from datapare.numerics.given_arrays import channel_values, check_key, check_position, class_numbers
from datapare.numerics.missing import over_epochs
from datapare.numerics.pictures import histogram_svg, rows_svg, scatter_svg

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Array = NDArray[Any]  # any dtype: the one place where numpy needs Any
Floats = NDArray[np.floating]  # of any width
Params = Mapping[str, Any]  # parameters by name, as they go into the provenance: JSON values
# Which forward pass was recorded: of the update (augmented); after each epoch; or before the update, not augmented.
Observed = Literal["train-pass", "eval-pass", "two-view"]
Kind = Literal["image", "text", "table", "embedding"]
Budget = Literal["epochs", "iterations"]
HeldOut = Literal["test", "split"]
Role = Literal["subset", "random", "full", "strategy"]


@dataclass(frozen=True)
class Provenance:
    """How an artifact was made: the step, the method, its parameters, the seed, the versions, and its parents.

    Args:
        step: Name of the function that made it.
        method: Name of the score, rule or other method; empty where there is none.
        params: Parameters by name.
        seed: Seed of the step; None where nothing was drawn.
        dataset: Digest of the dataset the artifact belongs to; empty when it was built from bare arrays.
        versions: Versions of the libraries by name.
        parents: Provenance of the artifacts it was made from.
    """

    step: str = "constructed"
    method: str = ""
    params: Params = field(default_factory=dict)
    seed: int | None = None
    dataset: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    parents: tuple["Provenance", ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)


def dataset_digest(key: NDArray[np.uint64], label: NDArray[np.int64]) -> str:
    """Return 32 hex digits that change when any example's key (N,), its label (N,) or the order does."""
    content = hashlib.blake2b(np.ascontiguousarray(key, "<u8").data, digest_size=16)
    content.update(np.ascontiguousarray(label, "<i8").data)
    return content.hexdigest()


def library_versions() -> dict[str, str]:
    """Return the versions of what an artifact's numbers depend on."""
    return {name: version(name) for name in ("datapare", "numpy")}


class _Recorded:
    """What artifacts have in common."""

    provenance: Provenance

    @property
    def recipe(self) -> Provenance:
        """Deprecated name of `provenance`; removed in 0.3."""
        warnings.warn("recipe is called provenance since 0.2; the old name goes in 0.3", DeprecationWarning, 2)
        return self.provenance

    def to_pandas(self) -> "pd.DataFrame":
        """Return one row per example as a data frame; per arm and seed for a comparison."""
        import pandas as pd

        return pd.DataFrame(self._columns())

    def to_polars(self) -> "pl.DataFrame":
        """Return the same rows as `to_pandas` as a polars data frame.

        Raises:
            MissingExtraError: If polars is not installed.
        """
        try:
            import polars as pl
        except ImportError as error:
            raise MissingExtraError("polars", "polars", "to_polars") from error

        return pl.DataFrame({name: np.asarray(values) for name, values in self._columns().items()})

    def _columns(self) -> dict[str, Array]:
        raise NotImplementedError

    def _summary(self) -> str:
        raise NotImplementedError

    def _picture(self) -> str:
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._summary()})"

    def _repr_html_(self) -> str:
        heading = f"<b>{type(self).__name__}</b> {escape(self._summary())}"
        return f"<div>{heading}<br>{self._picture()}</div>"


@dataclass(frozen=True, eq=False, repr=False)
class Dynamics(_Recorded):
    """What a model predicted for each example, epoch by epoch.

    Args:
        channels: Float arrays (T, N) by name, NaN where an example was not observed in an epoch.
        label: True classes, integers (N,).
        arrays: Per-example summaries (N, …) by name, such as `embedding` and `logit_mean`.
        observed: Which pass was recorded: train-pass, eval-pass or two-view.
        classes: Names of the K classes; empty where they are not known.
        key: uint64 (N,), identifies each example independently of its position; None for bare arrays.
        seconds: Seconds of each epoch, (T,); None where they were not measured.
        provenance: How it was made.

    Raises:
        InputError: When shapes disagree or labels are not whole numbers.

    >>> d = Dynamics(channels={"target_prob": [[0.1, 0.9], [0.4, 0.9]]}, label=[0, 1])
    >>> d.epochs, len(d)
    (2, 2)
    """

    channels: Mapping[str, Array]
    label: NDArray[np.int64]
    arrays: Mapping[str, Array] = field(default_factory=dict)
    observed: Observed = "train-pass"
    classes: tuple[str, ...] = ()
    key: NDArray[np.uint64] | None = None
    seconds: Floats | None = None
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        check_fields(self)
        set_ = object.__setattr__
        set_(self, "label", class_numbers(self.label, self.classes))
        set_(self, "channels", {name: channel_values(name, values) for name, values in self.channels.items()})
        set_(self, "arrays", {name: np.asanyarray(values) for name, values in self.arrays.items()})
        shapes = {name: values.shape for name, values in self.channels.items()}
        if len(set(shapes.values())) > 1:
            raise InputError(f"all channels have the same shape (T, N), but these differ: {shapes}.")
        for name, values in [*self.channels.items(), *self.arrays.items()]:
            count = values.shape[1] if name in self.channels else values.shape[0]
            if count != len(self.label):
                raise InputError(f"{name!r} describes {count} examples, but there are {len(self.label)} labels.")
        check_key(self.key, len(self.label))

    def __len__(self) -> int:
        return len(self.label)

    @property
    def epochs(self) -> int:
        """Number of recorded epochs, T."""
        return next((values.shape[0] for values in self.channels.values()), 0)

    @checked_call
    def __getitem__(self, name: str) -> Array:
        """Return a channel (T, N) or an array (N, …) by its name."""
        try:
            return self.channels[name] if name in self.channels else self.arrays[name]
        except KeyError:
            known = ", ".join([*self.channels, *self.arrays])
            raise InputError(f"this record has no {name!r}; it has {known}.") from None

    __iter__ = None  # of what? its examples, its epochs or its channels: say which

    def _columns(self) -> dict[str, Array]:
        means = {f"{name}_mean": over_epochs(values)[0] for name, values in self.channels.items()}
        return {**_key_column(self.key), "label": self.label, **means}

    def _summary(self) -> str:
        classes = f", {len(self.classes):,} classes" if self.classes else ""
        return f"{self.epochs:,} epochs of {len(self):,} examples{classes}: {', '.join([*self.channels, *self.arrays])}"

    def _picture(self) -> str:
        if "target_prob" not in self.channels:
            return ""
        mean, deviation = over_epochs(self.channels["target_prob"])
        return scatter_svg(deviation, mean)


@dataclass(frozen=True, eq=False, repr=False)
class Scores(_Recorded):
    """One number per example, larger = keep first; NaN = not scored.

    Args:
        score: Floats (N,).
        predicted: Booleans (N,), True where the score was extrapolated; None when all were observed.
        means: Channels' means over epochs, floats (N,), by name, predicted too where nothing was observed.
        key: uint64 (N,), identifies each example independently of its position; None for bare arrays.
        provenance: How it was made.
        seconds: Seconds that scoring took; None where unknown.

    >>> len(Scores([0.5, 0.25, 1.0]))
    3
    """

    score: Floats
    predicted: NDArray[np.bool_] | None = None
    means: Mapping[str, Floats] = field(default_factory=dict)
    key: NDArray[np.uint64] | None = None
    provenance: Provenance = field(default_factory=Provenance)
    seconds: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        score = np.asanyarray(self.score)
        if score.ndim != 1 or not np.issubdtype(score.dtype, np.floating):
            raise InputError(f"a score is one float per example, shape (N,), not {score.dtype} of shape {score.shape}.")
        object.__setattr__(self, "score", score)
        check_key(self.key, len(score))

    def __len__(self) -> int:
        return len(self.score)

    @overload
    def __getitem__(self, i: int) -> np.floating: ...
    @overload
    def __getitem__(self, i: "slice | Array") -> Floats: ...
    def __getitem__(self, i: "int | slice | Array") -> np.floating | Floats:
        check_position(i, len(self), "scores")
        return self.score[i]

    def __iter__(self) -> Iterator[float]:
        return iter(self.score.tolist())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.score, dtype=dtype, copy=copy)

    def _columns(self) -> dict[str, Array]:
        predicted = {} if self.predicted is None else {"predicted": self.predicted}
        return {**_key_column(self.key), "score": self.score, **predicted}

    def _summary(self) -> str:
        finite = self.score[np.isfinite(self.score)]
        ends = f", {finite.min():.3g} to {finite.max():.3g}" if len(finite) else ""
        missing = int(np.isnan(self.score).sum())
        unscored = f", {missing:,} of them not scored" if missing else ""
        return f"{len(self):,} examples{unscored}{_by(self.provenance)}{ends}"

    def _picture(self) -> str:
        return histogram_svg(self.score)


@dataclass(frozen=True, eq=False, repr=False)
class Subset(_Recorded):
    """Which examples stay: sorted unique positions into a dataset of `total` examples.

    Args:
        index: Sorted unique positions, integers (B,).
        total: Number of examples of the dataset, N.
        weight: How much each kept example counts, floats >= 0 (B,); None when all count alike.
        key: uint64 (N,), identifies each example independently of its position; None for bare arrays.
        provenance: How it was made.
        seconds: Seconds that selecting took; None where unknown.

    >>> subset = Subset(index=[0, 2], total=5)
    >>> len(subset), subset.keep
    (2, 0.4)
    """

    index: NDArray[np.int64]
    total: int
    weight: Floats | None = None
    key: NDArray[np.uint64] | None = None
    provenance: Provenance = field(default_factory=Provenance)
    seconds: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        index = np.asanyarray(self.index)
        if index.ndim != 1 or (len(index) and not np.issubdtype(index.dtype, np.integer)):
            raise InputError(f"a subset is a list of positions, not {index.dtype} of shape {index.shape}.")
        index = index.astype(np.int64, copy=False)
        if len(index) and (index[0] < 0 or index[-1] >= self.total or np.any(np.diff(index) <= 0)):
            raise InputError(f"a subset's positions are sorted, unique and between 0 and {self.total - 1}.")
        object.__setattr__(self, "index", index)
        if self.weight is not None:
            weight = np.asanyarray(self.weight)
            if weight.shape != index.shape or not np.all(weight >= 0):
                raise InputError(f"weights are one number >= 0 per kept example, shape ({len(index)},).")
            object.__setattr__(self, "weight", weight)
        check_key(self.key, self.total)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def keep(self) -> float:
        """Fraction of the dataset that stays, 0..1."""
        return len(self.index) / self.total

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Booleans (N,): True where the example stays."""
        mask = np.zeros(self.total, dtype=bool)
        mask[self.index] = True
        return mask

    @overload
    def __getitem__(self, i: int) -> int: ...
    @overload
    def __getitem__(self, i: "slice | Array") -> NDArray[np.int64]: ...
    def __getitem__(self, i: "int | slice | Array") -> "int | NDArray[np.int64]":
        check_position(i, len(self), "kept examples")
        found = self.index[i]
        return int(found) if np.ndim(found) == 0 else found

    def __iter__(self) -> Iterator[int]:
        return iter(self.index.tolist())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.index, dtype=dtype, copy=copy)

    def _columns(self) -> dict[str, Array]:
        weight = {} if self.weight is None else {"weight": np.zeros(self.total)}
        for values in weight.values():
            values[self.index] = self.weight
        return {**_key_column(self.key), "kept": self.mask, **weight}

    def _summary(self) -> str:
        return f"{len(self):,} of {self.total:,} examples{_by(self.provenance)}"

    def _picture(self) -> str:
        return histogram_svg(self.index)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(_Recorded):
    """Held-out accuracy of A arms over S seeds, and what each training cost.

    Args:
        arms: Names of the arms, for display only: an arm is found by its role and the digest of its subset.
        seeds: Seeds that every arm was trained with.
        accuracy: Held-out accuracy 0..1, shape (A, S).
        count: Training examples of each arm, shape (A,).
        epochs: Full-dataset epochs, i.e. examples seen divided by the size of the full dataset, shape (A, S).
        seconds: Seconds of each training, shape (A, S).
        roles: Role of each arm: a chosen `subset`, a `random` draw, `full` for all examples, or another `strategy`.
        baseline: Position of the random arm of each arm's size, None without one; from `roles` and `count` when empty.
        subset_digest: Digest of the subset that each arm trained on, "" where it is not one (random, full, redrawn).
        outcomes: Predictions that were right, packed as uint8 (A, S, ceil(M / 8)), see `correct`; None where unknown.
        held_out_count: Number of held-out examples M that the accuracy is measured on; 0 where unknown.
        class_accuracy: Accuracy per class, shape (A, S, K).
        classes: Names of the K classes.
        group_accuracy: Accuracy per named group, shape (A, S, G).
        group_count: Held-out examples of each group, shape (G,).
        groups: Names of the G groups.
        select_seconds: Seconds that choosing the examples of each arm took, shape (A,); NaN where unknown.
        held_out: Accuracy is of `test` data that chose nothing, or of a `split` of the data that the scoring run saw.
        budget: What subset trainings share with the full one: its `epochs` or its `iterations`.
        shortened: Fraction of the full schedule that every training had.
        strategies: Name of each arm's strategy, see `datapare compare --help`; from `roles` when empty.
        distinct: Distinct examples that each training saw, shape (A, S); from `count` when empty.
        updates: Updates of each training, shape (A, S); NaN where unknown.
        once: Full-dataset epochs and seconds that had to be spent once before the first training of each arm: on
            recording and scoring, shape (A, 2); NaN where unknown.
        provenance: How the comparison was made.

    Raises:
        InputError: If shapes disagree, a role is unknown, or there is no random arm.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    accuracy: Floats
    count: NDArray[np.int64]
    epochs: Floats
    seconds: Floats
    roles: tuple[Role, ...]
    baseline: tuple[int | None, ...] = ()
    subset_digest: tuple[str, ...] = ()
    outcomes: NDArray[np.uint8] | None = None
    held_out_count: int = 0
    class_accuracy: Floats | None = None
    classes: tuple[str, ...] = ()
    group_accuracy: Floats | None = None
    group_count: NDArray[np.int64] | None = None
    groups: tuple[str, ...] = ()
    select_seconds: Floats | None = None
    held_out: HeldOut = "test"
    budget: Budget = "epochs"
    shortened: float = 1.0
    strategies: tuple[str, ...] = ()
    distinct: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    updates: Floats | None = None
    once: Floats | None = None
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        check_fields(self)
        set_ = object.__setattr__
        shape = (len(self.arms), len(self.seeds))
        set_(self, "count", np.asarray(self.count, dtype=np.int64))
        if not self.distinct.size:
            set_(self, "distinct", np.repeat(self.count[:, None], shape[1], axis=1))
        for name in ("accuracy", "epochs", "seconds", "distinct", *(() if self.updates is None else ("updates",))):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.shape != shape:
                raise InputError(f"{name} has one entry per arm and seed, {shape}, not {values.shape}.")
            set_(self, name, values)
        if self.once is not None:
            set_(self, "once", np.asarray(self.once, dtype=np.float64))
        if len(self.roles) != len(self.arms) or not {*self.roles} <= {*get_args(Role)}:
            raise InputError(f"roles are one of {get_args(Role)} for each of the {len(self.arms)} arms.")
        if "random" not in self.roles:
            raise InputError("a comparison always holds the random arm: nothing is shown without it.")
        set_(self, "baseline", self.baseline or _baselines(self.roles, self.count))
        set_(self, "strategies", self.strategies or self.roles)
        set_(self, "subset_digest", self.subset_digest or ("",) * len(self.arms))
        if self.outcomes is not None and self.outcomes.shape != (*shape, -(-self.held_out_count // 8)):
            raise InputError(
                f"outcomes of {self.held_out_count:,} held-out examples are packed as "
                f"{(*shape, -(-self.held_out_count // 8))}, not {self.outcomes.shape}."
            )

    @checked_call
    def correct(self, arm: int) -> NDArray[np.bool_] | None:
        """Return which held-out examples (S, M) the arm at this position predicted right; None where unknown."""
        if self.outcomes is None:
            return None
        return np.unpackbits(self.outcomes[arm], axis=-1, count=self.held_out_count).astype(bool)

    def __len__(self) -> int:
        return len(self.arms)

    def _columns(self) -> dict[str, Array]:
        each = len(self.seeds)
        wide = {name: getattr(self, name).ravel() for name in ("accuracy", "epochs", "seconds")}
        long = {"arm": np.repeat(self.arms, each), "role": np.repeat(self.roles, each)}
        long |= {"strategy": np.repeat(self.strategies, each), "distinct_examples": np.ravel(self.distinct)}
        return {**long, "seed": np.tile(self.seeds, len(self.arms)), "examples": np.repeat(self.count, each), **wide}

    def _summary(self) -> str:
        mean = (f"{name} {100 * values.mean():.2f} %" for name, values in zip(self.arms, self.accuracy, strict=True))
        return f"{len(self.arms)} arms, {len(self.seeds)} seeds: {', '.join(mean)}"

    def _picture(self) -> str:
        return rows_svg(self.accuracy)


def _baselines(roles: tuple[Role, ...], count: NDArray[np.int64]) -> tuple[int | None, ...]:
    """Return for each subset arm the first random arm with as many examples."""
    random = {int(count[i]): i for i in reversed(range(len(roles))) if roles[i] == "random"}
    return tuple(random.get(int(n)) if role == "subset" else None for role, n in zip(roles, count, strict=True))


@dataclass(frozen=True, eq=False, repr=False)
class Perturbation(_Recorded):
    """What was done to a dataset to make this one of M examples: noise, corruption, a long tail, copies.

    Args:
        source: Position of each row in the dataset it comes from, integers (M,).
        touched: Sorted positions, among those M, of the rows that were changed or added.
        label: Label that each row had there, integers (M,).
        provenance: How it was made.

    >>> len(Perturbation(source=[0, 2], touched=[1], label=[0, 1]))
    2
    """

    source: NDArray[np.int64]
    touched: NDArray[np.int64]
    label: NDArray[np.int64]
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("source", "touched", "label"):
            object.__setattr__(self, name, np.asanyarray(getattr(self, name), dtype=np.int64))
        if len(self.source) != len(self.label):
            raise InputError(f"{len(self.source):,} rows have {len(self.label):,} labels; expected one each.")

    def __len__(self) -> int:
        return len(self.source)

    def _columns(self) -> dict[str, Array]:
        touched = np.zeros(len(self), dtype=bool)
        touched[self.touched] = True
        return {"source": self.source, "label": self.label, "touched": touched}

    def _summary(self) -> str:
        return f"{len(self.touched):,} of {len(self):,} examples touched{_by(self.provenance)}"

    @checked_call
    def at(self, index: NDArray[np.int64]) -> "Perturbation":
        """Return what was done to the rows at the sorted positions `index`."""
        index = np.asarray(index, dtype=np.int64)
        if len(index) and not 0 <= index.min() <= index.max() < len(self):
            raise InputError(f"expected positions between 0 and {len(self) - 1}, got {index.min()} to {index.max()}.")
        touched = np.flatnonzero(np.isin(index, self.touched))
        return replace(self, source=self.source[index], touched=touched, label=self.label[index])


Artifact = Dynamics | Scores | Subset | Comparison | Perturbation


def subset_digest(subset: Subset) -> str:
    """Return the identity of a subset: a digest of its positions, its weights and the size of the dataset.

    >>> [subset_digest(Subset([0, 2], 5)) == subset_digest(Subset([0, 2], total)) for total in (5, 6)]
    [True, False]
    """
    digest = hashlib.sha256(f"{subset.total} {len(subset)}".encode())
    digest.update(np.ascontiguousarray(subset.index, dtype=np.int64).tobytes())
    if subset.weight is not None:
        digest.update(np.ascontiguousarray(subset.weight, dtype=np.float64).tobytes())
    return digest.hexdigest()[:32]


def check_same_dataset(*artifacts: "Dynamics | Scores | Subset | None") -> None:
    """Raise MismatchError unless all given artifacts describe the same examples in the same order."""
    given = [artifact for artifact in artifacts if artifact is not None]
    for one, other in pairwise(given):
        sizes = [artifact.total if isinstance(artifact, Subset) else len(artifact) for artifact in (one, other)]
        if sizes[0] != sizes[1]:
            raise MismatchError(
                f"the {_name(one)} describe {sizes[0]:,} examples and the {_name(other)} {sizes[1]:,}: "
                "they were made from different datasets; make both from the same one."
            )
        if one.key is not None and other.key is not None and not np.array_equal(one.key, other.key):
            raise MismatchError(
                f"the {_name(one)} and the {_name(other)} describe different examples, or the same in another order; "
                "make both from the same dataset."
            )


def _by(provenance: Provenance) -> str:
    return f" by {provenance.method}" if provenance.method else ""


def _key_column(key: NDArray[np.uint64] | None) -> dict[str, Array]:
    return {} if key is None else {"key": key}


def _name(artifact: Dynamics | Scores | Subset) -> str:
    return type(artifact).__name__.lower()
