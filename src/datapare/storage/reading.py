"""Read JSON and array files that may be damaged: what cannot be used is one sentence that names the file."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

from datapare.artifacts import Array
from datapare.errors import InputError, explain, is_refused

T = TypeVar("T")
MOST_NAMES = 10_000  # of a folder, among which a mistyped one is looked for
JsonObject = dict[str, Any]  # as read from a file, its values not yet checked


def read_json(path: Path, remedy: str = "make it again") -> object:
    """Return the value in a JSON file, None when there is no file; raises InputError when it cannot be read."""
    try:
        return cast("object", json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, OSError, RecursionError, MemoryError) as error:
        if is_refused(error):
            raise explain(error) or error from error
        raise InputError(f"{path} cannot be read ({error}); {remedy}.") from error


def read_described(path: Path, table: type[T], remedy: str) -> T | None:
    """Return the value in a JSON file that has the entries of a TypedDict; None when there is no file.

    Args:
        path: The file.
        table: The TypedDict; other entries are ignored.
        remedy: What to do about a damaged file, as the end of a sentence.

    Raises:
        InputError: When the file cannot be read or holds anything else.
    """
    value = read_json(path, remedy)
    if value is None and not path.is_file():
        return None
    if not conforms(value, table):
        raise InputError(f"{path} is damaged or was not written by this version of datapare; {remedy}.")
    return cast("T", value)


def read_array(path: Path, remedy: str = "make it again", *, writable: bool = False) -> Array:
    """Return the array in a `.npy` file, memory-mapped; nothing is unpickled.

    Args:
        path: The file.
        remedy: What to do about a damaged file, as the end of a sentence.
        writable: Whether what is written to the array is written to the file.

    Raises:
        InputError: When the file is missing or holds no array of plain numbers.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r+" if writable else "r")
    except Exception as error:  # a damaged header raises many things, tokenize's among them
        if is_refused(error):
            raise explain(error) or error from error
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} is missing or damaged ({reason}); {remedy}.") from error


def meant(path: Path) -> str:
    """Return the end of a sentence that says that nothing is at a path: a guess what was meant, or a full stop.

    >>> meant(Path("/tpm"))
    '; did you mean /tmp?'
    """
    near = _similar(path.absolute())
    if near is None:
        return "."
    return f"; did you mean {near if path.is_absolute() else os.path.relpath(near)}?"


def _similar(path: Path) -> Path | None:
    """What is there with a name like that of a missing path, under a name like that of its folder."""
    if path == path.parent:
        return None
    folder = path.parent if path.parent.is_dir() else _similar(path.parent)
    if folder is None or (folder / path.name).exists():
        return folder and folder / path.name
    with suppress(OSError):
        near = get_close_matches(path.name, islice(_names(folder), MOST_NAMES))
        return folder / near[0] if near else None
    return None


def _names(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries)


def conforms(value: object, type_: object) -> bool:
    """Return whether a value read from JSON is of a declared type.

    Args:
        value: The value.
        type_: A plain type, a `Literal`, a union, a `Sequence` or `tuple` of one type, a `Mapping` from text, a
            `TypedDict`, or `Any`. Whole numbers fit in 64 bits, and count as a float where one is declared.

    >>> conforms([1, None], Sequence[int | None]), conforms({"a": True}, Mapping[str, int]), conforms(2**80, int)
    (True, False, False)
    """
    origin, inner = get_origin(type_), get_args(type_)
    if origin in {Union, UnionType}:
        return any(conforms(value, one) for one in inner)
    if is_typeddict(type_):
        return isinstance(value, dict) and _has_entries(value, cast("type", type_))
    if origin in {Sequence, list, tuple}:
        return isinstance(value, list) and all(conforms(item, inner[0]) for item in value)
    if origin in {Mapping, dict}:
        return isinstance(value, dict) and all(conforms(item, inner[1]) for item in value.values())
    return _is_plain(value, type_)


def _is_plain(value: object, type_: object) -> bool:
    if get_origin(type_) is Literal:
        return isinstance(value, str | int | None) and value in get_args(type_)
    if isinstance(value, int) and not isinstance(value, bool):
        return type_ in {int, float, Any, object} and -(2**63) <= value < 2**63
    return type_ in {Any, object} or (type_ in {float, bool, str, NoneType} and isinstance(value, cast("type", type_)))


def _has_entries(value: Mapping[str, object], table: type) -> bool:
    required: frozenset[str] = table.__required_keys__  # type: ignore[attr-defined] # of every TypedDict
    declared = get_type_hints(table)
    return required <= value.keys() and all(
        conforms(item, declared[name]) for name, item in value.items() if name in declared
    )
