"""The laws every method obeys; a new file in methods/ is tested here though nobody wrote a test."""

from dataclasses import replace

import numpy as np
import pytest
from records import COUNT, make_record, record_of

import datapare as dp
from datapare.artifacts import Dynamics
from datapare.methods.registry import find, names

SCORES = names("score")
SELECTS = names("select")
CHANNELS = set(make_record().channels) | {"correct"}

# Knobs without a published default, so that the law can call the method at all.
KNOBS = {"ssp": {"clusters": 3}, "two_ended": {"cut": 0.1}}


def knobs_of(group_name, name):
    required = {k for k, p in find(group_name, name).params.items() if p.default is p.empty}
    given = KNOBS.get(name, {})
    assert required <= set(given), f"{name}: add a value for {required - set(given)} to KNOBS"
    return given


def score_of(record, name):
    return dp.score(record, name, **knobs_of("score", name)).score


def take(record, index):
    return replace(
        record,
        channels={k: v[:, index] for k, v in record.channels.items()},
        arrays={k: v[index] for k, v in record.arrays.items()},
        label=record.label[index],
    )


def reads_channels_only(name):
    return set(find("score", name).reads) <= CHANNELS | {"label"}


@pytest.mark.parametrize("name", SCORES)
def test_permuting_the_examples_permutes_the_scores(name):
    record = make_record()
    order = np.random.default_rng(1).permutation(COUNT)
    assert np.allclose(score_of(take(record, order), name), score_of(record, name)[order], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in SCORES if reads_channels_only(n)])
def test_a_score_of_channels_sees_one_example_at_a_time(name):
    record = make_record()
    halves = [score_of(take(record, part), name) for part in (np.arange(50), np.arange(50, COUNT))]
    assert np.allclose(np.concatenate(halves), score_of(record, name), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in SCORES if reads_channels_only(n)])
def test_missing_epochs_are_filled_by_the_one_rule(name):
    record = make_record()
    holes = {k: v.copy() for k, v in record.channels.items()}
    for values in holes.values():
        values[5, 3] = np.nan
        values[2, 7] = np.nan
    filled = {k: v.copy() for k, v in record.channels.items()}
    for values in filled.values():
        values[5, 3] = values[4, 3]
        values[2, 7] = values[1, 7]
    holed = score_of(replace(record, channels=holes), name)
    assert np.allclose(holed, score_of(replace(record, channels=filled), name))
    assert not np.isnan(holed).any()


@pytest.mark.parametrize("name", [n for n in SCORES if reads_channels_only(n)])
def test_an_example_never_observed_is_not_scored_and_harms_no_other(name):
    record = make_record()
    holes = {k: v.copy() for k, v in record.channels.items()}
    for values in holes.values():
        values[:, 4] = np.nan
    holed = score_of(replace(record, channels=holes), name)
    others = np.arange(COUNT) != 4
    assert np.isnan(holed[4])
    assert np.allclose(holed[others], score_of(record, name)[others])


@pytest.mark.parametrize("name", SCORES)
def test_scoring_leaves_the_record_as_it_was(name):
    record = make_record()
    before = {k: v.copy() for k, v in {**record.channels, **record.arrays}.items()}
    score_of(record, name)
    assert all(np.array_equal(before[k], v, equal_nan=True) for k, v in {**record.channels, **record.arrays}.items())


def draw(record, name, keep, seed=0, **more):
    scores = dp.Scores(np.abs(record.channels["target_prob"].std(axis=0)).astype(np.float64))
    return dp.select(scores, name, keep=keep, seed=seed, dynamics=record, **{**knobs_of("select", name), **more})


@pytest.mark.parametrize("balance", [None, "proportional", "uniform"])
@pytest.mark.parametrize("keep", [1 / COUNT, 0.1, 0.3, 0.5, 0.9, 1.0, 7])
@pytest.mark.parametrize("name", SELECTS)
def test_exactly_the_budget_is_kept(name, keep, balance):
    subset = draw(make_record(), name, keep, balance=balance)
    expected = keep if keep > 1 else int(np.floor(keep * COUNT + 1e-9))
    assert len(subset) == expected
    assert np.all(np.diff(subset.index) > 0)


@pytest.mark.parametrize("name", SELECTS)
def test_the_same_seed_draws_the_same_subset(name):
    one, other = (draw(make_record(), name, 0.3, seed=5) for _ in range(2))
    assert np.array_equal(one.index, other.index)


@pytest.mark.parametrize("name", SELECTS)
@pytest.mark.parametrize("what", ["constant", "zero", "duplicates"])
def test_degenerate_data_still_gives_the_budget(name, what):
    record = make_record()
    if what == "duplicates":
        record = take(record, np.repeat(np.arange(COUNT // 4), 4))
        score = record.channels["target_prob"].std(axis=0).astype(np.float64)
    else:
        score = np.full(COUNT, 0.5 if what == "constant" else 0.0)
    subset = dp.select(dp.Scores(score), name, keep=0.3, dynamics=record, **knobs_of("select", name))
    assert len(subset) == 36


@pytest.mark.parametrize("name", SELECTS)
def test_one_class_alone_is_no_special_case(name):
    record = make_record()
    assert len(draw(replace(record, label=np.zeros(COUNT, dtype=np.int64)), name, 0.3)) == 36


def test_a_larger_top_only_adds():
    record = make_record()
    kept = [set(draw(record, "top", n).index) for n in (10, 40, 90)]
    assert kept[0] < kept[1] < kept[2]


def test_class_balance_gives_each_class_its_own_share():
    record = make_record()
    size = np.bincount(record.label)
    for name in SELECTS:
        kept = np.bincount(record.label[draw(record, name, 0.5, balance="proportional").index], minlength=4)
        assert np.all(np.abs(kept - size * 0.5) < 1), name


# An example that is right and certain from the first epoch to the last, beside one that wavers.
@pytest.mark.parametrize("name", [n for n in SCORES if reads_channels_only(n)])
def test_an_always_right_example_never_outranks_one_that_wavers(name):
    rng = np.random.default_rng(0)
    wavering = np.where(np.arange(12)[:, None] % 2, 1.5, -1.5) * np.array([[1.0, 0.0]])
    logits = np.stack([np.tile([12.0, 0.0], (12, 1)), wavering], axis=1)  # (T, N=2, K=2)
    score = score_of(record_of(logits, np.array([0, 0]), rng), name)
    assert score[0] <= score[1]


# Scores that are defined on one epoch or a few early ones say so by a knob.
@pytest.mark.parametrize("name", [n for n in SCORES if reads_channels_only(n)])
def test_every_epoch_counts_unless_a_knob_says_otherwise(name):
    found = find("score", name)
    if {"epoch", "first", "epochs", "last"} & set(found.params):
        assert found.params, "the epochs it reads are a knob"
        return
    record = make_record()
    before = score_of(record, name)
    for epoch in range(record.epochs):
        channels = {k: v.copy() for k, v in record.channels.items()}
        for key, values in channels.items():
            values[epoch] = {"target_prob": 0.5, "margin": -values[epoch], "loss": 9.0}.get(key, values[epoch] * 0.5)
        if np.isnan(channels["kl_step"][epoch]).all() and found.reads == ("kl_step",):
            continue
        assert not np.array_equal(before, score_of(replace(record, channels=channels), name)), f"epoch {epoch}"


@pytest.mark.parametrize("name", SCORES)
def test_a_missing_channel_names_the_method_the_channel_and_the_command(name):
    bare = Dynamics({"unrelated": np.zeros((12, 3))}, [0, 1, 1])
    needs = [r for r in find("score", name).reads if r != "label"]
    with pytest.raises(dp.InputError) as caught:
        score_of(bare, name)
    assert name in str(caught.value)
    assert needs[0] in str(caught.value)
    assert "datapare record" in str(caught.value) or "Dynamics(" in str(caught.value)


def partly_scored(record, share=0.4):
    score = record.channels["target_prob"].std(axis=0).astype(np.float64)
    hidden = np.random.default_rng(3).random(len(record)) > share
    hidden[: int(record.label.max()) + 1] = False  # one of every class stays scored
    return dp.Scores(np.where(hidden, np.nan, score))


SHORT = {"gnn": {"epochs": 4}}  # parameters with which it takes less time


@pytest.mark.parametrize("name", names("extrapolate"))
def test_an_extrapolation_is_complete_repeatable_and_leaves_known_scores_alone(name):
    record, scores = make_record(), partly_scored(make_record())
    done = dp.extrapolate(scores, record, name, seed=4, **SHORT.get(name, {}))
    known = ~np.isnan(scores.score)
    assert np.array_equal(done.score[known], scores.score[known])
    assert np.array_equal(done.predicted, ~known)
    assert np.isfinite(done.score).all()
    assert scores.score[known].min() <= done.score.min() <= done.score.max() <= scores.score[known].max()
    again = dp.extrapolate(scores, record, name, seed=4, **SHORT.get(name, {}))
    assert np.array_equal(done.score, again.score)
    assert done.provenance == again.provenance


@pytest.mark.parametrize("name", names("extrapolate"))
def test_an_extrapolation_of_everything_changes_nothing(name):
    record = make_record()
    scores = dp.score(record, "dual", window=3)
    done = dp.extrapolate(scores, record, name)
    assert np.array_equal(done.score, scores.score)
    assert not done.predicted.any()


@pytest.mark.parametrize("name", names("extrapolate"))
def test_duplicates_and_constant_scores_are_no_special_case(name):
    record = make_record()
    twins = take(record, np.repeat(np.arange(COUNT // 4), 4))
    assert np.isfinite(dp.extrapolate(partly_scored(twins), twins, name, **SHORT.get(name, {})).score).all()
    constant = dp.Scores(np.where(np.isnan(partly_scored(record).score), np.nan, 0.25))
    done = dp.extrapolate(constant, record, name, **SHORT.get(name, {}))
    assert np.allclose(done.score, 0.25)
    assert done.provenance.params["held_out"]["pearson"] is None


@pytest.mark.parametrize("method", SELECTS)
def test_every_rule_that_reads_channels_selects_from_extrapolated_scores(method):
    record = make_record()
    scores = partly_scored(record)
    hidden = np.isnan(scores.score)
    holes = {name: np.where(hidden, np.nan, values) for name, values in record.channels.items()}
    holed = replace(record, channels=holes)
    done = dp.extrapolate(scores, holed, "knn", k=3)
    subset = dp.select(done, method, keep=0.3, dynamics=holed, **knobs_of("select", method))
    assert len(subset) == 36
