"""Retrain on subsets, on as many random examples, and on everything; count accuracy and cost over several seeds.

Every seed gives all arms the same initial network and schedule, so differences are paired; the random arm is drawn
anew for each seed, with the size, the batch and the schedule of the subset it stands beside.

Accuracy is measured on test data that chose nothing. Without any, a split of the training data is held out of every
arm: the scoring run has seen it, so it is good enough to choose by, not to prove by, and the comparison says so.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Budget, Comparison, Provenance, Subset, library_versions
from datapare.data import Dataset
from datapare.errors import InputError
from datapare.evaluation.experiment import ExperimentSetup, bench, groups_of
from datapare.evaluation.jobs import Counting, Job, Result, run_all
from datapare.evaluation.statistics import MIN_SEEDS
from datapare.methods.extrapolation import score_label

FULL = "full"


def compare(
    data: Dataset,
    subsets: Mapping[str, Subset] | Subset,
    *,
    test: Dataset | None = None,
    training: Any = None,
    train: Any = None,
    image_size: int | None = None,
    seeds: int | Sequence[int] = MIN_SEEDS,
    budget: Budget | None = None,
    epochs: int | None = None,
    model: str | None = None,
    group: str | None = None,
    full: bool = True,
    jobs: int = 1,
    folder: str | Path | None = None,
    progress: Counting | None = None,
) -> Comparison:
    """Train on each subset, on a random one of its size, and on everything, and evaluate on held-out examples.

    `subsets` maps arm names to subsets of `data`; `test` holds examples that chose nothing; without it a fifth of
    `data` is held out of every arm. `training` is the recipe of a full training (chosen by kind and size when None);
    `train` a training of your own (train/own.py says what it takes and returns). `budget` says what a subset's training
    has in common with the full one, its epochs or its iterations (None: as the recipe says); `epochs` shortens the
    full schedule to so many; `model` is another network than the recipe's. `group` names a column: accuracy is also
    told for each of its values. `jobs` trainings run at a time, one thread each; the results do not depend on how many.
    Finished trainings are kept in `folder`, so a killed comparison goes on where it stopped. `progress(done, total,
    arm)` is called after each training.

    Raises InputError when the datasets do not fit together or `train` does not do what it should.
    """
    named = {arm_name(subsets): subsets} if isinstance(subsets, Subset) else dict(subsets)
    _check(data, named)
    shared = bench(data, test, training, train, image_size=image_size, budget=budget, epochs=epochs, model=model)
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    arms = {}
    for name, subset in named.items():
        index = np.intersect1d(subset.index, shared.pool) if shared.split else subset.index
        arms[name] = [(index, float("nan") if subset.seconds is None else subset.seconds)] * len(numbers)
    parents = tuple(subset.provenance for subset in named.values())
    listed = all_jobs(arms, shared, numbers, _sizes(named, arms), full=full)
    return carry_out(
        listed, shared, numbers, parents, "compare", group=group, jobs=jobs, folder=folder, progress=progress
    )


Chosen = tuple[NDArray[np.int64], float]  # positions, and the seconds that choosing them took


def all_jobs(
    arms: Mapping[str, Sequence[Chosen]],
    shared: ExperimentSetup,
    seeds: Sequence[int],
    sizes: Mapping[int, str],
    *,
    full: bool,
) -> list[Job]:
    """Every arm with every seed (its positions per seed are given), one random arm for each size, and everything."""
    total, jobs = len(shared.pool), []
    for name, chosen in arms.items():
        settings = shared.settings(len(chosen[0][0]) / total)
        jobs += [Job(name, seed, i, settings, took) for seed, (i, took) in zip(seeds, chosen, strict=True)]
    for size, kept in sizes.items():
        settings = shared.settings(size / total)
        draws = [np.random.default_rng([seed, size]).choice(total, size, replace=False) for seed in seeds]
        jobs += [
            Job(f"random {kept}", s, shared.pool[np.sort(d)], settings, 0.0) for s, d in zip(seeds, draws, strict=True)
        ]
    if full:
        jobs += [Job(FULL, seed, shared.pool, shared.settings(1.0), 0.0) for seed in seeds]
    return jobs


def carry_out(
    listed: Sequence[Job],
    shared: ExperimentSetup,
    seeds: tuple[int, ...],
    parents: tuple[Provenance, ...],
    verb: str,
    *,
    group: str | None,
    jobs: int,
    folder: str | Path | None,
    progress: Counting | None,
) -> Comparison:
    """Run all trainings and gather them."""
    groups = None if group is None else groups_of(shared.test, group)
    place = None if folder is None else Path(folder)
    results = run_all(listed, shared.trainer, shared.facts, folder=place, at_once=jobs, progress=progress)
    params = {**shared.params, "budget": shared.budget, "group": group}
    provenance = Provenance(
        verb, params=params, dataset=shared.data.digest, versions=library_versions(), parents=parents
    )
    return gather(listed, results, seeds, shared, groups, provenance)


def gather(
    jobs: Sequence[Job],
    results: Sequence[Result],
    seeds: tuple[int, ...],
    shared: ExperimentSetup,
    groups: tuple[tuple[str, ...], NDArray[np.int64]] | None,
    provenance: Provenance,
    judges: NDArray[np.bool_] | None = None,
) -> Comparison:
    """Tabulate arms × seeds; `judges` (M,) says which held-out examples count (None: all)."""
    arms = tuple(dict.fromkeys(job.arm for job in jobs))
    table = {(job.arm, job.seed): (job, result) for job, result in zip(jobs, results, strict=True)}

    def column_of(read: Callable[[Job, Result], Any]) -> NDArray[np.float64]:
        return np.array([[read(*table[arm, seed]) for seed in seeds] for arm in arms], dtype=np.float64)

    right = {place: result.correct for place, result in zip(table, results, strict=True) if result.correct is not None}
    known = len(right) == len(table)
    if groups is not None and not known:
        raise InputError("accuracies of groups need one boolean per held-out example; have your training return them.")
    counted = np.ones(len(shared.test), dtype=bool) if judges is None else judges

    def accuracies(of: NDArray[np.int64], count: int) -> NDArray[np.float64] | None:
        if not known:
            return None
        each = [[_shares(right[arm, seed][counted], of[counted], count) for seed in seeds] for arm in arms]
        return np.array(each, dtype=np.float64)

    label = shared.test.label
    return Comparison(
        arms=arms,
        seeds=seeds,
        accuracy=column_of(lambda job, r: right[job.arm, job.seed][counted].mean() if known else r.accuracy),
        count=np.array([len(table[arm, seeds[0]][0].index) for arm in arms]),
        epochs=column_of(lambda _, r: r.seen / len(shared.pool)),
        seconds=column_of(lambda _, r: r.seconds),
        class_accuracy=accuracies(label, len(shared.data.classes)),
        classes=shared.data.classes,
        group_accuracy=None if groups is None else accuracies(groups[1], len(groups[0])),
        group_count=None if groups is None else np.bincount(groups[1][counted], minlength=len(groups[0])),
        groups=() if groups is None else groups[0],
        select_seconds=column_of(lambda j, _: j.select_seconds).mean(axis=1),
        held_out="split" if shared.split else "test",
        budget=shared.budget,
        shortened=shared.shortened,
        provenance=provenance,
    )


def arm_name(subset: Subset) -> str:
    """What an arm is called: its score, its rule and what it keeps."""
    scored = [score_label(parent) for parent in subset.provenance.parents if parent.step in {"score", "extrapolate"}]
    return f"{'+'.join([*scored, subset.provenance.method or 'subset'])} {kept_name(subset)}"


def kept_name(subset: Subset) -> str:
    """The kept fraction or count as it was asked for."""
    return f"keep {subset.provenance.params.get('keep', subset.keep):.6g}"


def _sizes(named: Mapping[str, Subset], arms: Mapping[str, Sequence[Chosen]]) -> dict[int, str]:
    """The sizes that a random arm is needed for, and how it is called."""
    sizes: dict[int, str] = {}
    for name, subset in named.items():
        sizes.setdefault(len(arms[name][0][0]), kept_name(subset))
    return sizes


def _shares(correct: NDArray[np.bool_], member: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Share of right ones in each group; NaN for a group without examples."""
    size = np.bincount(member, minlength=count)
    right = np.bincount(member, weights=correct, minlength=count)
    share: NDArray[np.float64] = np.divide(right, size, out=np.full(count, np.nan), where=size > 0)
    return share


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
