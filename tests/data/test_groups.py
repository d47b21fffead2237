"""Groups stay together: in a selection where asked, in held-out splits always."""

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sources import put

from datapare.artifacts import Subset
from datapare.data import open_dataset, take, whole_groups
from datapare.data.groups import draw_groups, keep_whole, read_groups
from datapare.errors import InputError
from datapare.evaluation.experiment import holdout

GROUPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=8, max_size=80)


def videos(tmp_path):
    rows = [f"v{i // 5},{i % 7}.5,{i * 3 % 11}.25,{i % 2}" for i in range(60)]
    put(tmp_path / "d.csv", "\n".join(["video,a,b,label", *rows]).encode())
    return tmp_path / "d.csv"


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(GROUPS, st.integers(0, 5))
def test_no_group_is_on_both_sides_of_a_split(pairs, seed):
    group, label = np.array(pairs).T
    held = holdout(label, 0.3, seed, group=group)
    outside = np.setdiff1d(np.arange(len(label)), held)
    assert not set(group[held]) & set(group[outside])
    assert set(label[held]) <= set(label[outside]), "no class gives its last example"


def test_the_split_is_about_as_large_as_asked_and_seeded():
    group, label = np.arange(1000) // 5, np.arange(1000) % 2
    held = holdout(label, 0.2, 3, group=group)
    assert 190 <= len(held) <= 210
    np.testing.assert_array_equal(held, holdout(label, 0.2, 3, group=group))
    assert not np.array_equal(held, holdout(label, 0.2, 4, group=group))


def test_groups_of_one_are_drawn_like_examples():
    label = np.arange(200) % 4
    held = draw_groups(np.arange(200), label, np.array([10] * 4), np.random.default_rng(0))
    assert np.bincount(label[held]).tolist() == [10] * 4


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=60))
def test_a_selection_becomes_whole_groups_that_are_no_more(pairs):
    mask, group = np.array([m for m, _ in pairs]), np.array([g for _, g in pairs])
    index = keep_whole(mask, group)
    inside = np.isin(np.arange(len(mask)), index)
    assert len(index) <= mask.sum()
    assert not set(group[inside]) & set(group[~inside])
    alone = keep_whole(mask, np.arange(len(mask)))
    np.testing.assert_array_equal(alone, np.flatnonzero(mask))


def test_a_column_names_the_groups_and_is_not_read_by_the_model(tmp_path):
    data = open_dataset(videos(tmp_path), group="video")
    assert data.inputs == ("a", "b")
    assert data.group.tolist() == [i // 5 for i in range(60)]
    assert take(data, np.array([0, 7])).group.tolist() == [0, 1]
    subset = whole_groups(Subset(np.arange(12), 60), data)
    assert subset.index.tolist() == list(range(10))
    with pytest.raises(InputError, match="no group fits"):
        whole_groups(Subset(np.arange(3), 60), data)
    with pytest.raises(InputError, match="open the dataset with group="):
        whole_groups(Subset(np.arange(3), 60), open_dataset(videos(tmp_path)))
    with pytest.raises(InputError, match="group names the column 'nope'"):
        open_dataset(videos(tmp_path), group="nope")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, None, 3, 1, None], [0, 1, 0, 2, 3]),
        (["a", None, "b", "a", ""], [0, 1, 2, 0, 3]),
        ([1.5, float("nan"), float("nan"), 1.5, None], [0, 1, 2, 0, 3]),
        ([2**63 + 1, 2**63, 2**63 + 1, 0, None], [0, 1, 0, 2, 3]),
        ([None] * 3, [0, 1, 2]),
    ],
)
def test_groups_are_numbered_by_their_first_rows_and_rows_without_one_are_alone(values, expected):
    integers = pa.uint64() if 2**63 in values else None
    half = pa.chunked_array([pa.array(values[:2], integers), pa.array(values[2:], integers)])
    assert read_groups(datasets.Dataset(pa.table({"g": half})), "g").tolist() == expected
    if integers is None and any(values):
        assert read_groups(datasets.Dataset(pa.table({"g": half.dictionary_encode()})), "g").tolist() == expected


def test_a_group_is_one_value():
    rows = datasets.Dataset(pa.table({"g": [[1], [2]]}))
    with pytest.raises(InputError, match="a group is a number, a text or a date"):
        read_groups(rows, "g")


def test_frames_in_folders_are_groups(tmp_path):
    from sources import encoded

    for c, video in (("cat", "v1"), ("cat", "v2"), ("dog", "v3"), ("dog", "v4")):
        for i in range(3):
            put(tmp_path / "d" / c / video / f"{i}.png", encoded(i))
    data = open_dataset(tmp_path / "d", group="folder")
    assert data.group.tolist() == [i // 3 for i in range(12)]
    assert data.inputs == ("image",)


def test_prune_keeps_whole_groups(tmp_path):
    from datapare.pipeline.pruning import prune

    result = prune(
        videos(tmp_path), keep=0.5, out=tmp_path / "run", open_options={"group": "video"}, whole_groups=True,
        record_options={"epochs": 3}, score_params={"window": 2},
    )  # fmt: skip
    kept = np.isin(np.arange(60), result.subset.index).reshape(12, 5)
    assert ((kept.sum(axis=1) == 5) | (kept.sum(axis=1) == 0)).all()
    assert 20 <= kept.sum() <= 30
