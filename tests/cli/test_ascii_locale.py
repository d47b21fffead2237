"""Where the locale knows ASCII alone, every command works on names, classes and texts of any letters."""

import csv
import json
import os
import subprocess
import sys

import pytest
from sources import encoded, put

LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
PROGRAM = """
import json, os, sys
import datapare.cli.app
datapare.cli.app.use_utf8()
import warm

assert sys.stdout.encoding == "ascii"
for number, call in enumerate(json.loads(sys.argv[1])):
    child = os.fork()
    if child == 0:
        for stream in (1, 2):
            os.dup2(os.open(f"told-{number}-{stream}", os.O_WRONLY | os.O_CREAT), stream)
        code = 0
        try:
            datapare.cli.app.main(call)
        except SystemExit as end:
            code = end.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # a usual end would take down all that was imported, for seconds
    with open(f"code-{number}", "w") as file:
        file.write(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""
CLASSES = ("żółw", "кот")
FAST = ("--epochs", "3", "--schedule-epochs", "6")
CALLS = (
    ("inspect", "фото"),
    ("record", "фото", "--out", "запись", *FAST, "--model", "resnet8", "--channel", "embedding", "--channel",
     "logit_mean"),
    ("show", "запись"),
    ("score", "запись", "--window", "2"),
    ("score", "запись", "--all"),
    ("select", "запись", "--keep", "0.5"),
    ("export", "запись", "--keep", "0.5", "--as", "index", "--out", "список"),
    ("export", "запись", "--keep", "0.5", "--out", "мало"),
    ("label-issues", "запись", "--method", "confidence", "--out", "спорные.csv"),
    ("select", "запись", "--keep", "0.25", "--decisions", "спорные.csv"),
    ("report", "запись", "--keep", "0.5", "--out", "отчёт.html"),
    ("compare", "запись", "--keep", "0.5", "--seeds", "2", "--epochs", "1"),
    ("sweep", "запись", "--keep", "0.5", "--seeds", "2", "--epochs", "1"),
    ("embed", "запись"),
    ("measure", "запись", "--shots", "2"),
    ("prune", "слова.csv", "--keep", "0.5", "--label", "класс", "--score-fraction", "0.5", "--window", "2", *FAST),
    ("extrapolate", "слова.csv.datapare", "--k", "3"),
    ("perturb", "слова.csv", "--label", "класс", "--out", "иначе"),
    ("methods",),
    ("doctor",),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which all calls were made."""
    at = tmp_path_factory.mktemp("место")
    for i in range(16):
        put(at / "фото" / CLASSES[i % 2] / f"снимок {i}.png", encoded(i))
    with (at / "слова.csv").open("w", encoding="utf-8", newline="") as file:
        rows = ([f"слово ü номер {i} {'да' if i % 2 else 'нет'}", CLASSES[i % 2]] for i in range(24))
        csv.writer(file).writerows([["текст", "класс"], *rows])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(CALLS)], cwd=at, check=False, capture_output=True, text=True,
        env={**os.environ, **LOCALE, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return at


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(CALLS)), ids=lambda number: CALLS[number][0])
def test_a_command_works(folder, number):
    told = [(folder / f"told-{number}-{stream}").read_bytes() for stream in (1, 2)]
    assert (folder / f"code-{number}").read_text() == "0", told
    assert "Traceback" not in told[1].decode()


def test_files_hold_the_letters_as_they_are(folder):
    assert {path.name for path in (folder / "мало").iterdir()} <= {*CLASSES}
    kept = (folder / "список/keep.txt").read_text(encoding="utf-8")
    assert "снимок" in kept
    assert CLASSES[0] in (folder / "отчёт.html").read_text(encoding="utf-8")
    assert (folder / "спорные.csv").read_text(encoding="utf-8").startswith("key,name,")
