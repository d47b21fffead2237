"""What storage promises beside that things come back: order on the disk, drafts of others, locks, no open files."""

import errno
import json
import os
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import datapare as dp
from datapare import storage
from datapare.pipeline.steps import save_or_verify_subset
from datapare.storage.artifact_folders import BegunEpochs
from kills import child

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture
def saved(tmp_path):
    """Scores on the disk."""
    return dp.save(dp.Scores(np.arange(3.0)), tmp_path / "scores-dual")


def changed(folder, change):
    """Change `meta.json`, and its digest with it, as a newer or a forged version would have it."""
    meta = json.loads((folder / storage.META).read_text())
    change(meta)
    meta.pop("digest")
    (folder / storage.META).write_text(json.dumps(meta))


@pytest.mark.parametrize(
    ("value", "fits"),
    [(2**63 - 1, True), (2**63, False), (-(2**63), True), (-(2**63) - 1, False), (-(2**62) - 1, True)],
)
def test_whole_numbers_are_those_of_64_bits(value, fits):
    assert storage.conforms(value, int) == storage.conforms(value, float) == fits


@pytest.mark.parametrize(("value", "fits"), [("a", True), ("c", False), (1, False), (["a"], False), ({}, False)])
def test_a_choice_is_one_of_its_words(value, fits):
    assert storage.conforms(value, Literal["a", "b"]) == fits


def test_arrays_are_on_the_disk_before_what_completes_them(saved, monkeypatch):
    flushed, fsync = [], os.fsync
    (saved / storage.META).unlink()
    monkeypatch.setattr(os, "fsync", lambda handle: (flushed.append(os.fstat(handle).st_ino), fsync(handle))[1])
    storage.write_meta(saved, dp.Scores(np.arange(3.0)))
    order = [place.stat().st_ino for place in (saved / "score.npy", saved, saved / storage.META, saved)]
    assert [one for one in flushed if one in order] == order


def test_no_file_stays_open(tmp_path):
    dp.save(dp.Scores(np.arange(3.0)), tmp_path / "first")
    before = len(list(OPEN_FILES.iterdir()))
    for number in range(5):
        dp.save(dp.Scores(np.arange(3.0)), tmp_path / f"{number}")
    assert len(list(OPEN_FILES.iterdir())) == before


def test_the_draft_of_somebody_elses_process_stays(saved, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    own = storage.draft_of(saved)
    draft = own.with_name(own.name.replace(f".{os.getpid()}.", ".1."))
    draft.mkdir()
    monkeypatch.setattr(os, "kill", refused)
    dp.save(dp.Scores(np.zeros(3)), saved)
    assert draft.is_dir()


def test_a_process_forked_while_a_folder_is_locked_does_not_keep_it_locked(tmp_path):
    lock = storage.acquire_lock(tmp_path / "run", "working")
    (waits, goes), (hears, tells) = os.pipe(), os.pipe()
    forked = os.fork()
    if forked == 0:
        os.close(goes)
        os.write(tells, b"here")
        os.read(waits, 1)
        os._exit(0)
    os.close(waits)
    os.read(hears, 4)
    try:
        storage.release_lock(lock)
        with storage.folder_lock(tmp_path / "run", "working"):
            pass
    finally:
        os.close(goes)
        os.waitpid(forked, 0)
        os.close(hears)
        os.close(tells)


@pytest.mark.parametrize("of", [lambda provenance: provenance, lambda provenance: provenance["parents"][0]])
def test_a_provenance_of_a_newer_version_is_said_to_be_that(tmp_path, of):
    provenance = dp.Provenance("score", parents=(dp.Provenance("record"),))
    saved = dp.save(dp.Scores([0.5], provenance=provenance), tmp_path / "scores")
    changed(saved, lambda meta: of(meta["fields"]["provenance"]).update(mood="good"))
    with pytest.raises(dp.InputError, match="'mood', which this version of datapare does not know"):
        dp.load(saved)


@pytest.mark.parametrize("change", [{"artifact": "colours"}, {"datapare": 0}, {"datapare": True}])
def test_what_is_no_artifact_of_ours_is_refused(saved, change):
    changed(saved, lambda meta: meta.update(change))
    with pytest.raises(dp.InputError, match="not an artifact this version"):
        dp.load(saved)


def test_a_subset_whose_replacement_is_killed_anywhere_is_replaced_by_the_next_call(tmp_path):
    old, new = dp.Subset([0, 1], 4), dp.Subset([1, 2], 4)
    deaths = 0
    while True:
        place = tmp_path / str(deaths) / "keep-0.5"
        dp.save(old, place / "subset")
        (place / "report.html").write_text("of the old subset")
        lived = child(lambda place=place: save_or_verify_subset(new, place, force=True), deaths + 1) == 0
        save_or_verify_subset(new, place, force=True)
        assert dp.load(place / "subset").index.tolist() == [1, 2]
        assert [path.name for path in place.parent.rglob("*.draft")] == []
        if lived:
            break
        deaths += 1
    assert deaths >= 8
    assert [path.name for path in place.iterdir()] == ["subset"]


def test_an_array_outside_the_folder_is_refused(saved):
    changed(saved, lambda meta: meta["arrays"].update({"../score": meta["arrays"]["score"]}))
    with pytest.raises(dp.InputError, match="its entries are not those of an artifact"):
        dp.load(saved)


def test_an_array_is_read_only_unless_asked_for(saved):
    assert not dp.load(saved).score.flags.writeable
    assert not storage.read_array(saved / "score.npy").flags.writeable
    assert storage.read_array(saved / "score.npy", writable=True).flags.writeable


def test_nothing_written_as_null_is_damage_and_a_missing_file_is_none(tmp_path):
    assert storage.read_described(tmp_path / "a.json", BegunEpochs, "record again") is None
    (tmp_path / "a.json").write_text("null")
    with pytest.raises(dp.InputError, match=r"a\.json is damaged .*; record again"):
        storage.read_described(tmp_path / "a.json", BegunEpochs, "record again")


def test_of_two_similar_names_the_nearer_one_is_meant(tmp_path, monkeypatch):
    for name in ("photos-of-cats", "photos-of-cars", "photo"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert storage.meant(Path("photos-of-catz")) == "; did you mean photos-of-cats?"
    assert storage.meant(tmp_path / "photos-of-catz") == f"; did you mean {tmp_path / 'photos-of-cats'}?"
    assert storage.meant(Path("invoices")) == "."


def test_an_array_is_written_whole(tmp_path):
    storage.write_array(tmp_path / "a.npy", np.arange(3.0))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]


def test_what_only_looks_like_a_draft_stays(saved):
    others = [".scores-dual.note", "mine.draft", ".scores-el2n.vm.1.0.draft", ".scores-dual.vm.draft"]
    for name in others:
        (saved.parent / name).touch()
    dp.save(dp.Scores(np.arange(4.0)), saved)
    assert {*others} <= {entry.name for entry in saved.parent.iterdir()}
