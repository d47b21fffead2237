"""Weights of kept examples, where the rule's file defines them: in the subset, on disk and in the table."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from records import COUNT, make_record

import datapare as dp
from datapare.methods.registry import names
from datapare.methods.select import craig, grad_match

RULES = [
    name
    for name in names("select")
    if hasattr(__import__(f"datapare.methods.select.{name}", fromlist=["x"]), "weights")
]


def chosen(name, record, **more):
    scores = dp.Scores(np.ones(COUNT))
    return dp.select(scores, name, keep=0.2, dynamics=record, **{"balance": None, **more})


def test_the_rules_with_weights_are_found_by_their_files():
    assert RULES == ["craig", "grad_match"]
    assert chosen("k_center", make_record()).weight is None


@pytest.mark.parametrize("name", RULES)
def test_the_subset_carries_the_weights_of_its_rule(name, tmp_path):
    record = make_record()
    subset = chosen(name, record)
    arrays = [record.arrays["prob"], record.arrays["embedding"], record.label]
    rule = {"craig": craig, "grad_match": grad_match}[name]
    assert np.array_equal(subset.weight, rule.weights(*arrays, subset.index))
    again = dp.load(dp.save(subset, tmp_path / "subset"))
    assert np.array_equal(again.weight, subset.weight)


def test_knobs_of_the_rule_reach_its_weights():
    record = make_record()
    subset = chosen("grad_match", record, lam=100.0)
    arrays = [record.arrays["prob"], record.arrays["embedding"], record.label, subset.index]
    assert np.array_equal(subset.weight, grad_match.weights(*arrays, lam=100.0))
    assert not np.allclose(subset.weight, grad_match.weights(*arrays))


@pytest.mark.parametrize("exclude", [(), (3, 50, 51)])
def test_inside_each_class_weights_stay_beside_their_examples(exclude):
    record = make_record()
    subset = chosen("craig", record, balance="proportional", exclude=exclude)
    left = np.setdiff1d(np.arange(COUNT), exclude)
    for own in range(4):
        member = left[record.label[left] == own]
        kept = np.flatnonzero(np.isin(member, subset.index))
        alone = craig.weights(
            record.arrays["prob"][member], record.arrays["embedding"][member], record.label[member], kept
        )
        assert subset.weight[np.isin(subset.index, member)].tolist() == alone.tolist()
    assert subset.weight.sum() == len(left)


def test_weights_are_a_column_of_the_table(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    np.savez(tmp_path / "points.npz", x=rng.normal(size=(120, 6)).astype(np.float32) + y[:, None], y=y)
    channels = ("error_norm", "prob", "embedding")
    made = dp.prune(
        tmp_path / "points.npz", keep=0.3, out=tmp_path / "run", score="el2n", rule="craig",
        score_params={"first": 0, "count": 2},
        record_options={"epochs": 4, "schedule_epochs": 8, "model": "mlp", "channels": channels},
    )  # fmt: skip
    table = pq.read_table(made.examples)
    weight = table["weight"].to_numpy()
    assert np.array_equal(weight[made.subset.index], made.subset.weight)
    assert weight.sum() == 120
    assert not weight[~made.subset.mask].any()


@pytest.mark.parametrize("weight", [[1.0], [1.0, -1.0], [1.0, np.nan]])
def test_weights_that_cannot_be_are_refused(weight):
    with pytest.raises(dp.InputError, match="one number >= 0 per kept example"):
        dp.Subset([0, 2], 5, weight=weight)
