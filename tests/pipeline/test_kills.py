"""A command killed before any of its changes of the disk ends, called again, in the files of one that was not.

One cheap command, in one process that forks; `benchmarks/kills.py` kills others, and `prune` is in test_pruning.py.
"""

import json
from pathlib import Path

import pytest
from forked import run

SCRIPT = Path(__file__).parents[2] / "benchmarks/kills.py"
COMMANDS = ("score",)


@pytest.mark.slow
def test_killed_before_any_change_the_same_call_ends_in_the_same_files(tmp_path):
    out = tmp_path / "kills.json"
    done = run(tmp_path, SCRIPT, *COMMANDS, "--out", out)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert {name: one["wrong"] for name, one in found["commands"].items()} == {name: [] for name in COMMANDS}
    assert all(one["deaths"] >= 4 for one in found["commands"].values()), found
