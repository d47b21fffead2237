"""Random flags of every command: an exit code that is documented, and never a traceback."""

import os
import shutil

import pytest
from calls import calls, names
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shell import FAST, run
from sources import write_points

EXAMPLES = int(os.environ.get("DATAPARE_FUZZ", "3"))  # of each command; benchmarks/fuzz.py makes many more
MADE = (
    ("record", "points.npz", "--out", "run", *FAST),
    ("score", "run", "--window", 3),
    ("select", "run", "--keep", 0.5),
    ("label-issues", "run", "--method", "confidence"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tmp_path_factory.mktemp("whole")


@pytest.fixture
def folder(whole, tmp_path, monkeypatch, capsys):
    """A folder with a dataset, a run, garbage and nothing."""
    if not (whole / "run").exists():
        monkeypatch.chdir(whole)
        write_points(whole / "points.npz", 24)
        for call in MADE:
            assert run(capsys, *call)[0] == 0
        (whole / "garbage.csv").write_bytes(bytes(range(256)))
        (whole / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", names())
def test_any_flags_end_in_a_documented_exit_code(name, whole, folder, capsys):
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def check(data):
        argv = data.draw(calls(name))
        shutil.copytree(whole, folder / "at")
        os.chdir(folder / "at")
        try:
            code, told, complaint = run(capsys, *argv)
        finally:
            os.chdir(folder)
            shutil.rmtree(folder / "at")
        assert code in {0, 1, 2, 3}, (argv, code)
        assert "unexpected" not in complaint, (argv, complaint)
        assert "Traceback" not in complaint + told, (argv, complaint)
        assert code == 0 or complaint.strip() or told.strip(), (argv, "no word of why")

    check()
