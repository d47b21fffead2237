"""Try several sizes by cheap retrainings: accuracy and cost against the kept fraction.

Everything is chosen and judged on a split of the training data, never on test data. The subset of each size is selected
anew for every seed from the examples that are not held out. A knob of the selection rule can be chosen on the way: its
values are ranked by one half of the held-out examples and the accuracies told are those on the other half, so that the
best of several values is not flattered by having been the luckiest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Budget, Comparison, Dynamics, Provenance, Scores, check_same_dataset, library_versions
from datapare.data import Dataset
from datapare.errors import InputError
from datapare.evaluation.comparison import Chosen, all_jobs, gather
from datapare.evaluation.experiment import bench, groups_of, holdout
from datapare.evaluation.jobs import Counting, Job, Result, run_all
from datapare.evaluation.statistics import MIN_SEEDS
from datapare.methods.registry import check_params, find
from datapare.methods.selection import Balance, select
from datapare.methods.signals import source_of

Knob = tuple[str, tuple[Any, ...]]  # its name and the values to try


def sweep(
    data: Dataset,
    scores: Scores,
    keep: Sequence[float],
    *,
    dynamics: Dynamics,
    method: str = "beta",
    balance: Balance | None = "proportional",
    rule_params: Mapping[str, Any] | None = None,
    param: Knob | None = None,
    training: Any = None,
    train: Any = None,
    image_size: int | None = None,
    seeds: int | Sequence[int] = MIN_SEEDS,
    budget: Budget | None = None,
    epochs: int | None = None,
    model: str | None = None,
    group: str | None = None,
    jobs: int = 1,
    folder: str | Path | None = None,
    progress: Counting | None = None,
) -> Comparison:
    """Select and retrain at each size of `keep` (fractions or counts), beside random and full, on a split of `data`.

    `method`, `balance` and `rule_params` say how to select from `scores` and `dynamics`; `knob` names one knob of the
    rule and the values to try at each size. The other arguments are those of `compare`. `recipe.knobs["chosen"]` tells
    the accuracy of every tried value on the half that chose. Raises InputError for impossible sizes, knobs and values.
    """
    check_same_dataset(scores, dynamics)
    if len(scores) != len(data):
        raise InputError(f"the scores are of {len(scores):,} examples, but the dataset holds {len(data):,}.")
    name, values = param or ("", (None,))
    params = {value: {**(rule_params or {}), **({} if value is None else {name: value})} for value in values}
    for given in params.values():
        check_params(find("select", method), given)
    shared = bench(data, None, training, train, image_size=image_size, budget=budget, epochs=epochs, model=model)
    pool, numbers = (
        _pool(scores, dynamics, method, shared.pool),
        tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
    )
    arms: dict[str, list[Chosen]] = {}
    rivals: dict[str, list[str]] = {}
    sizes: dict[int, str] = {}
    for fraction in sorted({one if one <= 1 else one / len(data) for one in keep}, reverse=True):
        kept = f"keep {fraction:.6g}"
        for value, given in params.items():
            arm = f"{scores.provenance.method or 'score'}+{method} {kept}" + (
                "" if value is None else f" {name} {value:g}"
            )
            arms[arm] = _selected(pool, shared.pool, method, fraction, numbers, balance, given)
            rivals.setdefault(kept, []).append(arm)
            sizes.setdefault(len(arms[arm][0][0]), kept)
    groups = None if group is None else groups_of(shared.test, group)
    listed = all_jobs(arms, shared, numbers, sizes, full=True)
    place = None if folder is None else Path(folder)
    results = run_all(listed, shared.trainer, shared.facts, folder=place, at_once=jobs, progress=progress)
    judges = None if param is None else _judges(shared.test.label)
    told = {} if judges is None else _choices(listed, results, rivals, ~judges)
    dropped = {arm for tried in told.values() for arm in tried if arm != max(tried, key=lambda one: tried[one])}
    staying = [(job, result) for job, result in zip(listed, results, strict=True) if job.arm not in dropped]
    stamped = {**shared.params, "budget": shared.budget, "select": method, **(rule_params or {}), "chosen": told}
    provenance = Provenance(
        "sweep", scores.provenance.method, stamped, 0, data.digest, library_versions(), (scores.provenance,)
    )
    some_jobs, some_results = [job for job, _ in staying], [result for _, result in staying]
    return gather(some_jobs, some_results, numbers, shared, groups, provenance, judges)


def parse_knob(text: str) -> Knob:
    """A knob and the values to try.

    >>> parse_knob("c_d=2,4,5.5")
    ('c_d', (2.0, 4.0, 5.5))
    """
    name, _, values = text.partition("=")
    try:
        return name.strip().replace("-", "_"), tuple(float(value) for value in values.split(","))
    except ValueError:
        raise InputError(f"--knob is a name and numbers to try, such as c_d=2,4,6, not {text!r}.") from None


def _pool(scores: Scores, dynamics: Dynamics, method: str, index: NDArray[np.int64]) -> tuple[Scores, Dynamics]:
    """Scores and record of the examples at `index` alone; of the record only what the rule reads."""
    reads = {source_of(name) for name in find("select", method).reads}
    key = None if dynamics.key is None else dynamics.key[index]
    return (
        replace(scores, score=scores.score[index], key=key, predicted=None),
        replace(
            dynamics,
            channels={name: values[:, index] for name, values in dynamics.channels.items() if name in reads},
            arrays={name: values[index] for name, values in dynamics.arrays.items() if name in reads},
            label=dynamics.label[index],
            key=key,
        ),
    )


def _selected(
    pool: tuple[Scores, Dynamics],
    index: NDArray[np.int64],
    method: str,
    keep: float,
    seeds: Sequence[int],
    balance: Balance | None,
    params: Mapping[str, Any],
) -> list[Chosen]:
    """A subset of the pool for every seed, as positions in the dataset, and the seconds that selecting it took."""
    scores, dynamics = pool
    subsets = [
        select(scores, method, keep=keep, seed=seed, dynamics=dynamics, balance=balance, **params) for seed in seeds
    ]
    return [(index[subset.index], subset.seconds or 0.0) for subset in subsets]


def _judges(label: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Booleans (M,): the half of the held-out examples that does not choose the knob."""
    judges = np.zeros(len(label), dtype=bool)
    judges[holdout(label, 0.5, seed=1)] = True
    return judges


def _choices(
    listed: Sequence[Job], results: Sequence[Result], rivals: Mapping[str, Sequence[str]], choosing: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """For each size, the mean accuracy over seeds of every tried arm on the choosing half."""
    if any(result.correct is None for result in results):
        raise InputError("choosing a knob needs one boolean per held-out example; have your training return them.")
    each: dict[str, list[float]] = {}
    for job, result in zip(listed, results, strict=True):
        assert result.correct is not None  # noqa: S101 - checked above
        each.setdefault(job.arm, []).append(float(result.correct[choosing].mean()))
    return {kept: {arm: round(float(np.mean(each[arm])), 6) for arm in tried} for kept, tried in rivals.items()}
