"""Image folders and lists: read as the ecosystem reads them, and exported without traces of what is dropped."""

import io
import json

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sources import encoded, put, tree

from datapare.artifacts import Subset
from datapare.data import export, open_dataset
from datapare.data.image_names import ImageNames
from datapare.data.layouts import find_base, is_image, split_folders
from datapare.data.paths import folder_split
from datapare.data.side_lists import without_dropped
from datapare.errors import InputError

PNG = [encoded(i, "png", (8, 8)) for i in range(64)]


def fill(root, names, ending=".png"):
    for i, name in enumerate(names):
        put(root / (name if is_image(name) else name + ending), PNG[i % 64])


def read(source, **options):
    """{name: class} of an opened dataset, or the sentence with which it is refused."""
    try:
        data = open_dataset(source, **options)
    except InputError as error:
        return str(error)
    return {name: data.classes[i] for name, i in zip(data.name, data.label.tolist(), strict=True)}


def halved(source, out, **options):
    """The names kept and dropped by an export of every second example."""
    data = open_dataset(source, **options)
    index = np.arange(0, len(data), 2)
    export(data, Subset(index=index, total=len(data), key=data.key), out)
    kept = {data.name[i] for i in index}
    return kept, set(data.name) - kept


# --- class folders ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"), ("Train", "Test"), ("training_set", "test_set"), ("train_images", "test_images"),
        ("Training", "Testing"), ("trainset", "valset"), ("TRAIN", "VAL"), ("images_train", "images_dev"),
        ("train2017", "val2017"), ("pets_train", "pets_eval"), ("train-data", "validation-data"), ("training", "valid"),
        ("TrainingData", "EvaluationData"), ("dataset/train", "dataset/test"),
    ],
)  # fmt: skip
def test_split_folders_are_no_classes_however_they_are_spelt(train, test, tmp_path):
    for split in (train, test):
        fill(tmp_path / "d", [f"{split}/{c}/{i}" for c in ("cat", "dog") for i in range(2)])
    expected = {f"{train}/{c}/{i}.png": c for c in ("cat", "dog") for i in range(2)}
    assert read(tmp_path / "d") == expected
    before = tree(tmp_path / "d" / test)
    halved(tmp_path / "d", tmp_path / "out")
    assert tree(tmp_path / "out" / test) == before


@pytest.mark.parametrize("names", [("test tube", "beaker"), ("train station", "bus stop"), ("dev board", "cable")])
def test_a_class_that_only_begins_like_a_split_is_a_class(names, tmp_path):
    fill(tmp_path / "d", [f"{name}/{i}" for name in names for i in range(2)])
    assert set(read(tmp_path / "d").values()) == set(names)
    assert not split_folders(names)


def test_two_folders_that_could_be_the_split_are_refused_and_can_be_named(tmp_path):
    fill(
        tmp_path / "d",
        [f"{s}/{c}/{i}" for s in ("train_a_set", "training_set", "train_images") for c in "xy" for i in "01"],
    )
    assert "could both be 'train'; name one with --split" in read(tmp_path / "d")
    assert len(read(tmp_path / "d", split="train_images")) == 4


def test_a_folder_of_several_datasets_lists_them(tmp_path):
    fill(
        tmp_path / "d",
        [f"{d}/{s}/{c}/{i}" for d in ("mnist", "pets") for s in ("train", "test") for c in "ab" for i in "01"],
    )
    assert "several datasets, each with splits of its own: mnist, pets; open one of them" in read(tmp_path / "d")
    assert len(read(tmp_path / "d" / "pets")) == 4


def test_deeper_folders_are_named_and_can_be_the_classes(tmp_path):
    fill(
        tmp_path / "d", [f"{c}/{video}/{i}" for c, video in (("cat", "v1"), ("cat", "v2"), ("dog", "v3")) for i in "01"]
    )
    data = open_dataset(tmp_path / "d")
    assert data.classes == ("cat", "dog")
    assert any("folders lie deeper" in note and "--label folder" in note for note in data.notes)
    assert set(read(tmp_path / "d", label="folder").values()) == {"v1", "v2", "v3"}


def test_two_deeper_folders_are_named_and_one_alone_is_not(tmp_path):
    fill(tmp_path / "d", [f"{c}/{video}/{i}" for c, video in (("cat", "v1"), ("dog", "v3")) for i in "01"])
    fill(tmp_path / "e", [f"{c}/images/{i}" for c in ("cat", "dog") for i in "01"])
    assert any("the 2 deepest ones as classes" in note for note in open_dataset(tmp_path / "d").notes)
    assert not any("deeper" in note for note in open_dataset(tmp_path / "e").notes)


def test_folders_that_only_group_are_looked_through(tmp_path):
    fill(tmp_path / "d", [f"{c[0]}/{c}/{i}" for c in ("airfield", "alley", "barn") for i in "01"])
    assert set(read(tmp_path / "d").values()) == {"airfield", "alley", "barn"}


def test_what_is_not_looked_at_is_said(tmp_path):
    fill(tmp_path / "d", [f"{c}/{i}" for c in "ab" for i in range(3)])
    for name in ("a/x.heic", "a/y.heic", "b/raw", ".net/0.png", "a/.DS_Store", "Thumbs.db", "a/notes.txt"):
        put(tmp_path / "d" / name, PNG[0])
    notes = " ".join(open_dataset(tmp_path / "d").notes)
    assert "3 files are not read as images and come along as they are: 2 .heic, 1 without an ending" in notes
    assert "hidden folders that hold images were left out: .net" in notes
    assert "DS_Store" not in notes
    assert "humbs" not in notes


def test_an_archive_beside_class_folders_is_no_shard(tmp_path):
    import tarfile

    fill(tmp_path / "d", [f"{c}/{i}" for c in "ab" for i in range(3)])
    with tarfile.open(tmp_path / "d" / "images.tar", "w") as tar:
        tar.add(tmp_path / "d" / "a", "a")
    put(tmp_path / "d" / "images.zip", b"PK")
    assert len(read(tmp_path / "d")) == 6


# `datasets` takes a class whose name has a word such as test for a split
NAME = st.sampled_from(["cat", "dog", "a b", "c++", "naïve", "7", "strain7", "Ärger", "x.y", "UPPER"])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    classes=st.lists(NAME, min_size=2, max_size=4, unique=True),
    splits=st.sampled_from([(), ("train", "test"), ("train", "validation"), ("training", "val", "test")]),
    ending=st.sampled_from([".png", ".PNG"]),
)
def test_any_class_folders_are_read_as_datasets_reads_them(classes, splits, ending, tmp_path_factory):
    import datasets

    from datapare.data.formats.hf_datasets import quiet

    root = tmp_path_factory.mktemp("any")
    for split in splits or ("",):
        fill(root / split, [f"{c}/{i}{ending}" for c in classes for i in range(2)])
    with quiet():
        theirs = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(root.with_suffix(".cache")))
    for split in splits or ("train",):
        meant = folder_split(split) or split
        rows = theirs[meant].cast_column("image", datasets.Image(decode=False))
        names = rows.features["label"].names
        expected = {row["image"]["path"][len(str(root)) + 1 :]: names[row["label"]] for row in rows}
        assert read(root, split=split) == expected


@pytest.mark.parametrize("images", [["a/0.png", "b/0.png"], ["w/a/0.png", "w/b/0.png"], ["v/w/a/0.png", "v/w/b/0.png"]])
def test_folders_that_hold_nothing_else_are_passed_through(images):
    assert find_base("d", images, "train") == "/".join(images[0].split("/")[:-2])


# --- lists ------------------------------------------------------------------------------------------------------------
NAMES = [f"00{i:02d}.png" for i in range(12)]
CLASS = ["cat" if i % 2 else "dog" for i in range(12)]
EXPECTED = set(zip(NAMES, CLASS, strict=True))


def csv_of(names, header="file_name,label", labels=CLASS):
    return "\n".join([header, *(f"{n},{c}" for n, c in zip(names, labels, strict=True))]).encode() + b"\n"


def stems():
    return [name[:-4] for name in NAMES]


FIFTYONE = {
    "classes": ["cat", "dog"],
    "labels": {s: int(c == "dog") for s, c in zip([n[:-4] for n in NAMES], CLASS, strict=True)},
}
DATUMARO = {
    "info": {}, "categories": {"label": {"labels": [{"name": "cat"}, {"name": "dog"}]}},
    "items": [
        {"id": n[:-4], "annotations": [{"id": 0, "type": "label", "label_id": int(c == "dog")}], "image": {"path": n}}
        for n, c in zip(NAMES, CLASS, strict=True)
    ],
}  # fmt: skip
COCO = {
    "images": [{"id": i, "file_name": n} for i, n in enumerate(NAMES)],
    "annotations": [{"id": 100 + i, "image_id": i, "category_id": 1 + (c == "dog")} for i, c in enumerate(CLASS)],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}
RECORDS = [{"file_name": n, "label": c} for n, c in zip(NAMES, CLASS, strict=True)]
LISTS = {
    "metadata.jsonl": ("train", "train/metadata.jsonl", "".join(json.dumps(row) + "\n" for row in RECORDS).encode()),
    "metadata.csv": ("images", "metadata.csv", csv_of([f"images/{n}" for n in NAMES])),
    "dot slash": ("images", "metadata.csv", csv_of([f"./images//{n}" for n in NAMES])),
    "windows": ("images", "labels.csv", csv_of([f"images\\{n}" for n in NAMES])),
    "url": ("my images", "labels.csv", csv_of([f"my%20images/{n}" for n in NAMES])),
    "case": ("images", "labels.csv", csv_of([f"Images/{n.upper()}" for n in NAMES])),
    "id_code": ("train_images", "train.csv", csv_of(stems(), "id_code,diagnosis")),
    "image_id": ("", "train.csv", csv_of(NAMES, "image_id,label")),
    "elsewhere": ("train_images", "train.csv", csv_of(NAMES, "image,label")),
    "other column names": ("pics", "data.csv", csv_of(NAMES, "photo of,label")),
    "tab": ("images", "labels.tsv", csv_of(NAMES).replace(b",", b"\t")),
    "fiftyone": ("data", "labels.json", json.dumps(FIFTYONE).encode()),
    "datumaro": ("images/train", "annotations/train.json", json.dumps(DATUMARO).encode()),
    "coco": ("train2017", "annotations/instances_train.json", json.dumps(COCO, indent=2).encode()),
    "records": ("img", "annotations.json", json.dumps(RECORDS).encode()),
    "name to class": ("img", "labels.json", json.dumps(dict(EXPECTED)).encode()),
    "class to names": (
        "img",
        "l.json",
        json.dumps({c: [n for n, k in EXPECTED if k == c] for c in ("cat", "dog")}).encode(),
    ),
    "lines": ("images", "train.txt", "".join(f"images/{n} {c}\n" for n, c in zip(NAMES, CLASS, strict=True)).encode()),
    "no header": ("images", "labels.csv", csv_of(NAMES).split(b"\n", 1)[1]),
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_images_are_read_wherever_the_images_lie(kind, tmp_path):
    folder, place, content = LISTS[kind]
    fill(tmp_path / "d" / folder, NAMES)
    fill(tmp_path / "d" / "test_images", ["9990", "9991"])
    put(tmp_path / "d" / place, content)
    found = read(tmp_path / "d")
    assert {(name.rpartition("/")[2], c) for name, c in found.items()} == EXPECTED, found


@pytest.mark.parametrize("kind", LISTS)
def test_what_a_list_names_after_an_export_is_there_and_opens_again(kind, tmp_path):
    folder, place, content = LISTS[kind]
    fill(tmp_path / "d" / folder, NAMES)
    put(tmp_path / "d" / place, content)
    kept, dropped = halved(tmp_path / "d", tmp_path / "out")
    left = {name for name in tree(tmp_path / "out") if is_image(name)}
    assert left == kept
    text = (tmp_path / "out" / place).read_text()
    assert not [name for name in dropped if name.rpartition("/")[2][:-4] in text]
    assert set(read(tmp_path / "out", classes=("cat", "dog"))) == kept


def test_a_list_beside_class_folders_that_says_no_labels_only_comes_along(tmp_path):
    names = [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(4)]
    fill(tmp_path / "d", names)
    put(tmp_path / "d" / "captions.csv", csv_of(names, "file_name,caption", [f"a {n}" for n in names]))
    put(tmp_path / "d" / "notes.csv", "größe,wert\n1,2\n".encode("latin-1"))
    put(tmp_path / "d" / "broken.json", b'{"a": [')
    put(tmp_path / "d" / "list.txt", "".join(f"{n}\n" for n in names).encode())
    put(tmp_path / "d" / "pairs.jsonl", "".join(json.dumps({"image": n, "text": "x"}) + "\n" for n in names).encode())
    put(tmp_path / "d" / "cat" / "0.txt", b"caption of cat 0")
    put(tmp_path / "d" / "cat" / "1.txt", b"caption of cat 1")
    put(tmp_path / "d" / "counts.csv", b"class,count\ncat,4\ndog,4\n0,1\n1,1\n")
    assert read(tmp_path / "d") == {n: n.split("/")[0] for n in names}
    kept, dropped = halved(tmp_path / "d", tmp_path / "out")
    out = tree(tmp_path / "out")
    for name in ("captions.csv", "list.txt", "pairs.jsonl"):
        assert all(n.encode() in out[name] for n in kept), name
        assert not any(n.encode() in out[name] for n in dropped), name
    for name in ("notes.csv", "broken.json", "counts.csv"):
        assert out[name] == (tmp_path / "d" / name).read_bytes()
    assert ("cat/0.txt" in out, "cat/1.txt" in out) == (True, False)


def test_two_lists_of_labels_are_refused_and_one_can_be_opened(tmp_path):
    fill(tmp_path / "d" / "images", NAMES)
    for name in ("labels_a.csv", "labels_b.csv"):
        put(tmp_path / "d" / name, csv_of([f"images/{n}" for n in NAMES]))
    assert "labels_a.csv and labels_b.csv all list labels of images; open one of them" in read(tmp_path / "d")
    assert len(read(tmp_path / "d" / "labels_b.csv")) == 12


def test_a_list_of_several_splits_gives_up_only_examples_of_one(tmp_path):
    names = [f"{s}/{n}" for s in ("train", "test") for n in NAMES]
    fill(tmp_path / "d", names)
    put(tmp_path / "d" / "metadata.csv", csv_of(names, labels=CLASS * 2))
    assert set(read(tmp_path / "d")) == {n for n in names if n.startswith("train")}
    kept, _ = halved(tmp_path / "d", tmp_path / "out")
    listed = [line.split(",")[0] for line in (tmp_path / "out" / "metadata.csv").read_text().splitlines()[1:]]
    assert set(listed) == kept | {n for n in names if n.startswith("test")}
    assert {n for n in tree(tmp_path / "out") if is_image(n)} == set(listed)


def test_a_column_of_splits_says_the_split(tmp_path):
    fill(tmp_path / "d" / "images", NAMES)
    said = [f"{c},{'train' if i < 8 else 'val'}" for i, c in enumerate(CLASS)]
    put(tmp_path / "d" / "labels.csv", csv_of(NAMES, "file_name,label,split", said))
    assert len(read(tmp_path / "d")) == 8
    assert len(read(tmp_path / "d", split="validation", classes=("cat", "dog"))) == 4


def test_a_name_that_repeats_is_refused(tmp_path):
    fill(tmp_path / "d", NAMES)
    put(tmp_path / "d" / "labels.csv", csv_of([*NAMES, "./" + NAMES[0]], labels=[*CLASS, "dog"]))
    assert f"names {NAMES[0]!r} more than once" in read(tmp_path / "d")


def test_images_in_a_hidden_folder_are_exported_when_a_list_names_them(tmp_path):
    fill(tmp_path / "d" / ".crops", NAMES)
    put(tmp_path / "d" / "labels.csv", csv_of([f".crops/{n}" for n in NAMES]))
    kept, _ = halved(tmp_path / "d", tmp_path / "out")
    assert {n for n in tree(tmp_path / "out") if is_image(n)} == kept
    assert len(kept) == 6


def test_an_image_of_another_split_list_stays(tmp_path):
    fill(tmp_path / "d" / "images", NAMES)
    put(tmp_path / "d" / "train.csv", csv_of([f"images/{n}" for n in NAMES[:8]], labels=CLASS[:8]))
    put(tmp_path / "d" / "test.csv", csv_of([f"images/{n}" for n in NAMES[4:]], labels=CLASS[4:]))
    kept, _ = halved(tmp_path / "d", tmp_path / "out")
    assert (tmp_path / "out" / "test.csv").read_bytes() == (tmp_path / "d" / "test.csv").read_bytes()
    assert {n for n in tree(tmp_path / "out") if is_image(n)} == kept | {f"images/{n}" for n in NAMES[4:]}


def test_a_list_of_another_split_means_the_images_of_that_split(tmp_path):
    put(tmp_path / "test.csv", csv_of(["0.png", "1.png"], labels="ab"))
    images = [f"{split}/{i}.png" for split in ("train", "test") for i in "01"]
    dropped, new = without_dropped(tmp_path, ["test.csv", *images], images, {"train/0.png"}, "train", ())
    assert (dropped, new) == ({"train/0.png"}, {})


def test_names_that_lead_out_mean_no_image():
    names = ImageNames(["c:/etc/1.png", "etc/2.png", ".png"], "", "train")
    assert [names.find(name) for name in ("ETC/2.PNG", "2")] == ["etc/2.png"] * 2
    assert [names.find(name) for name in ("C:/etc/1.png", "../etc/2.png", "", " ")] == [None] * 4


def test_notes_beside_class_folders_are_no_list_where_a_line_has_no_label(tmp_path):
    fill(tmp_path / "d", [f"{c}/{i}" for c in "ab" for i in "01"])
    put(tmp_path / "d" / "notes.txt", b"a/0.png good\na/1.png\nb/0.png\nb/1.png bad\n")
    assert read(tmp_path / "d") == {f"{c}/{i}.png": c for c in "ab" for i in "01"}


def test_a_text_table_beside_pictures_is_the_dataset(tmp_path):
    fill(tmp_path / "d" / "figures", ["one", "two"])
    put(
        tmp_path / "d" / "data" / "train.csv",
        b"text,label\n" + b"".join(b"a text %d,%d\n" % (i, i % 2) for i in range(8)),
    )
    data = open_dataset(tmp_path / "d" / "data" / "train.csv")
    assert data.kind == "text"


@settings(max_examples=10, deadline=None)
@given(
    stems=st.lists(
        st.text("ab Ä%._-1", min_size=1, max_size=6).filter(lambda text: text.strip(" .") == text),
        min_size=4, max_size=8, unique_by=str.casefold,
    ),
    shuffler=st.randoms(),
)  # fmt: skip
def test_any_names_in_a_list_are_found_in_any_spelling(stems, shuffler, tmp_path_factory):
    root = tmp_path_factory.mktemp("names")
    names = [f"{stem}.png" for stem in stems]
    fill(root / "images", names)
    spelt = [shuffler.choice([f"images/{n}", f"./images/{n}", f"images\\{n}"]) for n in names]
    rows = [{"file_name": s, "label": "ab"[i % 2]} for i, s in enumerate(spelt)]
    put(root / "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    assert read(root) == {f"images/{n}": "ab"[i % 2] for i, n in enumerate(names)}


# --- what must not be guessed, or left out without a word -------------------------------------------------------------
@pytest.mark.parametrize(
    "names",
    [
        ("fold1", "fold2"), ("Batch_1", "batch_2"), ("part-0", "part-1"), ("2023", "2024"), ("images_01", "images_02"),
        ("data_batch_1", "data_batch_2"), ("2024-01", "2024-02"), ("2024.01.02", "2024.01.03"), ("shard 1", "shard 12"),
    ],
)  # fmt: skip
def test_folders_that_are_called_like_parts_are_no_classes_unless_said(names, tmp_path):
    fill(tmp_path / "d", [f"{part}/{c}/{i}" for part in names for c in ("cat", "dog") for i in "01"])
    said = read(tmp_path / "d")
    assert "--label label if they are the classes" in said
    assert "--label folder if the folders inside" in said
    assert set(read(tmp_path / "d", label="folder").values()) == {"cat", "dog"}
    assert set(read(tmp_path / "d", label="label").values()) == set(names)


def test_parquet_beside_class_folders_is_the_dataset_only_where_it_has_the_labels(tmp_path):
    def folder(name, content):
        fill(tmp_path / name, [f"{c}/{i}" for c in ("cat", "dog") for i in "012"])
        put(tmp_path / name / "more.parquet", content)
        return tmp_path / name

    def parquet(columns):
        table = io.BytesIO()
        pq.write_table(pa.table(columns), table)
        return table.getvalue()

    expected = {f"{c}/{i}.png": c for c in ("cat", "dog") for i in "012"}
    for name, content in (("features", parquet({"id": [1, 2], "vector": [[0.5], [1.5]]})), ("broken", b"PAR1 no")):
        assert read(folder(name, content)) == expected
        halved(tmp_path / name, tmp_path / "out" / name)
        assert (tmp_path / "out" / name / "more.parquet").read_bytes() == content
    rows = {"text": [f"t {i}" for i in range(6)], "label": ["x", "y"] * 3}
    assert "6 labelled rows and as many images" in read(folder("as many", parquet(rows)))
    assert set(read(folder("rows", parquet({name: values * 2 for name, values in rows.items()}))).values()) == {
        "x",
        "y",
    }


def test_a_parquet_file_beside_images_loses_the_rows_of_dropped_ones(tmp_path):
    names = [f"{c}/{c}{i}.png" for c in ("cat", "dog") for i in range(4)]
    fill(tmp_path / "d", names)
    vectors = pa.table({"path": names, "vector": [[0.5, float(i)] for i in range(8)]})
    pq.write_table(vectors, tmp_path / "d" / "vectors.parquet")
    kept, _ = halved(tmp_path / "d", tmp_path / "out")
    left = pq.read_table(tmp_path / "out" / "vectors.parquet")
    assert left.equals(vectors.take([i for i, name in enumerate(names) if name in kept]))


@pytest.mark.parametrize("pattern", ["{c}/{s}-{i}", "{c}/{i}_{s}", "{c}/{c}.{s}.{i}"])
def test_images_whose_names_say_their_split_are_read_as_datasets_does(pattern, tmp_path):
    names = [pattern.format(c=c, s=s, i=i) for c in ("cat", "dog") for s in ("train", "test") for i in "01"]
    fill(tmp_path / "d", names)
    for split in ("train", "test"):
        rows = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "d"), split=split)
        paths = rows.cast_column("image", datasets.Image(decode=False))["image"]
        assert set(read(tmp_path / "d", split=split)) == {"/".join(one["path"].split("/")[-2:]) for one in paths}
    assert "but none of 'val'" in read(tmp_path / "d", split="val")
    one_of_none = tmp_path / "d" / "cat" / "7.png"
    one_of_none.write_bytes(PNG[7])
    assert len(read(tmp_path / "d")) == 9


def test_a_card_says_which_images_are_of_which_split(tmp_path):
    fill(tmp_path / "d", [f"{top}/{c}/{i}" for top in ("photos", "more") for c in ("cat", "dog") for i in "01"])
    files = "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: photos/**"
    put(tmp_path / "d" / "README.md", f"---\n{files}\n  - split: test\n    path: more/**\n---\n".encode())
    for split, top in (("train", "photos"), ("test", "more")):
        rows = datasets.load_dataset(str(tmp_path / "d"), split=split)
        found = read(tmp_path / "d", split=split)
        assert len(found) == len(rows) == 4
        assert all(name.startswith(f"{top}/") for name in found)
        assert set(found.values()) == set(rows.features["label"].names) == {"cat", "dog"}


@pytest.mark.parametrize(
    "name", ["unsup", "unlabeled", "Unlabelled", "unlabeled_data", "un-annotated", "unlabeled images"]
)
def test_a_folder_without_labels_is_no_class_unless_said(name, tmp_path):
    fill(tmp_path / "d", [f"train/{c}/{i}" for c in ("neg", "pos", name) for i in "01"])
    said = read(tmp_path / "d")
    assert f"holds the folder {name} beside those of the classes" in said
    assert set(read(tmp_path / "d", label="label").values()) == {"neg", "pos", name}
    (tmp_path / "d" / "train" / name).rename(tmp_path / "d" / name)  # beside the split
    assert set(read(tmp_path / "d").values()) == {"neg", "pos"}


@pytest.mark.parametrize(
    "names",
    [
        ("class_1", "class_2"),
        ("unknown", "supported"),
        ("union", "unsettled"),
        ("0", "1"),
        ("n01443537", "n01629819"),
        ("part1", "whole"),
    ],
)
def test_numbered_classes_are_classes(names, tmp_path):
    fill(tmp_path / "d", [f"{c}/{i}" for c in names for i in "01"])
    assert set(read(tmp_path / "d").values()) == set(names)


def test_tiny_imagenet_is_read_as_it_is_laid_out(tmp_path):
    root = tmp_path / "d"
    fill(root, [f"train/{c}/images/{c}_{i}" for c in ("n01", "n02") for i in range(3)], ".JPEG")
    fill(root, [f"val/images/val_{i}" for i in range(4)] + [f"test/images/test_{i}" for i in range(4)], ".JPEG")
    put(
        root / "val/val_annotations.txt",
        "".join(f"val_{i}.JPEG\tn0{i % 2 + 1}\t0\t32\t44\t62\n" for i in range(4)).encode(),
    )
    put(root / "words.txt", b"n01\tgoldfish, Carassius auratus\nn02\tsalamander\n")
    assert read(root) == {f"train/{c}/images/{c}_{i}.JPEG": c for c in ("n01", "n02") for i in range(3)}
    assert not open_dataset(root).notes
    assert read(root, split="val") == {f"val/images/val_{i}.JPEG": f"n0{i % 2 + 1}" for i in range(4)}
    assert "no labels that can be read" in read(root, split="test")
    halved(root, tmp_path / "out")
    assert read(tmp_path / "out", split="val") == read(root, split="val")


def test_images_that_a_list_leaves_out_are_counted(tmp_path):
    fill(tmp_path / "d", [f"images/{i}" for i in range(6)] + ["test/0"])
    put(
        tmp_path / "d/labels.csv",
        ("file_name,label\n" + "".join(f"images/{i}.png,{'ab'[i % 2]}\n" for i in range(4))).encode(),
    )
    assert any(
        "2 images are not in that list, images/4.png first" in note for note in open_dataset(tmp_path / "d").notes
    )


def test_a_list_of_another_split_is_not_read_for_this_one(tmp_path):
    fill(tmp_path / "d", [f"train/{i}" for i in range(4)] + ["test/9"])
    put(tmp_path / "d/labels.csv", ("id,breed\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(4))).encode())
    assert len(read(tmp_path / "d")) == 4
    assert "of the splits train, and none of 'test'" in read(tmp_path / "d", split="test")


def test_absolute_names_in_the_folder_are_its_files_and_relative_in_the_export(tmp_path):
    root = tmp_path / "d"
    fill(root, [f"im/{i}" for i in range(8)])
    lines = "".join(f"{root.absolute()}/im/{i}.png,{'ab'[i // 2 % 2]}\n" for i in range(8))
    put(root / "train.csv", f"path,label\n{lines}".encode())
    kept, _ = halved(root, tmp_path / "out")
    assert set(read(tmp_path / "out")) == kept
    assert str(root) not in (tmp_path / "out/train.csv").read_text()
