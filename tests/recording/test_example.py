"""The example of the reader's own training loop runs, twice, as the documentation says."""

from pathlib import Path

import pytest
from forked import run

import datapare as dp

EXAMPLE = Path(__file__).parents[2] / "examples" / "plain_pytorch.py"


@pytest.mark.slow
def test_the_plain_pytorch_example_prunes_and_finds_its_record_again(tmp_path):
    first, again = (run(tmp_path, EXAMPLE, tmp_path / "run").stdout for _ in range(2))
    assert "keep 377, drop 880 of 1,257" in first
    assert first == again
    dynamics = dp.load(tmp_path / "run/dynamics")
    assert (dynamics.epochs, len(dynamics)) == (10, 1257)
    assert len(dp.load(tmp_path / "run/subset")) == 377
