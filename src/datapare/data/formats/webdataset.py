"""WebDataset: tar files whose members 0001.jpg, 0001.cls, … of one sample stand together."""

import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, groupby, islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from datapare.data.column_names import LABELS
from datapare.data.dataset import Dataset, all_names, cells
from datapare.data.layouts import is_image
from datapare.data.packed_shards import PACKED, plain_tar
from datapare.data.paths import check_inside, walk
from datapare.data.placing import folder_of
from datapare.data.shard_copies import shard_copy
from datapare.data.shard_indexes import Shards, statistics_files, with_counts
from datapare.data.shard_tables import describe_shards, without_dropped
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of
from datapare.data.tar_members import Member, ends_as_a_tar, file_members
from datapare.data.text_files import open_packed
from datapare.errors import InputError
from datapare.numerics.threads import cores

SUFFIXES = (".tar", *PACKED)
SUBSET = "subset.npy"
PRIORITY = 2
MANY_SAMPLES = 200_000  # from here on it is quicker to start a process per core (benchmarks/shard_index_speed.py)
_UID = re.compile("[0-9a-fA-F]{32}")
Named = TypeVar("Named", Member, tarfile.TarInfo)


class Sample(NamedTuple):
    """One sample of a shard: its key, where its image lies in the tar file, and its label as it stands."""

    key: str
    offset: int | None
    size: int | None
    label: object


def read(source: SourceFiles, request: OpenRequest) -> RawTable:
    """Read one row per sample of the tar files: its image (where it lies in the tar), its label and its `__key__`.

    A sample has one image, or the one whose ending `input` names. The label is the .cls member, or `label` (or a usual
    name) in the .json member. Labels are numbers where all are plain ones, else texts.
    """
    files = source.with_suffix(SUFFIXES, request.split)
    plain = [plain_tar(file, request.max_gib) for file in files]
    shards = index_shards(plain, request.label, request.input)
    found = _indexed([str(file) for file in plain], shards, str(source.path))
    statistics = statistics_files(source.names) if source.is_folder else []
    cut = [file.name for file in plain if not ends_as_a_tar(file)]
    ends = f"{', '.join(cut[:3])}{', …' if len(cut) > 3 else ''} end without the mark of their end: they may be cut off"
    left_out = f"{len(statistics):,} files such as {', '.join(statistics[:1])} count a download: an export has none"
    return replace(found, path=source.path, files=files, notes=(*[left_out] * bool(statistics), *[ends] * bool(cut)))


def read_urls(urls: Sequence[str], request: OpenRequest) -> RawTable | None:
    """Read one row per sample of tar files at URLs, as `read` does; their images stay there. None for packed ones."""
    if not all(url.lower().endswith(".tar") for url in urls):
        return None
    shards = []
    for url in urls:
        copy = shard_copy(url)  # held while it is read
        shards.append(index_shard(copy.path, request.label, request.input))
    return _indexed(urls, shards, urls[0])


def _indexed(files: Sequence[str], shards: Sequence[list[Sample]], where: str) -> RawTable:
    import pyarrow as pa

    samples = list(chain.from_iterable(shards))
    if not samples:
        raise InputError(f"{where} holds no samples; expected members such as 0001.jpg and 0001.cls.")
    if all(one.offset is None for one in samples):
        raise InputError(
            f"the samples of {where} hold no image with an ending that is read, such as .jpg or .png; texts are read "
            "from CSV, JSON lines or Parquet."
        )
    file = pa.array(files, pa.string()).take(pa.array([i for i, shard in enumerate(shards) for _ in shard], pa.int64()))
    offset = pa.array([one.offset for one in samples], pa.int64())
    image = pa.StructArray.from_arrays(
        [pa.nulls(len(samples), pa.binary()), file, offset, pa.array([one.size for one in samples], pa.int64())],
        ["bytes", "path", "offset", "size"],
        mask=offset.is_null(),
    )
    names = [one.key for one in samples]
    table = pa.table({"__key__": pa.array(names, pa.string()), "image": image, "label": _labels(samples)})
    return RawTable(rows_of(table), None, (), "image", ("image",), "label", names, names)


def index_shards(files: Sequence[Path], label: str | None, image: str | None = None) -> list[list[Sample]]:
    """The samples of each tar file; where they are very many, a process per core reads them."""
    at_once = cores()
    first = [index_shard(file, label, image) for file in files[:1]]
    if at_once < 2 or sum(map(len, first)) * len(files) < MANY_SAMPLES:
        return first + [index_shard(file, label, image) for file in files[1:]]
    from joblib import Parallel, delayed

    return first + list(Parallel(n_jobs=at_once)(delayed(index_shard)(file, label, image) for file in files[1:]))


def index_shard(file: Path, label: str | None, image: str | None = None) -> list[Sample]:
    """The samples of one tar file, in order; their images are the members that end in `image`, if that is given.

    Raises:
        InputError: For a file that is no plain tar, a name that leads out of it, and a sample without a label.
    """
    members = file_members(file)
    with file.open("rb") as content:
        return [_sample(file, content, key, list(group), (label, image)) for key, group in _samples(members, file)]


def _samples(members: Iterable[Named], file: Path) -> Iterator[tuple[str, Iterator[Named]]]:
    """(key, members) of each sample; the key is a member's path up to the first dot of its file name."""
    there = (member for member in members if not _is_litter(member.name))
    for key, group in groupby(there, key=lambda member: _key(member.name)):
        check_inside(file, key, f"a member of {file.name}")
        yield key, group


def _is_litter(name: str) -> bool:
    """Whether macOS left a member behind, such as ._0001.jpg."""
    return name.startswith(("._", "__MACOSX/")) or "/._" in name or "/__MACOSX/" in name


def _key(name: str) -> str:
    if "./" in name or "//" in name or name.endswith("/."):
        name = PurePosixPath(name).as_posix()
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}" if not file.startswith(".") else name


def _sample(
    file: Path, content: BinaryIO, key: str, members: list[Member], named: tuple[str | None, str | None]
) -> Sample:
    label, image = named
    images = [member for member in members if is_image(member.name)]
    endings = {_ending(key, member.name): member for member in images}
    found = [endings[image.lower()]] if image is not None and image.lower() in endings else images
    where = f"the sample {key!r} of {file.name}"
    if len(found) > 1:
        raise InputError(
            f"{where} has {len(found)} images ({', '.join(endings)}); name the ending of the one to read with input= "
            "(--input)."
        )
    offset, size = (found[0].offset, found[0].size) if found else (None, None)
    return Sample(key, offset, size, _label(content, key, members, label, where))


def _ending(key: str, name: str) -> str:
    """What follows the key and the dot in a member's name, such as jpg or seg.png."""
    return name[name.rfind("/") + 1 :][len(key) - key.rfind("/") :].lower()


def _label(content: BinaryIO, key: str, members: list[Member], label: str | None, where: str) -> object:
    by_ending = {_ending(key, member.name): member for member in members}
    by_ending |= {member.name.rsplit(".", 1)[-1].lower(): member for member in members}
    named = "cls" if label is None else label.lower()
    if named in by_ending and not is_image(f".{named}"):
        return _read(content, by_ending[named]).decode("utf-8-sig", "replace").strip()
    if "json" not in by_ending:
        raise InputError(
            f"{where} has no label among its members ({', '.join(sorted(by_ending))}); expected a .cls member, or a "
            ".json member that holds one; another member of text is named by its ending with label= (--label)."
        )
    try:
        fields = json.loads(_read(content, by_ending["json"]))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} has a .json member that cannot be read: {error}.") from None
    for name in (label,) if label else LABELS:
        if isinstance(fields, dict) and name in fields:
            return fields[name]
    listed = ", ".join(fields) if isinstance(fields, dict) else type(fields).__name__
    raise InputError(f"{where} has no label in its .json member ({listed}); name it with label= (--label).")


def _read(content: BinaryIO, member: Member) -> bytes:
    content.seek(member.offset)
    return content.read(member.size)


def _labels(samples: Sequence[Sample]) -> "pa.Array":  # type: ignore[name-defined] # noqa: F821
    """The labels as whole numbers where all are plain ones, else as texts."""
    import pyarrow as pa

    values = [one.label for one in samples]
    if all(value is None or _is_plain_number(value) for value in values):
        return pa.array([None if value is None else int(str(value)) for value in values], pa.int64())
    nested = next((one for one in samples if isinstance(one.label, dict | list)), None)
    if nested is not None:
        raise InputError(f"the label of the sample {nested.key!r} is {nested.label!r}; expected one class per sample.")
    if all(isinstance(value, float | int | None) for value in values):
        return pa.array(values)
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _is_plain_number(value: object) -> bool:
    """Whether a label is a whole number in its one usual spelling.

    >>> [_is_plain_number(value) for value in ("7", 7, "-1", "07", "²", "911a", True)]
    [True, True, True, False, False, False, False]
    """
    text = value if isinstance(value, str) else str(value) if type(value) is int else ""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) < 19 and (digits == "0" or digits[0] != "0")


def write(source: Path, keep: Sequence[int], out: Path) -> int:
    """Write one tar file with all members of the samples at `keep`; the number of samples there were."""
    chosen = {int(i) for i in keep}
    count = 0
    with (
        tarfile.open(plain_tar(source), "r:") as tar,
        open_packed(out, "wb", source) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as smaller,
    ):
        for number, members in enumerate(_stored_samples(tar, source)):
            count = number + 1
            if number in chosen:
                _copy(members, tar, smaller)
    return count


def _stored_samples(tar: tarfile.TarFile, source: Path) -> Iterator[list[tarfile.TarInfo]]:
    """The members of each sample of an open tar file."""
    files = (member for member in tar if member.isfile())
    return (list(members) for _, members in _samples(files, source))


def _copy(members: Iterable[tarfile.TarInfo], tar: tarfile.TarFile, out: tarfile.TarFile) -> None:
    for member in members:
        out.addfile(member, tar.extractfile(member))


def write_shards(data: Dataset, keep: NDArray[np.int64], out: Path, size: int) -> int:
    """Write the samples at `keep` into new shards of `size` samples each, in their order; the number there were.

    Args:
        data: The dataset of tar files.
        keep: Sorted rows of the source.
        out: The folder of the shards 00000.tar, 00001.tar, …; train-00000.tar where the source is a folder, which may
            hold other splits.
        size: Samples of a shard, which is not packed; the last one may have fewer.
    """
    out.mkdir(exist_ok=True)
    chosen, start, written = set(keep.tolist()), 0, 0
    prefix = f"{data.split}-" if folder_of(data).is_dir() else ""
    with ExitStack() as last:
        for source in data.files:
            with tarfile.open(plain_tar(source), "r:") as tar:
                for members in _stored_samples(tar, source):
                    if start in chosen:
                        if written % size == 0:
                            last.close()
                            name = f"{prefix}{written // size:05d}.tar"
                            shard = last.enter_context(tarfile.open(out / name, "w", format=tarfile.PAX_FORMAT))
                        _copy(members, tar, shard)
                        written += 1
                    start += 1
    return start


def write_index(data: Dataset, keep: NDArray[np.int64], out: Path) -> None:
    """Write subset.npy, the list of kept samples that DataComp's tools read, where each sample has a `uid`.

    It is a sorted structured array of the type "u8,u8", the two halves of each 128-bit uid, which stands as 32
    hexadecimal digits in the .json member of a sample.

    Source: https://github.com/mlfoundations/datacomp
    """
    if not data.files:  # they are at URLs
        return
    found = [uid for file in data.files for uid in _uids(plain_tar(file))]
    chosen = [found[i] for i in keep.tolist()]
    if None in found or not chosen:
        return
    halves = [(int(uid[:16], 16), int(uid[16:], 16)) for uid in chosen if uid is not None]
    np.save(out / SUBSET, np.sort(np.array(halves, np.dtype("u8,u8"))))


def write_beside(data: Dataset, keep: NDArray[np.int64], out: Path) -> None:
    """Take dropped samples out of the tables beside the shards and out of counts, which an export has copied."""
    names, root = all_names(data), folder_of(data)
    kept = {names[i] for i in keep.tolist()}
    files = walk(root)[1]
    if describe_shards(root, files):
        without_dropped(root, out, files, set(names) - kept)
    with_counts(out, files, _shards_of(data, keep, out))


def _shards_of(data: Dataset, keep: NDArray[np.int64], out: Path) -> Shards:
    """The samples at `keep` (rows of the source) in each shard of an export; none where it has shards of its own."""
    root = folder_of(data)
    files = {file.name: out / file.relative_to(root) for file in data.files}
    if len(files) < len(data.files) or not all(file.is_file() for file in files.values()):
        return Shards({}, {}, frozenset(files), len(data) + len(data.bad), len(keep))
    count = dict.fromkeys(files, 0)
    for cell in cells(data.rows, data.inputs[0], np.flatnonzero(np.isin(data.row, keep)).tolist()):
        count[Path(cell["path"]).name] += 1
    return Shards(count, files, frozenset(), len(data) + len(data.bad), len(keep))


def _uids(file: Path) -> Iterator[str | None]:
    """The uid of each sample of a tar file; None for a sample without a plain one."""
    members = file_members(file)
    with file.open("rb") as content:
        for _, group in _samples(members, file):
            fields: object = {}
            for member in group:
                if member.name.lower().endswith(".json"):
                    fields = json.loads(_read(content, member))
            uid = fields.get("uid") if isinstance(fields, dict) else None
            yield uid if isinstance(uid, str) and _UID.fullmatch(uid) else None


def is_shard(path: Path) -> bool:
    """Whether the first members of a tar file are those of a sample with a label, not just any files."""
    try:
        with tarfile.open(path, "r:*") as tar:
            endings = {member.name.rsplit(".", 1)[-1].lower() for member in islice(tar, 8)}
    except (tarfile.TarError, OSError, ValueError, OverflowError):
        return True  # said to be damaged when it is read
    return bool(endings & {"cls", "json"})
