"""The order in which a file system lists its files changes nothing of what is read or written."""

import contextlib
import os

import numpy as np
import pytest
from sources import FORMATS, KEPT, LABEL, encoded, image_folder, put, rows_kept, tree

import datapare as dp


def shuffled(items, rng):
    return [items[i] for i in rng.permutation(len(items))]


class Shuffled:
    """What os.scandir returns, in another order."""

    def __init__(self, found, rng):
        with found:
            self.entries = iter(shuffled(list(found), rng))

    def __iter__(self):
        return self.entries

    def __next__(self):
        return next(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def close(self):
        return None


@contextlib.contextmanager
def listed_as(seed):
    """List every folder in the order of a seed."""
    rng, scandir, listdir = np.random.default_rng(seed), os.scandir, os.listdir
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", lambda *at: Shuffled(scandir(*at), rng))
        patch.setattr(os, "listdir", lambda *at: shuffled(listdir(*at), rng))
        yield


def read_and_written(source, out, seed):
    with listed_as(seed):
        data = dp.open_dataset(source)
        subset = dp.Subset(np.array(rows_kept(out.parent.name) if len(data) == len(LABEL) else [0, 2]), len(data))
        dp.export(data, subset, out)
    return data, tree(out) if out.is_dir() else out.read_bytes()


def check_orders(source, tmp_path, name):
    out = tmp_path / "out" / name
    out.mkdir(parents=True)
    made = [read_and_written(source, out / str(seed), seed) for seed in (1, 2)]
    (first, files), (second, other_files) = made
    assert np.array_equal(first.key, second.key)
    assert np.array_equal(first.label, second.label)
    assert (first.classes, first.digest, first.kind) == (second.classes, second.digest, second.kind)
    assert files == other_files
    return first


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in {"hub_object", "pair"}])
def test_of_every_format(name, tmp_path):
    data = check_orders(FORMATS[name](tmp_path), tmp_path, name)
    assert len(data) in {len(LABEL), len(LABEL) - len(KEPT)}


def test_the_listing_is_shuffled(tmp_path):
    image_folder(tmp_path)
    with listed_as(1):
        first = [path.name for path in (tmp_path / "photos" / "bee").iterdir()]
    with listed_as(2):
        assert first != [path.name for path in (tmp_path / "photos" / "bee").iterdir()]


def test_of_a_list_whose_names_lie_in_folders(tmp_path):
    """Names without their folders, as the columns of published tables have them."""
    for i in range(8):
        put(tmp_path / "photos" / "pictures" / "ab"[i % 2] / f"{i}.png", encoded(i))
    lines = [f"{i}.png,{'xy'[i % 2]}" for i in range(8)]
    put(tmp_path / "photos" / "labels.csv", "\n".join(["image,label", *lines]).encode())
    assert len(check_orders(tmp_path / "photos", tmp_path, "listed")) == 8
