"""Text in another encoding and packed files that unpack to very much are refused with the way out."""

import gzip

import pytest
from sources import put

from datapare.data import open_dataset
from datapare.errors import InputError

TEXT = "text,label\n" + "".join(f"naïve words {i},{'ab'[i % 2]}\n" for i in range(8))


@pytest.mark.parametrize(
    ("encoding", "command"),
    [
        ("utf-16", "iconv -f utf-16 -t utf-8 t.csv"),
        ("utf-16-le", "iconv -f utf-16 -t utf-8 t.csv"),
        ("utf-16-be", "iconv -f utf-16 -t utf-8 t.csv"),
        ("utf-32", "iconv -f utf-32 -t utf-8 t.csv"),
        ("latin-1", "iconv -f windows-1252 -t utf-8 t.csv"),
        ("cp1252", "iconv -f windows-1252 -t utf-8 t.csv"),
    ],
)
def test_other_encodings_are_refused_with_the_command_that_converts(encoding, command, tmp_path):
    put(tmp_path / "t.csv", TEXT.encode(encoding))
    with pytest.raises(InputError, match=command):
        open_dataset(tmp_path / "t.csv")


def test_a_byte_order_mark_of_utf_8_is_no_part_of_the_first_name(tmp_path):
    put(tmp_path / "t.csv", TEXT.encode("utf-8-sig"))
    assert open_dataset(tmp_path / "t.csv").inputs == ("text",)


LARGE = {
    "t.csv.gz": b"x,label\n" + b"1.5,a\n2.5,b\n" * 200_000,
    "t.tsv.gz": b"x\tlabel\n" + b"1.5\ta\n2.5\tb\n" * 200_000,
    "t.jsonl.gz": b'{"x": 1.5, "label": "a"}\n{"x": 2.5, "label": "b"}\n' * 200_000,
}


@pytest.mark.parametrize("name", LARGE)
def test_packed_text_is_unpacked_to_the_limit_and_no_further(name, tmp_path):
    put(tmp_path / name, gzip.compress(LARGE[name], 1))
    with pytest.raises(InputError, match=r"unpacks to .* GiB, and the limit is 0.001; raise it with --max-gib"):
        open_dataset(tmp_path / name, max_gib=0.001)
    assert len(open_dataset(tmp_path / name, max_gib=1)) == 400_000


def test_a_damaged_archive_is_refused(tmp_path):
    content = bytearray(gzip.compress(TEXT.encode()))
    for cut in (content[:-9], content[:20] + b"\0" * 30 + content[50:]):
        put(tmp_path / "t.csv.gz", bytes(cut))
        with pytest.raises(InputError, match="cannot be unpacked"):
            open_dataset(tmp_path / "t.csv.gz")
