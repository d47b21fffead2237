"""Every command begins with what was read, and ends with the next command, which can be pasted as it is."""

import ast
import re
import shlex
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import typer
import typer.main
from shell import FAST

import datapare as dp
from datapare.cli import app

POINTS, RUN, PART = "my points.npz", "my points.npz.datapare", "a part"
RECORD = r"read my points.npz.datapare: record of 120 examples of 2 classes, 4 epochs of mlp: target_prob, margin"
DATA = r"read 120 embeddings of 2 classes \(arrays\): input x, label y"
SCORED = rf"{RECORD}.*\nread the scores dual: of 120 examples$"
CHOSEN = r"^read the subset keep-0.3: 36 of 120 examples, made with beta by dual \(window 3\), seed 0, c_d 5.5"
CALLS = [
    (("inspect", POINTS), r"source     .*my points.npz", f"prune '{POINTS}' --keep 0.3"),
    (("prune", POINTS, "--keep", 0.5, "--dry-run", "--epochs", 12), DATA, f"prune '{POINTS}' --keep 0.5 --epochs 12"),
    (("record", POINTS, "--channel", "embedding", *FAST), DATA, f"score '{RUN}'"),
    (("show", RUN), r"read my points.npz.datapare: run on 120 examples", f"score '{RUN}'"),
    (("score", RUN, "--window", 3), RECORD, f"select '{RUN}' --keep 0.3 --score dual"),
    (("score", RUN, "--all"), RECORD, f"select '{RUN}' --keep 0.3 --score aum"),
    (("show", f"{RUN}/scores-dual"), rf"read {RUN}/scores-dual: scores", f"select '{RUN}' --keep 0.3 --score dual"),
    (("select", RUN, "--keep", 0.3, "--rule", "beta", "--c-d", 5.5), SCORED, f"export '{RUN}' --keep 0.3"),
    (("select", RUN, "--keep", 9, "--name", "nine"), SCORED, f"export '{RUN}' --keep 9 --name nine"),
    (("score", RUN, "--score", "el2n"), RECORD, f"select '{RUN}' --keep 0.3 --name el2n --score el2n"),
    (("export", RUN, "--keep", 0.3), f"{RECORD}(?s:.*){CHOSEN}", f"compare '{RUN}' --keep 0.3"),
    (("report", RUN, "--keep", 0.3), f"{RECORD}(?s:.*){CHOSEN}", f"compare '{RUN}' --keep 0.3"),
    (("show", RUN), r"read my points.npz.datapare: run on 120 examples", f"compare '{RUN}' --keep 0.3"),
    (
        ("compare", RUN, "--keep", 0.3, "--seeds", 2, "--strategy", "none", "--epochs", 1),
        RECORD,
        f"report '{RUN}' --keep 0.3",
    ),
    (
        ("sweep", RUN, "--keep", 0.3, "--seeds", 2, "--epochs", 1, "--rule", "beta", "--c-d", 5.5),
        rf"{RECORD}.*\n{DATA}\nread the scores dual: of 120 examples$",
        f"select '{RUN}' --keep 0.3 --name dual --score dual --rule beta --c-d 5.5",
    ),
    (("label-issues", RUN), RECORD, f"select '{RUN}' --keep 0.9 --score dual --decisions '{RUN}/label"),
    (("measure", RUN), RECORD, f"report '{RUN}' --keep 0.3"),
    (("measure", POINTS, "--label", "y"), DATA, f"prune '{POINTS}' --keep 0.3 --dry-run --label y"),
    (("embed", RUN), RECORD, f"score '{RUN}' --all"),
    (("perturb", POINTS, "--out", "noisy"), DATA, "record noisy"),
    (("record", POINTS, "--fraction", 0.5, "--channel", "embedding", "--out", PART, *FAST), DATA, f"score '{PART}'"),
    (("score", PART, "--window", 3), r"read a part: record of", f"extrapolate '{PART}' --score dual"),
    (
        ("extrapolate", PART),
        r"read a part: record of .*\nread the scores dual: of 120 examples, 60 of them not scored",
        f"select '{PART}' --keep 0.3 --score dual+knn",
    ),
    (("methods",), "which method when", "methods dual"),
    (("methods", "semdedup"), "select method semdedup", "select --rule semdedup --help"),
    (("doctor",), r"datapare +\d", "demo"),
]


def call(argv):
    """Exit code and what was printed on standard output and error, of a call in this process."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            app.main([str(word) for word in argv])
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What all calls printed, made one after the other in a folder."""
    folder = tmp_path_factory.mktemp("lines")
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    np.savez(folder / POINTS, x=rng.normal(size=(120, 6)).astype(np.float32) + y[:, None], y=y)
    connected = []
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.socket.connect", lambda _, address: connected.append(address))
        patch.setattr("socket.getaddrinfo", lambda *address, **_: connected.append(address))
        made = [call(argv) for argv, _, _ in CALLS]
    assert not connected, "nothing is sent, and nobody is asked"
    return made


def check_accepted(command):
    """A pasted command is taken by the parser that takes all calls."""
    first, name, *words = shlex.split(command)
    assert first == "datapare"
    parsed = typer.main.get_command(app.build([name, *words])).commands[name]
    refused = False
    try:
        with redirect_stdout(StringIO()):
            parsed.make_context(name, words)
    except typer.Exit as stop:  # of --help
        refused = stop.exit_code != 0
    assert not refused


@pytest.mark.parametrize("number", range(len(CALLS)), ids=lambda number: " ".join(map(str, CALLS[number][0][:2])))
def test_the_first_lines_say_what_was_read_and_the_last_is_a_command_to_paste(told, number):
    _, reads, follows = CALLS[number]
    code, out, err = told[number]
    assert code == 0, err
    assert re.match(reads, out, re.MULTILINE), out
    last = out.splitlines()[-1]
    assert last.startswith(f"next: datapare {follows}"), last
    check_accepted(last.removeprefix("next: "))


def test_these_are_all_commands_and_each_says_what_comes_next():
    assert {argv[0] for argv, _, _ in CALLS} == {*app.names()} - {"demo"}  # which is prune on its own data, for longer
    for name, module in app.commands().items():
        tree = ast.parse(Path(module.__file__).read_text())
        called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
        assert "say_next" in called, name


def test_prune_names_the_comparison_and_the_held_out_split_where_a_folder_has_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("test", 20)):
        rows = [f"{rng.normal()},{rng.normal()},{i % 2}" for i in range(count)]
        (tmp_path / "rows").mkdir(exist_ok=True)
        (tmp_path / "rows" / f"{split}.csv").write_text("\n".join(["a,b,label", *rows]))
    code, out, err = call(["prune", "rows", "--keep", 0.5, "--window", 3, *FAST])
    assert code == 0, err
    assert out.startswith("read 60 rows of a table of 2 classes")
    assert out.splitlines()[-1] == "next: datapare compare rows.datapare --keep 0.5 --test rows"
    check_accepted(out.splitlines()[-1].removeprefix("next: "))
    assert len(dp.open_dataset("rows", split="test")) == 20


def test_neither_line_is_printed_with_quiet_and_both_on_standard_error_with_json(tmp_path):
    np.savez(tmp_path / "points.npz", x=np.eye(4), y=[0, 1, 0, 1])
    assert call(["inspect", tmp_path / "points.npz", "--quiet"]) == (0, "", "")
    code, out, err = call(["inspect", tmp_path / "points.npz", "--json"])
    assert code == 0
    assert out.startswith("{")
    assert err.splitlines()[-1].startswith("next: datapare prune")
