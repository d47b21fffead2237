"""Labels of images that stand in names, in columns of 0 and 1, or are of another task."""

import json

import pytest
from sources import encoded, put

from datapare.artifacts import Subset
from datapare.data import export, open_dataset
from datapare.errors import InputError

N = 8


def refused(source, **options):
    with pytest.raises(InputError) as caught:
        open_dataset(source, **options)
    return str(caught.value)


def named(root, names):
    for i, name in enumerate(names):
        put(root / name, encoded(i))
    return root


@pytest.mark.parametrize("form", ["{c}.{i}.png", "{c}_{i}.png", "{c} ({i}).png", "{c}{i}.png"])
@pytest.mark.parametrize("folder", ["", "train/", "images/"])
def test_classes_at_the_beginning_of_names_are_read_where_asked_for(folder, form, tmp_path):
    root = named(tmp_path / "d", [folder + form.format(c=("cat", "dog")[i % 2], i=i) for i in range(N)])
    for i in range(4):
        put(root / f"test1/{i}.png", encoded(90 + i))
    asked = refused(root)
    assert "--label prefix if the 2 words that their names begin with are the classes (cat, dog)" in asked
    data = open_dataset(root, label="prefix")
    assert [data.classes[i] for i in data.label] == ["cat"] * 4 + ["dog"] * 4
    again = open_dataset(export(data, Subset(index=[0, 1, 4, 5], total=N), tmp_path / "out"), label="prefix")
    assert len(again) == 4
    assert len(list((tmp_path / "out/test1").iterdir())) == 4


def test_names_without_a_word_are_no_classes(tmp_path):
    assert "prefix" not in refused(named(tmp_path / "d", [f"train/img_{i}.png" for i in range(N)]))
    named(tmp_path / "e", [*(f"train/{'ab'[i % 2]}.{i}.png" for i in range(N)), "train/odd.png"])
    assert "'train/odd.png', whose name is no word and number" in refused(tmp_path / "e", label="prefix")


@pytest.mark.parametrize(("one", "header"), [("1", "filename, cat, dog"), ("1.0", "image,cat,dog")])
def test_a_label_that_a_list_spreads_over_columns_is_read(one, header, tmp_path):
    named(tmp_path / "d", [f"train/{i}.png" for i in range(N)])
    zero = one.replace("1", "0")
    rows = [f"{i}.png, {(one, zero)[i % 2]}, {(zero, one)[i % 2]}" for i in range(N)]
    put(tmp_path / "d/train/_classes.csv", "\n".join([header, *rows, ""]).encode())
    data = open_dataset(tmp_path / "d")
    assert [data.classes[i] for i in data.label] == ["cat", "dog"] * 4
    assert len(open_dataset(export(data, Subset(index=[0, 1, 2, 5], total=N), tmp_path / "out"))) == 4
    for several in (f"{one}, {one}", f"{zero}, {zero}"):
        put(tmp_path / "d/train/_classes.csv", "\n".join([header, *rows[1:], f"0.png, {several}", ""]).encode())
        assert "1 rows that do not say one class, the first in row 7" in refused(tmp_path / "d")


DETECTION = {
    "yolo": {f"labels/train/{i}.txt": b"0 0.5 0.5 0.2 0.2\n" for i in range(N)},
    "outlines": {f"labels/train/{i}.txt": b"1 0.1 0.2 0.3 0.4 0.5 0.6\n" for i in range(N)},
    "voc": {f"Annotations/{i}.xml": b"<annotation><object><bndbox/></object></annotation>" for i in range(N)},
    "coco": {
        "annotations/instances.json": json.dumps(
            {
                "images": [{"id": i, "file_name": f"{i}.png"} for i in range(N)],
                "annotations": [{"image_id": i // 2, "category_id": i % 2, "bbox": [0, 0, 1, 1]} for i in range(2 * N)],
                "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
            }
        ).encode()
    },
}


@pytest.mark.parametrize("form", DETECTION)
def test_boxes_are_no_classes(form, tmp_path):
    root = named(tmp_path / "d", [f"images/train/{i}.png" for i in range(N)])
    put(root / "data.yaml", b"train: images/train\nnames: [cat, dog]\n")
    for name, content in DETECTION[form].items():
        put(root / name, content)
    assert "is a dataset of object detection" in refused(root)
    assert "classification is read, one class per image" in refused(root)


def test_captions_beside_images_are_no_boxes(tmp_path):
    root = named(tmp_path / "d", [f"images/{'ab'[i % 2]}/{i}.png" for i in range(N)])
    for i in range(N):
        put(root / f"labels/{'ab'[i % 2]}/{i}.txt", b"a photo of 5 things\n")
    assert len(open_dataset(root)) == N


@pytest.mark.parametrize("name", ["synset_words.txt", "LOC_synset_mapping.txt", "words.txt"])
def test_words_of_synsets_are_said(name, tmp_path):
    root = named(tmp_path / "d", [f"train/n0144{c}/{i}.png" for c in ("0764", "3537") for i in range(3)])
    space = "\t" if name == "words.txt" else " "
    put(root / name, f"n01440764{space}tench, Tinca tinca\nn01443537{space}goldfish\n".encode())
    data = open_dataset(root)
    assert data.classes == ("n01440764", "n01443537")
    assert f"{name} says the words of the classes, such as tench, Tinca tinca for n01440764" in data.notes


@pytest.mark.parametrize(
    ("folders", "classes"),
    {
        "of Intel": ([f"seg_{s}/seg_{s}/{c}" for s in ("train", "test") for c in "ab"] + ["seg_pred/seg_pred"], "ab"),
        "trainval": ([f"{s}/{c}" for s in ("trainval", "test") for c in "ab"], "ab"),
        "three tests": ([f"{s}/{c}" for s in ("TRAIN", "TEST", "TEST_SIMPLE") for c in "ab"], "ab"),
        "litter": (["a", "b", "$RECYCLE.BIN", "lost+found", "__MACOSX/a"], "ab"),
    }.values(),
    ids=lambda _: "",
)
def test_splits_beside_other_folders_are_no_classes(folders, classes, tmp_path):
    data = open_dataset(named(tmp_path / "d", [f"{folder}/{i}.png" for folder in folders for i in range(2)]))
    assert (data.classes, len(data)) == (tuple(classes), 4)


@pytest.mark.parametrize(
    "folders", [["train/a", "train/b", "train/val/a", "train/val/b"], ["test/a", "test/b", "more/a", "more/b"]]
)
def test_a_split_among_classes_is_refused(folders, tmp_path):
    assert "which is called like a split, beside" in refused(named(tmp_path / "d", [f"{f}/0.png" for f in folders]))


def test_images_without_an_ending_and_archives_are_refused_with_what_there_is(tmp_path):
    named(tmp_path / "d", [f"{c}/{i}" for c in "ab" for i in range(4)])
    assert "no images and no data files that are read (8 without an ending: a/0" in refused(tmp_path / "d")
    put(tmp_path / "z" / "d.zip", b"PK\x05\x06" + bytes(18))
    assert "unpack it first" in refused(tmp_path / "z")
    named(tmp_path / "e", [f"{c}/{i}.jp2" for c in "ab" for i in range(4)])
    assert "(8 .jp2: a/0.jp2" in refused(tmp_path / "e")


PATHS, CLASSES = [f"images/{i}.png" for i in range(N)], [f"c{i % 2}" for i in range(N)]
PAIRS = list(zip(PATHS, CLASSES, strict=True))
LISTS = {
    "columns.json": json.dumps({"file_name": PATHS, "label": CLASSES}),
    "rows of columns.json": json.dumps(
        {"file_name": dict(enumerate(PATHS)), "label": dict(enumerate(CLASSES)), "n": dict(enumerate(range(N)))}
    ),
    "splits of pairs.json": json.dumps({"train": PAIRS, "test": [["images/90.png", "c0"]]}),
    "splits of objects.json": json.dumps(
        {"train": [{"file": p, "label": c} for p, c in PAIRS], "val": [{"file": "images/90.png", "label": "c1"}]}
    ),
    "nested.jsonl": "".join(json.dumps({"file_name": p, "meta": {"label": c, "n": 1}}) + "\n" for p, c in PAIRS),
    "commas.txt": "".join(f"{p},{c}\n" for p, c in PAIRS),
}


@pytest.mark.parametrize("form", LISTS)
def test_lists_of_many_forms_are_read_and_written(form, tmp_path):
    root = named(tmp_path / "d", [*PATHS, "images/90.png"])
    put(root / form, LISTS[form].encode())
    data = open_dataset(root)
    assert [(name, data.classes[c]) for name, c in zip(data.name, data.label, strict=True)] == PAIRS
    kept = [0, 1, 4, 7]
    again = open_dataset(export(data, Subset(index=kept, total=N), tmp_path / "out"))
    assert [(name, again.classes[c]) for name, c in zip(again.name, again.label, strict=True)] == [
        PAIRS[i] for i in kept
    ]


def test_columns_in_json_beside_class_folders_stay_together(tmp_path):
    names = [f"{'ab'[i % 2]}/{i}.png" for i in range(N)]
    columns = {"file_name": names, "category": list(range(N)), "size": [12] * N}
    put(named(tmp_path / "d", names) / "sizes.json", json.dumps(columns).encode())
    data = open_dataset(tmp_path / "d", label="label")
    kept = sorted(data.name.index(names[i]) for i in (0, 1, 4))
    out = export(data, Subset(index=kept, total=N), tmp_path / "out")
    left = {"file_name": [names[i] for i in (0, 1, 4)], "category": [0, 1, 4], "size": [12] * 3}
    assert json.loads((out / "sizes.json").read_text()) == left


@pytest.mark.parametrize("name", ["labels.xlsx", "train.txt", "labels.json"])
def test_lists_that_cannot_be_read_are_named_in_the_refusal(name, tmp_path):
    put(named(tmp_path / "d", PATHS) / name, b"0 images/0.png\n")
    assert f"({name}: no list of labels that can be read)" in refused(tmp_path / "d")
