"""Retrain at several sizes with cheap trainings: accuracy and cost against the kept fraction.

Everything is chosen and evaluated on a split of the training data, never on test data. The subset of each size is
selected anew for every seed from the examples that are not held out. A parameter of the selection rule can be chosen
too: its values are ranked on one half of the held-out examples and the accuracies reported are those on the other half,
so that the best of several values is not reported with its selection bias.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Comparison, Dynamics, Params, Provenance, Scores, check_same_dataset, library_versions
from datapare.data import as_dataset
from datapare.errors import InputError
from datapare.evaluation.comparison import (
    conduct_of,
    resolve_strategies,
    run_comparison,
    scoring_costs,
)
from datapare.evaluation.costs import Cost
from datapare.evaluation.experiment import ExperimentSetup, groups_of, holdout, prepare_experiment
from datapare.evaluation.planning import (
    Choose,
    Chosen,
    Needs,
    PlannedArm,
    PlannedSubset,
    full_arm_of,
    random_arms,
    strategy_arms,
)
from datapare.evaluation.strategies import Strategy
from datapare.evaluation.tabulation import Groups, Table, tabulate
from datapare.methods.registry import check_params, find
from datapare.methods.selection import select
from datapare.methods.signals import source_of
from datapare.numerics.checked_calls import checked_call
from datapare.options import Balance, RetrainOptions, resolve

ParamValues = tuple[str, tuple[float, ...]]  # name of a parameter of the rule and the values to try


@checked_call
def sweep(
    data: object,  # a Dataset, or whatever open_dataset reads
    scores: Scores,
    keep: Sequence[float],
    *,
    dynamics: Dynamics,
    rule: str = "mixed",
    balance: Balance | None = "proportional",
    rule_params: Params | None = None,  # of any rule
    param: ParamValues | None = None,
    **options: Unpack[RetrainOptions],
) -> Comparison:
    """Select and retrain at each size of `keep`, beside random and full, on a split of `data`.

    Args:
        data: The dataset, or what `open_dataset` opens.
        scores: Scores of its examples.
        keep: Sizes to try, fractions or counts.
        dynamics: The record that the rule reads.
        rule: Name of the selection rule.
        balance: How the rule is applied inside each class.
        rule_params: Parameters of the rule.
        param: A parameter of the rule and the values to try at each size; the best on one half of the held-out examples
            is kept, and its accuracy is that on the other half. `provenance.params["chosen"]` holds the accuracies that
            chose.
        options: How the trainings run, as for `compare`. `strategies` are trained at each size; none unless named.

    Returns:
        A comparison with one subset arm per size.

    Raises:
        InputError: For impossible sizes, parameters and values.
    """
    check_same_dataset(scores, dynamics)
    data = as_dataset(data)
    if len(scores) != len(data):
        raise InputError(f"the scores are of {len(scores):,} examples, but the dataset holds {len(data):,}.")
    settings = resolve(RetrainOptions, options)
    strategies, soft = resolve_strategies(settings, dynamics, default=False)
    setup = prepare_experiment(data, None, settings, soft)
    choose = partial(_select, _in_pool(scores, dynamics, rule, setup.pool), setup.pool, rule, balance)
    sizes = sorted({size if size <= 1 else size / len(data) for size in keep}, reverse=True)
    if param is not None and any(strategy.source == "subset" for strategy in strategies):
        raise InputError(
            "strategies of the subset are not trained while a parameter of it is chosen; choose it first, and name "
            "them without param= then."
        )
    tried = _tried_params(rule, rule_params or {}, param)
    plan = _plan(choose, scores.provenance.method, rule, sizes, tried, strategies, setup)
    params = {
        **setup.params,
        "budget": setup.budget,
        "margin": settings["margin"],
        "select": rule,
        **(rule_params or {}),
    }
    provenance = Provenance(
        "sweep", scores.provenance.method, params, 0, data.digest, library_versions(), (scores.provenance,)
    )
    groups = None if settings["group"] is None else groups_of(setup.test, settings["group"])
    evaluated = None if param is None else _evaluation_half(setup.test.label)
    costs = scoring_costs(dynamics, [scores])
    finish = partial(_finish, plan, setup=setup, groups=groups, provenance=provenance, costs=costs, evaluated=evaluated)
    return run_comparison(plan.arms, setup, conduct_of(settings), finish)


def parse_param(text: str) -> ParamValues:
    """Return the name of a parameter and the values to try.

    >>> parse_param("c_d=2,4,5.5")
    ('c_d', (2.0, 4.0, 5.5))
    """
    name, _, values = text.partition("=")
    try:
        return name.strip().replace("-", "_"), tuple(float(value) for value in values.split(","))
    except ValueError:
        raise InputError(f"expected a parameter and numbers to try, such as c_d=2,4,6, not {text!r}.") from None


@dataclass(frozen=True, eq=False)
class _Plan:
    """All arms to train, and by size the names of those of which one is kept."""

    arms: list[PlannedArm]
    rivals: dict[str, list[str]]


def _plan(
    choose: Callable[[float, Params, int], Chosen],
    score: str,
    rule: str,
    sizes: Sequence[float],
    tried: Mapping[str, Params],
    strategies: Sequence[Strategy],
    setup: ExperimentSetup,
) -> _Plan:
    """Return an arm for each size and tried value of the parameter, then the baselines and the strategies."""
    subsets: list[PlannedSubset] = []
    rivals: dict[str, list[str]] = {}
    for fraction in sizes:
        kept = f"keep {fraction:.6g}"
        for suffix, params in tried.items():
            name, of_seed = f"{score or 'score'}+{rule} {kept}{suffix}", partial(choose, fraction, params)
            keep = len(of_seed(0).index) / len(setup.pool)
            arm = PlannedArm(name, "subset", of_seed, keep, strategy="subset", needs="scores")
            subsets.append(PlannedSubset(arm, kept, partial(_larger, choose, params)))
            rivals.setdefault(kept, []).append(name)
    first = [subsets[i] for i in range(0, len(subsets), len(tried))]  # of each size
    arms = [*(one.arm for one in subsets), *random_arms(subsets, setup), full_arm_of(setup)]
    return _Plan([*arms, *strategy_arms(strategies, first, setup)], rivals)


def _larger(choose: Callable[[float, Params, int], Chosen], params: Params, count: int) -> Choose:
    return partial(choose, count, params)


def _tried_params(rule: str, rule_params: Params, param: ParamValues | None) -> dict[str, Params]:
    """Return the parameters of the rule for each value to try, by the suffix of its arm's name."""
    name, values = param or ("", ())
    tried: dict[str, Params] = {f" {name} {value:g}": {**rule_params, name: value} for value in values}
    tried = tried or {"": rule_params}
    for params in tried.values():
        check_params(find("select", rule), params)
    return tried


def _in_pool(scores: Scores, dynamics: Dynamics, rule: str, index: NDArray[np.int64]) -> tuple[Scores, Dynamics]:
    """Return scores and record of the examples at `index` alone; of the record only what the rule reads."""
    reads = {source_of(name) for name in find("select", rule).reads}
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


def _select(
    pool: tuple[Scores, Dynamics],
    index: NDArray[np.int64],
    rule: str,
    balance: Balance | None,
    keep: float,
    params: Params,
    seed: int,
) -> Chosen:
    """Select from the pool, as positions in the dataset."""
    scores, dynamics = pool
    subset = select(scores, rule, keep=keep, seed=seed, dynamics=dynamics, balance=balance, **params)
    return Chosen(index[subset.index], subset.seconds or 0.0, subset.weight)


def _evaluation_half(label: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the evaluation mask (M,): the half of the held-out examples that does not choose the parameter."""
    mask = np.zeros(len(label), dtype=bool)
    mask[holdout(label, 0.5, seed=1)] = True
    return mask


def _finish(
    plan: _Plan,
    table: Table,
    seeds: tuple[int, ...],
    *,
    setup: ExperimentSetup,
    groups: Groups | None,
    provenance: Provenance,
    costs: Mapping[Needs, Cost],
    evaluated: NDArray[np.bool_] | None,
) -> Comparison:
    """Tabulate the arms; where a parameter was tried, only the best value of each size, on the other half."""
    chosen = {} if evaluated is None else _choices(plan, table, seeds, ~evaluated)
    best = {max(accuracy, key=lambda name: accuracy[name]) for accuracy in chosen.values()}
    arms = [arm for arm in plan.arms if arm.role != "subset" or not chosen or arm.name in best]
    stamped = replace(provenance, params={**provenance.params, "chosen": chosen})
    return tabulate(arms, table, seeds, setup, groups, stamped, costs, evaluated)


def _choices(
    plan: _Plan, table: Table, seeds: Sequence[int], choosing: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Return for each size the mean accuracy over seeds of every tried arm on the choosing half."""

    def mean(name: str) -> float:
        right = [table[name, seed][1].correct for seed in seeds]
        if any(correct is None for correct in right):
            raise InputError(
                "choosing a parameter needs one boolean per held-out example; have your training return them."
            )
        return round(
            float(np.mean([correct[: len(choosing)][choosing].mean() for correct in right if correct is not None])), 6
        )

    return {kept: {name: mean(name) for name in names} for kept, names in plan.rivals.items()}
