"""The script for a machine with a GPU: its commands exist, a toy piece runs anywhere, and a call goes on later."""

import importlib.util
import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import typer.main

from datapare.cli import app

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def gpu():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("benchmarks_gpu", BENCHMARKS / "gpu.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


@pytest.mark.parametrize("toy", [False, True])
def test_its_commands_can_be_parsed(gpu, toy, tmp_path):
    for name, arguments in gpu.commands(Namespace(work=tmp_path, toy=toy)).items():
        argv = [name, *map(str, arguments)]
        group = typer.main.get_command(app.build(argv))
        context = group.commands[name].make_context(name, argv[1:])
        assert not context.args


def test_a_toy_piece_is_written_once_and_a_call_without_time_says_so(gpu, tmp_path, monkeypatch, capsys):
    out = tmp_path / "gpu.json"
    call = ["gpu.py", "nowhere", "--toy", "--work", str(tmp_path / "work"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [*call, "--piece", "speed"])
    assert gpu.main() == 0
    done = out.read_bytes()
    found = json.loads(done)["pieces"]["speed"]
    assert found["ours"] > 0
    assert found["plain"] > 0
    assert gpu.main() == 0
    assert out.read_bytes() == done
    monkeypatch.setattr(sys, "argv", [*call, "--piece", "record", "--seconds", "1"])
    assert gpu.main() == gpu.PAUSED
    assert "the same call goes on" in capsys.readouterr().out
    assert out.read_bytes() == done
