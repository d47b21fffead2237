"""Columns that count the rows, in whatever order and type, are never an input."""

import numpy as np
import pandas as pd
import pytest

from datapare.data import encode, open_dataset

N = 60
RNG = np.random.default_rng(0)
COUNTED = {
    "rising": np.arange(N),
    "from 7": np.arange(N) + 7,
    "falling": np.arange(N)[::-1],
    "shuffled": RNG.permutation(N),
    "shuffled from 1": RNG.permutation(N) + 1,
    "of every tenth": 10 * np.arange(N),
    "floats": RNG.permutation(N).astype(float),
    "texts": RNG.permutation(N).astype(str),
}
INDEXES = {
    "of a sample": np.sort(RNG.choice(1000, N, replace=False)),
    "joined": np.tile(np.arange(N // 2), 2),
    "drawn with replacement": RNG.integers(0, N, N),
}


def frame(name, values):
    columns = {name: values, "width": RNG.random(N).round(3), "legs": RNG.integers(0, 9, N), "label": np.arange(N) % 3}
    return pd.DataFrame(columns)


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("counted", COUNTED)
def test_numbers_of_the_rows_are_no_input_whatever_their_order(counted, ending, tmp_path):
    file, table = tmp_path / f"d.{ending}", frame("n", COUNTED[counted])
    if ending == "csv":
        table.to_csv(file, index=False)
    elif ending == "parquet":
        table.to_parquet(file)
    else:
        table.to_json(file, orient="records", lines=True)
    assert open_dataset(file).inputs == ("width", "legs")


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "level_0"])
@pytest.mark.parametrize("index", INDEXES)
def test_an_index_that_pandas_saved_is_no_input(index, name, tmp_path):
    frame(name, INDEXES[index]).to_csv(tmp_path / "d.csv", index=False)
    assert open_dataset(tmp_path / "d.csv").inputs == ("width", "legs")


@pytest.mark.parametrize("measured", [RNG.integers(0, N, N), np.arange(N) + 0.5, np.r_[np.arange(N - 1), N], [1] * N])
def test_measured_numbers_are_inputs(measured):
    assert open_dataset(frame("n", measured)).inputs == ("n", "width", "legs")


def test_the_widest_numbers_are_encoded_as_finite_ones():
    wide = np.where(np.arange(N) % 2, 1e308, -1e308)
    wide[3] = np.inf
    assert np.isfinite(encode(open_dataset(frame("wide", wide))).array).all()
