"""The members of a tar archive are those that `tarfile` reads; a damaged header is refused, where it would stop."""

import io
import tarfile

import numpy as np
import pytest

from datapare.data.tar_members import file_members
from datapare.errors import InputError

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
NAMES = ("a", "b/c", "./x", "é", "long" * 30, "d/" * 60 + "q", "//u", "a.b")
KINDS = (*[tarfile.REGTYPE] * 6, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.AREGTYPE)


def any_tar(path, rng):
    """Write an archive of members of any kind, name, size and time; many are cut off or damaged afterwards."""
    form = FORMATS[rng.integers(3)]
    with tarfile.open(path, "w", format=form) as tar:
        for i in range(rng.integers(6)):
            member = tarfile.TarInfo(f"{NAMES[rng.integers(len(NAMES))]}{i}.{['jpg', 'cls'][rng.integers(2)]}")
            member.type, member.linkname = KINDS[rng.integers(len(KINDS))], "a"
            member.size = int(rng.choice([0, 1, 511, 512, 513, 2000])) if member.isreg() else 0
            member.mtime = 0 if form == tarfile.USTAR_FORMAT else float(rng.choice([0, 1.5, 1e9]))
            member.uid = 0 if form == tarfile.USTAR_FORMAT else int(rng.choice([0, 2**30]))
            try:
                tar.addfile(member, io.BytesIO(rng.bytes(member.size)))
            except ValueError:  # ustar holds no longer names
                continue
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    if rng.random() < 0.4:
        content[rng.integers(len(content), size=2)] = rng.integers(256, size=2)
    path.write_bytes(content[: rng.integers(len(content) + 1)] if rng.random() < 0.3 else content)


def by_tarfile(path):
    with tarfile.open(path, "r:") as tar:
        return [(one.name, one.offset_data, one.size) for one in tar if one.isfile()]


def test_any_archive_has_the_members_that_tarfile_reads(tmp_path):
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(400):
        any_tar(tmp_path / "t.tar", rng)
        try:
            found = file_members(tmp_path / "t.tar")
        except InputError:
            continue
        assert [tuple(one) for one in found] == by_tarfile(tmp_path / "t.tar")
        compared += 1
    assert compared > 200


def test_a_damaged_header_in_the_middle_is_refused_though_tarfile_stops_there_silently(tmp_path):
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("a", "b", "c"):
            tar.addfile(tarfile.TarInfo(name))
    content = bytearray(path.read_bytes())
    content[512 + 3] ^= 1
    path.write_bytes(content)
    assert len(by_tarfile(path)) == 1
    with pytest.raises(InputError, match="the header at byte 512 is damaged"):
        file_members(path)
