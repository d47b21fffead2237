"""Columns that say the split of each row, and tables of ids that do."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datapare.artifacts import Subset
from datapare.data import export, images, inspect, open_dataset
from datapare.errors import InputError

N = 24
ROWS = [{"width": i * 0.37, "legs": i * i % 7, "label": "ab"[i % 2]} for i in range(N)]
IS_TRAIN = [i % 3 != 0 for i in range(N)]
MARKS = {
    "split": ["train" if one else "test" for one in IS_TRAIN],
    "Split": ["training" if one else "val" for one in IS_TRAIN],
    "Usage": ["Training" if one else "PublicTest" for one in IS_TRAIN],
    "subset": ["train" if one else "dev" for one in IS_TRAIN],
    "is_train": [int(one) for one in IS_TRAIN],
    "is_training_img": [int(one) for one in IS_TRAIN],
    "isTrain": IS_TRAIN,
    "is_test": [int(not one) for one in IS_TRAIN],
    "is_val": [str(not one) for one in IS_TRAIN],
}
VAGUE = {
    "fold": [i % 5 for i in range(N)],
    "is_valid": [i % 4 == 0 for i in range(N)],
    "partition": [i % 3 for i in range(N)],
    "split": ["a" if i % 3 else None for i in range(N)],
    "kfold": [i * 7 % 4 for i in range(N)],
}
WRITERS = {
    "t.csv": lambda f, p: f.to_csv(p, index=False), "t.jsonl": lambda f, p: f.to_json(p, orient="records", lines=True),
    "t.parquet": lambda f, p: f.to_parquet(p, index=False), "t.feather": lambda f, p: f.to_feather(p),
}  # fmt: skip
READERS = {
    "t.csv": pd.read_csv, "t.jsonl": lambda p: pd.read_json(p, lines=True), "t.parquet": pd.read_parquet,
    "t.feather": pd.read_feather,
}  # fmt: skip


def frame(**more):
    return pd.DataFrame(ROWS).assign(**more)


@pytest.mark.parametrize("column", MARKS)
@pytest.mark.parametrize("name", WRITERS)
def test_a_column_that_says_the_split_chooses_rows_and_is_no_input(name, column, tmp_path):
    made = frame(**{column: MARKS[column]})
    WRITERS[name](made, tmp_path / name)
    data = open_dataset(tmp_path / name)
    assert data.row.tolist() == np.flatnonzero(IS_TRAIN).tolist()
    assert data.inputs == ("width", "legs")
    assert f"the column {column!r} says the split: 16 rows are of train" in data.notes[0]
    out = export(data, Subset(np.arange(0, len(data), 2), len(data)), tmp_path / f"out{(tmp_path / name).suffix}")
    kept = {*data.row[::2].tolist()} | {i for i in range(N) if not IS_TRAIN[i]}
    pd.testing.assert_frame_equal(
        READERS[name](out), READERS[name](tmp_path / name).iloc[sorted(kept)].reset_index(drop=True)
    )
    again = open_dataset(out)
    assert len(again) == 8
    assert {*again.key.tolist()} <= {*data.key.tolist()}


def test_the_other_split_is_read_by_its_name_and_a_third_is_refused(tmp_path):
    frame(split=MARKS["split"]).to_csv(tmp_path / "t.csv", index=False)
    assert len(open_dataset(tmp_path / "t.csv", split="test", classes=("a", "b"))) == 8
    with pytest.raises(InputError, match="names the splits test, train, but no 'validation'"):
        open_dataset(tmp_path / "t.csv", split="validation")
    assert len(open_dataset(frame(split=MARKS["split"]))) == 16


@pytest.mark.parametrize("column", VAGUE)
def test_what_is_called_like_a_split_and_names_none_is_said_and_no_input(column, tmp_path):
    frame(**{column: VAGUE[column]}).to_parquet(tmp_path / "t.parquet", index=False)
    data = open_dataset(tmp_path / "t.parquet")
    assert (len(data), data.inputs) == (N, ("width", "legs"))
    assert f"{column}: called like a split, but does not name any" in data.notes[0]
    named = open_dataset(tmp_path / "t.parquet", input=["width", "fold"]) if column == "fold" else None
    assert named is None or named.inputs == ("width", "fold")


@pytest.mark.parametrize("column", ["set", "usage", "phase"])
def test_numbers_and_words_that_name_no_split_are_inputs(column, tmp_path):
    frame(**{column: [i * 1.5 for i in range(N)]}).to_csv(tmp_path / "t.csv", index=False)
    data = open_dataset(tmp_path / "t.csv")
    assert data.inputs == ("width", "legs", column)
    assert data.notes == ()


def birds(root, count=12):
    """As in CUB-200-2011: tables of ids beside the folder of images."""
    names = [f"00{i % 3 + 1}.bird_{i % 3}/b_{i}.jpg" for i in range(count)]
    for i, name in enumerate(names):
        place = root / "images" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), 20 * i, np.uint8)).save(place)
    (root / "parts").mkdir()
    ids = [3 * i + 1 for i in range(count)]
    tables = {
        "images.txt": [f"{one} {name}" for one, name in zip(ids, names, strict=True)],
        "image_class_labels.txt": [f"{one} {i % 3 + 1}" for i, one in enumerate(ids)],
        "train_test_split.txt": [f"{one} {int(i < 9)}" for i, one in enumerate(ids)],
        "bounding_boxes.txt": [f"{one} 60.0 27.0 325.0 304.0" for one in ids],
        "parts/part_locs.txt": [f"{one} {part} 0.0 0.0 0" for one in ids for part in (1, 2)],
        "classes.txt": [f"{i + 1} 00{i + 1}.bird_{i}" for i in range(3)],
        "parts/parts.txt": ["1 back", "2 beak"],
    }
    for name, lines in tables.items():
        (root / name).write_text("".join(line + "\n" for line in lines))
    return names, ids


def read_as_usual(root, train):
    """What the usual reader of CUB-200 does: join the tables by id."""

    def table(name, columns):
        return pd.read_csv(root / name, sep=" ", names=["id", *columns])

    joined = table("images.txt", ["path"]).merge(table("image_class_labels.txt", ["target"]), on="id")
    joined = joined.merge(table("train_test_split.txt", ["train"]), on="id").merge(
        table("bounding_boxes.txt", list("xywh")), on="id"
    )
    joined = joined[joined.train == int(train)]
    assert all((root / "images" / path).is_file() for path in joined.path)
    return {path: target - 1 for path, target in zip(joined.path, joined.target, strict=True)}


def test_tables_of_ids_say_the_split_and_are_kept_right(tmp_path):
    names, _ = birds(tmp_path / "d")
    data = open_dataset(tmp_path / "d")
    found = {name.removeprefix("images/"): label for name, label in zip(data.name, data.label.tolist(), strict=True)}
    assert found == read_as_usual(tmp_path / "d", train=True)
    assert len(open_dataset(tmp_path / "d", split="test", classes=data.classes)) == 3
    with pytest.raises(InputError, match="say the splits test, train, but no 'validation'"):
        open_dataset(tmp_path / "d", split="validation")
    assert "the card or a list, they are of other splits" in "".join(inspect(data).notes)
    out = export(data, Subset(np.array([0, 1, 3, 4, 6, 7]), 9), tmp_path / "out")
    kept = {data.name[i].removeprefix("images/") for i in (0, 1, 3, 4, 6, 7)}
    assert {*read_as_usual(out, train=True)} == kept
    assert {*read_as_usual(out, train=False)} == {*names[9:]}
    assert len((out / "parts" / "part_locs.txt").read_text().splitlines()) == 2 * 9
    for name in ("classes.txt", "parts/parts.txt"):
        assert (out / name).read_bytes() == (tmp_path / "d" / name).read_bytes()
    assert len(open_dataset(out)) == 6


def test_features_with_a_line_for_each_text_are_kept_right(tmp_path):
    rating = {"pos": [7, 9, 10, 8, 7, 10], "neg": [1, 3, 2, 4, 1, 3], "unsup": [0] * 4}
    for name, stars in rating.items():
        (tmp_path / "d" / "train" / name).mkdir(parents=True)
        for i, one in enumerate(stars):
            (tmp_path / "d" / "train" / name / f"{i}_{one}.txt").write_text(f"words {name} {i}")
    lines = [f"{one} 0:{i + 1}\n" for name in ("pos", "neg") for i, one in enumerate(rating[name])]
    (tmp_path / "d" / "train" / "labeledBow.feat").write_text("".join(lines))
    (tmp_path / "d" / "train" / "unsupBow.feat").write_text("0 0:1\n" * 4)
    data = open_dataset(tmp_path / "d")
    keep = [i for i, name in enumerate(data.name) if name.endswith(("_7.txt", "_1.txt", "_3.txt"))]
    out = export(data, Subset(np.array(keep), len(data)), tmp_path / "out")
    said = [line for line in lines if line.split()[0] in {"7", "1", "3"}]
    assert (out / "train" / "labeledBow.feat").read_text() == "".join(said)
    assert (out / "train" / "unsupBow.feat").read_text() == "0 0:1\n" * 4


def test_spaces_before_quotation_marks_are_refused_in_words(tmp_path):
    (tmp_path / "t.csv").write_text('text, label\n"a, b", x\nplain, "y, z"\nplain, x\n')
    with pytest.raises(InputError, match="spaces before quotation marks, which then quote nothing"):
        open_dataset(tmp_path / "t.csv")


def test_keys_are_made_when_they_are_asked_for_and_once(tmp_path):
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(one) + "\n" for one in ROWS))
    data = open_dataset(tmp_path / "t.jsonl")
    assert "key" not in vars(data.identity)
    assert data.digest == open_dataset(pd.DataFrame(ROWS)).digest
    assert data.key is data.key


def test_a_table_of_a_thousand_columns_is_opened_without_a_copy_of_all_for_each(tmp_path):
    wide = pd.DataFrame({f"pixel{i}": [i * j % 255 for j in range(9)] for i in range(1000)}).assign(label=[0, 1, 2] * 3)
    wide.to_parquet(tmp_path / "wide.parquet")
    data = open_dataset(tmp_path / "wide.parquet")
    assert len(data.inputs) == 1000
    assert ", pixel23 (int64) and 976 more" in repr(inspect(data))


def pictures(root, count=12, *, flat=False):
    """A folder for each of two classes, or one for all, and the names of the images in it."""
    names = [f"{'' if flat else 'cat/' if i % 2 else 'dog/'}{i}.png" for i in range(count)]
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), 20 * i, np.uint8)).save(root / name)
    return names


@pytest.mark.parametrize(
    "lists", [("train.txt", "test.txt"), ("meta/train.txt", "meta/test.txt"), (None, "test_list.txt")]
)
@pytest.mark.parametrize("named", ["folders", "labels.csv"])
@pytest.mark.parametrize("ending", [".png", ""])
def test_lists_of_splits_choose_images(lists, named, ending, tmp_path):
    names = pictures(tmp_path / "d" / "images")
    for name, some in zip(lists, (names[:8], names[8:]), strict=True):
        if name is not None:
            (tmp_path / "d" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "d" / name).write_text("".join(one.removesuffix(".png") + ending + "\n" for one in some))
    if named == "labels.csv":
        rows = [f"images/{one},{one[:3]}" for one in names]
        (tmp_path / "d" / "labels.csv").write_text("\n".join(["file_name,label", *rows]))
    data = open_dataset(tmp_path / "d")
    assert {*data.name} == {f"images/{one}" for one in names[:8]}
    assert any("say the split: 8 images are of train" in note for note in data.notes)
    assert len(open_dataset(tmp_path / "d", split="test", classes=data.classes)) == 4
    with pytest.raises(InputError, match="say the splits test, train, but no 'validation'"):
        open_dataset(tmp_path / "d", split="validation", classes=data.classes)
    out = export(data, Subset(np.array([0, 1, 6, 7]), 8), tmp_path / "out")
    assert len(open_dataset(out)) == 4
    assert len(open_dataset(out, split="test", classes=data.classes)) == 4


def test_several_lists_of_one_split_choose_nothing_and_are_said(tmp_path):
    names = pictures(tmp_path / "d" / "images")
    for i in (1, 2):
        (tmp_path / "d" / f"train{i}.txt").write_text("\n".join(names[i::3]))
    data = open_dataset(tmp_path / "d")
    assert len(data) == 12
    assert "train1.txt, train2.txt list images of splits in several ways" in data.notes[0]


@pytest.mark.parametrize("prefix", ["images/", "/home/me/pets/images/", "C:\\pets\\images\\"])
@pytest.mark.parametrize("stored", ["text", "struct"])
def test_parquet_that_names_images_of_its_folder_is_read(prefix, stored, tmp_path):
    names = pictures(tmp_path / "d" / "images", flat=stored == "struct")
    paths = [prefix + (name.replace("/", "\\") if "\\" in prefix else name) for name in names]
    values = paths if stored == "text" else [{"bytes": None, "path": one} for one in paths]
    table = pa.table({"image": values, "label": ["cat", "dog", "dog"] * 4})
    pq.write_table(table, tmp_path / "d" / "train.parquet")
    data = open_dataset(tmp_path / "d")
    assert (data.kind, len(data), data.bad) == ("image", 12, ())
    assert [np.asarray(one)[0, 0, 0] for one in images(data, range(12))] == [20 * i for i in range(12)]
    assert any("files elsewhere" in note for note in data.notes) == (prefix != "images/")
    out = export(data, Subset(np.array([0, 1, 3, 4]), 12), tmp_path / "out")
    assert len(open_dataset(out)) == 4


def test_paths_of_another_machine_that_end_like_no_file_here_are_refused(tmp_path):
    pictures(tmp_path / "d" / "images", flat=True)
    table = pa.table({"image": [{"bytes": None, "path": f"/srv/{i}.jpg"} for i in range(4)], "label": [0, 1, 0, 1]})
    pq.write_table(table, tmp_path / "d" / "train.parquet")
    with pytest.raises(InputError, match=r"names the image '/srv/0.jpg', which is not inside"):
        open_dataset(tmp_path / "d")


@pytest.mark.parametrize(("name", "twin"), [("t.parquet", "t.csv"), ("t.parquet", "t.jsonl"), ("t.feather", "t.csv")])
def test_the_same_rows_in_another_format_beside_them_are_kept_right(name, twin, tmp_path):
    (tmp_path / "d").mkdir()
    for one in (name, twin):
        WRITERS[one](frame(), tmp_path / "d" / one)
    (tmp_path / "d" / "other.csv").write_text("width,label\n1,a\n")
    data = open_dataset(tmp_path / "d")
    out = export(data, Subset(np.arange(0, N, 3), N), tmp_path / "out")
    for one in (name, twin):
        pd.testing.assert_frame_equal(READERS[one](out / one), frame().iloc[::3].reset_index(drop=True))
    assert {file.name for file in out.iterdir()} == {name, twin, "other.csv"}


def test_folders_that_are_called_like_parts_of_one_name_are_no_classes(tmp_path):
    for i in range(8):
        (tmp_path / f"skin_images_part_{1 + i % 2}").mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / f"skin_images_part_{1 + i % 2}" / f"{i}.png")
    with pytest.raises(InputError, match="called like parts of one dataset"):
        open_dataset(tmp_path)


def test_rejected_answers_and_repeated_columns_are_said(tmp_path):
    rows = [{"text": f"words {i}", "label": "ab"[i % 2], "answer": "reject" if i > 8 else "accept"} for i in range(12)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    assert "some labels were rejected or ignored" in open_dataset(tmp_path / "p.jsonl").notes[0]
    (tmp_path / "n.csv").write_text("".join(f"{i % 2},{','.join(['0'] * 700)}\n" for i in range(9)))
    with pytest.raises(InputError, match="two columns of the same name: 0; rename one, or write a first line of names"):
        open_dataset(tmp_path / "n.csv")
