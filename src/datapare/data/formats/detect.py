"""The registry of formats: every other file of this folder is one, and is asked whether it reads what was named.

A format file has these names, all but `read` optional:

    SUFFIXES                     endings of single files it reads, such as (".parquet",)
    PRIORITY                     where several formats fit a folder the highest reads it, and other files come along
    LINKABLE                     True where each example is a file that can be linked instead of copied
    matches(files, request)      whether it reads this layout; asked before endings decide
    read(files, request)         -> RawTable of a folder, a file or the files of a pattern (`SourceFiles`)
    accepts(source)              whether it reads this object in memory, or this name that is no path
    read_object(source, request) -> RawTable of such an object
    read_urls(urls, request)     -> RawTable of files at URLs, of which it copies a few at a time; None if it cannot
    write(source, keep, out)     write the rows of one file at `keep`; -> the number of rows it has
    write_all(data, keep, out, place)   the same for a whole dataset; `place` copies or links one file
    write_shards(data, keep, out, size)   the rows of a whole dataset at `keep`, `size` of them in each file
    write_beside(data, keep, out)   take dropped examples out of what a folder holds beside them, which was copied
    write_index(data, keep, out)   further lists of what is kept, in the form that the format's own tools read
"""

import pkgutil
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datapare.data import formats as package
from datapare.data.cards import CARD, class_names
from datapare.data.dataset import Dataset
from datapare.data.paths import of_split
from datapare.data.placing import PlaceFile, WriteFile
from datapare.data.remote import fetch, is_url, listed
from datapare.data.shard_tables import describe_shards
from datapare.data.source import OpenRequest, RawTable, SourceFiles
from datapare.data.tables import listed_datasets
from datapare.errors import InputError
from datapare.storage import meant

WriteAll = Callable[[Dataset, NDArray[np.int64], Path, PlaceFile], int]
_ARCHIVES = (".zip", ".7z", ".rar")
EXPECTED = "a folder of images or texts, a .parquet, .csv, .jsonl, .tar (WebDataset) or .npz file, a saved dataset"


@dataclass(frozen=True)
class Format:
    """One file of the folder, as the names it defines."""

    name: str
    SUFFIXES: tuple[str, ...] = ()
    PRIORITY: int = 0
    LINKABLE: bool = False
    matches: Callable[[SourceFiles, OpenRequest], bool] | None = None
    read: Callable[[SourceFiles, OpenRequest], RawTable] | None = None
    accepts: Callable[[object], bool] | None = None
    read_object: Callable[[object, OpenRequest], RawTable] | None = None
    read_urls: Callable[[Sequence[str], OpenRequest], RawTable | None] | None = None
    write: WriteFile | None = None
    write_all: WriteAll | None = None
    write_shards: Callable[[Dataset, NDArray[np.int64], Path, int], int] | None = None
    write_beside: Callable[[Dataset, NDArray[np.int64], Path], None] | None = None
    write_index: Callable[[Dataset, NDArray[np.int64], Path], None] | None = None


@cache
def formats() -> tuple[Format, ...]:
    """All formats, in alphabetical order."""
    names = {module.name for module in pkgutil.iter_modules(package.__path__)} - {"detect"}
    return tuple(_format(name) for name in sorted(names))


def find(name: str) -> Format:
    """Return the format of this name.

    >>> find("parquet").SUFFIXES
    ('.parquet',)
    """
    return next(one for one in formats() if one.name == name)


def _format(name: str) -> Format:
    module = import_module(f"datapare.data.formats.{name}")
    known = [one.name for one in fields(Format) if one.name != "name"]
    return Format(name, **{one: getattr(module, one) for one in known if hasattr(module, one)})


def read(source: object, request: OpenRequest) -> RawTable:
    """Read every row of a path, a pattern, a name on the hub, or an object in memory.

    Raises:
        InputError: Where nothing is there, or no format reads it.
    """
    if is_url(source):
        return replace(_streamed(str(source), request) or read(fetch(str(source)), request), address=str(source))
    files = _located(source, request.follow_links) if isinstance(source, str | Path) else None
    if files is not None:
        return replace(_read_files(files, request), address=_address(files))
    for one in formats():
        if one.accepts is not None and one.read_object is not None and one.accepts(source):
            found = replace(one.read_object(source, request), format=one.name)
            return replace(found, address=source) if isinstance(source, str) else found
    if isinstance(source, str | Path):
        place = Path(source).expanduser()
        guess = meant(place).removesuffix(".") or f"; expected {EXPECTED}."
        raise InputError(f"there is no file or folder {place}{guess}")
    raise InputError(
        f"expected {EXPECTED}, a datasets.Dataset, a DataFrame, a map-style torch Dataset or a pair of arrays (X, y), "
        f"not {type(source).__name__}."
    )


def _streamed(url: str, request: OpenRequest) -> RawTable | None:
    """Read files at a URL a few at a time, as was asked for; None where their format is only read as a whole."""
    if not request.stream:
        return None
    found = [one for pattern in expanded(url) for one in listed(pattern)]
    one = format_of(found[0])
    if one is None or one.read_urls is None:
        return None
    fitting = [name for name in found if format_of(name) is one]
    table = one.read_urls(of_split(Path(url), fitting, request.split), request)
    return None if table is None else replace(table, format=one.name)


def _located(source: str | Path, follow_links: bool) -> SourceFiles | None:
    """The files that a path or a pattern names; None where it is no path."""
    path = Path(source).expanduser()
    if path.is_dir():
        return SourceFiles(path, follow_links=follow_links)
    if path.is_file():
        return SourceFiles(path, (path,), follow_links=follow_links)
    folder, colon, configuration = str(path).rpartition(":")
    if colon and Path(folder).is_dir() and (Path(folder) / CARD).is_file():
        return SourceFiles(Path(folder), (), configuration, follow_links)
    if any(sign in path.name for sign in "*?[{"):
        found = tuple(one for name in expanded(path.name) for one in sorted(path.parent.glob(name)) if one.is_file())
        if not found:
            raise InputError(f"no file matches {path}{meant(path.parent) if not path.parent.is_dir() else '.'}")
        return SourceFiles(path, found, follow_links=follow_links)
    return None


def expanded(pattern: str) -> list[str]:
    """Return the patterns that one with braces stands for, as for shards of WebDataset.

    >>> expanded("a-{09..11}.tar"), expanded("{train,val}.csv"), expanded("a.tar")
    (['a-09.tar', 'a-10.tar', 'a-11.tar'], ['train.csv', 'val.csv'], ['a.tar'])
    """
    found = re.search(r"\{(?:(\d{1,9})\.\.(\d{1,9})|([^{}]*,[^{}]*))\}", pattern)
    if found is None:
        return [pattern]
    if found[3] is not None:
        words = found[3].split(",")
    else:
        words = [f"{number:0{len(found[1])}d}" for number in range(int(found[1]), int(found[2]) + 1)]
    return [one for word in words for one in expanded(pattern[: found.start()] + word + pattern[found.end() :])]


def _address(files: SourceFiles) -> str:
    """What opens the same files again from any working directory."""
    path = str(files.path.parent.resolve() / files.path.name) if files.path.name else str(files.path.resolve())
    return f"{path}:{files.configuration}" if files.configuration else path


def _read_files(files: SourceFiles, request: OpenRequest) -> RawTable:
    one = _layout(files, request) or _by_suffix(files)
    assert one.read is not None  # noqa: S101 (only formats that read have suffixes or layouts)
    names = class_names(files.path, files.configuration) if files.is_folder else {}
    return replace(one.read(files, request), format=one.name, class_names=names)


def _layout(files: SourceFiles, request: OpenRequest) -> Format | None:
    """The format that knows this layout."""
    found = [one for one in formats() if one.matches is not None and one.matches(files, request)]
    return max(found, key=lambda one: one.PRIORITY, default=None)


def _by_suffix(files: SourceFiles) -> Format:
    """The one format of all files that a format reads, from how their names end."""
    if files.is_folder and not files.names:
        raise InputError(f"{files.path} is empty; expected {EXPECTED}.")
    found = {suffix_of(name): format_of(name) for name in files.names}
    known = {suffix: one for suffix, one in found.items() if one is not None}
    if not known:
        ending = next(iter(found)) or "nothing"
        count = Counter(map(suffix_of, files.names)).most_common(3)
        listed = ", ".join(f"{number:,} {one or 'without an ending'}" for one, number in count)
        first = f"holds no images and no data files that are read ({listed}: {', '.join(files.names[:3])}, …)"
        remedy = "unpack it first." if ending in _ARCHIVES else f"expected {EXPECTED}."
        raise InputError(f"{files.path} {first if files.is_folder else f'ends in {ending}'}; {remedy}")
    if files.is_folder and len({one.name for one in known.values()}) > 1:
        known.pop(".json", None)  # settings of another format
        if describe_shards(files.path, files.names):
            known.pop(".parquet", None)
    highest = max(one.PRIORITY for one in known.values()) if files.is_folder else 0
    read = {suffix: one for suffix, one in known.items() if highest <= one.PRIORITY}
    if len({one.name for one in read.values()}) > 1:
        listed = ", ".join(sorted(read))
        names = {one.name: next(name for name in files.names if format_of(name) is one) for one in read.values()}
        places = [files.path / name for name in names.values()] if files.is_folder else files.chosen
        raise InputError(
            f"{files.path} holds files of different formats ({listed}); name one file{listed_datasets(places)}."
        )
    return next(iter(read.values()))


def format_of(name: str) -> Format | None:
    """Return the format that reads a file of this name.

    >>> format_of("a/B.CSV").name, format_of("photo.jpg")
    ('delimited', None)
    """
    return next((one for one in formats() if name.lower().endswith(one.SUFFIXES or ("\0",))), None)


def suffix_of(name: str) -> str:
    """Return how a file's name ends, in lower case, with what precedes .gz, .bz2, .xz or .zst.

    >>> suffix_of("a/b.JSONL.gz"), suffix_of("a.b/LICENSE")
    ('.jsonl.gz', '')
    """
    found = re.search(r"(\.[^./\s]+)?(\.(gz|bz2|xz|zst))?$", name.rsplit("/", 1)[-1].lower())
    return found.group(0) if found else ""
