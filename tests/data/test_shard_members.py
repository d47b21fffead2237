"""Shards as macOS, other writers and broken downloads leave them."""

import io
import tarfile

import pytest
from sources import encoded

from datapare.artifacts import Subset
from datapare.data import export, open_dataset
from datapare.errors import InputError

COUNT = 8


def members():
    return [(f"{i}.{e}", c) for i in range(COUNT) for e, c in (("png", encoded(i)), ("cls", b"%d" % (i % 2)))]


def tar_of(path, files):
    with tarfile.open(path, "w") as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def plain(folder):
    return tar_of(folder / "plain.tar", members())


def test_what_macos_leaves_in_a_shard_is_no_sample(tmp_path):
    leavings = [("__MACOSX/._0.png", b"x"), ("a/._0.png", b"x")]
    tar_of(tmp_path / "s.tar", [*leavings, *members()])
    data = open_dataset(tmp_path / "s.tar")
    assert len(data) == len(open_dataset(plain(tmp_path))) == COUNT
    assert len(open_dataset(export(data, Subset(index=range(4), total=COUNT), tmp_path / "out.tar"))) == 4


@pytest.mark.parametrize("label", [b"\xef\xbb\xbf1\r\n", b" 1 "])
def test_labels_of_members_have_no_marks_around_them(label, tmp_path):
    tar_of(tmp_path / "s.tar", [(name, label if name == "1.cls" else content) for name, content in members()])
    assert open_dataset(tmp_path / "s.tar").classes == ("0", "1")


def test_a_label_may_be_a_member_with_dots_in_its_ending(tmp_path):
    named = [(name.replace(".cls", ".label.txt"), content) for name, content in members()]
    tar_of(tmp_path / "s.tar", named)
    assert len(open_dataset(tmp_path / "s.tar", label="label.txt")) == COUNT


def test_a_shard_that_ends_between_two_samples_is_said_to_be_cut_off(tmp_path):
    content = plain(tmp_path).read_bytes()
    last = content.index(f"{COUNT - 1}.png".encode())
    (tmp_path / "cut.tar").write_bytes(content[:last])
    data = open_dataset(tmp_path / "cut.tar")
    assert (len(data), any("they may be cut off" in note for note in data.notes)) == (COUNT - 1, True)
    assert not open_dataset(plain(tmp_path)).notes


def test_shards_without_images_are_refused_with_the_way_out(tmp_path):
    tar_of(tmp_path / "s.tar", [(name.replace(".png", ".jp2"), content) for name, content in members()])
    with pytest.raises(InputError, match="hold no image with an ending that is read"):
        open_dataset(tmp_path / "s.tar")
