"""Artifacts in other people's hands: indexing, arrays, data frames, and what a notebook shows of them."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import datapare as dp
from datapare.data.dataset import ColumnNames, RowNames
from datapare.data.perturbation import Pictures
from datapare.reporting.context import NumberedNames

KEPT = [0, 3, 4, 7]


@pytest.fixture
def subset():
    return dp.Subset(KEPT, 9, provenance=dp.Provenance("select", "beta"))


def artifacts():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(4, 9)).astype(np.float32)
    p[0, 2] = np.nan
    key = np.arange(9, dtype=np.uint64)
    made = dp.Provenance("score", "<b>dual</b>")
    accuracy = np.array([[0.8, 0.7], [0.6, 0.5]])
    return {
        "dynamics": dp.Dynamics({"target_prob": p}, np.arange(9) % 3, classes=("a", "b", "<i>"), key=key),
        "scores": dp.Scores(np.append(rng.normal(size=8), np.nan), key=key, provenance=made),
        "subset": dp.Subset(KEPT, 9, weight=[1.0, 2.0, 3.0, 4.0]),
        "comparison": dp.Comparison(("x", "y"), (0, 1), accuracy, [4, 4], accuracy, accuracy, ("subset", "random")),
        "perturbation": dp.Perturbation(source=[0, 2, 2], touched=[2], label=[0, 1, 1]),
    }


def test_a_subset_indexes_what_takes_indices(subset):
    import pandas as pd
    import torch
    from datasets import Dataset

    rows = Dataset.from_dict({"x": [10 * i for i in range(9)]})
    assert rows.select(subset)["x"] == [0, 30, 40, 70]
    assert [row["x"] for row in torch.utils.data.Subset(rows, subset)] == [0, 30, 40, 70]
    assert pd.DataFrame({"x": range(9)}).iloc[subset]["x"].tolist() == KEPT
    assert np.arange(9)[subset].tolist() == KEPT
    assert torch.arange(9)[np.asarray(subset)].tolist() == KEPT
    sampler = torch.utils.data.SubsetRandomSampler(subset)
    assert sorted(sampler) == KEPT


def test_a_subset_is_a_sequence(subset):
    assert list(subset) == KEPT
    assert (subset[0], subset[-1], len(subset)) == (0, 7, 4)
    assert type(subset[0]) is int
    assert subset[1:3].tolist() == [3, 4]
    assert 4 in subset
    assert 5 not in subset
    assert np.asarray(subset, dtype=np.float32).dtype == np.float32
    assert np.array(subset, copy=True) is not subset.index


SEQUENCES = {
    "subset": lambda: artifacts()["subset"],
    "scores": lambda: artifacts()["scores"],
    "names of rows": lambda: RowNames(np.arange(4)),
    "names in a column": lambda: ColumnNames(pa.chunked_array([["a", "b"], ["c"]])),
    "names in a report": lambda: NumberedNames(4),
    "images": lambda: Pictures(dp.open_dataset((np.zeros((4, 6, 6, 3), np.uint8), [0, 1, 0, 1]))),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_is_indexed_as_python_does(name):
    """Iteration by position ends at an IndexError; the same holds for what numpy and torch index with."""
    made = SEQUENCES[name]()
    count = len(made)
    for wrong in (count, count + 95, -count - 1, np.int64(count)):
        with pytest.raises(IndexError) as told:
            made[wrong]
        assert len(str(told.value).split()) > 3
    every = [made[i] for i in range(count)]
    for again in ([made[i - count] for i in range(count)], list(made), [made[i] for i in np.arange(count)]):
        for one, other in zip(every, again, strict=True):
            np.testing.assert_array_equal(one, other)
    assert [len(made[part]) for part in (slice(None), slice(1, 3), slice(None, None, 2), slice(9, 99))] == [
        count, 2, (count + 1) // 2, max(0, count - 9),
    ]  # fmt: skip


def test_scores_are_an_array():
    scores = artifacts()["scores"]
    assert np.array_equal(np.asarray(scores), scores.score, equal_nan=True)
    assert scores[3] == scores.score[3]
    assert list(scores)[:8] == scores.score[:8].tolist()


def test_a_record_gives_its_arrays_by_name():
    dynamics = artifacts()["dynamics"]
    assert dynamics["target_prob"] is dynamics.channels["target_prob"]
    with pytest.raises(dp.InputError, match="this record has no 'margin'; it has target_prob"):
        dynamics["margin"]
    with pytest.raises(TypeError, match="not iterable"):
        iter(dynamics)


@pytest.mark.parametrize("name", artifacts())
def test_data_frames_have_a_row_per_example(name):
    artifact = artifacts()[name]
    frame, same = artifact.to_pandas(), artifact.to_polars()
    assert isinstance(same, pl.DataFrame)
    assert list(frame) == same.columns
    assert len(frame) == len(same) == {"comparison": 4, "perturbation": 3}.get(name, 9)
    for column in frame:
        assert frame[column].tolist() == pytest.approx(same[column].to_list(), nan_ok=True)


def test_what_the_data_frames_hold():
    made = artifacts()
    p = made["dynamics"].channels["target_prob"].astype(np.float64)
    frame = made["dynamics"].to_pandas()
    np.testing.assert_allclose(frame["target_prob_mean"], np.nanmean(p, axis=0))
    assert frame["key"].tolist() == list(range(9))
    assert made["subset"].to_pandas()["kept"].tolist() == [i in KEPT for i in range(9)]
    assert made["subset"].to_pandas()["weight"].tolist() == [1, 0, 0, 2, 3, 0, 0, 4, 0]
    assert made["perturbation"].to_pandas()["touched"].tolist() == [False, False, True]
    rows = made["comparison"].to_pandas()
    assert rows["accuracy"].tolist() == [0.8, 0.7, 0.6, 0.5]
    assert rows["arm"].tolist() == ["x", "x", "y", "y"]
    assert rows["seed"].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dynamics", "Dynamics(4 epochs of 9 examples, 3 classes: target_prob)"),
        ("subset", "Subset(4 of 9 examples)"),
        ("comparison", "Comparison(2 arms, 2 seeds: x 75.00 %, y 55.00 %)"),
        ("perturbation", "Perturbation(1 of 3 examples touched)"),
    ],
)
def test_a_repr_is_short(name, shown):
    assert repr(artifacts()[name]) == shown


@pytest.mark.parametrize("name", artifacts())
def test_a_notebook_shows_a_picture_and_no_markup_of_names(name):
    html = artifacts()[name]._repr_html_()
    assert html.startswith(f"<div><b>{name.capitalize()}</b>")
    assert ("<svg" in html) == (name in {"dynamics", "scores", "subset", "comparison"})
    assert "<b>dual" not in html
    assert len(html) < 20_000


def test_a_big_record_has_a_small_picture():
    p = np.random.default_rng(0).uniform(size=(3, 50_000)).astype(np.float32)
    assert len(dp.Dynamics({"target_prob": p}, np.zeros(50_000, int))._repr_html_()) < 40_000


def test_a_record_without_examples_is_shown():
    for empty in (dp.Scores(np.empty(0)), dp.Subset([], 5), dp.Dynamics({"target_prob": np.empty((2, 0))}, [])):
        assert "<div>" in empty._repr_html_()
        assert len(empty.to_pandas()) in (0, 5)
