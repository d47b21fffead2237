"""The example of the reader's own training loop runs, twice, as the documentation says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import datapare as dp

EXAMPLE = Path(__file__).parents[2] / "examples" / "plain_pytorch.py"


@pytest.mark.slow
def test_the_plain_pytorch_example_prunes_and_finds_its_record_again(tmp_path):
    env = {**os.environ, "OMP_NUM_THREADS": "1"}  # so small a network only waits for a second thread
    first, again = (
        subprocess.run([sys.executable, EXAMPLE, tmp_path], check=True, capture_output=True, text=True, env=env).stdout
        for _ in range(2)
    )
    assert "keep 377, drop 880 of 1,257" in first
    assert first == again
    dynamics = dp.load(tmp_path / "dynamics")
    assert (dynamics.epochs, len(dynamics)) == (10, 1257)
    assert len(dp.load(tmp_path / "subset")) == 377
