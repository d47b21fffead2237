"""Killed inside save, at any file-system event: the old or the new artifact is there, and saving again works."""

import os
from pathlib import Path

import numpy as np
import pytest

import datapare as dp
from datapare import storage
from kills import child

PLACES = ["ext4", "tmpfs"]
OLD, NEW = np.arange(5.0), np.arange(5.0) + 10


@pytest.fixture(params=PLACES)
def root(request, tmp_path):
    if request.param == "ext4":
        yield tmp_path
        return
    shared = Path("/dev/shm")  # noqa: S108 - a tmpfs
    if not os.access(shared, os.W_OK):
        pytest.skip("no tmpfs here")
    place = shared / tmp_path.name
    place.mkdir()
    yield place
    storage.remove(place)


@pytest.mark.parametrize("before", [None, OLD], ids=["new", "replaced"])
def test_killed_inside_save_nothing_is_lost(root, before):
    deaths, outcomes = 0, set()
    while True:
        path = root / f"at-{deaths}" / "scores-dual"
        if before is not None:
            dp.save(dp.Scores(before), path)
        lived = child(lambda path=path: dp.save(dp.Scores(NEW), path), deaths + 1) == 0
        if storage.is_finished(path):
            found = dp.load(path).score
            assert any(np.array_equal(found, whole) for whole in (before, NEW) if whole is not None)
            outcomes.add(float(found[0]))
        else:
            assert before is None, f"both are lost at event {deaths + 1}"
        dp.save(dp.Scores(NEW + 1), path)
        assert dp.load(path).score[0] == NEW[0] + 1
        assert [entry.name for entry in path.parent.iterdir()] == ["scores-dual"], "drafts of the dead are removed"
        if lived:
            break
        deaths += 1
    assert deaths >= 8
    assert NEW[0] in outcomes


def test_a_folder_with_our_unfinished_files_alone_is_replaced_and_any_other_is_not(tmp_path):
    folder = dp.save(dp.Scores(OLD), tmp_path / "s")
    (folder / storage.META).unlink()
    dp.save(dp.Scores(NEW), folder)
    assert dp.load(folder).score[0] == NEW[0]
    (folder / storage.META).unlink()
    for name in ("notes.txt", "thesis.npy", "score.txt"):
        (folder / name).write_text("mine")
        with pytest.raises(dp.InputError, match="already holds something else"):
            dp.save(dp.Scores(NEW), folder)
        assert (folder / name).read_text() == "mine"
        (folder / name).unlink()


def test_two_writers_of_one_new_place_one_wins_and_the_other_says_so(tmp_path):
    place = tmp_path / "small"
    other = tmp_path / "other"
    other.mkdir()
    (other / "b").write_text("first to end")

    def overtaken():
        with storage.atomic_write(place, replace=False) as draft:
            draft.mkdir()
            (draft / "a").write_text("first to begin")
            other.rename(place)

    with pytest.raises(dp.InputError, match="another process"):
        overtaken()
    assert (place / "b").exists()


@pytest.mark.parametrize("name", ["plain", "dots.in.name", "[0]*?", "ünïcode", ".hidden"])
def test_drafts_are_recognised_whatever_the_name(tmp_path, name):
    path = tmp_path / name
    draft = storage.draft_of(path)
    assert storage.place_of(draft) == path
    draft.mkdir()
    (tmp_path / f".{name}.not.a.draft").mkdir()
    dp.save(dp.Scores(OLD), path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([name, f".{name}.not.a.draft"])
