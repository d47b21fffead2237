"""Lists of examples, as a report writes them and as people write them: what select keeps and drops by them."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import FAST, run

import datapare as dp
from datapare.pipeline.label_decisions import read_examples

N = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "points.csv"
    rng = np.random.default_rng(0)
    rows = [f"p{i},{x:.3f},{y:.3f},{i % 2}" for i, (x, y) in enumerate(rng.normal(size=(N, 2)))]
    path.write_text("\n".join(["id,x,y,label", *rows]), encoding="utf-8")
    return dp.open_dataset(path, id="id", kind="table")


def write(path, columns, rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([columns, *rows])
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_list_names_examples_by_key_or_by_name(data, tmp_path, delimiter):
    key = [f"#{int(value):016x}" for value in data.key]
    picked = write(tmp_path / "a.csv", ["key", "position", "name"], [[key[i], i, "x"] for i in (7, 2)], delimiter)
    assert read_examples(picked, data) == [7, 2]
    assert read_examples(write(tmp_path / "b.csv", ["name"], [["p3"], [" p5 "]], delimiter), data) == [3, 5]


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        (["name"], [["p3"], ["nobody"]], "line 3: 'nobody' is the name of no example"),
        (["position"], [["3"]], r"no column key or name that is filled in every line; it has \['position'\]"),
        (["key", "name"], [["", "p3"], ["#01", ""]], "no column key or name that is filled"),
    ],
)
def test_a_list_that_is_not_understood_gets_a_sentence(data, tmp_path, columns, rows, message):
    with pytest.raises(dp.InputError, match=message):
        read_examples(write(tmp_path / "a.csv", columns, rows), data)
    with pytest.raises(dp.InputError, match="there is no file"):
        read_examples(tmp_path / "none.csv", data)


@given(st.data())
def test_included_are_kept_and_excluded_are_not_at_the_exact_size(drawn):
    total = drawn.draw(st.integers(2, 30))
    fate = np.array(drawn.draw(st.lists(st.sampled_from("ixo"), min_size=total, max_size=total)))
    include, exclude = np.flatnonzero(fate == "i"), np.flatnonzero(fate == "x")
    count = drawn.draw(st.integers(1, total))
    scores = dp.Scores(np.random.default_rng(0).normal(size=total))
    arguments = {"keep": count, "include": include, "exclude": exclude}
    if not len(include) <= count <= total - len(exclude):
        with pytest.raises(dp.InputError, match=r"are (included|excluded)"):
            dp.select(scores, "top", **arguments)
        return
    subset = dp.select(scores, "top", **arguments)
    assert len(subset) == count
    assert set(include) <= set(subset)
    assert not set(exclude) & set(subset)
    free = [i for i in np.argsort(-scores.score) if fate[i] == "o"]
    assert set(subset) - set(include.tolist()) == set(free[: count - len(include)])


def test_no_list_changes_nothing_and_both_lists_at_once_are_refused():
    scores = dp.Scores([0.1, 0.9, 0.5])
    assert dp.select(scores, "top", keep=2).provenance == dp.select(scores, "top", keep=2, include=[]).provenance
    assert dp.select(scores, "top", keep=2, include=[0]).provenance.params["included"] == 1
    with pytest.raises(dp.InputError, match="position 1 is both included and excluded"):
        dp.select(scores, "top", keep=2, include=[0, 1], exclude=[1])


@pytest.mark.parametrize("given", [5, 1.5, [[0]], ["a"], [True], [float("nan")], [-1], [3], np.array(2), None])
@pytest.mark.parametrize("which", ["include", "exclude"])
def test_what_is_no_list_of_positions_is_refused(which, given):
    with pytest.raises(dp.InputError, match=which):
        dp.select(dp.Scores([0.1, 0.9, 0.5]), "top", keep=2, **{which: given})


def test_included_examples_have_weight_one():
    rng = np.random.default_rng(0)
    arrays = {"embedding": rng.normal(size=(20, 3)), "prob": rng.dirichlet([1, 1], 20)}
    record = dp.Dynamics({}, np.arange(20) % 2, arrays)
    subset = dp.select(dp.Scores(rng.normal(size=20)), "craig", keep=6, dynamics=record, balance=None, include=[4])
    assert subset.weight[list(subset).index(4)] == 1


def test_the_command_reads_the_lists(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "record", data.path, "--id", "id", *FAST, "--out", "r")[0] == 0
    assert run(capsys, "score", "r", "--window", "2")[0] == 0
    inside = write(tmp_path / "in.csv", ["name"], [["p1"], ["p2"]])
    outside = write(tmp_path / "out.csv", ["name"], [["p3"]])
    assert run(capsys, "select", "r", "--keep", "0.25", "--include", inside, "--exclude", outside)[0] == 0
    subset = dp.load("r/keep-0.25/subset")
    assert {1, 2} <= set(subset)
    assert 3 not in subset
    assert len(subset) == 10
