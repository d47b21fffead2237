"""`first` and `count` choose the epochs that are read, for every method that reads epochs and in the same way."""

from dataclasses import replace

import numpy as np
import pytest
from records import make_record

import datapare as dp
from datapare.methods.binding import channel_mean
from datapare.methods.registry import check_params, find, names

PARAMS = {"two_ended": {"cut": 0.1}}
SCORES = [name for name in names("score") if find("score", name).reads_epochs]
SELECTS = [name for name in names("select") if find("select", name).reads_epochs]


def part(record, first, stop):
    return replace(record, channels={name: values[first:stop] for name, values in record.channels.items()})


def test_every_method_of_channels_has_them():
    assert {"dual", "aum", "forgetting", "fatb", "el2n", "cld"} <= set(SCORES)
    assert {"beta", "ccs", "d2"} <= set(SELECTS)


@pytest.mark.parametrize("name", SCORES)
def test_a_long_record_scores_as_a_short_one(name):
    record = make_record(epochs=14)
    long = dp.score(record, name, first=0, count=11)
    short = dp.score(part(record, 0, 11), name, first=0)
    assert np.array_equal(long.score, short.score)
    later = dp.score(record, name, first=-11)
    assert np.array_equal(later.score, dp.score(part(record, 3, 14), name, first=0).score)
    with pytest.raises(dp.InputError, match="epochs 0 to 13 were recorded"):
        dp.score(record, name, first=10, count=5)


@pytest.mark.parametrize("name", SELECTS)
def test_a_rule_reads_a_long_record_as_a_short_one(name):
    record = make_record(epochs=14)
    scores = dp.Scores(np.random.default_rng(0).random(len(record)))
    given = {"keep": 0.3, "seed": 4, **PARAMS.get(name, {})}
    long = dp.select(scores, name, dynamics=record, first=2, count=5, **given)
    short = dp.select(scores, name, dynamics=part(record, 2, 7), **given)
    assert np.array_equal(long.index, short.index)


def test_epochs_after_the_chosen_ones_fill_nothing():
    p = np.array([[0.2, np.nan], [0.4, np.nan], [0.6, 0.9]])
    record = dp.Dynamics({"target_prob": p}, [0, 1])
    assert dp.score(record, "confidence", count=2).score == pytest.approx([-0.3, np.nan], nan_ok=True)
    assert dp.score(record, "confidence", first=1).score == pytest.approx([-0.5, -0.9])


def test_the_mean_probability_is_the_one_that_beta_reads():
    record = make_record()
    p = record.channels["target_prob"].copy()
    p[3:6, :30] = np.nan
    record = replace(record, channels={"target_prob": p})
    filled = p.copy()
    filled[3:6, :30] = p[2, :30]
    expected = filled[1:9].mean(axis=0, dtype=np.float64)
    assert np.array_equal(channel_mean("target_prob", record, first=1, count=8), expected)


@pytest.mark.parametrize(
    ("group_name", "name", "params"),
    [
        ("select", "beta", {"c_d": float("nan")}), ("select", "beta", {"c_d": -1.0}), ("select", "beta", {"total": 0}),
        ("select", "beta", {"total": float("inf")}), ("select", "beta", {"anchor": 0}),
        ("select", "beta", {"c_d": "4"}),
        ("score", "tdds", {"decay": 1.5}), ("score", "dyn_unc", {"ddof": 3}), ("score", "ssp", {"clusters": 2.5}),
        ("score", "ssp", {"clusters": 3, "seed": -1}), ("score", "dual", {"window": True}),
        ("select", "graph_cut", {"lam": -0.1}), ("score", "dual", {"count": 2.5}), ("score", "el2n", {"reduce": "max"}),
    ],
)  # fmt: skip
def test_a_parameter_out_of_its_range_is_refused(group_name, name, params):
    with pytest.raises(dp.InputError, match=f"{list(params)[-1]} of {name}"):
        check_params(find(group_name, name), params)


RECORD, SCORES_OF_IT = make_record(), dp.Scores(np.random.default_rng(0).random(120))


@pytest.mark.parametrize("keep", [True, float("nan"), "0.3", 1.5, 30.0, 0, 0.0, -1, 121, None, [0.3]])
def test_keep_is_a_count_or_a_fraction(keep):
    with pytest.raises(dp.InputError, match="keep"):
        dp.select(SCORES_OF_IT, "top", keep=keep)


def test_one_example_is_not_all_of_them():
    assert len(dp.select(SCORES_OF_IT, "top", keep=1)) == len(dp.select(SCORES_OF_IT, "top", keep=np.int64(1))) == 1
    assert len(dp.select(SCORES_OF_IT, "top", keep=1.0)) == 120


@pytest.mark.parametrize(
    "given",
    [{"seed": 1.5}, {"seed": -1}, {"seed": True}, {"seed": "0"}, {"balance": "even"}, {"exclude": [0.5]},
     {"exclude": [120]}, {"exclude": [-1]}, {"exclude": [True, False]}],
)  # fmt: skip
def test_what_select_cannot_use_is_refused(given):
    with pytest.raises(dp.InputError, match=next(iter(given))):
        dp.select(SCORES_OF_IT, "top", keep=0.5, dynamics=RECORD, **given)


def test_classes_share_the_budget_where_labels_are_known():
    balanced = dp.select(SCORES_OF_IT, "top", keep=0.5, dynamics=RECORD)
    assert np.array_equal(
        balanced.index, dp.select(SCORES_OF_IT, "top", keep=0.5, dynamics=RECORD, balance="proportional").index
    )
    assert balanced.provenance.params["balance"] == "proportional"
    assert dp.select(SCORES_OF_IT, "top", keep=0.5).provenance.params["balance"] is None


def test_drop_keeps_more_of_the_classes_that_were_wrong_more_often():
    label = np.repeat([0, 1, 2], 40)
    margin = np.ones((4, 120), dtype=np.float32)
    margin[:, 40:80] = [[-1.0], [-1.0], [1.0], [1.0]]
    margin[0, 80:] = -1.0
    record = dp.Dynamics({"margin": margin}, label)
    scores = dp.Scores(np.random.default_rng(0).random(120))
    subset = dp.select(scores, "random", keep=30, dynamics=record, balance="drop")
    assert np.bincount(label[subset.index], minlength=3).tolist() == [0, 20, 10]  # recall 1, 1/2, 3/4
    with pytest.raises(dp.InputError, match="--channel margin"):
        dp.select(scores, "random", keep=30, dynamics=dp.Dynamics({}, label), balance="drop")
