"""Several scores of the same examples: by every method, how far they agree, and their mean over runs."""

from itertools import pairwise

import numpy as np
import pytest
from records import COUNT, make_record

import datapare as dp
from datapare.artifacts import Dynamics
from datapare.errors import MismatchError
from datapare.methods.registry import names
from datapare.methods.scoring import rank_correlation, score_all


def test_every_method_that_the_record_feeds_scores_it_and_the_others_say_why_not():
    scored, refused = score_all(make_record())
    assert set(refused) == {"ssp"}  # for want of a knob
    assert "clusters" in refused["ssp"]
    assert set(scored) | set(refused) == set(names("score"))
    assert np.array_equal(scored["tdds"].score, dp.score(make_record(), "tdds").score)
    few, why = score_all(Dynamics({"target_prob": make_record().channels["target_prob"]}, make_record().label))
    assert set(few) == {"confidence", "dual", "dyn_unc", "threshold_closeness", "variability"}
    assert all(name in reason for name, reason in why.items())


def test_rank_correlation_is_that_of_scipy_on_examples_that_all_scored():
    from scipy.stats import spearmanr

    a, b = np.random.default_rng(0).integers(0, 6, (2, 40)).astype(float)
    scores = {
        "a": dp.Scores(np.r_[a, np.nan, 1.0]),
        "flat": dp.Scores(np.ones(42)),
        "b": dp.Scores(np.r_[b, 1, np.nan]),
    }
    known, correlation = rank_correlation(scores)
    assert known == ["a", "b"]  # a constant orders nothing
    assert correlation[0, 1] == correlation[1, 0] == pytest.approx(spearmanr(a, b).statistic)


def test_the_mean_over_runs_is_that_of_the_runs_that_scored_an_example():
    runs = [make_record(seed) for seed in range(3)]
    each = [dp.score(run, "el2n", count=4) for run in runs]
    mean = dp.average_scores(each)
    assert np.allclose(mean.score, np.mean([one.score for one in each], axis=0))
    made = mean.provenance
    assert (made.step, made.method, made.params) == ("average_scores", "el2n", {"runs": 3})
    assert [parent.params["count"] for parent in mean.provenance.parents] == [4, 4, 4]
    holed = [dp.Scores(np.where(np.arange(COUNT) < hidden, np.nan, 1.0 + hidden)) for hidden in (1, 3)]
    assert np.array_equal(dp.average_scores(holed).score[:4], [np.nan, 2.0, 2.0, 3.0], equal_nan=True)


def test_a_mean_of_ten_runs_ranks_more_like_another_ten_than_one_run_like_another():
    label, truth = make_record().label, make_record().channels["error_norm"]
    noise = np.random.default_rng(0).normal(0, 0.5, (20, *truth.shape))
    each = [dp.score(Dynamics({"error_norm": truth + n}, label), "el2n") for n in noise]
    alone = rank_correlation({"a": each[0], "b": each[1]})[1][0, 1]
    assert (
        rank_correlation({"a": dp.average_scores(each[:10]), "b": dp.average_scores(each[10:])})[1][0, 1] > alone + 0.1
    )


def test_what_has_no_common_mean_is_refused():
    record = make_record()
    one = dp.score(record, "el2n")
    for other in (dp.score(record, "el2n", count=3), dp.score(record, "dual")):
        with pytest.raises(dp.InputError, match="different methods or parameters"):
            dp.average_scores([one, other])
    with pytest.raises(MismatchError, match="different datasets"):
        dp.average_scores([one, dp.score(make_record(count=50), "el2n")])
    with pytest.raises(dp.InputError, match="one run or more"):
        dp.average_scores([])


def test_the_mean_loss_that_fatb_reads_follows_from_the_losses_of_everybody_seen(monkeypatch):
    record = make_record()
    loss = record.channels["loss"].copy()
    given = dp.score(Dynamics({"loss": loss, "mean_loss": record.channels["mean_loss"]}, record.label), "fatb")
    derived = dp.score(Dynamics({"loss": loss}, record.label), "fatb")
    assert np.array_equal(given.score, derived.score)
    assert len(set(derived.score)) > 2
    monkeypatch.setattr("datapare.methods.scoring.BLOCK", 7)  # the mean is that of all, whatever the blocks
    assert np.array_equal(dp.score(Dynamics({"loss": loss}, record.label), "fatb").score, derived.score)
    loss[3, :20] = np.nan
    loss[5] = np.nan
    loss[:, 8] = np.nan
    holed = dp.score(Dynamics({"loss": loss}, record.label), "fatb").score
    mean = [row[~np.isnan(row)].mean() if t != 5 else None for t, row in enumerate(loss.astype(np.float64))]
    mean[5] = mean[4]
    for i in (2, 30):
        own = [loss[t, i] for t in range(12)]
        own = [own[t - 1] if np.isnan(own[t]) else own[t] for t in range(12)]
        above = [x > m for x, m in zip(own, mean, strict=True)]
        assert holed[i] == sum(a and not b for a, b in pairwise(above))
    assert np.isnan(holed[8])
    with pytest.raises(dp.InputError, match="fatb reads 'loss', which was not recorded"):
        dp.score(Dynamics({"margin": loss}, record.label), "fatb")
