"""Viewers of other projects load the table of examples, by their own readers, where they are installed."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import datapare as dp
from datapare.data import example_table, write_examples

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.filterwarnings("default")  # the libraries warn about others


@pytest.fixture
def photos(tmp_path):
    """A folder of images, and the rows of its table by path; one example has no score."""
    for i in range(12):
        place = tmp_path / "photos" / "ab"[i % 2] / f"{i}, «é».png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(place)
    data = dp.open_dataset(tmp_path / "photos")
    scores = dp.Scores(np.linspace(0, 1, 12), key=data.key)
    subset = dp.select(scores, "top", keep=0.5)
    known = np.where(np.arange(12) == 3, np.nan, scores.score)
    table = example_table(data, subset, scores=known, mean_prob=1 - known, why=[f'because "{i}"' for i in range(12)])
    write_examples(table, tmp_path / "examples.parquet")
    rows = {str(tmp_path / "photos" / row["name"]): row for row in table.to_pylist()}
    return tmp_path / "photos", tmp_path / "examples.parquet", rows


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lightly_studio_has_the_columns(photos, tmp_path):
    pytest.importorskip("lightly_studio")
    from lightly_studio import db_manager

    db_manager.connect(db_file=str(tmp_path / "studio.db"))
    folder, examples, rows = photos
    samples = {os.fspath(one.file_path_abs): one for one in example("with_lightly_studio").load(folder, examples)}
    assert set(samples) == set(rows)
    for path, row in rows.items():
        assert {name: samples[path].metadata[name] for name in ("score", "mean_prob", "kept", "why", "class")} == {
            name: row[name] for name in ("score", "mean_prob", "kept", "why", "class")
        }
        assert samples[path].tags == {"kept" if row["kept"] else "dropped"}


def test_fiftyone_reads_the_fields(photos):
    pytest.importorskip("fiftyone")
    from fiftyone.utils.csv import CSVDatasetImporter

    folder, examples, rows = photos
    reader = CSVDatasetImporter(**example("with_fiftyone").read(folder, examples))
    reader.setup()
    samples = {one.filepath: one for one in reader}
    assert set(samples) == set(rows)
    for path, row in rows.items():
        for name in ("score", "mean_prob", "kept", "why"):
            known = samples[path].has_field(name)  # a field that is left out is None once the sample is in a dataset
            assert (samples[path][name] if known else None) == row[name], name
        assert samples[path]["ground_truth"].label == row["class"]


def test_the_names_of_the_table_are_files_of_the_folder(photos):
    folder, examples, rows = photos
    assert all(Path(path).is_file() for path in rows)
    assert pq.read_schema(examples).field("score").type == "double"
    assert str(folder) == os.path.commonpath(rows)
