"""Whatever is damaged in a run folder, every command that reads it ends in one sentence or does its work again."""

import os
import shutil
from itertools import cycle, islice
from pathlib import Path

import pytest
from damages import UNREADABLE, damages, every_value_replaced, files_read, put
from shell import FAST, run
from sources import write_points

RUN = ("run", "--keep", 0.5)
COMPARE = ("--seeds", 2, "--epochs", 1)
RECORD = ("record", "points.npz", "--out", "run", *FAST, "--channel", "target_prob", "--channel", "embedding")
PRUNE = ("prune", "points.npz", "--keep", 0.5, "--out", "fresh", "--window", 3, "--score-fraction", 0.5, *FAST)
CALLS = (
    RECORD,
    ("score", "run", "--window", 3),
    ("select", *RUN),
    ("export", *RUN),
    ("report", *RUN),
    ("compare", *RUN, *COMPARE),
    ("label-issues", "run", "--method", "confidence"),
    ("embed", "run"),
    PRUNE,
)
READING = {
    **{call[0]: call for call in CALLS},
    "show": ("show", "run"),
    "show record": ("show", "run/dynamics"),
    "select another": ("select", "run", "--keep", 0.4),
    "export elsewhere": ("export", *RUN, "--out", "elsewhere"),
    "decisions": ("export", *RUN, "--decisions", "run/label-issues.csv", "--out", "decided"),
    "extrapolate": ("extrapolate", "fresh"),
    "measure": ("measure", "run"),
}


def whole_folder(place, capsys):
    """Two run folders with a result of every step."""
    os.chdir(place)
    write_points(place / "points.npz", 40)
    for call in CALLS:
        code, _, complaint = run(capsys, *call)
        assert code == 0, (call, complaint)
    return place


def trial(capsys, whole, place, call, file, content):
    """A command on a copy in which a file is damaged: its exit code and what it complains."""
    shutil.copytree(whole, place)
    os.chdir(place)
    put(place / file, content)
    code, told, complaint = run(capsys, *call)
    os.chdir(whole)
    shutil.rmtree(place)
    return code, told, complaint


def verdict(call, file, damage, outcome):
    """What is wrong with how a command took the damage; empty when nothing is."""
    code, told, complaint = outcome
    if code not in {0, 2} or "unexpected" in complaint or "Traceback" in complaint + told or "Aborted" in complaint:
        return f"{call[0]} {file} {damage}: exit code {code}: {complaint[-300:]}"
    text = complaint.replace("\n", "")
    named = str(file.name) in text or str(file.parent.name) in text
    if code == 2 and damage in UNREADABLE and not named:
        return f"{call[0]} {file} {damage}: the sentence does not name the file: {complaint[-300:]}"
    return ""


def reads(capsys, whole, place):
    """Which files of the run folders each command reads."""
    found = {}
    for name, call in READING.items():
        shutil.copytree(whole, place)
        os.chdir(place)
        found[name] = [f for f in files_read(lambda call=call: run(capsys, *call), place) if len(f.parts) > 1]
        os.chdir(whole)
        shutil.rmtree(place)
    return found


@pytest.fixture
def whole(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whole").mkdir()
    return whole_folder(tmp_path / "whole", capsys)


@pytest.mark.slow
def test_every_file_damaged_in_every_way_is_one_sentence_or_made_again(whole, capsys, tmp_path):
    readers: dict[Path, list[str]] = {}
    for name, files in reads(capsys, whole, tmp_path / "copy").items():
        for file in files:
            readers.setdefault(file, []).append(name)
    assert len(readers) > 40, "the commands read the files of every step"
    assert {file.suffix for file in readers} >= {".json", ".npy", ".csv"}
    wrong = []
    for turn, (file, names) in enumerate(sorted(readers.items())):
        kinds = list(damages(whole / file))
        if file.suffix == ".json":
            kinds += every_value_replaced(whole / file)
        name = cycle(names)
        for damage, content in islice(kinds, turn % 30, None, 30 if len(kinds) < 40 else 300):
            call = READING[next(name)]
            wrong.append(verdict(call, file, damage, trial(capsys, whole, tmp_path / "copy", call, file, content)))
    assert not any(wrong), "\n".join(filter(None, wrong))
    assert len(wrong) > 60
