"""Data of strangers: nothing outside the dataset is read, nothing of it reaches the terminal raw."""

import csv
import io
import tarfile

import numpy as np
import pytest
from shell import run
from sources import encoded, put

from datapare.data import open_dataset
from datapare.errors import DatapareError, InputError, printable

N = 8
LABEL = [i % 2 for i in range(N)]


def refused(source, **options):
    with pytest.raises(InputError) as caught:
        open_dataset(source, **options)
    return str(caught.value)


@pytest.fixture
def secret(tmp_path):
    put(tmp_path / "outside" / "secret.png", encoded(99))
    return tmp_path / "outside" / "secret.png"


def parquet(at, paths):
    import pyarrow as pa
    import pyarrow.parquet as pq

    image = [{"bytes": None, "path": path} for path in paths]
    at.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": image, "label": LABEL}), at)


def insides(root):
    for i in range(N):
        put(root / "images" / f"{i}.png", encoded(i))
    return [f"images/{i}.png" for i in range(N)]


@pytest.mark.parametrize("way", ["absolute", "dots", "link"])
def test_paths_in_parquet_stay_inside(way, secret, tmp_path):
    names = insides(tmp_path / "d")
    (tmp_path / "d" / "link.png").symlink_to(secret)
    bad = {"absolute": str(secret), "dots": "../outside/secret.png", "link": "link.png"}[way]
    parquet(tmp_path / "d" / "t.parquet", [bad, *names[1:]])
    assert "--follow-links" in refused(tmp_path / "d" / "t.parquet")
    assert "--follow-links" in refused(tmp_path / "d")
    assert len(open_dataset(tmp_path / "d" / "t.parquet", follow_links=True)) == N


def test_relative_paths_in_parquet_start_from_its_folder(tmp_path, monkeypatch):
    parquet(tmp_path / "d" / "t.parquet", insides(tmp_path / "d"))
    monkeypatch.chdir(tmp_path)
    data = open_dataset(tmp_path / "d" / "t.parquet")
    assert len(data) == N
    assert data.array.shape == (N, 12, 12, 3)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "txt"])
@pytest.mark.parametrize(
    "bad", ["/etc/passwd.png", "../outside/secret.png", "C:\\secret.png", "..\\outside\\secret.png"]
)
@pytest.mark.usefixtures("secret")
def test_names_in_lists_stay_inside(ending, bad, tmp_path):
    import json

    names = [*insides(tmp_path / "d")[:-1], bad]
    rows = [{"file_name": name, "label": f"c{c}"} for name, c in zip(names, LABEL, strict=True)]
    content = {
        "csv": "file_name,label\n" + "".join(f"{row['file_name']},{row['label']}\n" for row in rows),
        "jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "json": json.dumps(rows),
        "txt": "".join(f"{row['file_name']} {row['label']}\n" for row in rows),
    }[ending]
    put(tmp_path / "d" / f"labels.{ending}", content.encode())
    assert "is not inside" in refused(tmp_path / "d")


@pytest.mark.parametrize("what", ["class folder", "image", "card", "list"])
def test_links_that_leave_the_folder_are_refused_unless_asked_for(what, secret, tmp_path):
    root = tmp_path / "d"
    for i in range(N):
        put(root / "ab"[i % 2] / f"{i}.png", encoded(i))
    target = {
        "class folder": root / "c",
        "image": root / "a" / "x.png",
        "card": root / "README.md",
        "list": root / "l.csv",
    }[what]
    put(secret.parent / "text", b"root:x:0:0\n")
    target.symlink_to({"class folder": secret.parent, "image": secret}.get(what, secret.parent / "text"))
    assert "allow such links with --follow-links" in refused(root)
    if what != "class folder":
        assert len(open_dataset(root, follow_links=True)) == N + (what == "image")


def test_a_linked_split_may_lie_elsewhere_but_its_links_may_not(secret, tmp_path):
    for i in range(N):
        put(tmp_path / "store" / "ab"[i % 2] / f"{i}.png", encoded(i))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "train").symlink_to(tmp_path / "store")
    assert len(open_dataset(tmp_path / "d")) == N
    (tmp_path / "store" / "a" / "x.png").symlink_to(secret)
    assert "--follow-links" in refused(tmp_path / "d")


def test_links_in_circles_and_in_crowds_end(tmp_path):
    root = tmp_path / "d"
    for c in "abcdefghijkl":
        put(root / c / "0.png", encoded(1))
        put(root / c / "1.png", encoded(2))
    (root / "a" / "up").symlink_to(root)
    assert len(open_dataset(root)) == 24
    for c in "abcdefghijkl":
        for other in "abcdefghijkl":
            if c != other:
                (root / c / f"to {other}").symlink_to(root / other)
    assert "in more than 16 places" in refused(root)


@pytest.mark.parametrize("name", ["../x.jpg", "/srv/x.jpg", "a/../../x.jpg"])
def test_members_of_a_tar_stay_inside(name, tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for i in range(4):
            for member, content in (
                (f"{i}.jpg" if i else name, encoded(i, "jpg")),
                (f"{i}.cls" if i else name[:-3] + "cls", b"0"),
            ):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    assert "is not inside" in refused(tmp_path / "s.tar")


def test_files_that_unpack_to_too_much_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 1_000_000
    pq.write_table(pa.table({"x": pa.array(np.zeros(count)), "label": np.arange(count) % 2}), tmp_path / "t.parquet")
    np.savez_compressed(tmp_path / "t.npz", x=np.zeros((1000, 1000)), y=np.arange(1000) % 2)
    for name in ("t.parquet", "t.npz"):
        assert "GiB, and the limit is 0.001; raise it with --max-gib" in refused(tmp_path / name, max_gib=0.001)


@pytest.mark.parametrize("text", ["\x1b[2J\x1b[31mdone", "a\rb", "\u202egnp.exe", "\x07", "a\x9bb"])
def test_names_are_printed_escaped(text, tmp_path, capsys):
    assert printable(text).isprintable()
    assert str(DatapareError(text)).isprintable()
    assert printable("日本 naïve c++ 👨\u200d👩\u200d👧") == "日本 naïve c++ 👨\u200d👩\u200d👧"
    for i in range(6):
        put(tmp_path / "d" / ("cat" if i % 2 else "dog") / f"{text}{i}.png", encoded(i) if i else b"")
    for words, expected in ((("inspect",), 0), (("prune", "--keep", "0.5", "--out", tmp_path / "run"), 2)):
        code, out, err = run(capsys, words[0], tmp_path / "d", *words[1:])
        assert code == expected, err
        assert text not in out + err


def test_messages_about_names_without_end_are_short_and_say_what_to_do(tmp_path):
    put(tmp_path / "t.csv", ",".join(f"column {i}" for i in range(20_000)).encode() + b"\n" + b"1," * 19_999 + b"1\n")
    said = refused(tmp_path / "t.csv", label="columm 1")
    assert len(said) < 5_000
    assert refused(tmp_path / "t.csv", label="x" * 100_000).endswith((".", "?"))
    assert len(str(DatapareError("a" * 100_000 + "; do this."))) < 5_000
    assert str(DatapareError("a" * 100_000 + "; do this.")).endswith("; do this.")


FORMULAS = [
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@SUM(A1)",
    "'=1",
    "''=1",
    "plain",
    "\uff1d1+1",
    "\n=1",
    "a;=1",
    "a\t@b",
    " =1",
    '"=1',
]


@pytest.mark.parametrize("name", FORMULAS)
def test_tables_for_spreadsheets_hold_no_formulas_and_are_read_back_as_they_were(name, tmp_path):
    from datapare.methods.label_issues import LabelIssues
    from datapare.pipeline.label_decisions import read_decisions, write_decisions

    x = np.arange(N)[:, None].astype(float)
    data = open_dataset((x, [name if c else "other" for c in LABEL]))
    suggested = np.full(1, data.classes.index(name))
    found = LabelIssues(np.array([0]), np.ones(N), suggested, 0.5)
    file = write_decisions(tmp_path / "d.csv", data, found, "confidence")
    for delimiter in ",;\t":  # as spreadsheets of different languages read it
        cells = [cell for row in csv.reader(io.StringIO(file.read_text()), delimiter=delimiter) for cell in row]
        assert not [cell for cell in cells if cell.strip('" ').startswith(("=", "+", "-", "@", "\t", "\n", "\uff1d"))]
    file.write_text(file.read_text().replace(",keep", ",relabel"))
    assert read_decisions(file, data).relabel == {0: data.classes.index(name)}
