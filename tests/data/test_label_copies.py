"""No column that says the label under another name is an input, unless the user names it."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datapare.data import open_dataset
from datapare.data.label_copies import find_label_copies, is_label_name
from datapare.data.source import rows_of
from datapare.errors import InputError

N = 40
RNG = np.random.default_rng(0)
NUMBER = RNG.integers(0, 4, N)
MEASURED = {"width": RNG.random(N), "height": RNG.random(N)}
WORDS = np.array(["ash", "birch", "cedar", "date"])


@pytest.mark.parametrize("write", ["csv", "parquet", "frame"])
@pytest.mark.parametrize(
    ("label", "beside"),
    [
        (NUMBER, {"species": WORDS[NUMBER]}), (WORDS[NUMBER], {"label_id": NUMBER}), (NUMBER, {"oldLabel": NUMBER % 2}),
        (NUMBER, {"class_name": WORDS[NUMBER], "label_text": WORDS[NUMBER]}), (NUMBER, {"coarse_label": NUMBER // 2}),
        (WORDS[NUMBER], {"target_idx": NUMBER % 3, "tree": WORDS[3 - NUMBER]}),
    ],
)  # fmt: skip
def test_what_says_the_label_is_no_input_and_is_named(write, label, beside, tmp_path):
    frame = pd.DataFrame({**MEASURED, **beside, "label": label})
    path = tmp_path / f"t.{write}"
    source = frame if write == "frame" else path
    if write != "frame":
        frame.to_csv(path, index=False) if write == "csv" else frame.to_parquet(path)
    data = open_dataset(source)
    assert data.inputs == ("width", "height")
    assert all(any(name in note for note in data.notes) for name in beside)
    named = open_dataset(source, input=["width", *beside])
    assert named.inputs == ("width", *beside)
    assert not any(name in note for note in named.notes for name in beside)


@pytest.mark.parametrize("other", ["class", "target", "Class", "labels"])
def test_two_columns_that_may_be_the_label_of_a_table_are_refused(other):
    frame = pd.DataFrame({**MEASURED, other: NUMBER % 3, "label": NUMBER})
    with pytest.raises(InputError, match="could all be it; name it with label="):
        open_dataset(frame)
    assert open_dataset(frame, label="label").inputs == ("width", "height")
    assert open_dataset(frame, label="label", input=["width", other]).inputs == ("width", other)


def test_a_second_label_beside_texts_and_images_is_named():
    texts = pd.DataFrame({"text": [f"some words of {i}" for i in range(N)], "label": NUMBER, "intent": NUMBER % 3})
    assert any("intent could be the label too" in note for note in open_dataset(texts).notes)
    assert not open_dataset(texts, label="intent").notes or "intent" not in open_dataset(texts, label="intent").notes[0]


def test_measured_columns_stay_inputs():
    spread = WORDS[np.where(np.arange(N) == 0, (NUMBER + 1) % 4, NUMBER)]  # one row says another class
    frame = pd.DataFrame(
        {"x": MEASURED["width"], "y": MEASURED["height"], "legs": NUMBER * 2, "tree": spread, "label": NUMBER}
    )
    data = open_dataset(frame)
    assert data.inputs == ("x", "y", "legs", "tree")
    assert not data.notes


def test_what_says_the_label_is_read_where_there_is_nothing_else():
    data = open_dataset(pd.DataFrame({"tree": WORDS[NUMBER], "id": np.arange(N), "label": NUMBER}))
    assert data.inputs == ("tree",)
    assert any("tree" in note for note in data.notes)


@pytest.mark.parametrize(
    "name", ["label2", "Label_Name", "classId", "class", "targets", "category_id", "label_text", "labels_en", "class_1"]
)
def test_names_of_labels(name):
    assert is_label_name(name)


@pytest.mark.parametrize(
    "name", ["passenger_class", "category", "classical", "workclass", "y", "available", "name", "id"]
)
def test_names_of_other_columns(name):
    assert not is_label_name(name)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=20, max_size=60))
def test_a_copy_is_a_column_in_bijection_with_the_classes(pairs):
    """The plain loop: as many different pairs as classes and as values, and more than one."""
    number = np.array([a for a, _ in pairs])
    rows = rows_of(pa.table({"word": [WORDS[b] for _, b in pairs], "label": number}))
    values, classes = {b for _, b in pairs}, {a for a, _ in pairs}
    enough = len(pairs) >= max(20, 5 * len(classes))
    expected = enough and 1 < len(classes) == len(values) == len(set(pairs)) < len(pairs)
    assert ("word" in find_label_copies(rows, "label", number).same) == expected
