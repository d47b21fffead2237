"""Selection of a subset: the rule on all examples, on those that are left, or inside each class."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array, Dynamics, Params, Provenance, Scores, Subset, check_same_dataset, library_versions
from datapare.errors import InputError
from datapare.methods.binding import bind
from datapare.methods.epoch_range import without_all_epochs
from datapare.methods.registry import Method, call_params, check_params, find
from datapare.methods.spec import ParamValue
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.declared_types import checked
from datapare.numerics.sampling import allot, allot_by_recall, budget, check_keep, group_order, pool_size
from datapare.numerics.threads import fixed_threads
from datapare.options import Balance

Arrays = Mapping[str, Array]
Chosen = tuple[NDArray[np.int64], NDArray[np.float64] | None]  # sorted positions, and weights where the rule has them


@fixed_threads()
@checked_call
def select(
    scores: Scores,
    method: str = "mixed",
    *,
    keep: float,
    seed: int = 0,
    dynamics: Dynamics | None = None,
    balance: Balance | Literal["auto"] | None = "auto",
    exclude: Sequence[int] | NDArray[np.int64] = (),
    include: Sequence[int] | NDArray[np.int64] = (),
    redraw: bool = False,
    **params: ParamValue,  # of any method: check_params has their types
) -> Subset:
    """Choose exactly `budget(N, keep)` examples by a selection rule; the same seed gives the same subset.

    Args:
        scores: Scores (N,) of the examples, none of them NaN.
        method: Name of the rule.
        keep: A float in (0, 1] is a fraction, a whole number a count.
        seed: Seed of the rule's draws.
        dynamics: The record, for rules that read channels, arrays or labels, and for `balance`.
        balance: Apply the rule inside each class, with budgets proportional to class sizes or as uniform as they allow.
            "drop" gives classes that the record's network got wrong more often a larger part of theirs, in proportion
            to 1 - recall over the epochs (DRoP, arXiv:2404.05579, which takes recall on validation data: record an
            eval-pass of examples that the network does not overfit). None applies the rule to all examples at once.
            "auto" is proportional where `dynamics` brings the labels, and None where only scores are given.
        exclude: Positions that are never kept and that the rule does not see; the budget stays that of all examples.
        include: Positions that are always kept, with weight 1; the rule chooses the rest of the budget without them.
        redraw: Choose a pool from which every epoch draws `keep` anew, as `dp.online.pool` does: `pool_size(N, keep)`
            examples. The provenance holds how many an epoch draws.
        **params: Parameters of the rule.

    Returns:
        The subset, with weights where the rule's file declares them.

    Raises:
        InputError: For unknown methods and parameters, scores that are NaN, and where fewer examples are left than are
            to be kept.
        MissingChannelError: If the record lacks what the rule reads.

    >>> select(Scores([0.1, 0.9, 0.5]), "top", keep=2).index.tolist()
    [1, 2]
    """
    check_same_dataset(scores, dynamics)
    found = find("select", method)
    values = check_params(found, params)
    balance = _resolve_balance(balance, dynamics)
    total = len(scores)
    keep = check_keep(keep)
    count = pool_size(total, keep) if redraw else budget(total, keep)
    _refuse_unscored(scores)
    start = time.perf_counter()
    kept = _positions("include", include, total)
    left = _remaining(total, _positions("exclude", exclude, total), kept, count)
    count -= len(kept)
    arrays, columns = _bind_all(found, dynamics, scores, values)
    if len(left) < total:
        arrays = _take(arrays, columns, left)
    if found.spec.fit_params is not None:
        given = call_params(found, values)
        values |= found.spec.fit_params(**arrays, n=count, augmented=_augmented(dynamics), **given)
    run = partial(apply_rule, found, call_params(found, values), rng=np.random.default_rng(seed))
    if balance is None:
        index, weight = run(arrays, count)
    else:
        label = _label(dynamics, balance)[left]
        share = _class_budgets(balance, label, count, dynamics, left)
        index, weight = apply_per_class(run, arrays, columns, label, share)
    stamped = {**without_all_epochs(values), "keep": keep, "balance": balance}
    if len(exclude):
        stamped["excluded"] = total - len(left) - len(kept)
    if len(kept):
        stamped["included"] = len(kept)
    if redraw:
        stamped["redraw"] = budget(total, keep)
    provenance = Provenance(
        "select", method, stamped, seed, scores.provenance.dataset, library_versions(), _parents(scores, dynamics)
    )
    index, weight = _with(kept, left[index], weight)
    return Subset(index, total, weight, scores.key, provenance, time.perf_counter() - start)


def apply_rule(method: Method, params: Params, arrays: Arrays, n: int, *, rng: np.random.Generator) -> Chosen:
    """Return the n positions that the rule keeps, and their weights where its spec has any.

    >>> apply_rule(find("select", "top"), {}, {"score": np.array([0.1, 0.9])}, 1, rng=np.random.default_rng(0))
    (array([1]), None)
    """
    if n == 0:
        return np.arange(0), None
    given: dict[str, object] = {**arrays, "n": n, "rng": rng}
    wanted = method.function.__annotations__
    positional = {name: given[name] for name in [*method.reads, "n", "rng"] if name in wanted}
    index: NDArray[np.int64] = np.asarray(method.function(**positional, **params))
    if len(index) != n:
        raise AssertionError(f"{method.name} returned {len(index)} positions instead of {n}")
    weights = method.spec.weights
    if weights is None:
        return index, None
    known = {**arrays, **params, "index": index}
    return index, weights(**{name: known[name] for name in inspect.signature(weights).parameters})


def apply_per_class(
    run: Callable[[Arrays, int], Chosen],
    arrays: Arrays,
    columns: set[str],
    label: NDArray[np.int64],
    share: NDArray[np.int64],
) -> Chosen:
    """Return what the rule keeps inside each class, share (K,) of them.

    `columns` names the arrays whose columns are examples.
    """
    size = np.bincount(label)
    of_class = np.split(group_order(label), np.cumsum(size)[:-1])
    chosen, weights = [], []
    for number in np.flatnonzero(share):
        index, weight = run(_take(arrays, columns, of_class[number]), int(share[number]))
        chosen.append(of_class[number][index])
        weights.append(weight)
    together = np.concatenate(chosen)
    order = np.argsort(together)
    given = [weight for weight in weights if weight is not None]
    return together[order], np.concatenate(given)[order] if given else None


def _resolve_balance(balance: str | None, dynamics: Dynamics | None) -> Balance | None:
    if balance == "auto":
        return None if dynamics is None else "proportional"
    resolved: Balance | None = checked("balance", balance, Balance | None)
    return resolved


def _class_budgets(
    balance: Balance, label: NDArray[np.int64], n: int, dynamics: Dynamics | None, left: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The budgets of the classes (K,), n in all."""
    size = np.bincount(label)
    if balance != "drop":
        return allot(size, n, uniform=balance == "uniform")
    correct = bind("correct", find("score", "correctness"), dynamics).whole()[:, left]
    recall = np.bincount(label, correct.mean(axis=0), len(size)) / np.maximum(size, 1)
    return allot_by_recall(size, n, recall)


def _bind_all(method: Method, dynamics: Dynamics | None, scores: Scores, params: Params) -> tuple[Arrays, set[str]]:
    """The arrays that a rule reads, and the names of those whose columns are examples."""
    bound = {name: bind(name, method, dynamics, scores, params) for name in method.reads}
    columns, short = {name for name, b in bound.items() if b.columns}, method.spec.over_epochs
    read = {name: b.over_epochs(short[name]) if name in short and b.columns else b.whole() for name, b in bound.items()}
    return read, columns


def _take(arrays: Arrays, columns: set[str], index: NDArray[np.int64]) -> Arrays:
    return {name: a[:, index] if name in columns else a[index] for name, a in arrays.items()}


def _positions(name: str, given: Sequence[int] | NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Check a list of positions, and return them sorted, each once."""
    positions = np.asarray(given)
    whole = positions.size == 0 or np.issubdtype(positions.dtype, np.integer)
    if positions.ndim != 1 or not whole or (len(positions) and (positions.min() < 0 or positions.max() >= total)):
        raise InputError(f"{name} lists positions, whole numbers from 0 to {total - 1}, not {given!r}.")
    return np.unique(positions.astype(np.int64))


def _remaining(total: int, exclude: NDArray[np.int64], include: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Positions that the rule chooses from, where `count` examples are to be kept.

    >>> _remaining(4, np.array([1]), np.array([3]), 2).tolist()
    [0, 2]
    """
    both = np.intersect1d(exclude, include)
    if len(both):
        raise InputError(f"position {both[0]} is both included and excluded; choose one.")
    if len(include) > count:
        raise InputError(f"{len(include):,} examples are included, but only {count:,} are to be kept; keep more.")
    if total - len(exclude) < count:
        raise InputError(
            f"{count:,} examples are to be kept, but {len(exclude):,} of {total:,} are excluded; keep fewer."
        )
    left = np.ones(total, dtype=bool)
    left[exclude] = left[include] = False
    return np.flatnonzero(left)


def _with(
    kept: NDArray[np.int64], index: NDArray[np.int64], weight: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Add the examples that are kept in any case to those that a rule chose, at weight 1."""
    if not len(kept):
        return index, weight
    both = np.concatenate([index, kept])
    order = np.argsort(both)
    return both[order], None if weight is None else np.concatenate([weight, np.ones(len(kept))])[order]


def _augmented(dynamics: Dynamics | None) -> bool:
    if dynamics is None or dynamics.provenance is None or dynamics.observed != "train-pass":
        return False
    return bool(dynamics.provenance.params.get("augment"))


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
    if dynamics is None or scores.provenance.parents:
        return (scores.provenance,)
    return (scores.provenance, dynamics.provenance)
