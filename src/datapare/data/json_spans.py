"""Where the values of a JSON text begin and end, so that they are written back as they are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datapare.data.json_annotations import Json
from datapare.data.text_files import first_line
from datapare.errors import InputError

_DECODER = json.JSONDecoder(strict=False)
_SPACE = re.compile(r"[ \t\r\n]*")


class Pair(NamedTuple):
    """A member of an object: its name, its value, where the name begins, and where the value begins and ends."""

    name: str
    value: Json
    start: int
    begin: int
    end: int


def pairs(text: str, start: int) -> Iterator[Pair]:
    """The members of the object that opens at `start`.

    Raises:
        ValueError: Where it is none, or something follows it.
        IndexError: Where the text is cut off.
    """
    at = _after(text, start + 1)
    while text[at] != "}":
        name, end = _DECODER.raw_decode(text, at)
        begin = _after(text, _after(text, end) + 1)
        value, end = _DECODER.raw_decode(text, begin)
        yield Pair(str(name), value, at, begin, end)
        at = _after(text, end)
        at = _after(text, at + 1) if text[at : at + 1] == "," else at


def end_of_object(text: str, start: int) -> int:
    """Where the object that opens at `start` ends; raises ValueError where it is none."""
    return _DECODER.raw_decode(text, start)[1]


def members(content: bytes, start: int, path: Path) -> NDArray[np.int64]:
    """Where each member of the list that opens at `start` lies, in bytes (N, 2)."""
    text = content.decode("latin-1")  # one character per byte; all of JSON's own marks are ASCII
    found: list[tuple[int, int]] = []
    at = _after(text, start + 1)
    try:
        while text[at] != "]":
            _, end = _DECODER.raw_decode(text, at)
            found.append((at, end))
            at = _after(text, end)
            at = _after(text, at + 1) if text[at] == "," else at
    except (ValueError, IndexError, RecursionError) as error:
        raise InputError(
            f"{path} is a list of JSON objects, but what follows member {len(found)} is none: {first_line(error)}."
        ) from None
    return np.array(found, np.int64).reshape(-1, 2)


def _after(text: str, at: int) -> int:
    """The next place that is no white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at
