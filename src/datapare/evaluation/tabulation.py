"""Finished trainings as a table of arms by seeds: accuracy, per class and per group, and what each training cost."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Comparison, Provenance
from datapare.errors import InputError
from datapare.evaluation.costs import Cost
from datapare.evaluation.experiment import ExperimentSetup
from datapare.evaluation.jobs import Job, Result
from datapare.evaluation.planning import Needs, PlannedArm

Groups = tuple[tuple[str, ...], NDArray[np.int64]]  # names, and which of them each held-out example belongs to
Table = dict[tuple[str, int], tuple[Job, Result]]  # by name of the arm and seed


def tabulate(
    arms: Sequence[PlannedArm],
    table: Table,
    seeds: tuple[int, ...],
    setup: ExperimentSetup,
    groups: Groups | None,
    provenance: Provenance,
    costs: Mapping[Needs, Cost],
    counted: NDArray[np.bool_] | None = None,
) -> Comparison:
    """Tabulate arms by seeds.

    `costs` are of what had to be computed once; `counted` (M,) is the evaluation mask of held-out examples (None: all).
    """
    jobs = [[table[arm.name, seed][0] for seed in seeds] for arm in arms]
    results = [[table[arm.name, seed][1] for seed in seeds] for arm in arms]
    keep = np.ones(len(setup.test), dtype=bool) if counted is None else counted
    every = _outcomes(results, 1 + len(setup.corruptions), keep)  # (A, S, copies, M)
    right = None if every is None else every[:, :, 0]  # (A, S, M)
    if groups is not None and right is None:
        raise InputError("accuracies of groups need one boolean per held-out example; have your training return them.")
    names, group_count, group_accuracy = _grouped(every, groups, setup.corruptions, keep)
    accuracy = [[r.accuracy for r in row] for row in results] if right is None else right.mean(axis=2)
    select_seconds = np.array([np.mean([job.select_seconds for job in row]) for row in jobs])
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
        select_seconds=select_seconds,
        baseline=_random_arms(arms, jobs),
        strategies=tuple(arm.strategy for arm in arms),
        distinct=_distinct(jobs, results),
        updates=np.array([[r.updates or math.nan for r in row] for row in results]),
        once=np.array([[costs[arm.needs].epochs, costs[arm.needs].seconds] for arm in arms]),
        held_out="split" if setup.split else "test",
        budget=setup.budget,
        shortened=setup.shortened,
        provenance=provenance,
    )


def _random_arms(arms: Sequence[PlannedArm], jobs: Sequence[Sequence[Job]]) -> tuple[int | None, ...]:
    """Return the random arm that each arm is compared with: of as many examples as an epoch of it has."""
    sizes = [arm.size or len(row[0].index) for arm, row in zip(arms, jobs, strict=True)]
    random = {size: i for i, size in enumerate(sizes) if arms[i].role == "random"}
    return tuple(
        random.get(size) if arm.role in {"subset", "strategy"} else None for arm, size in zip(arms, sizes, strict=True)
    )


def _distinct(jobs: Sequence[Sequence[Job]], results: Sequence[Sequence[Result]]) -> NDArray[np.float64]:
    """Return how many distinct examples each training saw, (A, S)."""
    both = zip(jobs, results, strict=True)
    return np.array(
        [[r.distinct or len(job.index) for job, r in zip(*rows, strict=True)] for rows in both], dtype=np.float64
    )


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
