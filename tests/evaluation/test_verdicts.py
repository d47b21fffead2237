"""Verdicts: three questions, each answered by its interval; arms found by role and digest."""

from pathlib import Path

import numpy as np
import pytest

import datapare as dp
from datapare.artifacts import Comparison, subset_digest
from datapare.evaluation.arms import arms, find_arm, points
from datapare.evaluation.comparison import SEED_STEPS
from datapare.evaluation.verdicts import verdicts

FIXTURE = Path(__file__).parents[1] / "fixtures" / "format1" / "run"
M = 1000
ROLES = ("subset", "subset", "random", "full")
FIRST, SECOND = dp.Subset(np.arange(30), 100), dp.Subset(np.arange(1, 31), 100)


def compared(first, second, random, full, seeds=4, **more):
    """Two subsets of one size beside random and full, with these accuracies; every seed has mistakes of its own."""
    rng = np.random.default_rng(0)
    hard = rng.random(M)
    right = np.array(
        [[hard + 0.05 * rng.normal(size=M) < p for _ in range(seeds)] for p in (first, second, random, full)]
    )
    cost = np.tile(np.array([[3.0], [3.0], [3.0], [10.0]]), (1, seeds))
    digests = (subset_digest(FIRST), subset_digest(SECOND), "", "")
    return Comparison(
        ("a keep 0.3", "b keep 0.3", "random keep 0.3", "full"), tuple(range(seeds)), right.mean(axis=2),
        [30, 30, 30, 100], cost, 60 * cost, ROLES, subset_digest=digests, outcomes=np.packbits(right, axis=2),
        held_out_count=M, **more,
    )  # fmt: skip


def test_two_arms_of_one_size_get_their_own_verdicts():
    made = compared(0.9, 0.6, 0.8, 0.9)
    assert (dp.verdict(made, FIRST).random.outcome, dp.verdict(made, SECOND).random.outcome) == ("better", "worse")
    assert [one.outcome for one in verdicts(made)] == ["better", "worse"]
    assert "Better than as many random" in dp.report(FIRST, comparison=made).html
    assert "Worse than as many random" in dp.report(SECOND, comparison=made).html
    other = dp.Subset(np.arange(2, 32), 100)
    assert dp.verdict(made, other).outcome == "not compared", "of the same size, but another subset"
    assert find_arm(made, other) is None
    with pytest.raises(dp.InputError, match=r"2 subsets; name one of 'a keep 0.3', 'b keep 0.3'"):
        dp.verdict(made)


def test_a_name_decides_nothing():
    from dataclasses import replace

    renamed = replace(compared(0.9, 0.6, 0.8, 0.9), arms=("random walk", "full house", "coin", "all"))
    assert [one.outcome for one in verdicts(renamed)] == ["better", "worse"]


@pytest.mark.parametrize(
    ("first", "random", "full", "answers"),
    [
        (0.90, 0.80, 0.90, ("better", "within")),
        (0.80, 0.80, 0.80, ("no evidence", "within")),
        (0.80, 0.80, 0.95, ("no evidence", "beyond")),
        (0.70, 0.80, 0.90, ("worse", "beyond")),
    ],
)
def test_the_questions_are_answered_apart(first, random, full, answers):
    found = dp.verdict(compared(first, 0.5, random, full), FIRST, margin=0.02)
    assert (found.random.outcome, found.full.outcome) == answers
    assert "do not prune" not in found.text.lower()
    assert len(found.sentences) == 3


@pytest.mark.parametrize(("seeds", "said"), [(1, "with 1 seed,"), (2, "with 2 seeds,")])
def test_too_few_seeds_are_counted_in_words(seeds, said):
    assert said in verdicts(compared(0.9, 0.6, 0.8, 0.9, seeds=seeds))[0].random.text


def test_an_open_question_says_what_would_settle_it():
    made = compared(0.804, 0.5, 0.80, 0.805)
    open_answer = dp.verdict(made, FIRST, margin=0.0).random
    assert open_answer.outcome == "no evidence"
    assert ("seeds would decide it" in open_answer.text) == (open_answer.seeds_needed is not None)
    assert "would" in open_answer.text


def test_when_it_pays_is_said_against_full_and_against_random():
    record = dp.Dynamics({"loss": np.ones((14, 1))}, [0], seconds=np.full(14, 60.0))
    made = compared(0.9, 0.6, 0.8, 0.9)
    found = dp.verdict(made, FIRST, margin=0.05, dynamics=record).payoff
    assert found.outcome == "pays"
    assert "In cost alone" not in found.text
    assert "after 2 trainings on the subset" in found.text, "14 epochs are saved by two trainings of 7 fewer"
    assert "Random examples cost nothing to choose; against them what scoring (14 epochs, 14 min) buys" in found.text
    assert "buys no accuracy" in dp.verdict(compared(0.8, 0.6, 0.8, 0.9), FIRST, dynamics=record).payoff.text
    assert dp.verdict(compared(0.9, 0.6, 0.8, 0.9), FIRST).payoff.outcome == "unknown"


@pytest.mark.parametrize(("accuracy", "margin", "outcome"), [(0.6, 0.01, "pays at a loss"), (0.893, 0.01, "open")])
def test_a_break_even_is_not_named_without_the_accuracy_it_costs(accuracy, margin, outcome):
    record = dp.Dynamics({"loss": np.ones((14, 1))}, [0], seconds=np.full(14, 60.0))
    made = compared(accuracy, 0.6, 0.5, 0.9)
    found = dp.verdict(made, FIRST, margin=margin, dynamics=record)
    assert found.payoff.outcome == outcome
    lost = points(found.full.interval.mean)
    said = f"In cost alone, at {lost} points of accuracy, scoring and selection have paid"
    assert found.payoff.text.startswith(said)
    page = dp.report(FIRST, comparison=made, dynamics=dp.Dynamics({}, [0] * 100, seconds=np.full(14, 60.0))).html
    assert "have paid for themselves" not in page.replace(said, "")


def test_a_split_is_named_once():
    assert dp.verdict(compared(0.9, 0.6, 0.8, 0.9, held_out="split"), FIRST).text.count("scoring run has seen") == 1
    assert "scoring run has seen" not in dp.verdict(compared(0.9, 0.6, 0.8, 0.9), FIRST).text


def test_outcomes_come_back_from_disk(tmp_path):
    made = compared(0.9, 0.6, 0.8, 0.9)
    back = dp.load(dp.save(made, tmp_path / "c"))
    assert (back.roles, back.baseline, back.subset_digest) == (ROLES, (2, 2, None, None), made.subset_digest)
    assert np.array_equal(back.correct(1), made.correct(1))
    assert np.allclose(back.correct(0).mean(axis=1), made.accuracy[0])
    assert arms(back) == arms(made)


def test_a_comparison_of_format_1_knows_its_arms():
    made = dp.load(FIXTURE / "comparison")
    assert made.roles == ("subset", "random", "full")
    assert made.baseline == (1, None, None)
    subset = dp.load(FIXTURE / "keep-0.5" / "subset")
    assert find_arm(made, subset) == 0
    assert dp.verdict(made, subset).arm == "dual+beta keep 0.5"
    assert find_arm(made, dp.Subset(np.array(subset.index), subset.total)) is None, "its provenance identifies it"


@pytest.mark.parametrize("margin", [-0.1, 1.0, float("nan")])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(dp.InputError, match=r"expected margin as a number between 0 and 0\.99"):
        dp.verdict(compared(0.9, 0.6, 0.8, 0.9), FIRST, margin=margin)


@pytest.mark.parametrize(("gap", "seeds"), [(0.3, SEED_STEPS[0]), (0.0, SEED_STEPS[-1])])
def test_seeds_are_added_until_the_questions_are_settled(tmp_path, gap, seeds):
    from sources import write_points

    data = dp.open_dataset(write_points(tmp_path / "points.npz"))
    test = dp.open_dataset(write_points(tmp_path / "test.npz", 2000, seed=9))
    subset = dp.Subset(np.arange(0, 120, 3), 120)
    chosen = subset.index.tolist()

    def train(train, test, *, seed, epochs):
        del epochs
        mine = train.row.tolist() == chosen
        rng = np.random.default_rng([seed, len(train), mine])
        return rng.random(len(test)) < 0.6 + gap * mine + gap * (len(train) == 120)

    made = dp.compare(data, subset, test=test, train=train, seeds="auto", margin=0.05)
    assert len(made.seeds) == seeds
    assert "within 5 points" in dp.verdict(made, subset).full.text, "the margin of the comparison"
    assert dp.verdict(made, subset).outcome == ("better" if gap else "no evidence")
    with pytest.raises(dp.InputError, match="expected seeds as"):
        dp.compare(data, subset, test=test, train=train, seeds="all")
