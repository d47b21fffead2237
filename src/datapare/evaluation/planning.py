"""The arms of a comparison before they are trained: which examples each trains on, what it draws, and for how long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Floats, Role
from datapare.errors import InputError
from datapare.evaluation.experiment import ExperimentSetup
from datapare.evaluation.jobs import Job
from datapare.evaluation.strategies import POOL, WHOLE, Draw, Strategy, rule_schedule, short_epochs
from datapare.evaluation.user_training import UserTraining, training_name
from datapare.numerics.sampling import pool_size

FULL = "full"
LEAST = 2  # examples of a training
Needs = Literal["nothing", "record", "scores"]  # what has to be computed once before the first training


@dataclass(frozen=True, eq=False)
class Chosen:
    """Positions to train on, the seconds that choosing them took, and their weights where they have any."""

    index: NDArray[np.int64]
    seconds: float
    weight: Floats | None = None


Choose = Callable[[int], Chosen]  # by the seed of the training


@dataclass(frozen=True, eq=False)
class PlannedArm:
    """An arm to train.

    Attributes:
        name: Its name, for display.
        role: Its role.
        choose: Returns the examples that it trains on or draws from, for a seed.
        keep: Fraction of the pool that decides batch and schedule.
        digest: Digest of its subset, "" for anything else.
        strategy: Name of its strategy.
        size: Number of examples of the random arm that it is compared with; 0 for as many as it trains on.
        epochs: Epochs of its training; None for those of a subset of that fraction.
        draw: What each epoch draws; None for all.
        soft: Whether its targets are mixed with soft labels.
        needs: What has to be computed once before.
    """

    name: str
    role: Role
    choose: Choose
    keep: float
    digest: str = ""
    strategy: str = ""
    size: int = 0
    epochs: int | None = None
    draw: Draw | None = None
    soft: bool = False
    needs: Needs = "nothing"


@dataclass(frozen=True, eq=False)
class PlannedSubset:
    """A subset arm, what it keeps as text, and how a larger subset of so many examples is chosen by the same rule."""

    arm: PlannedArm
    kept: str
    enlarge: Callable[[int], Choose] | None = None

    @property
    def count(self) -> int:
        """Number of its examples."""
        return len(self.arm.choose(0).index)


def by_size(subsets: Sequence[PlannedSubset]) -> dict[int, PlannedSubset]:
    """Return the first subset of each size."""
    found: dict[int, PlannedSubset] = {}
    for subset in subsets:
        found.setdefault(subset.count, subset)
    return found


def random_arms(subsets: Sequence[PlannedSubset], setup: ExperimentSetup) -> list[PlannedArm]:
    """Return a random arm for each size, named by what it keeps; every seed draws anew.

    Raises:
        InputError: For a size that nothing can be trained on, before anything is.
    """
    total, sizes = len(setup.pool), by_size(subsets)
    if min(sizes) < LEAST:
        raise InputError(
            f"training needs at least two examples, and {sizes[min(sizes)].arm.name!r} leaves {min(sizes)} of "
            f"{total:,}: keep more."
        )
    return [
        PlannedArm(f"random {subset.kept}", "random", draw_random(setup, size), size / total, strategy="random")
        for size, subset in sizes.items()
    ]


def full_arm_of(setup: ExperimentSetup) -> PlannedArm:
    """Return the arm that trains on everything."""
    return PlannedArm(FULL, "full", lambda _: Chosen(setup.pool, 0.0), 1.0, strategy=FULL)


def strategy_arms(
    strategies: Sequence[Strategy], subsets: Sequence[PlannedSubset], setup: ExperimentSetup
) -> list[PlannedArm]:
    """Return the arms of the strategies: once for each subset, or for each size where they do not depend on a subset.

    Under equal iterations `short` is training on everything itself, which is an arm already, and left out.

    Raises:
        InputError: For a pool of a subset that cannot be enlarged, and a budget that is too small for a rule.
    """
    sizes = list(by_size(subsets).values())
    planned = []
    for strategy in strategies:
        if strategy == Strategy("all", WHOLE) and setup.budget == "iterations":
            continue
        of = subsets if strategy.source == "subset" else sizes
        planned += [_strategy_arm(strategy, subset, setup) for subset in of]
    return planned


def check_own_training(train: UserTraining | None, strategies: Sequence[Strategy]) -> None:
    """Raise InputError for a strategy that a training function of the user cannot follow."""
    refused = [one.name for one in strategies if one.draw != WHOLE or one.targets != "labels"]
    if train is not None and refused:
        raise InputError(
            f"{training_name(train)} is given examples and a number of epochs, so it can train on subset, random and "
            f"short, but not {', '.join(refused)}: examples that are drawn anew in each epoch and soft labels need a "
            "built-in network; leave these strategies out, or --train."
        )


def check_names(arms: Sequence[PlannedArm]) -> None:
    """Raise InputError where two arms have one name."""
    for i, arm in enumerate(arms):
        if arm.name in {other.name for other in arms[:i]}:
            raise InputError(f"two arms are called {arm.name!r}; give the subsets other names.")


def job_of(arm: PlannedArm, seed: int, setup: ExperimentSetup) -> Job:
    """Return the training of an arm with a seed."""
    chosen, settings = arm.choose(seed), setup.settings(arm.keep)
    if arm.epochs is not None:
        settings = replace(settings, epochs=arm.epochs)
    soft = setup.soft_digest if arm.soft else ""
    return Job(arm.name, seed, chosen.index, settings, chosen.weight, chosen.seconds, arm.draw, soft)


def draw_random(setup: ExperimentSetup, size: int) -> Choose:
    """Return how so many random examples are drawn, anew for each seed."""
    return partial(_draw, setup.pool, size)


def _strategy_arm(strategy: Strategy, subset: PlannedSubset, setup: ExperimentSetup) -> PlannedArm:
    count, keep = subset.count, subset.arm.keep
    epochs, draw = setup.settings(keep).epochs, None
    if strategy.draw == POOL:
        draw = Draw(POOL, {"keep": count})
    elif strategy.draw != WHOLE:
        epochs, params = rule_schedule(strategy.draw, epochs, count, len(setup.pool))
        draw = Draw(strategy.draw, params)
    elif strategy.source == "all":
        epochs = short_epochs(epochs, count, len(setup.pool))
    soft = strategy.targets == "soft"
    whole_subset = strategy.source == "subset" and strategy.draw == WHOLE
    return PlannedArm(
        name=_name(strategy, subset), role="strategy", choose=_source(strategy, subset, setup), keep=keep,
        digest=subset.arm.digest if whole_subset else "", strategy=strategy.name, size=count, epochs=epochs, draw=draw,
        soft=soft, needs="scores" if strategy.source == "subset" else "record" if soft else "nothing",
    )  # fmt: skip


def _source(strategy: Strategy, subset: PlannedSubset, setup: ExperimentSetup) -> Choose:
    """Return what a strategy may draw, by the seed."""
    count, total = subset.count, len(setup.pool)
    if strategy.source == "all":
        return lambda _: Chosen(setup.pool, 0.0)
    if strategy.source == "random":
        return draw_random(setup, count if strategy.draw == WHOLE else pool_size(total, count))
    if strategy.targets == "soft" and subset.arm.choose(0).weight is not None:
        raise InputError(
            f"{subset.arm.name} weighs its examples, which soft labels do not; leave {strategy.name} out, or compare a "
            "subset without weights."
        )
    if strategy.draw == WHOLE:
        return subset.arm.choose
    if subset.enlarge is None:
        raise InputError(
            f"{subset.arm.name} cannot be enlarged to a pool, which needs the scores and the record that it was "
            "chosen by, a rule without weights, and nothing included or excluded by hand; give scores= and dynamics=, "
            "or leave subset-pool out."
        )
    return subset.enlarge(pool_size(total, count))


def _name(strategy: Strategy, subset: PlannedSubset) -> str:
    """Return the name of an arm: by its subset where it depends on one, else by its size."""
    if strategy.source != "subset":
        return f"{strategy.name} {subset.kept}"
    return subset.arm.name + strategy.name.removeprefix("subset").replace("-", " ").replace("+", " +")


def _draw(pool: NDArray[np.int64], size: int, seed: int) -> Chosen:
    drawn = np.random.default_rng([seed, size]).choice(len(pool), size, replace=False)
    return Chosen(pool[np.sort(drawn)], 0.0)
