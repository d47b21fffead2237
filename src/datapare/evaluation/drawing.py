"""Training with examples that are drawn anew in each epoch: the sampler, and how many distinct examples it drew."""

import numpy as np
from numpy.typing import NDArray

from datapare.evaluation.jobs import Job
from datapare.evaluation.strategies import POOL, rule
from datapare.training.online import Plan, Rule, Sampler
from datapare.training.online.sampler import BatchSource, History

SEEN = "seen"  # the examples drawn so far, beside what the rule itself remembers


def sampler_of(label: NDArray[np.int64], job: Job) -> Sampler:
    """Return the sampler of a job with a draw, over all examples, of which it draws those of the job.

    Args:
        label: Class numbers of all examples (N,).
        job: The job.
    """
    draw, epochs = job.draw, job.training.epochs
    assert draw is not None  # noqa: S101 - a job with a draw
    if draw.rule == POOL:
        return rule(POOL)(label, epochs, index=job.index, seed=job.seed, **draw.params)
    made = rule(draw.rule)(label[job.index], epochs, seed=job.seed, **draw.params)
    return Sampler(label, epochs, within(made.rule, job.index, len(label)), seed=job.seed)


def within(rule: Rule, index: NDArray[np.int64], total: int) -> Rule:
    """Return a rule that plans on a part of the examples what the given one plans on them alone.

    It also remembers, across a crash, which of them it drew.

    Args:
        rule: A rule of n examples.
        index: Sorted positions of these among all, (n,).
        total: Number of all examples.
    """
    current = np.zeros(total, dtype=bool)

    def remember(past: History, rows: BatchSource) -> History:
        own = rule.remember(_own(past), {name: row[index] for name, row in rows.items()})
        return {**own, SEEN: past.get(SEEN, False) | current}

    def plan(epoch: int, past: History, rng: np.random.Generator) -> Plan:
        made = rule.plan(epoch, _own(past), rng)
        weight = None if made.weight is None else np.ones(total, dtype=np.float32)
        if weight is not None:
            weight[index] = made.weight
        current[:] = False
        current[index[made.index]] = True
        return Plan(index[made.index], weight, index[made.hidden], made.lr_factor)

    return Rule(rule.name, rule.params, rule.channels, remember, plan)


def distinct(sampler: Sampler) -> int:
    """Return how many distinct examples a finished training drew."""
    if sampler.rule.channels:
        return int(sampler.state_dict()["past"][SEEN].sum())
    seen = np.zeros(sampler.total, dtype=bool)
    for epoch in range(sampler.epochs):  # a plan that reads nothing follows from its epoch
        sampler.set_epoch(epoch)
        seen[sampler.index] = True
    return int(seen.sum())


def _own(past: History) -> History:
    return {name: value for name, value in past.items() if name != SEEN}
