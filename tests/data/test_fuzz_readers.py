"""Changed bytes in a file of any format: it is read, or refused in one sentence, and never anything else."""

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from mutations import mutate_one
from sources import FORMATS

from datapare.data import encode, open_dataset
from datapare.data.formats import delimited
from datapare.errors import DatapareError, InputError

ON_DISK = [name for name in FORMATS if name not in {"hub_object", "pair"}]
TRIALS = int(os.environ.get("DATAPARE_FUZZ", "6"))


@pytest.mark.parametrize("name", ON_DISK)
def test_changed_bytes_are_read_or_refused(name, tmp_path):
    whole = FORMATS[name](tmp_path)
    whole = whole if whole.exists() else whole.parent  # a pattern of file names
    for seed in range(TRIALS):
        copy = tmp_path / "copy" / whole.name
        if whole.is_dir():
            shutil.copytree(whole, copy)
        else:
            copy.parent.mkdir()
            shutil.copy2(whole, copy)
        file = mutate_one(copy, seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                encode(open_dataset(copy, on_bad_example=("fail", "skip")[seed % 2]))
        except DatapareError:
            pass
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}, {file.name}: {type(error).__name__}: {error}") from error
        finally:
            shutil.rmtree(tmp_path / "copy")


@pytest.mark.parametrize("seed", range(3))
def test_where_each_row_is_a_line_records_are_cut_as_they_were_parsed(seed):
    rng = np.random.default_rng(seed)
    parts = ['"', ",", "\n", "a", '""', '"a"', 'a"', '"a,', '\n"', "\r\n"]
    found = 0
    for _ in range(1500):
        content = ("x,y\n" + "".join(rng.choice(parts, rng.integers(3, 15)))).encode()
        try:
            rows = delimited._parsed(content, ",", {"x", "y"}, Path("d.csv")).num_rows
        except InputError:
            continue
        if delimited._has_a_record_per_line(content, rows):
            found += 1
            assert len(delimited.record_bounds(content, ",", Path("d.csv"))) == rows + 1
    assert found > 50
