"""What was read is said: format, files, columns, classes, and what was left out."""

import io
import json
import shlex

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageEnhance, ImageOps
from shell import run
from sources import FORMATS, put

from datapare.cli.app import main
from datapare.data import inspect, open_dataset
from datapare.data.leakage import near_duplicates
from datapare.errors import InputError

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


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


def test_of_many_files_the_first_and_the_number_are_named(tmp_path):
    for i in range(5):
        put(tmp_path / f"{i}.csv", b"text,label\na b,u\nc d,v\n")
    assert any("5 files" in line and line.endswith(" and 2 more") for line in str(inspect(tmp_path)).splitlines())


def main_exit(argv):
    try:
        main(argv)
    except SystemExit as stop:
        assert stop.code in {0, None}  # noqa: PT017 (typer exits)


def test_a_folder_of_several_tables_lists_the_command_for_each(tmp_path):
    put(tmp_path / "d" / "my x.csv", b"q,label\n" + b"1.5,0\n2.5,1\n" * 5)
    put(tmp_path / "d" / "y.csv", b"text,label\n" + b"some words,0\nmore words,1\n" * 5)
    with pytest.raises(InputError) as error:
        open_dataset(tmp_path / "d")
    commands = str(error.value).rstrip(".").partition(": ")[2].split(", or ")
    assert [shlex.split(one)[:2] for one in commands] == [["datapare", "inspect"]] * 2
    assert [len(open_dataset(shlex.split(one)[2])) for one in commands] == [10, 10]
    (tmp_path / "d" / "y.csv").unlink()
    put(tmp_path / "d" / "z.jsonl", b'{"text": "some words", "label": 1}\n')
    with pytest.raises(InputError, match=r"different formats \(.csv, .jsonl\).*datapare inspect .*z.jsonl"):
        open_dataset(tmp_path / "d")


def noisy(i, seed=0):
    """A picture of its own for each number, with noise of a seed."""
    grid = np.random.default_rng(i).integers(0, 256, (8, 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
    noise = np.random.default_rng(seed).integers(-3, 4, grid.shape)
    return Image.fromarray(np.clip(grid + noise, 0, 255).astype(np.uint8))


def test_near_duplicates_of_images_across_the_split_are_named(tmp_path):
    for i in range(20):
        place = tmp_path / "d" / "train" / "ab"[i % 2] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        noisy(i).save(place)
    for i in (3, 4, *range(30, 36)):  # two of the training images, smaller and compressed
        place = tmp_path / "d" / "test" / "ab"[i % 2] / f"t{i}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        noisy(i, 1).resize((48, 48)).save(place, quality=80)
    found = "\n".join(inspect(tmp_path / "d").notes)
    assert "2 of 8 held-out examples (test) have a near-duplicate in the training data" in found
    assert "a/t4.jpg (" in found
    assert "a/4.png)" in found
    pairs = near_duplicates(open_dataset(tmp_path / "d"), open_dataset(tmp_path / "d", split="test"))
    train, test = open_dataset(tmp_path / "d").name, open_dataset(tmp_path / "d", split="test").name
    assert {(test[i], train[j]) for i, j in pairs} == {
        ("test/a/t4.jpg", "train/a/4.png"),
        ("test/b/t3.jpg", "train/b/3.png"),
    }


@pytest.mark.parametrize(
    "change",
    [
        ImageOps.mirror, lambda one: ImageEnhance.Brightness(one).enhance(1.05),
        lambda one: one.convert("L").resize((32, 40)), lambda one: ImageEnhance.Contrast(one).enhance(0.8),
        lambda one: ImageEnhance.Brightness(one).enhance(0.8),
    ],
    ids=["mirrored", "brighter", "grey and squeezed", "less contrast", "darker"],
)  # fmt: skip
def test_an_altered_copy_of_an_image_is_found_and_others_are_not(change):
    grids = [np.random.default_rng(i).integers(0, 256, (4, 4, 3), dtype=np.uint8) for i in range(16)]
    smooth = [Image.fromarray(grid).resize((48, 48), Image.Resampling.BILINEAR) for grid in grids]
    flat = [Image.new("RGB", (48, 48), (shade,) * 3) for shade in (0, 120, 255)]
    train = [*smooth[:8], flat[0], flat[2]]
    held_out = [change(smooth[2]), *smooth[8:], flat[1]]
    pair = near_duplicates(of_images(train), of_images(held_out))
    assert pair.tolist() == [[0, 2]]


def of_images(pictures):
    cells = [{"bytes": encoded_png(one), "path": None} for one in pictures]
    table = pa.table({"image": pa.array(cells, IMAGE), "label": [i % 2 for i in range(len(cells))]})
    return open_dataset(table)


def encoded_png(picture):
    out = io.BytesIO()
    picture.save(out, "png")
    return out.getvalue()


def test_texts_and_groups_on_both_sides_of_a_split_are_named(tmp_path, capsys):
    rows = [f"Some words, about {i}!,{'ab'[i % 2]},p{i // 4}" for i in range(20)]
    rows = [f'"{text}",{rest}' for text, _, rest in (row.rpartition("!,") for row in rows)]
    put(tmp_path / "d" / "train.csv", "\n".join(["text,label,patient", *rows]).encode())
    put(tmp_path / "d" / "test.csv", b"text,label,patient\nsome words ABOUT 7,a,p4\nothers 3,b,q1\nothers 4,a,q2\n")
    notes = inspect(tmp_path / "d", group="patient").notes
    assert next(one for one in notes if "near-duplicate" in one).startswith("1 of 3 held-out examples (test)")
    assert "1 groups of 'patient' are in the training data and in the held-out data (test): p4" in "\n".join(notes)
    train = str(tmp_path / "d" / "train.csv")
    assert not [note for note in inspect(train).notes if "near-duplicate" in note]
    code, out, _ = run(capsys, "inspect", train, "--test", tmp_path / "d" / "test.csv")
    assert code == 0
    assert "1 of 3 held-out examples" in out


def test_every_command_that_reads_data_begins_with_what_was_read(tmp_path, capsys):
    rows = [f"{i % 5 / 10},{i % 7 / 10 + i % 2},{i % 2},g{i // 4}" for i in range(40)]
    put(tmp_path / "d.csv", "\n".join(["a,b,label,group", *rows]).encode())
    data, folder = str(tmp_path / "d.csv"), str(tmp_path / "run")
    read = "read 40 rows of a table of 2 classes (delimited): input a, b, label label"
    named = ["--input", "a", "--input", "b"]
    first = ["prune", data, "--keep", "0.5", "--out", folder, "--epochs", "4", "--window", "2", *named]
    commands = [
        first,
        ["record", data, "--out", str(tmp_path / "r"), "--epochs", "2", *named],
        ["measure", data, *named],
        ["perturb", data, "--out", str(tmp_path / "noisy"), *named],
        ["export", folder, "--keep", "0.5", "--out", str(tmp_path / "out")],
        ["report", folder, "--keep", "0.5", "--force"],
        ["label-issues", folder],
        ["sweep", folder, "--keep", "0.5", "--seeds", "1", "--epochs", "2"],
        ["compare", folder, "--keep", "0.5", "--seeds", "1", "--epochs", "2"],
    ]
    for command in commands:
        code, out, err = run(capsys, *command)
        assert code == 0, err
        shown = out.splitlines()
        assert shown.count(read) == 1, command
        place = shown.index(read)  # in a run folder after the record, and the subset that is used
        assert [line.partition(" ")[0] for line in shown[:place]] == ["read"] * place, command
        assert shown[place + 1] == "not read: group", command
