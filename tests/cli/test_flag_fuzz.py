"""Flags of every kind of value: a command does what it is asked or says why not, and touches nothing else.

A few calls of cheap commands; `benchmarks/flag_fuzz.py` tries many, of all commands.
"""

import json
import sys
from pathlib import Path

import pytest
from forked import run

SCRIPT = Path(__file__).parents[2] / "benchmarks/flag_fuzz.py"
COMMANDS = ("inspect", "score", "select", "export", "label-issues", "report")


def test_calls_of_any_kind_end_as_documented(tmp_path):
    done = run(tmp_path, SCRIPT, *COMMANDS, "--examples", 3, "--out", tmp_path / "fuzz.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "fuzz.json").read_text())["commands"]
    assert {name: one["wrong"] for name, one in found.items()} == {name: {} for name in COMMANDS}
    assert all(one["calls"] >= 3 for one in found.values())
    assert any("0" in one["codes"] for one in found.values()), "some calls do something"


@pytest.mark.parametrize(
    ("code", "told", "after", "what"),
    [
        (1, "datapare: no\n", {}, "exit code 1"),
        (-9, "", {}, "exit code -9"),
        (0, "Traceback (most recent call last)", {}, "Traceback"),
        (2, "", {}, "without a sentence"),
        (0, "", {"mine.txt": b"other"}, "mine.txt has changed"),
        (0, "", {"out/new": b""}, ""),
        (0, "", {"more": b""}, "more has changed"),
        (0, "", {}, ""),
    ],
)
def test_what_is_wrong_is_noticed(code, told, after, what):
    sys.path.insert(0, str(SCRIPT.parent))
    from flag_fuzz import fault

    before = {"mine.txt": b"years of work"}
    found = fault(["report", "run", "--out", "out"], code, told, before, before | after)
    assert (what in found) if what else not found
