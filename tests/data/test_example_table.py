"""The table of examples: columns in blocks say what a list of Python objects would."""

import sys
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sources import FORMATS, N

from datapare.artifacts import Scores, Subset
from datapare.data import BadExample, example_table, open_dataset, take
from datapare.data.dataset import Identity
from datapare.pipeline.reasons import reasons, with_commas

blocks = sys.modules["datapare.data.example_table"]  # its function has the name of the module


def test_the_table_is_the_same_in_blocks_of_any_length(tmp_path, monkeypatch):
    """Against a list of Python objects per column; examples 0, 4 and 23 could not be read."""
    whole = open_dataset(FORMATS["csv_text"](tmp_path))
    bad = tuple(BadExample(i, whole.name[i], "made up", int(whole.key[i]), int(whole.label[i])) for i in (0, 4, 23))
    good = np.setdiff1d(np.arange(N), [0, 4, 23])
    identity = Identity(whole.key[good], whole.label[good])
    fields = {"rows": whole.rows.select(good), "label": whole.label[good], "identity": identity, "row": good}
    data = replace(whole, name=[whole.name[i] for i in good], bad=bad, **fields)
    score = Scores(np.random.default_rng(0).integers(0, 5, len(data)) / 4)
    weighted = Subset(index=[1, 5], total=len(data), weight=[2.0, 0.5])
    for block in (1, 3, N):
        monkeypatch.setattr(blocks, "BLOCK", block)
        rows = example_table(data, weighted, score, why=reasons(score, weighted)).to_pylist()
        assert [row["name"] for row in rows] == list(whole.name)
        assert [row["key"] for row in rows] == whole.key.tolist()
        assert [row["class"] for row in rows] == [whole.classes[i] for i in whole.label]
        assert [row["name"] for row in rows if row["kept"]] == [data.name[1], data.name[5]]
        assert [row["weight"] for row in rows if row["kept"]] == [2.0, 0.5]
        order = sorted(range(len(data)), key=lambda i: (-score.score[i], i))
        rank = {data.name[i]: r for r, i in enumerate(order, 1)}
        why = [row["why"] for row in rows if row["name"] in rank]
        assert [text.endswith(f"score rank {rank[n]} of {len(data)}") for text, n in zip(why, data.name, strict=True)]
        assert [row["why"] for row in rows if row["name"] not in rank] == ["unreadable: made up"] * 3


def test_a_part_of_a_dataset_has_a_table_in_the_order_of_its_source():
    data = take(open_dataset((np.eye(6), [0, 1, 0, 1, 0, 1])), np.array([5, 2]))
    rows = example_table(data, Subset(index=[0], total=2)).to_pylist()
    assert [(row["name"], row["kept"]) for row in rows] == [("row 2", False), ("row 5", True)]


@given(st.lists(st.integers(0, 10**10)))
def test_numbers_with_commas_are_those_of_python(numbers):
    assert with_commas(np.array(numbers, np.int64)).to_pylist() == [f"{number:,}" for number in numbers]
