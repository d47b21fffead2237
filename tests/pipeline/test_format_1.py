"""A run folder written by 0.1 (format 1) still opens, and every command works on it without training again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from shell import run

import datapare as dp
from datapare.pipeline.run_folder import RunFolder

FIXTURE = Path(__file__).parents[1] / "fixtures/format1"


@pytest.fixture
def old(tmp_path, monkeypatch):
    shutil.copytree(FIXTURE, tmp_path / "old")
    described = json.loads((tmp_path / "old/run/run.json").read_text())
    described["path"] = str(tmp_path / "old/table.csv")
    (tmp_path / "old/run/run.json").write_text(json.dumps(described))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "old/run"


def test_its_artifacts_load_with_the_words_of_now(old):
    folder = RunFolder.open(old)
    assert folder.open_options == {}
    assert len(folder.dataset) == len(folder.dynamics) == 40
    assert folder.dynamics.provenance.step == "record"
    assert "batch_size" in folder.dynamics.provenance.params
    assert set(folder.all_scores()) == {"dual", "el2n"}
    subset = folder.subset(0.5)
    assert len(subset) == 20
    assert subset.provenance.step == "select"
    assert subset.provenance.parents[0].params["window"] > 1
    assert folder.comparison.accuracy.shape == (len(folder.comparison.arms), len(folder.comparison.seeds))
    roles = dict(zip(folder.comparison.roles, folder.comparison.arms, strict=True))
    assert {role: arm.split()[0] for role, arm in roles.items()} == {
        "subset": "dual+beta",
        "random": "random",
        "full": "full",
    }
    assert folder.training_config.epochs >= folder.dynamics.epochs


def test_every_command_works_on_it_and_the_record_stays(old, capsys):
    before = {file: file.read_bytes() for file in (old / "dynamics").iterdir()}
    scored = dp.load(old / "scores-el2n")
    params = [f"--{name}={value}" for name, value in scored.provenance.params.items() if value is not None]
    for argv in (
        ["show", old],
        ["show", old / "keep-0.5/subset"],
        ["score", old, "--score", "el2n", *params],
        ["select", old, "--keep", 0.3, "--score", "el2n", "--rule", "top"],
        ["compare", old, "--keep", 0.3, "--seeds", 2, "--epochs", 1, "--test", old.parent / "test.csv"],
        ["report", old, "--keep", 0.3],
    ):
        code, _, complaint = run(capsys, *argv)
        assert code == 0, (argv, complaint)
    assert np.array_equal(dp.load(old / "scores-el2n").score, scored.score)
    assert {file: file.read_bytes() for file in (old / "dynamics").iterdir() if file.name != ".lock"} == before
