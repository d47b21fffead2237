"""The members of a tar archive are those that `tarfile` reads; a damaged header is refused, where it would stop."""

import io
import resource
import tarfile
import time

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


def header(name, size, kind=b"0"):
    """A header of GNU tar; the size is a field of 12 bytes as it stands in the archive."""
    field = bytearray(512)
    field[: len(name)], field[124:136], field[156:157], field[257:265] = name, size, kind, b"ustar  \0"
    field[100:124], field[136:148], field[148:156] = b"0000644\0" * 3, b"00000000000\0", b" " * 8
    field[483:495] = b"00000001000\0" if kind == b"S" else bytes(12)
    field[148:156] = b"%06o\0 " % sum(field)
    return bytes(field)


def octal(number):
    return b"%011o\0" % number


def binary(number):
    return (b"\xff" if number < 0 else b"\x80") + number.to_bytes(11, "big", signed=True)


def pax(**words):
    """An extended header of words of fewer than 80 letters."""
    lines = b"".join(
        b"%d %s=%s\n" % (len(name) + len(value) + 5, name.encode(), value) for name, value in words.items()
    )
    return header(b"pax", octal(len(lines)), b"x") + lines.ljust(512, b"\0")


MEMBER = header(b"0.cls", octal(1)) + b"1".ljust(512, b"\0")
LYING = {
    "negative": header(b"1.cls", b"-0000001000\0"),
    "far back": header(b"1.cls", b"-0000004000\0"),
    "negative in binary": header(b"1.cls", binary(-512)),
    "huge in binary": header(b"1.cls", binary(2**80)),
    "more than there is": header(b"1.cls", octal(8**11 - 1)),
    "negative in words": pax(size=b"-02048") + header(b"1.cls", octal(0)),
    "huge in words": pax(size=b"9" * 30) + header(b"1.cls", octal(0)),
    "a huge header of words": header(b"pax", octal(8**11 - 1), b"x"),
    "a negative header of words": header(b"pax", b"-0000001000\0", b"x"),
    "a huge long name": header(b"././@LongLink", octal(8**11 - 1), b"L"),
    "a negative folder": header(b"d/", b"-0000001000\0", b"5"),
    "holes": header(b"1.cls", octal(0), b"S"),
    "a name that is not UTF-8": header(b"\xff.cls", octal(0)),
}


@pytest.mark.parametrize("first", [b"", MEMBER])
@pytest.mark.parametrize("name", LYING)
def test_lengths_that_lead_out_of_the_archive_are_refused(name, first, tmp_path):
    path = tmp_path / "t.tar"
    path.write_bytes(first + LYING[name] + bytes(1024))
    resource_limit = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 10, resource_limit[1]))  # not for ever
    try:
        with pytest.raises(InputError, match=r"t\.tar"):
            file_members(path)
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, resource_limit)
