"""WebDataset: tar files whose members 0001.jpg, 0001.cls, … of one sample stand together."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path, PurePosixPath
from typing import Any

from datapare.data.columns import LABELS
from datapare.data.layouts import is_image
from datapare.data.paths import safe_join
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of
from datapare.errors import InputError

SUFFIXES = (".tar",)
PRIORITY = 2


def read(source: SourceFiles, request: OpenRequest) -> RawTable:
    """One row per sample of the tar files: its image (where it lies in the tar), its label and its `__key__`.

    The label is the .cls member, or `label` (or a usual name) in the .json member.
    """
    import pyarrow as pa

    files, path, label = source.with_suffix(SUFFIXES, request.split), source.path, request.label
    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            with tarfile.open(file, "r:") as tar:
                rows += [_row(file, tar, key, members, label) for key, members in _samples(tar, file)]
        except tarfile.TarError as error:
            raise InputError(
                f"{file} is no plain tar file that can be read ({error}); unpack a compressed one first."
            ) from None
    if not rows:
        raise InputError(f"{path} holds no samples; expected members such as 0001.jpg and 0001.cls.")
    image = pa.struct({"bytes": pa.binary(), "path": pa.string(), "offset": pa.int64(), "size": pa.int64()})
    columns = {
        "__key__": pa.array([row["key"] for row in rows]),
        "image": pa.array([row["image"] for row in rows], image),
    }
    try:
        columns["label"] = pa.array([row["label"] for row in rows])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise InputError(
            f"{path} mixes labels of different types, such as numbers and names; make them alike."
        ) from None
    names = [row["key"] for row in rows]
    return RawTable(rows_of(pa.table(columns)), path, files, "image", ("image",), "label", names, names)


def _samples(tar: tarfile.TarFile, file: Path) -> Iterator[tuple[str, list[tarfile.TarInfo]]]:
    """(key, members) of each sample; the key is a member's path up to the first dot of its file name."""
    members = (member for member in tar if member.isfile())
    for key, group in groupby(members, key=lambda member: _key(member.name)):
        safe_join(file, key, f"a member of {file.name}")
        yield key, list(group)


def _key(name: str) -> str:
    path = PurePosixPath(name)
    return (path.parent / path.name.split(".", 1)[0]).as_posix() if not path.name.startswith(".") else path.as_posix()


def _row(
    file: Path, tar: tarfile.TarFile, key: str, members: list[tarfile.TarInfo], label: str | None
) -> dict[str, Any]:
    found = [member for member in members if is_image(member.name)]
    if len(found) > 1:
        raise InputError(f"the sample {key!r} of {file.name} has {len(found)} images; expected one.")
    image = {"path": str(file), "offset": found[0].offset_data, "size": found[0].size} if found else None
    return {"key": key, "image": image, "label": _label(tar, members, label, f"the sample {key!r} of {file.name}")}


def _label(tar: tarfile.TarFile, members: list[tarfile.TarInfo], label: str | None, where: str) -> int | str | None:
    by_ending = {member.name.rsplit(".", 1)[-1].lower(): member for member in members}
    if "cls" in by_ending and label in {None, "cls"}:
        text = _read(tar, by_ending["cls"]).decode("utf-8", "replace").strip()
        return int(text) if text.lstrip("-").isdigit() else text
    if "json" not in by_ending:
        raise InputError(f"{where} has no label; expected a .cls member, or a .json member that holds one.")
    try:
        fields = json.loads(_read(tar, by_ending["json"]))
    except ValueError as error:
        raise InputError(f"{where} has a .json member that cannot be read: {error}.") from None
    for name in (label,) if label else LABELS:
        if isinstance(fields, dict) and name in fields:
            return fields[name]  # type: ignore[no-any-return]
    listed = ", ".join(fields) if isinstance(fields, dict) else type(fields).__name__
    raise InputError(f"{where} has no label in its .json member ({listed}); name it with label= (--label).")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = tar.extractfile(member)
    return content.read() if content else b""


def write(source: Path, keep: Sequence[int], out: Path) -> int:
    """One tar file with all members of the samples at `keep`; the number of samples there were."""
    chosen = {int(i) for i in keep}
    count = 0
    with tarfile.open(source, "r:") as tar, tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as smaller:
        for number, (_, members) in enumerate(_samples(tar, source)):
            count = number + 1
            if number in chosen:
                for member in members:
                    smaller.addfile(member, tar.extractfile(member))
    return count


def is_shard(path: Path) -> bool:
    """Whether the first members of a tar file are those of a sample with a label, not just any files."""
    try:
        with tarfile.open(path, "r:") as tar:
            endings = {member.name.rsplit(".", 1)[-1].lower() for member in islice(tar, 8)}
    except (tarfile.TarError, OSError):
        return True  # said to be damaged when it is read
    return bool(endings & {"cls", "json"})
