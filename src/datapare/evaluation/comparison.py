"""Retrain on subsets, on as many random examples, and on everything; count accuracy and cost over several seeds.

Every seed gives all arms the same initial network and schedule, so differences are paired; the random arm is drawn
anew for each seed, with the size, the batch and the schedule of the subset it is the baseline of.

Accuracy is measured on test data that chose nothing. Without any, a split of the training data is held out of every
arm: the scoring run has seen it, so it is good enough to choose by, not to prove by, and the comparison states it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Comparison, Floats, Provenance, Role, Subset, library_versions, subset_digest
from datapare.data import Dataset
from datapare.errors import InputError
from datapare.evaluation.experiment import ExperimentSetup, groups_of, prepare_experiment
from datapare.evaluation.jobs import CountProgress, Job, Result, Runner, run_jobs
from datapare.evaluation.runners import runner_for
from datapare.evaluation.user_training import check_weights
from datapare.evaluation.verdicts import is_decided
from datapare.methods.extrapolation import score_label
from datapare.options import RetrainOptions, resolve
from datapare.training.progress_bar import shown
from datapare.training.run_log import RunLog, open_log

FULL = "full"
SEED_STEPS = (3, 5, 8, 12, 20)  # numbers of seeds after which "auto" looks whether the questions are decided
# Each look before the last uses a wider interval (Haybittle and Peto), so that looking often proves nothing by chance.
INTERIM_CONFIDENCE = 0.997

Seeds = int | Sequence[int] | Literal["auto"]
Groups = tuple[tuple[str, ...], NDArray[np.int64]]  # names, and which of them each held-out example belongs to


@dataclass(frozen=True, eq=False)
class Chosen:
    """Positions to train on, the seconds that choosing them took, and their weights where they have any."""

    index: NDArray[np.int64]
    seconds: float
    weight: Floats | None = None


@dataclass(frozen=True, eq=False)
class PlannedArm:
    """An arm to train: `choose` returns its examples for a seed; `keep` is their fraction of the pool."""

    name: str
    role: Role
    choose: Callable[[int], Chosen]
    keep: float
    digest: str = ""


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


Table = dict[tuple[str, int], tuple[Job, Result]]  # by name of the arm and seed


def compare(
    data: Dataset,
    subsets: Mapping[str, Subset] | Subset,
    *,
    test: Dataset | None = None,
    full: bool = True,
    **options: Unpack[RetrainOptions],
) -> Comparison:
    """Train on each subset, on a random one of its size, and on everything, and evaluate on held-out examples.

    Args:
        data: The dataset that the subsets were selected from.
        subsets: One subset, or several by the names of their arms. Their weights weigh the training loss.
        test: Held-out examples that chose nothing; their labels are matched by the names of the classes. None holds a
            fifth of `data` out of every arm.
        full: Whether to train on everything too.
        options: How the trainings run, see `RetrainOptions`. With seeds="auto", seeds are added until every subset is
            shown to be better or worse than random, and within or beyond the margin of all data, or there are 20.
            A killed comparison with a `folder` resumes where it stopped.

    Returns:
        Accuracy and cost of every arm and seed; `verdict` states what they show.

    Raises:
        InputError: When the datasets do not fit together, or `train` does not accept or return what it should.
    """
    named = {arm_name(subsets): subsets} if isinstance(subsets, Subset) else dict(subsets)
    _check(data, named)
    chosen = resolve(RetrainOptions, options)
    setup = prepare_experiment(data, test, chosen)
    train, group = chosen["train"], chosen["group"]
    if train is not None and any(subset.weight is not None for subset in named.values()):
        check_weights(train)
    arms = [_subset_arm(name, subset, setup) for name, subset in named.items()]
    sizes: dict[int, str] = {}
    for arm in arms:
        sizes.setdefault(len(arm.choose(0).index), kept_name(named[arm.name]))
    arms += baselines(setup, sizes)
    if full:
        arms.append(full_arm_of(setup))
    params = {**setup.params, "budget": setup.budget, "group": group, "margin": chosen["margin"]}
    parents = tuple(subset.provenance for subset in named.values())
    provenance = Provenance("compare", params=params, dataset=data.digest, versions=library_versions(), parents=parents)
    groups = None if group is None else groups_of(setup.test, group)
    return run_comparison(
        arms, setup, conduct_of(chosen), lambda table, used: tabulate(arms, table, used, setup, groups, provenance)
    )


def conduct_of(options: RetrainOptions) -> Conduct:
    """Return how to carry out the trainings, from resolved RetrainOptions."""
    folder = None if options["folder"] is None else Path(options["folder"])
    runner = runner_for(options["jobs"], options["on"], options["gpus"])
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


def baselines(setup: ExperimentSetup, sizes: Mapping[int, str]) -> list[PlannedArm]:
    """Return a random arm for each size, named by what it keeps; every seed draws anew."""
    total = len(setup.pool)
    return [
        PlannedArm(f"random {kept}", "random", partial(_draw, setup.pool, size), size / total)
        for size, kept in sizes.items()
    ]


def full_arm_of(setup: ExperimentSetup) -> PlannedArm:
    """Return the arm that trains on everything."""
    return PlannedArm(FULL, "full", lambda _: Chosen(setup.pool, 0.0), 1.0)


def tabulate(
    arms: Sequence[PlannedArm],
    table: Table,
    seeds: tuple[int, ...],
    setup: ExperimentSetup,
    groups: Groups | None,
    provenance: Provenance,
    counted: NDArray[np.bool_] | None = None,
) -> Comparison:
    """Tabulate arms by seeds; `counted` (M,) is the evaluation mask of held-out examples (None: all)."""
    jobs = [[table[arm.name, seed][0] for seed in seeds] for arm in arms]
    results = [[table[arm.name, seed][1] for seed in seeds] for arm in arms]
    keep = np.ones(len(setup.test), dtype=bool) if counted is None else counted
    every = _outcomes(results, 1 + len(setup.corruptions), keep)  # (A, S, copies, M)
    right = None if every is None else every[:, :, 0]  # (A, S, M)
    if groups is not None and right is None:
        raise InputError("accuracies of groups need one boolean per held-out example; have your training return them.")
    names, group_count, group_accuracy = _grouped(every, groups, setup.corruptions, keep)
    accuracy = [[r.accuracy for r in row] for row in results] if right is None else right.mean(axis=2)
    return Comparison(
        arms=tuple(arm.name for arm in arms),
        seeds=seeds,
        accuracy=np.array(accuracy, dtype=np.float64),
        count=np.array([len(row[0].index) for row in jobs]),
        epochs=np.array([[r.seen / len(setup.pool) for r in row] for row in results]),
        seconds=np.array([[r.seconds for r in row] for row in results]),
        roles=tuple(arm.role for arm in arms),
        subset_digest=tuple(arm.digest for arm in arms),
        outcomes=None if right is None else np.packbits(right, axis=2),
        held_out_count=int(keep.sum()),
        class_accuracy=None if right is None else _by_group(right, setup.test.label[keep], len(setup.data.classes)),
        classes=setup.data.classes,
        group_accuracy=group_accuracy,
        group_count=group_count,
        groups=names,
        select_seconds=np.array([np.mean([job.select_seconds for job in row]) for row in jobs]),
        held_out="split" if setup.split else "test",
        budget=setup.budget,
        shortened=setup.shortened,
        provenance=provenance,
    )


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
    jobs = [_job(arm, seed, setup) for arm, seed in missing]
    results = run_jobs(
        jobs, setup.trainer, setup.fingerprints, conduct.runner, folder=conduct.folder, progress=conduct.progress
    )
    table.update({(job.arm, job.seed): (job, result) for job, result in zip(jobs, results, strict=True)})


def _subset_arm(name: str, subset: Subset, setup: ExperimentSetup) -> PlannedArm:
    seconds = float("nan") if subset.seconds is None else subset.seconds
    held_in = np.isin(subset.index, setup.pool) if setup.split else np.ones(len(subset), dtype=bool)
    weight = None if subset.weight is None else subset.weight[held_in]
    chosen = Chosen(subset.index[held_in], seconds, weight)
    keep = len(chosen.index) / len(setup.pool)
    return PlannedArm(name, "subset", lambda _: chosen, keep, subset_digest(subset))


def _draw(pool: NDArray[np.int64], size: int, seed: int) -> Chosen:
    drawn = np.random.default_rng([seed, size]).choice(len(pool), size, replace=False)
    return Chosen(pool[np.sort(drawn)], 0.0)


def _job(arm: PlannedArm, seed: int, setup: ExperimentSetup) -> Job:
    chosen = arm.choose(seed)
    return Job(arm.name, seed, chosen.index, setup.settings(arm.keep), chosen.weight, chosen.seconds)


def _outcomes(results: Sequence[Sequence[Result]], copies: int, counted: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Return which held-out examples that count were right in each copy, (A, S, copies, M).

    None unless every training knows.
    """
    rows = [[result.correct for result in row] for row in results]
    if any(correct is None for row in rows for correct in row):
        return None
    right = np.array(rows, dtype=bool)
    return right.reshape(*right.shape[:2], copies, len(counted))[..., counted]


def _grouped(
    right: NDArray[np.bool_] | None, groups: Groups | None, corruptions: Sequence[str], counted: NDArray[np.bool_]
) -> tuple[tuple[str, ...], NDArray[np.int64] | None, NDArray[np.float64] | None]:
    """Return names, sizes and accuracies (A, S, G) of the named groups, and of the corrupted copies after them."""
    if right is None or (groups is None and not corruptions):
        return (), None, None
    names, member = groups or ((), np.zeros(len(counted), dtype=np.int64))
    sizes, accuracy = np.full(len(corruptions), right.shape[-1]), right[:, :, 1:].mean(axis=-1)
    if groups is not None:
        sizes = np.concatenate([np.bincount(member[counted], minlength=len(names)), sizes])
        accuracy = np.concatenate([_by_group(right[:, :, 0], member[counted], len(names)), accuracy], axis=-1)
    return (*names, *(f"under {name}" for name in corruptions)), sizes, accuracy


def _by_group(right: NDArray[np.bool_], member: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return the fraction of right ones (A, S, M) in each of `count` groups, (A, S, count); NaN where one is empty."""
    size = np.bincount(member, minlength=count)
    flat = right.reshape(-1, right.shape[-1])
    hits = np.array([np.bincount(member, weights=row, minlength=count) for row in flat])
    fraction: NDArray[np.float64] = np.divide(hits, size, out=np.full(hits.shape, np.nan), where=size > 0)
    return fraction.reshape(*right.shape[:2], count)


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
