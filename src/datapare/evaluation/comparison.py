"""Retrain on subsets, on as many random examples, and on everything; count accuracy and cost over several seeds.

Every seed gives all arms the same initial network and schedule, so differences are paired; the random arm is drawn
anew for each seed, with the size, the batch and the schedule of the subset it is the baseline of.

Accuracy is measured on test data that chose nothing. Without any, a split of the training data is held out of every
arm: the scoring run has seen it, so it is good enough to choose by, not to prove by, and the comparison states it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np

from datapare.artifacts import Comparison, Dynamics, Provenance, Scores, Subset, library_versions, subset_digest
from datapare.data import Dataset, as_dataset
from datapare.errors import InputError
from datapare.evaluation.costs import FREE, Cost, scoring_cost
from datapare.evaluation.experiment import ExperimentSetup, groups_of, prepare_experiment
from datapare.evaluation.jobs import CountProgress, Runner, run_jobs
from datapare.evaluation.planning import (
    FULL,
    Choose,
    Chosen,
    Needs,
    PlannedArm,
    PlannedSubset,
    check_names,
    check_own_training,
    full_arm_of,
    job_of,
    random_arms,
    strategy_arms,
)
from datapare.evaluation.runners import runner_for
from datapare.evaluation.strategies import BASELINES, NONE, Strategy, parse_strategies
from datapare.evaluation.tabulation import Table, tabulate
from datapare.evaluation.user_training import check_weights
from datapare.evaluation.verdicts import is_decided
from datapare.methods.extrapolation import score_label
from datapare.methods.registry import find
from datapare.methods.selection import select
from datapare.numerics.checked_calls import checked_call
from datapare.options import RetrainOptions, resolve
from datapare.training.progress_bar import shown
from datapare.training.run_log import RunLog, open_log

if TYPE_CHECKING:
    from datapare.training import SoftLabels

SEED_STEPS = (3, 5, 8, 12, 20)  # numbers of seeds after which "auto" looks whether the questions are decided
# Each look before the last uses a wider interval (Haybittle and Peto), so that looking often proves nothing by chance.
INTERIM_CONFIDENCE = 0.997

Seeds = int | Sequence[int] | Literal["auto"]


@dataclass(frozen=True)
class Conduct:
    """How the trainings of a comparison are carried out: it decides no result but the number of seeds."""

    seeds: Seeds
    runner: Runner
    folder: Path | None
    margin: float
    progress: CountProgress | None
    bar: bool = False
    log: RunLog | str | None = None


@checked_call
def compare(
    data: object,  # a Dataset, or whatever open_dataset reads
    subsets: Mapping[str, Subset] | Subset,
    *,
    test: object = None,
    full: bool = True,
    dynamics: Dynamics | None = None,
    scores: Scores | Sequence[Scores] = (),
    **options: Unpack[RetrainOptions],
) -> Comparison:
    """Train on each subset, on a random one of its size, and on everything, and evaluate on held-out examples.

    Args:
        data: The dataset that the subsets were selected from, or what `open_dataset` opens.
        subsets: One subset, or several by the names of their arms. Their weights weigh the training loss.
        test: Held-out examples that chose nothing, given as `data` is (of a path, its split test); their labels are
            matched by the names of the classes. None holds a fifth of `data` out of every arm.
        full: Whether to train on everything too.
        dynamics: The record that the subsets were chosen by: what it cost is counted, and its mean logits are the soft
            labels of strategies. With it, `strategies` is "baselines" unless given.
        scores: The scores that the subsets were chosen by, for pools of more examples chosen alike.
        options: How the trainings run, see `RetrainOptions`. With seeds="auto", seeds are added until every subset is
            shown to be better or worse than random, and within or beyond the margin of all data, or there are 20.
            A killed comparison with a `folder` resumes where it stopped.

    Returns:
        Accuracy and cost of every arm and seed; `verdict` states what they show.

    Raises:
        InputError: When the datasets do not fit together, or `train` does not accept or return what it should.
    """
    named = {arm_name(subsets): subsets} if isinstance(subsets, Subset) else dict(subsets)
    data = as_dataset(data)
    _check(data, named)
    held_out = None if test is None else as_dataset(test, classes=data.classes, split="test")
    chosen = resolve(RetrainOptions, options)
    train, group = chosen["train"], chosen["group"]
    weighted = any(subset.weight is not None for subset in named.values())
    strategies, soft = resolve_strategies(
        chosen, dynamics, default=dynamics is not None and train is None, weighted=weighted
    )
    if train is not None and weighted:
        check_weights(train)
    setup = prepare_experiment(data, held_out, chosen, soft)
    known = _scores_of(named.values(), [scores] if isinstance(scores, Scores) else scores)
    planned = [_planned_subset(name, subset, setup, known, dynamics) for name, subset in named.items()]
    arms = [
        *(one.arm for one in planned), *random_arms(planned, setup), *([full_arm_of(setup)] if full else []),
        *strategy_arms(strategies, planned, setup),
    ]  # fmt: skip
    check_names(arms)
    params = {
        **setup.params, "budget": setup.budget, "group": group, "margin": chosen["margin"],
        "strategies": [strategy.name for strategy in strategies],
    }  # fmt: skip
    parents = tuple(subset.provenance for subset in named.values())
    provenance = Provenance("compare", params=params, dataset=data.digest, versions=library_versions(), parents=parents)
    groups = None if group is None else groups_of(setup.test, group)
    costs = scoring_costs(dynamics, known)
    return run_comparison(
        arms,
        setup,
        conduct_of(chosen),
        lambda table, used: tabulate(arms, table, used, setup, groups, provenance, costs),
    )


def resolve_strategies(
    options: RetrainOptions, dynamics: Dynamics | None, *, default: bool, weighted: bool = False
) -> tuple[list[Strategy], "SoftLabels | None"]:
    """Return the strategies to train, and the soft labels of the record where one of them needs these.

    Args:
        options: Resolved `RetrainOptions`.
        dynamics: The record, if known.
        default: Whether the baselines are trained where no strategies are named.
        weighted: Whether a subset weighs its examples.

    Raises:
        InputError: For unknown strategies, and those that `train` or the record cannot serve.
    """
    recorded = dynamics is not None and "logit_mean" in dynamics.arrays
    names = options["strategies"] or ((BASELINES,) if default else (NONE,))
    strategies = parse_strategies(names, soft=recorded and options["train"] is None, weighted=weighted)
    check_own_training(options["train"], strategies)
    wanting = [strategy.name for strategy in strategies if strategy.targets == "soft"]
    if not wanting:
        return strategies, None
    if dynamics is None:
        raise InputError(f"{', '.join(wanting)} need the record that the soft labels are made of; give dynamics=.")
    from datapare.training import soft_labels

    return strategies, soft_labels(dynamics)


def conduct_of(options: RetrainOptions) -> Conduct:
    """Return how to carry out the trainings, from resolved RetrainOptions."""
    folder = None if options["folder"] is None else Path(options["folder"])
    own = 1 if options["train"] is not None else None  # the user's code may not be made to run beside itself
    runner = runner_for(options["jobs"] or own, options["on"], options["gpus"])
    given = options["progress"]
    progress = given if callable(given) else None
    bar = progress is None and given is not False
    return Conduct(options["seeds"], runner, folder, options["margin"], progress, bar, options["log"])


def run_comparison(
    arms: Sequence[PlannedArm],
    setup: ExperimentSetup,
    conduct: Conduct,
    finish: Callable[[Table, tuple[int, ...]], Comparison],
) -> Comparison:
    """Run all trainings, for seeds="auto" step by step until the questions are decided, and tabulate them.

    `finish` makes the comparison from the finished trainings and the seeds that count.
    """
    table: Table = {}
    steps = seed_steps(conduct.seeds)
    with (
        open_log(conduct.log, f"compare-{setup.data.digest[:8]}") as tracker,
        shown("retraining", wanted=conduct.bar) as bar,
    ):
        progress = conduct.progress if bar is None else bar.update
        for seeds in steps:
            _train_missing(arms, setup, replace(conduct, progress=progress), seeds, table)
            comparison = finish(table, seeds)
            if seeds == steps[-1] or is_decided(comparison, conduct.margin, INTERIM_CONFIDENCE):
                break
        _log(comparison, tracker)
    return comparison


def _log(comparison: Comparison, tracker: RunLog | None) -> None:
    """Log the accuracy of each arm, one step per seed."""
    if tracker is None:
        return
    for i in range(len(comparison.seeds)):
        values = {f"accuracy/{arm}": float(comparison.accuracy[j, i]) for j, arm in enumerate(comparison.arms)}
        tracker.log(values, step=i)


def seed_steps(seeds: Seeds) -> list[tuple[int, ...]]:
    """Return the seeds to train with, step by step; one step unless they are chosen automatically.

    >>> seed_steps(2), seed_steps([7, 9]), [len(step) for step in seed_steps("auto")]
    ([(0, 1)], [(7, 9)], [3, 5, 8, 12, 20])
    """
    if isinstance(seeds, str):
        if seeds != "auto":
            raise InputError(f'expected seeds as a number of trainings, a list of seeds, or "auto", got {seeds!r}.')
        return [tuple(range(count)) for count in SEED_STEPS]
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not numbers or len({*numbers}) < len(numbers):
        raise InputError(f"expected seeds as a number of at least 1, or a list of different seeds, got {seeds!r}.")
    return [numbers]


def scoring_costs(dynamics: Dynamics | None, scores: Sequence[Scores]) -> dict[Needs, Cost]:
    """Return what has to be computed once before the first training, by what an arm needs."""
    seconds = sum(one.seconds or 0.0 for one in scores)
    record = scoring_cost(dynamics, None)
    return {"nothing": FREE, "record": record, "scores": Cost(record.seconds + seconds, record.epochs)}


def arm_name(subset: Subset) -> str:
    """Return the name of a subset's arm: its score, its rule and what it keeps."""
    scored = [score_label(parent) for parent in subset.provenance.parents if parent.step in {"score", "extrapolate"}]
    return f"{'+'.join([*scored, subset.provenance.method or 'subset'])} {kept_name(subset)}"


def kept_name(subset: Subset) -> str:
    """Return the kept fraction or count as it was requested."""
    return f"keep {subset.provenance.params.get('keep', subset.keep):.6g}"


def _train_missing(
    arms: Sequence[PlannedArm], setup: ExperimentSetup, conduct: Conduct, seeds: Iterable[int], table: Table
) -> None:
    """Train every arm with every seed that the table lacks, and add the results to it."""
    missing = [(arm, seed) for arm in arms for seed in seeds if (arm.name, seed) not in table]
    jobs = [job_of(arm, seed, setup) for arm, seed in missing]
    results = run_jobs(
        jobs, setup.trainer, setup.fingerprints, conduct.runner, folder=conduct.folder, progress=conduct.progress
    )
    table.update({(job.arm, job.seed): (job, result) for job, result in zip(jobs, results, strict=True)})


def _scores_of(subsets: Iterable[Subset], scores: Sequence[Scores]) -> list[Scores]:
    """Return those of the scores that a subset was chosen by."""
    parents = [parent for subset in subsets for parent in subset.provenance.parents]
    return [one for one in scores if one.provenance in parents]


def _planned_subset(
    name: str, subset: Subset, setup: ExperimentSetup, scores: Sequence[Scores], dynamics: Dynamics | None
) -> PlannedSubset:
    chosen = _held_in(subset, setup)
    keep = len(chosen.index) / len(setup.pool)
    arm = PlannedArm(
        name, "subset", lambda _: chosen, keep, subset_digest(subset), strategy="subset", needs="scores"
    )  # fmt: skip
    return PlannedSubset(arm, kept_name(subset), _enlarging(subset, setup, scores, dynamics))


def _held_in(subset: Subset, setup: ExperimentSetup) -> Chosen:
    """Return the examples of a subset that are not held out."""
    seconds = float("nan") if subset.seconds is None else subset.seconds
    held_in = np.isin(subset.index, setup.pool) if setup.split else np.ones(len(subset), dtype=bool)
    weight = None if subset.weight is None else subset.weight[held_in]
    return Chosen(subset.index[held_in], seconds, weight)


def _enlarging(
    subset: Subset, setup: ExperimentSetup, scores: Sequence[Scores], dynamics: Dynamics | None
) -> Callable[[int], Choose] | None:
    """Return how more examples are chosen as the subset was, None where that is not known.

    Of all examples as many are chosen as leave so many, on average, that are not held out.
    """
    made = subset.provenance
    by = next((one for one in scores if one.provenance in made.parents), None)
    if by is None or made.step != "select" or subset.weight is not None or {"excluded", "included"} & {*made.params}:
        return None
    params = {name: value for name, value in made.params.items() if name in find("select", made.method).params}

    def enlarge(count: int) -> Choose:
        keep = min(subset.total, round(count * subset.total / len(setup.pool)))
        larger = select(
            by, made.method, keep=keep, seed=made.seed or 0, dynamics=dynamics, balance=made.params.get("balance"),
            **params,
        )  # fmt: skip
        chosen = _held_in(larger, setup)
        return lambda _: chosen

    return enlarge


def _check(data: Dataset, named: Mapping[str, Subset]) -> None:
    if not named:
        raise InputError("a comparison needs at least one subset to compare with random examples.")
    for name, subset in named.items():
        if subset.total != len(data):
            raise InputError(
                f"{name!r} is a subset of {subset.total:,} examples, but the dataset holds {len(data):,}; "
                "use the dataset it was selected from."
            )
        if name == FULL or name.startswith("random"):
            raise InputError(f"an arm cannot be called {name!r}: that name is taken by the arm we add ourselves.")
