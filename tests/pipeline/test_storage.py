"""Whatever is saved comes back, or nothing is there."""

import builtins
import errno
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import datapare as dp
from datapare.artifacts import Provenance, check_same_dataset
from datapare.errors import MismatchError
from datapare.storage import META, conforms, is_finished, read_array, read_json
from datapare.storage.artifact_folders import StoredArray

RECIPE = Provenance("score", "dual", {"window": 10}, 3, "abc", {"numpy": "2"}, (Provenance("record"),))


@settings(max_examples=25, deadline=None)
@given(
    values=hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(0, 1, width=32)),
    seed=st.integers(0, 9),
)
def test_a_record_survives_the_disk(tmp_path_factory, values, seed):
    rng = np.random.default_rng(seed)
    count = values.shape[1]
    d = dp.Dynamics(
        {"target_prob": values, "loss": -values},
        rng.integers(0, 3, count),
        {"embedding": rng.random((count, 2))},
        observed="eval-pass",
        classes=("a", "b", "<c>"),
        key=rng.integers(0, 2**63, count).astype(np.uint64),
        provenance=RECIPE,
    )
    back = dp.load(dp.save(d, tmp_path_factory.mktemp("r") / "d"))
    assert list(back.channels) == ["target_prob", "loss"]
    assert np.array_equal(back.channels["loss"], -values)
    assert np.array_equal(back.arrays["embedding"], d.arrays["embedding"])
    assert np.array_equal(back.label, d.label)
    assert np.array_equal(back.key, d.key)
    assert (back.observed, back.classes, back.provenance) == ("eval-pass", ("a", "b", "<c>"), RECIPE)


def test_scores_subset_and_comparison_survive_the_disk(tmp_path):
    s = dp.load(dp.save(dp.Scores([0.5, np.nan], predicted=np.array([True, False]), provenance=RECIPE), tmp_path / "s"))
    assert np.array_equal(s.score, [0.5, np.nan], equal_nan=True)
    assert s.predicted.tolist() == [True, False]
    u = dp.load(dp.save(dp.Subset([1, 3], 5, weight=np.array([2.0, 1.0])), tmp_path / "u"))
    assert (u.index.tolist(), u.total, u.weight.tolist()) == ([1, 3], 5, [2.0, 1.0])
    c = dp.Comparison(
        ("dual", "random"), (0, 1), np.eye(2), [3, 3], np.eye(2), np.eye(2), ("subset", "random"), classes=("a",)
    )
    back = dp.load(dp.save(c, tmp_path / "c"))
    assert (back.arms, back.seeds, back.accuracy.tolist(), back.count.tolist()) == (
        ("dual", "random"),
        (0, 1),
        [[1, 0], [0, 1]],
        [3, 3],
    )


def test_nothing_is_pickled(tmp_path):
    with pytest.raises((dp.InputError, ValueError)):
        dp.save(dp.Dynamics({}, [0], {"embedding": np.array([{}], dtype=object)}), tmp_path / "d")
    assert not (tmp_path / "d").exists()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_save_is_no_artefact(tmp_path):
    dp.save(dp.Scores([0.5]), tmp_path / "s")
    (tmp_path / "s" / META).unlink()
    assert not is_finished(tmp_path / "s")
    with pytest.raises(dp.InputError, match="unfinished"):
        dp.load(tmp_path / "s")


def test_saving_replaces_its_own_kind_and_nothing_else(tmp_path):
    dp.save(dp.Scores([0.5]), tmp_path / "s")
    dp.save(dp.Scores([0.25]), tmp_path / "s")
    assert dp.load(tmp_path / "s").score.tolist() == [0.25]
    with pytest.raises(dp.InputError, match="already holds something else"):
        dp.save(dp.Subset([0], 1), tmp_path / "s")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(dp.InputError, match="already holds something else"):
        dp.save(dp.Scores([0.5]), tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "score.npy").unlink(), r"^/.*/score.npy is missing or damaged \(No such file or directory\); "),
        (lambda f: (f / "score.npy").write_bytes(b"\x93NUMPY"), r"^/.*/score.npy is missing or damaged"),
        (lambda f: np.save(f / "score.npy", np.zeros(7)), "not what meta.json says"),
        (lambda f: (f / META).write_text("{"), "cannot be read"),
        (lambda f: (f / META).write_text(json.dumps({"datapare": 99, "noun": "scores"})), "newer version"),
        (lambda f: (f / META).write_text("[]"), "this version"),
        (lambda f: (f / META).write_text("null"), "this version"),
        (
            lambda f: (f / META).write_text((f / META).read_text().replace('"step": "constructed"', '"step": "score"')),
            "changed since",
        ),
    ],
)
def test_damage_is_one_clear_sentence(tmp_path, break_it, message):
    folder = dp.save(dp.Scores([0.5, 0.2]), tmp_path / "s")
    break_it(folder)
    with pytest.raises(dp.InputError, match=message):
        dp.load(folder)


def test_an_unwritable_folder_is_one_clear_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(dp.InputError, match="cannot write"):
        dp.save(dp.Scores([0.5]), tmp_path / "file" / "s")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk_is_one_clear_sentence_and_leaves_nothing(tmp_path):
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {tmp_path} 2>/dev/null") != 0:  # noqa: S605
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(dp.InputError, match="full"):
            dp.save(dp.Scores(np.zeros(100_000)), tmp_path / "s")
        assert list(Path(tmp_path).iterdir()) == []
    finally:
        os.system(f"umount {tmp_path}")  # noqa: S605


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dp.Dynamics({"p": np.zeros((2, 3))}, [0, 1]), "describes 3 examples"),
        (lambda: dp.Dynamics({"p": np.zeros(3)}, [0, 1, 2]), "shape"),
        (lambda: dp.Dynamics({"p": np.zeros((2, 1)), "q": np.zeros((3, 1))}, [0]), "same shape"),
        (lambda: dp.Dynamics({}, [0.5, 1.0]), "missing or not whole"),
        (lambda: dp.Dynamics({}, [np.nan, 1.0]), "missing or not whole"),
        (lambda: dp.Dynamics({}, ["cat"]), "expected label as an array of whole numbers"),
        (lambda: dp.Dynamics({}, [0], observed="sometimes"), "observed as one of train-pass"),
        (lambda: dp.Scores([1, 2]), "one float per example"),
        (lambda: dp.Scores([[1.0]]), "one float per example"),
        (lambda: dp.Scores([1.0], key=np.array([1])), "uint64"),
        (lambda: dp.Subset([1, 0], 2), "sorted"),
        (lambda: dp.Subset([0, 0], 2), "sorted"),
        (lambda: dp.Subset([0, 2], 2), "between 0 and 1"),
        (lambda: dp.Subset([-1], 2), "between 0 and 1"),
        (lambda: dp.Subset([0.5], 2), "positions"),
        (lambda: dp.Comparison(("dual",), (0,), [[1.0]], [1], [[1.0]], [[1.0]], ("subset",)), "random arm"),
        (
            lambda: dp.Comparison(("random",), (0,), [[1.0, 2.0]], [1], [[1.0]], [[1.0]], ("random",)),
            "one entry per arm",
        ),
    ],
)
def test_a_noun_refuses_what_it_is_not(make, message):
    with pytest.raises(dp.InputError, match=message):
        make()


def test_an_order_cannot_be_loaded_as_scores():
    with pytest.raises(dp.InputError):
        dp.Scores(np.argsort([0.3, 0.1, 0.2]))


def test_artefacts_of_different_datasets_are_refused_together():
    key = np.arange(3, dtype=np.uint64)
    with pytest.raises(MismatchError, match="different datasets"):
        check_same_dataset(dp.Scores([0.1, 0.2]), dp.Scores([0.1]))
    with pytest.raises(MismatchError, match="another order"):
        check_same_dataset(dp.Scores(np.zeros(3), key=key), dp.Subset([0], 3, key=key[::-1].copy()))
    check_same_dataset(dp.Scores(np.zeros(3), key=key), None, dp.Subset([0], 3, key=key))


@pytest.mark.parametrize(
    ("value", "type_", "fits"),
    [
        (1, int, True),
        (1, float, True),
        (1.0, int, False),
        (True, int, False),
        (2**63, int, False),
        (None, int | None, True),
        ("a", int | None, False),
        ([1, 2], tuple[int, ...], True),
        ([1, "a"], tuple[int, ...], False),
        ("ab", tuple[str, ...], False),
        ({"a": 1}, Mapping[str, int], True),
        ({"a": "b"}, Mapping[str, int], False),
        ({"a": 1, "b": "c"}, Mapping[str, int], False),
        ("copy", Literal["copy", "link"], True),
        (["copy"], Literal["copy", "link"], False),
        ({"dtype": "int64", "shape": [3], "more": 1}, StoredArray, True),
        ({"dtype": "int64"}, StoredArray, False),
        ({"dtype": 3, "shape": []}, StoredArray, False),
        (object(), object, True),
    ],
)
def test_values_read_from_json_are_of_the_declared_type_or_not(value, type_, fits):
    assert conforms(value, type_) is fits


def test_files_that_are_no_array_are_one_sentence(tmp_path):
    for content in (b"", b"PK\x03\x04", b"\x80\x04", b"\x93NUMPY\x01\x00\xff\xff"):
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(dp.InputError, match=r"a\.npy is missing or damaged .*; record again"):
            read_array(tmp_path / "a.npy", "record again")
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(dp.InputError, match="damaged"):
        read_array(tmp_path / "a.npy")


def test_what_the_system_refuses_to_read_is_not_called_damaged(tmp_path, monkeypatch):
    """Neither is it made again: a checkpoint would be thrown away because too many files were open for a moment."""
    (tmp_path / "a.json").write_text("{}")
    np.save(tmp_path / "a.npy", np.zeros(3))

    def refuse(*_arguments, **_options):
        raise OSError(errno.EMFILE, "Too many open files", "a")

    monkeypatch.setattr(io, "open", refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    for read, file in ((read_json, "a.json"), (read_array, "a.npy")):
        with pytest.raises(dp.InputError, match="too many files are open; raise the limit with ulimit -n"):
            read(tmp_path / file)
