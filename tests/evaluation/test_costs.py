"""What comparisons cost, and the edges of what is counted."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import datapare as dp
from datapare.artifacts import Comparison
from datapare.evaluation.costs import Cost, cost_model, once_cost, training_cost
from datapare.evaluation.frontier import frontier
from datapare.evaluation.jobs import one_thread
from datapare.evaluation.record_summary import coverage, least_coverage
from datapare.evaluation.statistics import CONFIDENCE, MAX_SEEDS, Estimate, Interval, _quantile

ROLES = ("subset", "random", "full")
EPOCHS = [[3.0], [3.0], [10.0]]
MADE = Comparison(
    ("dual", "random", "full"), (0,), [[0.8], [0.7], [0.9]], [30, 30, 100], EPOCHS, 60 * np.array(EPOCHS), roles=ROLES,
    once=[[6.0, math.nan], [0.0, 0.0], [0.0, 0.0]], select_seconds=[2.0, math.nan, math.nan],
)  # fmt: skip


def test_epochs_that_are_known_count_where_seconds_are_not():
    assert once_cost(MADE, 0, Cost(1.0, 1.0)).epochs == 6
    model = cost_model(MADE, 0, Cost(5.0, 6.0))
    assert model is not None
    assert (
        model.selection.seconds,
        cost_model(replace(MADE, select_seconds=None), 0, Cost(5.0, 6.0)).selection.seconds,
    ) == (2, 0)


def test_shortened_trainings_are_scaled_up_in_both_units():
    whole, half = training_cost(MADE, 0), training_cost(replace(MADE, shortened=0.5), 0)
    assert half == Cost(2 * whole.seconds, 2 * whole.epochs)


def test_an_arm_of_unknown_accuracy_is_never_unbeaten():
    unknown = replace(MADE, accuracy=[[math.nan], [0.7], [0.9]])
    assert [offer.unbeaten for offer in frontier(unknown, 1)] == [False, True, True]


def test_training_on_one_thread_gives_back_what_was_there():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_coverage_counts_upwards_and_a_record_without_channels_lacks_nothing():
    assert coverage(np.array([[0.5, np.nan, 0.1], [0.5, 0.5, 0.5]])).tolist() == pytest.approx([2 / 3, 1])
    assert least_coverage(dp.Dynamics({}, [0, 1])) == 1


def test_no_more_than_the_most_seeds_are_ever_advised():
    def needs(seeds):
        distance = math.sqrt(_quantile(CONFIDENCE, seeds - 1) ** 2 / seeds) * (1 + 1e-9)
        return Estimate(Interval(distance, math.nan, math.nan), 3, 1.0, 0.0).seeds_to_exclude(0)

    assert (needs(MAX_SEEDS), needs(MAX_SEEDS + 1)) == (MAX_SEEDS, None)
