"""Soft labels beside an export: row i is of its example i, the dataset opens as before, in every format."""

import numpy as np
import pytest
from sources import FORMATS, KEPT, N

import datapare as dp
from datapare.artifacts import Subset
from datapare.data import export, open_dataset
from datapare.training import SoftLabels


@pytest.mark.parametrize("name", FORMATS)
def test_rows_are_those_of_the_exported_dataset_whatever_the_format(name, tmp_path):
    data = open_dataset(FORMATS[name](tmp_path))
    q = np.random.default_rng(0).dirichlet(np.ones(3), N).astype(np.float16)
    plain = open_dataset(export(data, Subset(np.array(KEPT), N, key=data.key), tmp_path / "plain"))
    out = export(data, Subset(np.array(KEPT), N, key=data.key), tmp_path / "out", soft_labels=q)
    again = open_dataset(out)
    assert again.format == plain.format
    assert np.array_equal(again.key, plain.key)
    of_key = {int(key): row for key, row in zip(data.key, q, strict=True)}
    rows = np.load(tmp_path / "out.soft_labels.npy")
    assert rows.dtype == np.float16
    assert np.array_equal(rows, [of_key[int(key)] for key in again.key])


def test_the_largest_are_two_files_and_a_single_file_has_them_beside(tmp_path):
    data = open_dataset(FORMATS["csv_text"](tmp_path))
    soft = SoftLabels(np.full((N, 2), 0.4, np.float16), np.tile([[4, 1]], (N, 1)).astype(np.int32), 9)
    out = export(data, Subset(np.array(KEPT), N), tmp_path / "few.csv", soft_labels=soft.rows)
    read = [np.load(f"{out}{ending}") for ending in (".soft_labels.npy", ".soft_label_classes.npy")]
    assert np.array_equal(SoftLabels(*read, classes=9).dense(), soft.at(np.array(KEPT)).dense())


def test_soft_labels_of_another_dataset_are_refused_before_anything_is_written(tmp_path):
    data = open_dataset(FORMATS["csv_text"](tmp_path))
    before = sorted(tmp_path.rglob("*"))
    for wrong in (np.zeros((N - 1, 3)), np.zeros(N)):
        with pytest.raises(dp.InputError, match=f"each of the {N} examples"):
            export(data, Subset(np.array(KEPT), N), tmp_path / "out", soft_labels=wrong)
    assert sorted(tmp_path.rglob("*")) == before


def test_they_go_to_a_url_as_well(tmp_path):
    import fsspec

    data = open_dataset(FORMATS["csv_text"](tmp_path))
    export(data, Subset(np.array(KEPT), N), "memory://soft/out", soft_labels=np.eye(N))
    with fsspec.open("memory://soft/out.soft_labels.npy", "rb") as file:
        assert np.array_equal(np.load(file), np.eye(N)[KEPT])
