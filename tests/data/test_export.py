"""An export is whole or not there, stays in its folder, and never touches the source."""

import resource
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from sources import FORMATS, KEPT, LABEL, N, encoded, put, rows_kept, tree

from datapare.artifacts import Provenance, Scores, Subset
from datapare.data import example_table, export, exporting, open_dataset, write_examples
from datapare.data.dataset import Identity
from datapare.errors import DatapareError, InputError, MismatchError


def kept(data, index=KEPT):
    return Subset(np.array(index), len(data), key=data.key)


def refused(data, subset, out, **options) -> str:
    with pytest.raises(InputError) as caught:
        export(data, subset, out, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_places_that_are_refused(tmp_path):
    source = FORMATS["image_folder"](tmp_path)
    data = open_dataset(source)
    before = tree(tmp_path)
    for out in (source, source / "smaller", source / "ant", tmp_path):
        assert "lies in the source" in (message := refused(data, kept(data), out)) or "not empty" in message
    put(tmp_path / "used" / "a.txt", b"mine")
    assert "exists and is not empty" in refused(data, kept(data), tmp_path / "used")
    assert "exists and is not empty" in refused(data, kept(data), tmp_path / "used" / "a.txt")
    (tmp_path / "link").symlink_to(source)
    assert "lies in the source" in refused(data, kept(data), tmp_path / "link" / "out")
    (tmp_path / "link").unlink()
    assert {name: value for name, value in tree(tmp_path).items() if not name.startswith("used")} == before
    (tmp_path / "free").mkdir()
    assert export(data, kept(data), tmp_path / "free") == tmp_path / "free"
    assert export(data, kept(data), tmp_path / "new" / "deep" / "er").is_dir()


def test_a_file_may_stand_beside_its_source(tmp_path):
    data = open_dataset(FORMATS["csv_text"](tmp_path))
    assert export(data, kept(data), tmp_path / "smaller.csv").is_file()
    assert "exists and is not empty" in refused(data, kept(data), tmp_path / "reviews.csv")
    assert sorted(path.name for path in export(data, kept(data), tmp_path / "out").iterdir()) == ["reviews.csv"]


@pytest.mark.parametrize("name", ["csv_text", "image_folder"])
def test_an_earlier_export_alone_is_replaced_where_that_is_asked_for(name, tmp_path):
    source = FORMATS[name](tmp_path)
    data = open_dataset(source)
    before, out = tree(source.parent), tmp_path.parent / f"{tmp_path.name}-out"
    export(data, kept(data, [0, 1, 2]), out)
    assert "overwrite=True" in refused(data, kept(data), out)
    replaced = tree(export(data, kept(data), out, overwrite=True))
    assert replaced == tree(export(data, kept(data), tmp_path.parent / f"{tmp_path.name}-fresh"))
    put(out / "notes.txt", b"mine")
    assert "holds notes.txt" in refused(data, kept(data, [0]), out, overwrite=True)
    assert tree(out) == {**replaced, **{key: value for key, value in tree(out).items() if "notes.txt" in key}}
    for place in (source, source.parent):
        refused(data, kept(data), place, overwrite=True)
    assert tree(source.parent) == before


def test_a_subset_of_something_else_is_refused(tmp_path):
    data = open_dataset(FORMATS["csv_text"](tmp_path))
    out = tmp_path / "out"
    for other in (
        Subset(np.array([0]), N + 1),
        Subset(np.array([0]), N, key=data.key + 1),
        Subset(np.array([0]), N, provenance=Provenance(dataset="another")),
    ):
        with pytest.raises(MismatchError):
            export(data, other, out)
    assert not out.exists()
    export(data, Subset(np.array([0]), N, provenance=Provenance(dataset=data.digest)), out)


def test_a_source_that_changed_is_refused(tmp_path):
    table = open_dataset(FORMATS["csv_text"](tmp_path))
    put(tmp_path / "reviews.csv", (tmp_path / "reviews.csv").read_bytes() + b"one more,ant,1\r\n")
    assert "had 24 examples when it was opened and has 25 now" in refused(table, kept(table), tmp_path / "out")
    folder = open_dataset(FORMATS["image_folder"](tmp_path))
    (tmp_path / "photos" / folder.name[3]).unlink()
    assert "is gone; open it again" in refused(folder, kept(folder, [3]), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "reviews.csv"]


@pytest.mark.parametrize("name", ["image_folder", "split_folder", "listed_folder"])
@pytest.mark.parametrize("how", ["copy", "hardlink", "symlink"])
def test_images_are_copied_or_linked(name, how, tmp_path):
    source = FORMATS[name](tmp_path)
    data = open_dataset(source)
    rows = rows_kept(name)
    out = export(data, kept(data, rows), tmp_path / "out", as_=how)
    again = open_dataset(out, classes=data.classes, follow_links=how == "symlink")
    np.testing.assert_array_equal(again.key, data.key[rows])
    for i in rows:
        before, after = source / data.name[i], out / data.name[i]
        assert after.read_bytes() == before.read_bytes()
        assert after.is_symlink() == (how == "symlink")
        assert after.samefile(before) == (how != "copy")


@pytest.mark.parametrize("name", FORMATS)
def test_an_index_is_two_lists_of_names(name, tmp_path):
    data = open_dataset(FORMATS[name](tmp_path))
    out = export(data, kept(data), tmp_path / "out", as_="index")
    assert sorted(path.name for path in out.iterdir()) == ["drop.txt", "keep.txt"]
    keep, drop = ((out / one).read_text().splitlines() for one in ("keep.txt", "drop.txt"))
    assert keep == [data.name[i] for i in KEPT]
    assert sorted(keep + drop) == sorted(data.name)


def test_only_images_can_be_linked(tmp_path):
    data = open_dataset(FORMATS["csv_text"](tmp_path))
    assert "only folders of images can be linked" in refused(data, kept(data), tmp_path / "out", as_="symlink")
    assert "as_ as one of" in refused(data, kept(data), tmp_path / "out", as_="move")


def test_skipped_examples_are_in_no_export_but_in_the_table(tmp_path):
    source = FORMATS["image_folder"](tmp_path)
    put(source / "bee" / "0.png", b"broken")
    data = open_dataset(source, on_bad_example="skip")
    subset = kept(data, range(N))
    out = export(data, subset, tmp_path / "out")
    assert not (out / "bee" / "0.png").exists()
    assert len(open_dataset(out)) == N
    assert "bee/0.png\n" in (export(data, subset, tmp_path / "lists", as_="index") / "drop.txt").read_text()
    table = example_table(data, subset).to_pylist()
    assert len(table) == N + 1
    bad = next(row for row in table if not row["kept"])
    assert bad == {
        "name": "bee/0.png",
        "key": data.bad[0].key,
        "label": 1,
        "class": "bee",
        "score": None,
        "mean_prob": None,
        "kept": False,
        "why": "unreadable: it is no image that can be read",
    }


@pytest.mark.parametrize("name", ["csv_text", "parquet_bytes", "webdataset", "saved", "npz_vectors", "listed_folder"])
def test_bad_rows_in_the_middle_shift_nothing(name, tmp_path):
    """Rows are counted in the source: what was skipped before an example must not move it."""
    data = open_dataset(FORMATS[name](tmp_path))
    bad = tuple(replace_bad(data, i) for i in (0, 4, 23))
    good = np.setdiff1d(np.arange(N), [0, 4, 23])
    identity = Identity(data.key[good], data.label[good])
    fields = {"rows": data.rows.select(good), "label": data.label[good], "identity": identity, "row": good, "bad": bad}
    smaller = replace(data, name=[data.name[i] for i in good], **fields)
    index = [i for i, row in enumerate(good.tolist()) if row in KEPT]
    out = export(smaller, kept(smaller, index), tmp_path / "out")
    again = open_dataset(out, classes=data.classes)
    np.testing.assert_array_equal(again.key, data.key[KEPT])
    np.testing.assert_array_equal(again.label, LABEL[KEPT])
    names = example_table(smaller, kept(smaller, index)).column("name").to_pylist()
    assert names == list(data.name)


def replace_bad(data, row):
    from datapare.data import BadExample

    return BadExample(row, data.name[row], "made up", int(data.key[row]), int(data.label[row]))


def test_the_table_holds_every_example_and_what_became_of_it(tmp_path):
    data = open_dataset(FORMATS["csv_text"](tmp_path))
    subset = kept(data)
    score = np.linspace(0, 1, N)
    score[5] = np.nan
    table = example_table(data, subset, Scores(score), score / 2, [f"reason {i}" for i in range(N)])
    path = write_examples(table, tmp_path / "examples.parquet")
    back = pq.read_table(path)
    assert back.column_names == ["name", "key", "label", "class", "score", "mean_prob", "kept", "why"]
    assert back["key"].to_numpy().tolist() == data.key.tolist()
    assert np.flatnonzero(back["kept"].to_numpy(zero_copy_only=False)).tolist() == KEPT
    assert back["class"].to_pylist() == [data.classes[i] for i in data.label]
    assert back["score"].null_count == back["mean_prob"].null_count == 1
    assert back["why"].to_pylist()[7] == "reason 7"
    assert back["score"].to_pylist()[7] == score[7]


CRASH = """
import os, signal, sys
from pathlib import Path
import numpy as np
from datapare.data import export, open_dataset
from datapare.data import exporting, placing
from datapare.artifacts import Subset

data = open_dataset(sys.argv[1])
done = []
place = placing.placing("copy")

def killed(source, target):
    done.append(source)
    if len(done) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    place(source, target)

exporting.placing = lambda how: killed
export(data, Subset(np.arange(20), 24, key=data.key), sys.argv[2])
"""


def test_a_killed_export_leaves_nothing_half_done_and_the_next_one_is_whole(tmp_path):
    source = FORMATS["image_folder"](tmp_path)
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", CRASH, str(source), str(out)], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert not out.exists()
    data = open_dataset(source)
    export(data, kept(data), out)
    assert len(open_dataset(out, classes=data.classes)) == len(KEPT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "photos"]


@pytest.mark.parametrize("name", ["image_folder", "csv_text", "parquet_bytes", "webdataset", "npz_images", "saved"])
def test_a_disk_that_is_full_is_one_sentence(name, tmp_path):
    data = open_dataset(FORMATS[name](tmp_path))
    before = tree(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(DatapareError) as caught:
            export(data, kept(data, range(N)), tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert "out" in str(caught.value)
    assert tree(tmp_path) == before


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    data = open_dataset(FORMATS["csv_text"](tmp_path))
    put(tmp_path / "file", b"")
    assert "cannot write" in refused(data, kept(data), tmp_path / "file" / "out")
    assert "cannot write" in refused(data, kept(data), tmp_path / ("x" * 300))


def test_links_in_the_source_are_followed_not_copied(tmp_path):
    source = FORMATS["image_folder"](tmp_path)
    put(tmp_path / "elsewhere" / "far.png", encoded(50))
    (source / "ant" / "far.png").symlink_to(tmp_path / "elsewhere" / "far.png")
    (source / "ant" / "round").symlink_to(source)
    with pytest.raises(InputError, match=r"far\.png is a link to .*allow such links with --follow-links"):
        open_dataset(source)
    data = open_dataset(source, follow_links=True)
    assert len(data) == N + 1
    out = export(data, kept(data, range(N + 1)), tmp_path / "out")
    assert not (out / "ant" / "far.png").is_symlink()
    assert (out / "ant" / "far.png").read_bytes() == encoded(50)


def test_names_with_line_breaks_stay_on_one_line(tmp_path):
    for i in range(4):
        put(tmp_path / "odd" / "ab"[i % 2] / f"new\nline {i}.png", encoded(i))
    data = open_dataset(tmp_path / "odd")
    out = export(data, kept(data, [0, 1]), tmp_path / "out", as_="index")
    assert (out / "keep.txt").read_text().splitlines() == [r"a/new\nline 0.png", r"a/new\nline 2.png"]


def test_lists_of_many_examples_are_written_without_a_name_per_example_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "LINES", 1000)
    total = 50_000
    data = open_dataset((np.arange(2.0 * total).reshape(-1, 2), np.arange(total) % 2))
    subset = Subset(np.arange(0, total, 3), total)
    tracemalloc.start()
    try:
        out = export(data, subset, tmp_path / "lists", as_="index")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 20 * total, "a name takes more than 50 bytes"
    assert (out / "keep.txt").read_text().splitlines() == [f"row {i}" for i in range(0, total, 3)]
    assert (out / "drop.txt").read_text().splitlines() == [f"row {i}" for i in range(total) if i % 3]
