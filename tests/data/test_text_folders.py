"""Folders of texts, a folder per class: read as `sklearn.datasets.load_files` reads them."""

import pytest
from sklearn.datasets import load_files
from sources import put

from datapare.artifacts import Subset
from datapare.data import export, open_dataset
from datapare.data.dataset import texts
from datapare.errors import InputError

N = 6


def imdb(root, name="{i}_9.txt"):
    for split in ("train", "test"):
        for c in ("pos", "neg"):
            for i in range(N):
                put(root / split / c / name.format(i=i), f"film {i} of {split} was {c} — ünd so\n".encode())
    return root


@pytest.mark.parametrize("name", ["{i}_9.txt", "5{i}"])
def test_texts_in_class_folders_are_those_of_sklearn(name, tmp_path):
    data = open_dataset(imdb(tmp_path / "d", name))
    theirs = load_files(tmp_path / "d/train", encoding="utf-8", shuffle=False)
    by_text = dict(zip(theirs.data, (theirs.target_names[i] for i in theirs.target), strict=True))
    assert {text: data.classes[c] for text, c in zip(texts(data), data.label, strict=True)} == by_text
    assert len(open_dataset(tmp_path / "d", split="test", classes=data.classes)) == 2 * N


def test_unlabelled_texts_and_lists_beside_them_are_no_examples(tmp_path):
    root = imdb(tmp_path / "d")
    for i in range(3):
        put(root / f"train/unsup/{i}_0.txt", b"words")
    put(root / "train/urls_pos.txt", b"http://x\n")
    put(root / "imdb.vocab", b"the\n")
    put(root / "list.txt", "".join(f"train/pos/{i}_9.txt,{i}\n" for i in range(N)).encode())
    data = open_dataset(root)
    assert (len(data), data.classes) == (2 * N, ("neg", "pos"))
    assert "train/unsup/ was left out, as examples without a label are called so" in data.notes
    out = export(data, Subset(index=[0, 1, 6, 7], total=2 * N), tmp_path / "out")
    again = open_dataset(out)
    assert list(again.name) == [f"train/{c}/{i}_9.txt" for c in ("neg", "pos") for i in range(2)]
    assert len(list((out / "test").rglob("*.txt"))) == 2 * N
    assert (out / "train/unsup/0_0.txt").exists()
    assert (out / "list.txt").read_text() == "train/pos/0_9.txt,0\ntrain/pos/1_9.txt,1\n"


def test_texts_that_are_no_utf_8_are_refused_with_the_way_out(tmp_path):
    put(imdb(tmp_path / "d") / "train/pos/0_9.txt", "caf\xe9".encode("latin-1"))
    with pytest.raises(InputError, match=r"1 of 12 texts .* are not UTF-8, pos/0_9.txt first; .* iconv"):
        open_dataset(tmp_path / "d")
