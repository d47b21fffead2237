"""A selection rule at work: on all examples, on those that are left, or inside each class."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.methods.registry import Method
from datapare.numerics.sampling import allot

Arrays = Mapping[str, NDArray[Any]]
Chosen = tuple[NDArray[np.int64], NDArray[np.float64] | None]  # sorted positions, and weights where the rule has them


def choose(method: Method, params: Mapping[str, Any], arrays: Arrays, n: int, *, rng: np.random.Generator) -> Chosen:
    """The n positions that the rule keeps, with the weights of the function `weights` in its file, if it has one.

    `weights` reads arrays and knobs by the names that the rule uses, and `index`, the kept positions (n,).

    >>> from datapare.methods import find
    >>> choose(find("select", "top"), {}, {"score": np.array([0.1, 0.9])}, 1, rng=np.random.default_rng(0))
    (array([1]), None)
    """
    if n == 0:
        return np.arange(0), None
    given: dict[str, Any] = {**arrays, "n": n, "rng": rng}
    wanted = method.function.__annotations__
    positional = {name: given[name] for name in [*method.reads, "n", "rng"] if name in wanted}
    index: NDArray[np.int64] = np.asarray(method.function(**positional, **params))
    if len(index) != n:
        raise AssertionError(f"{method.name} returned {len(index)} positions instead of {n}")
    weigh = getattr(import_module(method.function.__module__), "weights", None)
    if weigh is None:
        return index, None
    known = {**arrays, **params, "index": index}
    return index, weigh(**{name: known[name] for name in inspect.signature(weigh).parameters})


def within_classes(
    run: Callable[[Arrays, int], Chosen],
    arrays: Arrays,
    columns: set[str],
    label: NDArray[np.int64],
    n: int,
    *,
    uniform: bool,
) -> Chosen:
    """What the rule keeps inside each class, n in all: shares proportional to class sizes, or as uniform as can be."""
    size = np.bincount(label)
    share = allot(size, n, uniform=uniform)
    of_class = np.split(np.argsort(label, kind="stable"), np.cumsum(size)[:-1])
    chosen, weights = [], []
    for number in np.flatnonzero(share):
        index, weight = run(at(arrays, columns, of_class[number]), int(share[number]))
        chosen.append(of_class[number][index])
        weights.append(weight)
    together = np.concatenate(chosen)
    order = np.argsort(together)
    weighed = [weight for weight in weights if weight is not None]
    return together[order], np.concatenate(weighed)[order] if weighed else None


def at(arrays: Arrays, columns: set[str], index: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The arrays of the examples at `index`, which are their columns where `columns` says so."""
    return {name: a[:, index] if name in columns else a[index] for name, a in arrays.items()}


def remaining(total: int, exclude: Sequence[int] | NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Positions that may be kept; InputError when they are fewer than `count`.

    >>> remaining(4, [1], 2).tolist()
    [0, 2, 3]
    """
    left = np.setdiff1d(np.arange(total), np.asarray(exclude, dtype=np.int64))
    if len(left) < count:
        raise InputError(
            f"{count:,} examples are to be kept, but {total - len(left):,} of {total:,} are excluded; keep fewer."
        )
    return left
