"""Ray Train starts the processes of one recording, which make the record that `processes=2` makes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import datapare as dp

pytest.importorskip("ray")
EXAMPLE = Path(__file__).parents[2] / "examples" / "with_ray_train.py"


@pytest.mark.slow
def test_ray_train_launches_a_recording_by_two_workers(tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as short:  # names of sockets are short
        own = {"RAY_TMPDIR": short, "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, EXAMPLE, tmp_path], env={**os.environ, **own}, capture_output=True, text=True, check=False
        )
    if "timed out during startup" in done.stderr:
        pytest.skip("Ray gives up where its agents are not up within 15 seconds")
    assert "recorded 2 epochs of 1,797 digits, workers: 2" in done.stdout, done.stderr
    made = dp.load(tmp_path / "dynamics")
    assert made.provenance.params["processes"] == 2
    assert np.isfinite(made.channels["target_prob"]).all()
    here = dp.record(tmp_path / "digits.npz", epochs=2, processes=2, progress=False)
    np.testing.assert_array_equal(made.channels["target_prob"], here.channels["target_prob"])
