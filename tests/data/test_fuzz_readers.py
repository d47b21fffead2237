"""Changed bytes in a file of any format: it is read, or refused in one sentence, and never anything else."""

import os
import shutil
import warnings

import pytest
from mutations import mutate_one
from sources import FORMATS

from datapare.data import encode, open_dataset
from datapare.errors import DatapareError

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
