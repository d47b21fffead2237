"""A format is one file: dropped into the folder, it is read, exported and inspected."""

import textwrap

import numpy as np
import pytest

from datapare.artifacts import Subset
from datapare.data import export, formats, inspect, open_dataset
from datapare.data.formats import detect

FORMAT = '''
"""Lines of words, each with its class behind a bar."""

import pyarrow as pa

from datapare.data.source import RawTable, rows_of

SUFFIXES = (".bars",)


def read(files, request):
    chosen = files.with_suffix(SUFFIXES, request.split)
    rows = [line.split("|") for file in chosen for line in file.read_text().splitlines()]
    text, label = zip(*rows, strict=True)
    return RawTable(rows_of(pa.table({"text": text, "label": label})), files.path, chosen)


def write(source, keep, out):
    lines = source.read_text().splitlines(keepends=True)
    out.write_text("".join(lines[i] for i in keep if 0 <= i < len(lines)))
    return len(lines)
'''


@pytest.fixture
def dropped_in(tmp_path, monkeypatch):
    """One more folder that the package lists and imports from, as if the file lay in its own."""
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "bars_of_a_test.py").write_text(textwrap.dedent(FORMAT))
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path / "formats")])
    detect.formats.cache_clear()
    yield
    detect.formats.cache_clear()


@pytest.mark.usefixtures("dropped_in")
def test_a_format_is_one_file(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.bars").write_text("".join(f"word {i}|{'ab'[i % 2]}\n" for i in range(8)))
    (tmp_path / "in" / "README.md").write_text("mine")
    data = open_dataset(tmp_path / "in")
    assert (data.format, data.classes, len(data)) == ("bars_of_a_test", ("a", "b"), 8)
    out = export(data, Subset(np.array([1, 2]), 8, key=data.key), tmp_path / "out")
    assert (out / "train.bars").read_text() == "word 1|b\nword 2|a\n"
    assert (out / "README.md").read_text() == "mine"
    assert "bars_of_a_test, train.bars" in repr(inspect(data))


def test_every_format_reads_something_and_says_how_it_writes():
    for one in detect.formats():
        assert one.read or one.read_object, one.name
        assert one.write or one.write_all, one.name
        assert one.SUFFIXES or one.matches or one.accepts, one.name
