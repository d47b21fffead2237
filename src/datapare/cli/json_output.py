"""What a command made, as JSON that other programs read."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

from datapare.errors import printable


def to_json(result: Mapping[str, object]) -> str:
    """Return a result as one JSON object; what is no number becomes null, and a path text.

    >>> from pathlib import Path
    >>> print(to_json({"run": Path("a.datapare"), "kept": np.int64(3), "loss": float("nan")}))
    {
      "run": "a.datapare",
      "kept": 3,
      "loss": null
    }
    """
    text = json.dumps(plain(result), indent=2, ensure_ascii=False, allow_nan=False)
    return "\n".join(map(_harmless, text.split("\n")))


def _harmless(line: str) -> str:
    """A line of JSON whose control characters are escaped, of which JSON itself escapes but the first 32."""
    if printable(line) == line:
        return line
    return "".join(one if printable(one) == one else json.dumps(one)[1:-1] for one in line)


def plain(value: object) -> object:
    """Return a value as JSON knows it: dataclasses and named tuples as objects, arrays as lists, NaN as None.

    >>> plain({"accuracy": np.array([0.5, np.nan]), 1: (True, None)})
    {'accuracy': [0.5, None], '1': [True, None]}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
