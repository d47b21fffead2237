"""What was read is said: format, files, columns, classes, and what was left out."""

import json

from sources import FORMATS, put

from datapare.cli.app import main
from datapare.data import inspect, open_dataset


def test_a_table_says_its_columns_and_why_others_are_not_read(tmp_path):
    rows = [f"{i},good film {i},a.mp3,{'abcdefg'[i % 7]},,u{i}" for i in range(21)]
    put(tmp_path / "d" / "train.csv", "\n".join(["index,text,sound,label,nothing,id", *rows]).encode())
    put(tmp_path / "d" / "test.csv", b"")
    put(tmp_path / "d" / "README.md", b"")
    found = inspect(tmp_path / "d")
    assert (found.format, found.files, found.split, found.label, found.id) == (
        "delimited",
        ("train.csv",),
        "train",
        "label",
        "id",
    )
    assert found.inputs == {"text": "text"}
    assert found.columns_not_read == {"index": "row numbers", "sound": "file names", "nothing": "empty"}
    assert found.classes == dict.fromkeys("abcdefg", 3)
    assert found.carried == {".csv": 1, ".md": 1}
    text = repr(found)
    assert "classes    7: a (3), b (3), c (3), d (3), e (3), …; smallest" in text
    assert "carried    2 other files (.csv 1, .md 1)" in text
    assert found.summary() == [
        "read 21 texts of 7 classes (delimited): input text, label label, id id",
        "not read: index (row numbers), sound (file names), nothing (empty)",
    ]


def test_unreadable_images_and_files_of_other_kinds_are_listed(tmp_path):
    source = FORMATS["image_folder"](tmp_path)
    put(source / "bee" / "broken.png", b"nothing")
    put(source / "bee" / "phone.heic", b"nothing")
    found = inspect(source)
    assert found.unreadable == {"bee/broken.png": "it is no image that can be read"}
    assert found.carried[".heic"] == 1
    assert any("heic" in note for note in found.notes)
    assert inspect(open_dataset(source, on_bad_example="skip")).examples == found.examples


def test_every_source_is_inspected(tmp_path):
    for name in FORMATS:
        at = tmp_path / name
        at.mkdir()
        found = inspect(FORMATS[name](at))
        assert found.examples == sum(found.classes.values()) == 24
        assert repr(found)
        assert found.summary()[0].startswith("read 24 ")


def test_the_command_prints_the_facts(tmp_path, capsys):
    put(tmp_path / "t.jsonl", "".join(json.dumps({"text": f"a {i}", "label": i % 2}) + "\n" for i in range(6)).encode())
    main_exit(["inspect", str(tmp_path / "t.jsonl")])
    assert "classes    2: 0 (3), 1 (3)" in capsys.readouterr().out


def main_exit(argv):
    try:
        main(argv)
    except SystemExit as stop:
        assert stop.code in {0, None}  # noqa: PT017 (typer exits)
