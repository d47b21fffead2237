"""An export is recognised when it is asked for again, and is on the disk as a whole before it takes its place."""

import os
from pathlib import Path

import numpy as np
import pytest
from sources import FORMATS, LABEL, N

import datapare as dp
from datapare import storage
from datapare.pipeline.exports import export_once

SOFT = np.random.default_rng(0).dirichlet(np.ones(3), N).astype(np.float16)


@pytest.fixture
def written(tmp_path):
    """A dataset, its subset, and where that was exported with soft labels."""
    data = dp.open_dataset(FORMATS["csv_text"](tmp_path))
    subset = dp.Subset(np.flatnonzero(LABEL == 1), N)
    (tmp_path / "keep").mkdir()
    out = tmp_path / "keep" / "dataset"
    assert export_once(data, subset, out, tmp_path / "keep", "copy", soft_labels=SOFT)
    return data, subset, out


def again(written, **options):
    data, subset, out = written
    return export_once(data, subset, out, out.parent, "copy", **options)


def test_an_export_with_soft_labels_is_recognised(written):
    assert not again(written, soft_labels=SOFT)


def test_soft_labels_that_are_gone_are_written_again(written):
    _, subset, out = written
    beside = out.with_name("dataset.soft_labels.npy")
    beside.unlink()
    assert again(written, soft_labels=SOFT)
    assert np.array_equal(np.load(beside), SOFT[subset.index])


def test_other_soft_labels_or_none_are_said_to_be_that(written):
    with pytest.raises(dp.InputError, match="with --soft-labels"):
        again(written)
    with pytest.raises(dp.InputError, match="another subset, or other labels"):
        again(written, soft_labels=SOFT[::-1])


@pytest.mark.parametrize("most", [storage.atomic.MANY, 3])
def test_every_file_and_folder_of_an_export_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch, most):
    flushed, renamed = set(), []
    fsync, sync, rename = os.fsync, os.sync, Path.rename

    def all_files():
        flushed.update(path.stat().st_ino for path in tmp_path.rglob("*"))
        sync()

    def noted(draft, place):
        inside = [draft, *draft.rglob("*")]
        renamed.extend(path for path in inside if path.stat().st_ino not in flushed)
        return rename(draft, place)

    monkeypatch.setattr(storage.atomic, "MANY", most)
    monkeypatch.setattr(os, "fsync", lambda handle: (flushed.add(os.fstat(handle).st_ino), fsync(handle))[1])
    monkeypatch.setattr(os, "sync", all_files)
    monkeypatch.setattr(Path, "rename", noted)
    data = dp.open_dataset(FORMATS["image_folder"](tmp_path))
    dp.export(data, dp.Subset([0, 5, 9, 20], N), tmp_path / "out")
    assert renamed == []
    assert len([path for path in (tmp_path / "out").rglob("*.png") if path.stat().st_ino in flushed]) == 4


@pytest.mark.parametrize("name", ["csv_text", "image_folder"])
def test_an_export_elsewhere_is_recognised_and_what_another_put_there_is_not(tmp_path, name):
    data = dp.open_dataset(FORMATS[name](tmp_path))
    one, two = dp.Subset(np.flatnonzero(LABEL == 1), N), dp.Subset(np.flatnonzero(LABEL == 2), N)
    out = tmp_path / "small"
    (tmp_path / "keep").mkdir()

    def once(subset):
        return export_once(data, subset, out, tmp_path / "keep", "copy")

    assert once(one)
    assert not once(one)
    out.rename(tmp_path / "aside")
    dp.export(data, one, out)  # as by a call that was killed before it could note that it had ended
    assert not once(one)
    storage.remove(out)
    dp.export(data, two, out)  # as by another process that was first
    with pytest.raises(dp.InputError, match="not written by this call"):
        once(one)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.endswith(".draft")) == []
