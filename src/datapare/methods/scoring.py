"""The verbs on nouns: find the method, bind its arrays, run it in blocks, stamp the recipe."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Dynamics, Provenance, Scores, Subset, check_same_dataset
from datapare.errors import InputError, MissingChannelError
from datapare.methods.registry import Method, check_params, find, fitted
from datapare.methods.selection import at, choose, remaining, within_classes
from datapare.numerics.sampling import budget, last_observed

BLOCK = 57_344  # columns at a time: below, threads wait for each other; above, windows leave the core's cache
Balance = Literal["proportional", "uniform"]

# What `datapare record` can be asked for.
RECORDED = {
    "target_prob", "margin", "prob_margin", "error_norm", "entropy", "loss", "kl_step", "logit_mean",
    "embedding", "prob", "grad_norm", "distorted_loss", "boundary_distance",
}  # fmt: skip

# Arrays that follow from a channel, so that a method may read them by name: the channel, and how to derive them.
DERIVED: Mapping[str, tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    "correct": ("margin", lambda margin: margin > 0),
}
# Channels that are the mean of another over all examples, the same number for each; a recorded one comes first.
MEAN_OF: Mapping[str, str] = {"mean_loss": "loss"}


def score(dynamics: Dynamics, method: str = "dual", **params: Any) -> Scores:
    """Turn a record into one score per example, larger = keep first; examples never observed score NaN.

    Missing epochs take the example's last observed value (numerics.last_observed). Raises MissingChannelError when
    the record lacks what the method reads, InputError for unknown methods and knobs.

    >>> d = Dynamics(channels={"target_prob": [[0.0, 1.0], [1.0, 1.0]]}, label=[0, 1])
    >>> score(d, "dual", window=2).score.round(4).tolist()
    [0.3536, 0.0]
    """
    found = find("score", method)
    values = check_params(found, params)
    start = time.perf_counter()
    bound = [bind(name, found, dynamics) for name in found.reads]
    result = _run_blocks(partial(found.function, **values), bound, len(dynamics))
    provenance = Provenance(
        "score", method, values, None, dynamics.provenance.dataset, versions(), (dynamics.provenance,)
    )
    return Scores(result, key=dynamics.key, seconds=time.perf_counter() - start, provenance=provenance)


def select(
    scores: Scores,
    method: str = "beta",
    *,
    keep: float,
    seed: int = 0,
    dynamics: Dynamics | None = None,
    balance: Balance | None = None,
    exclude: Sequence[int] | NDArray[np.int64] = (),
    **params: Any,
) -> Subset:
    """Choose exactly `budget(N, keep)` examples by a selection rule; the same seed gives the same subset.

    `keep` is a fraction in (0, 1] or a count above 1. `balance` applies the rule inside each class, with budgets
    proportional to class sizes or as uniform as they allow. Positions in `exclude` are never kept and the rule does
    not see them, but the budget stays that of the whole dataset. Raises InputError for scores that are NaN, and where
    fewer examples are left than are to be kept. Where the rule's file defines `weights`, the subset has them.

    >>> select(Scores([0.1, 0.9, 0.5]), "top", keep=2).index.tolist()
    [1, 2]
    """
    check_same_dataset(scores, dynamics)
    found = find("select", method)
    values = check_params(found, params)
    total = len(scores)
    count = budget(total, keep)
    _refuse_unscored(scores)
    start = time.perf_counter()
    arrays = {name: bind(name, found, dynamics, scores).whole() for name in found.reads}
    rng = np.random.default_rng(seed)
    columns = {name for name in arrays if name in {*DERIVED, *MEAN_OF} or (dynamics and name in dynamics.channels)}
    left = remaining(total, exclude, count)
    arrays = at(arrays, columns, left) if len(exclude) else arrays
    values |= fitted(found, arrays, count, values, augmented=_augmented(dynamics))
    run = partial(choose, found, values, rng=rng)
    if balance is None:
        index, weight = run(arrays, count)
    else:
        label = _label(dynamics, balance)[left]
        index, weight = within_classes(run, arrays, columns, label, count, uniform=balance == "uniform")
    stamped = {**values, "keep": keep, "balance": balance}
    if len(exclude):
        stamped["excluded"] = total - len(left)
    provenance = Provenance(
        "select", method, stamped, seed, scores.provenance.dataset, versions(), _parents(scores, dynamics)
    )
    return Subset(left[index], total, weight, scores.key, provenance, time.perf_counter() - start)


def _augmented(dynamics: Dynamics | None) -> bool:
    if dynamics is None or dynamics.provenance is None or dynamics.observed != "train-pass":
        return False
    return bool(dynamics.provenance.params.get("augment"))


def reorder(artifact: Dynamics | Scores, key: NDArray[np.uint64]) -> Any:
    """Put a record or scores in the order of another arrangement of the same examples, matched by key.

    Raises InputError when some examples of the new arrangement are not in the record.
    """
    if artifact.key is None:
        raise InputError("these artefacts hold no keys, so they cannot be matched to a re-ordered dataset.")
    order = np.argsort(artifact.key)
    place = np.minimum(np.searchsorted(artifact.key, key, sorter=order), len(order) - 1)
    position = order[place]
    known = artifact.key[position] == key
    if not known.all():
        raise InputError(
            f"{int((~known).sum()):,} of the {len(key):,} examples are not in the {type(artifact).__name__.lower()}; "
            "they are new or of another dataset: record this dataset."
        )
    if isinstance(artifact, Scores):
        predicted = None if artifact.predicted is None else artifact.predicted[position]
        means = {name: values[position] for name, values in artifact.means.items()}
        return replace(artifact, score=artifact.score[position], predicted=predicted, means=means, key=key)
    return replace(
        artifact,
        channels={name: values[:, position] for name, values in artifact.channels.items()},
        arrays={name: values[position] for name, values in artifact.arrays.items()},
        label=artifact.label[position],
        key=key,
    )


@dataclass(frozen=True)
class Bound:
    """An array as a method's parameter names it: where it stands, whether examples are its columns, how it derives.

    `means` (N,) stand in every epoch for examples never observed, where they were predicted.
    """

    array: NDArray[Any]
    columns: bool = False
    derive: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray
    means: NDArray[Any] | None = None

    def raw(self, start: int, stop: int) -> NDArray[Any]:
        """Examples start..stop as recorded."""
        return np.asarray(self.array[:, start:stop] if self.columns else self.array[start:stop])

    def part(self, start: int, stop: int) -> NDArray[Any]:
        """Examples start..stop, with missing epochs filled, not yet derived."""
        raw = self.raw(start, stop)
        if not self.columns:
            return raw
        filled = last_observed(raw)
        return filled if self.means is None else np.where(np.isnan(filled), self.means[start:stop], filled)

    def whole(self) -> NDArray[Any]:
        """All examples, with missing epochs filled, derived; InputError for examples never observed nor predicted."""
        part = self.part(0, self.array.shape[self.columns])
        unknown = int(np.isnan(part[0]).sum()) if self.columns else 0
        if unknown:
            raise InputError(
                f"{unknown:,} examples were never observed, so what the rule reads of them is unknown; record all, or "
                "select from scores that extrapolate has completed with this record."
            )
        return self.derive(part)


def bind(name: str, method: Method, dynamics: Dynamics | None, scores: Scores | None = None) -> Bound:
    """Find the array a method's parameter names: a channel, a summary, the labels, the scores, or derived from one."""
    if name == "score" and scores is not None:
        return Bound(np.asarray(scores.score))
    if dynamics is None:
        raise MissingChannelError(
            f"{method.name} reads {name!r} from the record, but only scores were given; pass the dynamics too."
        )
    if name == "label":
        return Bound(dynamics.label)
    if name in dynamics.arrays:
        return Bound(dynamics.arrays[name])
    if name in MEAN_OF and name not in dynamics.channels:
        each = bind(MEAN_OF[name], method, dynamics, scores)
        return replace(each, array=_epoch_means(each.array))
    source, derive = DERIVED.get(name, (name, np.asarray))
    if source in dynamics.channels:
        means = None if scores is None else scores.means.get(source)
        return Bound(dynamics.channels[source], columns=True, derive=derive, means=means)
    remedy = f"record it with: datapare record PATH --channel {source}"
    if source not in RECORDED:
        how = getattr(import_module(method.function.__module__), "GIVE", {})
        given = how.get(source, f"Dynamics(…, arrays={{{source!r}: …}})")
        remedy = f"datapare record does not make it: give your own with {given}"
    raise MissingChannelError(
        f"{method.name} reads {name!r}, which was not recorded (the record holds: {holdings(dynamics)}); {remedy}"
    )


def _epoch_means(values: NDArray[Any]) -> NDArray[np.float64]:
    """The mean of each epoch's observed values, as a channel (T, N); NaN where nobody was seen in an epoch."""
    means = values.mean(axis=1, dtype=np.float64)
    for epoch in np.flatnonzero(np.isnan(means)):
        seen = values[epoch][~np.isnan(values[epoch])]
        means[epoch] = seen.mean(dtype=np.float64) if len(seen) else np.nan
    return np.broadcast_to(means[:, None], values.shape)


def source_of(name: str) -> str:
    """The channel or array that has to be recorded for what a method reads by this name.

    >>> source_of("correct"), source_of("mean_loss"), source_of("loss")
    ('margin', 'loss', 'loss')
    """
    return DERIVED[name][0] if name in DERIVED else MEAN_OF.get(name, name)


def holdings(dynamics: Dynamics) -> str:
    """The channels and arrays that a record holds, by name.

    >>> holdings(Dynamics({"loss": [[0.5]]}, [0]))
    'loss'
    """
    return ", ".join([*dynamics.channels, *dynamics.arrays]) or "nothing"


def versions() -> dict[str, str]:
    """Versions of what an artefact's numbers depend on."""
    return {name: version(name) for name in ("datapare", "numpy")}


def _run_blocks(call: Callable[..., NDArray[Any]], bound: list[Bound], total: int) -> NDArray[np.float64]:
    result = np.full(total, np.nan)
    # Only scores of (T, N) channels are pointwise by law; one that reads wider arrays runs once, on all examples.
    block = BLOCK if all(b.columns or b.array.ndim == 1 for b in bound) else total
    derived = any(b.derive is not np.asarray for b in bound)  # a comparison would hide that a value is missing

    def run(start: int) -> None:
        stop = min(start + block, total)
        # Nearly always nothing is missing and no score is NaN; to look for NaN first would read the record twice.
        with np.errstate(invalid="ignore"):
            scored = None if derived else call(*(b.raw(start, stop) for b in bound))
        if scored is None or np.isnan(scored).any():
            scored = _score_filled(call, bound, start, stop)
        result[start:stop] = scored

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, range(0, total, block)))
    return result


def _score_filled(call: Callable[..., NDArray[Any]], bound: list[Bound], start: int, stop: int) -> NDArray[np.float64]:
    """Score a block with missing epochs filled; examples never observed score NaN."""
    parts = [b.part(start, stop) for b in bound]
    seen = np.ones(stop - start, dtype=bool)
    for b, part in zip(bound, parts, strict=True):
        if b.columns:
            seen &= ~np.isnan(part[0])
    result = np.full(stop - start, np.nan)
    if seen.any():
        known = (part[..., seen] if b.columns else part[seen] for b, part in zip(bound, parts, strict=True))
        result[seen] = call(*(b.derive(part) for b, part in zip(bound, known, strict=True)))
    return result


def _label(dynamics: Dynamics | None, balance: str) -> NDArray[np.int64]:
    if dynamics is None:
        raise InputError(f"balance={balance!r} needs the labels, but only scores were given; pass the dynamics too.")
    return dynamics.label


def _refuse_unscored(scores: Scores) -> None:
    missing = int(np.isnan(scores.score).sum())
    if missing:
        raise InputError(
            f"{missing:,} of {len(scores):,} examples have no score, because they were never observed; "
            "record more epochs, or predict their scores with extrapolate."
        )


def _parents(scores: Scores, dynamics: Dynamics | None) -> tuple[Provenance, ...]:
    return (
        (scores.provenance,)
        if dynamics is None or scores.provenance.parents
        else (scores.provenance, dynamics.provenance)
    )
