"""Lists with absolute paths of another machine, or URLs: they mean the files here that end alike, or are refused."""

import json

import pytest
from sources import encoded, put

from datapare.artifacts import Subset
from datapare.data import export, open_dataset
from datapare.errors import InputError

NAMES = [f"{'ab'[i % 2]}/{i}.png" for i in range(8)]
KEPT = [0, 1, 4, 5]
ROOTS = ("/home/other/pets", "D:\\pets", "gs://bucket/pets", "../pets")


def listed(form, names):
    labels = [f"c{i % 2}" for i in range(len(names))]
    if form == "csv":
        return "path,label\n" + "".join(f"{name},{one}\n" for name, one in zip(names, labels, strict=True))
    if form == "txt":
        return "".join(f"{name} {one}\n" for name, one in zip(names, labels, strict=True))
    rows = [{"file_name": name, "label": one} for name, one in zip(names, labels, strict=True)]
    return json.dumps(rows) if form == "json" else "".join(json.dumps(row) + "\n" for row in rows)


def images(root, names=NAMES):
    for i, name in enumerate(names):
        put(root / name, encoded(i))
    return root


def below(other, names=NAMES):
    return [f"{other}/{name}".replace("/", "\\") if "\\" in other else f"{other}/{name}" for name in names]


@pytest.mark.parametrize("form", ["csv", "txt", "jsonl", "json"])
@pytest.mark.parametrize("other", ROOTS)
def test_absolute_names_of_another_machine_mean_the_files_that_end_alike(form, other, tmp_path):
    names = below(other)
    put(images(tmp_path / "d") / f"labels.{form}", listed(form, names).encode())
    data = open_dataset(tmp_path / "d")
    assert list(data.name) == NAMES
    assert f"the list names files elsewhere, such as {names[0]}: read as {NAMES[0]} of this folder" in data.notes
    again = open_dataset(export(data, Subset(index=KEPT, total=8), tmp_path / "out"))
    assert list(again.name) == [NAMES[i] for i in KEPT]


@pytest.mark.parametrize("form", ["txt", "json", "csv"])
def test_lists_beside_class_folders_lose_absolute_names_of_dropped_images(form, tmp_path):
    names = below("/home/other/pets")
    content = {"txt": "\n".join(names), "json": json.dumps(names), "csv": "\n".join(["file_name,size", *names])}[form]
    put(images(tmp_path / "d") / f"list.{form}", content.encode())
    data = open_dataset(tmp_path / "d", label="label")
    at = [data.name.index(NAMES[i]) for i in KEPT]
    out = export(data, Subset(index=sorted(at), total=8), tmp_path / "out")
    there = (out / f"list.{form}").read_text()
    assert [name for name in names if name in there] == [names[i] for i in KEPT]


@pytest.mark.parametrize(
    ("here", "names"),
    {
        "two files end alike": (["x/0.png", "y/0.png", "x/1.png", "y/1.png"], ["/o/0.png", "/o/1.png"]),
        "of another split": (["train/a/0.png", "train/b/1.png"], ["/o/val/a/0.png", "/o/val/b/1.png"]),
        "not here": (["a/0.png", "b/1.png"], ["/o/a/7.png", "/o/b/8.png"]),
    }.values(),
    ids=lambda _: "",
)
def test_absolute_names_that_mean_no_file_or_several_are_refused(here, names, tmp_path):
    put(images(tmp_path / "d", here) / "labels.csv", listed("csv", names).encode())
    with pytest.raises(InputError, match="is not inside"):
        open_dataset(tmp_path / "d")


def test_a_file_missing_here_is_no_other_file_of_its_name(tmp_path):
    names = [f"{folder}/{i}.png" for folder in "ab" for i in range(4)]
    images(tmp_path / "d", names[:-1])  # b/3.png is missing, and a/3.png is there
    put(tmp_path / "d/labels.csv", listed("csv", below("/o", names)).encode())
    with pytest.raises(InputError, match=r"1 of 8 examples cannot be read \(b/3.png"):
        open_dataset(tmp_path / "d")
