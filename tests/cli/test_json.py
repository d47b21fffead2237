"""`--json`: the result as one JSON object on standard output, all else on standard error."""

import ast
import inspect
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from shell import FAST, run

from datapare.artifacts import Scores
from datapare.cli import app
from datapare.cli.json_output import to_json
from datapare.cli.which_method import CASES
from datapare.errors import printable
from datapare.methods.registry import names
from datapare.storage import load


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("json")
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    np.savez(folder / "points.npz", x=rng.normal(size=(120, 6)).astype(np.float32) + y[:, None], y=y)
    return folder


def result_of(capsys, *argv):
    code, out, err = run(capsys, *argv, "--json")
    assert code == 0, err
    quiet_code, quiet_out, quiet_err = run(capsys, *argv, "--json", "--quiet")
    assert quiet_code == 0
    assert quiet_err == ""
    assert json.loads(quiet_out).keys() == json.loads(out).keys()
    return json.loads(out), err


def test_every_command_has_a_result_that_programs_read():
    for name, module in app.commands().items():
        tree = ast.parse(Path(module.__file__).read_text())
        called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
        assert "show_result" in called, name


def test_the_line_of_commands_speaks_json(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    made, told = result_of(capsys, "record", "points.npz", *FAST)
    assert (made["examples"], made["epochs"]) == (120, 4)
    assert "read 120 embeddings of 2 classes" in told
    scored, _ = result_of(capsys, "score", made["run"], "--window", 3)
    scores = load(Path(scored["scores"]["dual"]))
    assert isinstance(scores, Scores)
    assert scored["params"]["window"] == 3
    chosen, _ = result_of(capsys, "select", made["run"], "--keep", 0.3)
    assert (chosen["kept"], chosen["total"]) == (36, 120)
    held, _ = result_of(capsys, "show", chosen["subset"])
    assert held["artifact"] == "subset"
    assert held["arrays"]["index"]["shape"] == [36]
    assert made["dynamics"] in result_of(capsys, "show", made["run"])[0]["artifacts"]
    wrote, _ = result_of(capsys, "label-issues", made["run"], "--method", "confidence")
    assert Path(wrote["file"]).is_file()
    compared, told = result_of(capsys, "compare", made["run"], "--keep", 0.3, "--seeds", 2, "--epochs", 1)
    assert [arm["role"] for arm in compared["arms"]] == ["subset", "random", "full", *["strategy"] * 4]
    others = ["random+soft", "subset+soft", "random-redrawn", "short"]
    assert [arm["strategy"] for arm in compared["arms"][3:]] == others
    assert {n: len(costs) for n, costs in compared["trainings"].items()} == {"1": 7, "3": 7, "10": 7}
    assert compared["verdicts"][0]["random"]["outcome"] == "too few seeds"
    assert compared["verdicts"][0]["random"]["interval"] is None or "NaN" not in json.dumps(compared)
    assert "dual+mixed keep 0.3" in told


def test_what_is_looked_up_speaks_json(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert result_of(capsys, "inspect", "points.npz")[0]["classes"] == {"0": 60, "1": 60}
    assert result_of(capsys, "doctor")[0]["cores"].isdigit()
    (only,) = result_of(capsys, "methods", "dual")[0]["methods"]
    assert only["params"] == {"window": 10, "first": 0, "count": None}


def test_methods_for_a_kind_of_data_leave_out_what_it_lacks(capsys):
    named = {
        kind: {m["name"] for m in json.loads(run(capsys, "methods", "--for", kind, "--json", "--quiet")[1])["methods"]}
        for kind in ("text", "images", "tables", "embeddings")
    }
    assert {"puma", "fog"} <= named["images"]
    assert named["tables"] == named["embeddings"] == named["images"] - {
        "corruption", "fog", "gaussian_noise", "motion_blur", "occlusion", "resolution",
    }  # fmt: skip
    assert named["text"] == named["tables"] - {"puma"}
    code, out, _ = run(capsys, "methods", "--for", "texts")
    assert code == 0
    assert out.startswith("which method when")
    code, _, complaint = run(capsys, "methods", "--for", "videos")
    assert code == 2
    assert complaint == "datapare: expected --for as one of text, images, tables, embeddings, got 'videos'.\n"


def test_which_method_when_names_methods_that_exist_and_the_defaults_first():
    groups = {"--score": "score", "--rule": "select"}
    for case in CASES:
        words = case.flags.split()
        for flag, name in pairwise(words):
            if flag in groups:
                assert name in names(groups[flag]), case
    usual = inspect.signature(app.commands()["prune"].prune).parameters
    assert CASES[0].flags == f"--score {usual['score'].default} --rule {usual['rule'].default}"


def test_an_error_leaves_standard_output_empty(place, capsys):
    code, out, complaint = run(capsys, "inspect", place / "nothing.csv", "--json")
    assert (code, out) == (2, "")
    assert complaint.startswith("datapare: ")


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x7f", "\x9b2J", "\u202egnp", "\U000e0041", "\udcff", "ünd 日本 👩\u200d👧"]
)
def test_nothing_in_json_moves_the_cursor_or_turns_the_line(text):
    printed = to_json({text: [text]})
    assert json.loads(printed) == {text: [text]}
    assert all(printable(line) == line for line in printed.split("\n"))
    assert ("日本" in printed) == ("日本" in text)
