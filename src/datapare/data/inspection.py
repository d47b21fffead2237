"""What was read of a source: format, files, split, columns, labels, classes, and what was left out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

import numpy as np

from datapare.data.columns import left_out
from datapare.data.dataset import Dataset
from datapare.data.formats.detect import find, suffix_of
from datapare.data.leakage import leaks
from datapare.data.paths import walk
from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.options import OpenOptions

SHOWN_CLASSES = 5
SHOWN_INPUTS = 24
SHOWN_FILES = 3
_PLURAL = {"image": "images", "text": "texts", "table": "rows of a table", "embedding": "embeddings"}


@dataclass(frozen=True)
class Inspection:
    """What was read of a source; printed, it is one fact per line.

    Attributes:
        source: The path, URL or name, or what kind of object was opened.
        format: The file in `data/formats/` that read it.
        files: The files that were read, relative to a folder.
        split: The split that was read.
        kind: What the examples are.
        inputs: The columns that a model reads, and the type of their values.
        label: The label column.
        id: The column that identifies an example; None means its file name or its content.
        examples: How many can be read.
        unreadable: {name: reason} of those that cannot.
        classes: {name: count}, in the order of the class numbers.
        columns_not_read: {column: reason} of all other columns.
        carried: How many other files an export copies along, by their endings.
        notes: What the format says about how it read the source, and about what it left out.
    """

    source: str
    format: str
    files: tuple[str, ...]
    split: str
    kind: str
    inputs: Mapping[str, str]
    label: str
    id: str | None
    examples: int
    unreadable: Mapping[str, str]
    classes: Mapping[str, int] = field(repr=False)
    columns_not_read: Mapping[str, str]
    carried: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return one fact per line, with a heading each."""
        facts = {
            "source": self.source,
            "format": self.format + (f", {_files(self.files)}" if self.files else ""),
            "split": self.split,
            "examples": f"{self.examples:,} {_PLURAL.get(self.kind, self.kind)}"
            + (f", and {len(self.unreadable):,} that cannot be read" if self.unreadable else ""),
            "inputs": _some([f"{name} ({type_})" for name, type_ in self.inputs.items()], SHOWN_INPUTS),
            "label": self.label,
            "id": self.id or ("file name" if self.kind == "image" and self.format.startswith("image") else "content"),
            "classes": _classes(self.classes),
            "unreadable": "; ".join(f"{name}: {why}" for name, why in list(self.unreadable.items())[:5]),
            "not read": ", ".join(_with_reasons(self.columns_not_read)),
            "carried": _endings(self.carried),
            "notes": "\n           ".join(self.notes),
        }
        return "\n".join(f"{name:10} {text}" for name, text in facts.items() if text)

    def summary(self) -> list[str]:
        """Return the short form that commands print first: what was read as what, and what was left out.

        Returns:
            Lines of text.

        >>> from datapare.data import open_dataset
        >>> inspect(open_dataset((np.eye(4), [0, 1, 0, 1]))).summary()
        ['read 4 embeddings of 2 classes (arrays): input x, label y']
        """
        read = f"{self.examples:,} {_PLURAL.get(self.kind, self.kind)} of {_present(self.classes)} classes"
        split = f", split {self.split}" if self.files and self.split != "train" else ""
        ids = f", id {self.id}" if self.id else ""
        inputs = _some(list(self.inputs), 8)
        lines = [f"read {read} ({self.format}{split}): input {inputs}, label {self.label}{ids}"]
        if self.columns_not_read:
            columns = _some(_with_reasons(self.columns_not_read))
            lines.append(f"not read: {columns}")
        return lines + list(self.notes)


@checked_call
def inspect(source: object, *, test: object = None, **options: Unpack[OpenOptions]) -> Inspection:
    """Open a source and return what was read of it, and how.

    Where there is held-out data too, the notes name what it shares with the training data: near-duplicates, and groups
    of the column `group`.

    Args:
        source: A `Dataset`, or anything that `open_dataset` reads.
        test: Held-out data, as `source`; None for the splits validation and test of the source itself.
        options: The options of `open_dataset`; unreadable examples are listed instead of refused.

    Returns:
        The facts as an object, whose `repr` lists them.

    Raises:
        InputError: As `open_dataset` does.

    >>> print(inspect((np.eye(4), [0, 1, 0, 1])))
    source     arrays in memory
    format     arrays
    split      train
    examples   4 embeddings
    inputs     x (4 float64)
    label      y
    id         content
    classes    2: 0 (2), 1 (2)
    """
    from datapare.data.open import as_dataset

    opened: OpenOptions = {"on_bad_example": "skip", **options}
    data = as_dataset(source, **opened)
    held_out = _held_out(source, test, data, opened)
    count = np.bincount(data.label, minlength=len(data.classes)).tolist()
    return Inspection(
        source=data.address or (f"{data.format} in memory" if data.path is None else str(data.path)),
        format=data.format,
        files=tuple(_relative(data)),
        split=data.split,
        kind=data.kind,
        inputs={name: _type(data, name) for name in data.inputs},
        label=data.label_column,
        id=data.id_column,
        examples=len(data),
        unreadable={one.name: one.reason for one in data.bad},
        classes=dict(zip(data.classes, count, strict=True)),
        columns_not_read=left_out(data.rows, data.label_column, data.inputs, data.id_column),
        carried=_carried(data),
        notes=(*data.notes, *(note for one in held_out for note in leaks(data, one, options.get("group")))),
    )


def _held_out(source: object, test: object, data: Dataset, opened: OpenOptions) -> list[Dataset]:
    """The held-out data: what was named, or the other splits of the source, if it has any."""
    from datapare.data.open import as_dataset, open_dataset

    if test is not None:
        named: OpenOptions = {**opened, "classes": data.classes, "split": "test"}
        return [as_dataset(test, **named)]
    if isinstance(source, Dataset) or data.split != "train":
        return []
    found: list[Dataset] = []
    for split in ("validation", "test"):
        options: OpenOptions = {**opened, "classes": data.classes, "split": split}
        try:
            one = open_dataset(source, **options)
        except InputError:  # there is no such split, or none that can be read
            continue
        if one.digest != data.digest and not _holds_all(one, data):  # the same whatever the split
            found.append(one)
    return found


def _holds_all(one: Dataset, data: Dataset) -> bool:
    """Whether a split has all files of the training data, as where a list says the images of that alone."""
    return find(data.format).LINKABLE and find(one.format).LINKABLE and {*data.name} <= {*one.name}


def _relative(data: Dataset) -> list[str]:
    root = data.path
    if root is None or not root.is_dir():
        return [file.name for file in data.files]
    return [file.relative_to(root).as_posix() if root in file.parents else str(file) for file in data.files]


def _type(data: Dataset, name: str) -> str:
    if data.array is not None and name not in data.rows.column_names:
        return f"{' x '.join(map(str, data.array.shape[1:]))} {data.array.dtype}"
    return data.kind if data.kind in {"image", "text"} else str(data.rows.data.schema.field(name).type)


def _carried(data: Dataset) -> dict[str, int]:
    """How many files of the folder are neither examples nor lists of them, by ending, the most frequent first."""
    if data.path is None or not data.path.is_dir() or find(data.format).name == "hf_datasets":
        return {}
    examples = {*_relative(data), *(data.name if find(data.format).LINKABLE else ())}
    names = [name for name in walk(data.path, follow_links=True)[1] if name not in examples]
    count = Counter(suffix_of(name) or Path(name).name for name in names)
    return dict(sorted(count.items(), key=lambda one: (-one[1], one[0])))


def _present(classes: Mapping[str, int]) -> int:
    return sum(count > 0 for count in classes.values())


def _with_reasons(columns: Mapping[str, str]) -> list[str]:
    """The names of columns, with the reason where there is one."""
    return [name if why == "not read" else f"{name} ({why})" for name, why in columns.items()]


def _classes(classes: Mapping[str, int]) -> str:
    """How many there are, the first, the smallest and the empty ones."""
    present = {name: count for name, count in classes.items() if count}
    text = f"{len(present):,}: " + _counts(list(present.items()), len(present))
    if len(present) > SHOWN_CLASSES:
        smallest = sorted(present.items(), key=lambda one: one[1])[:SHOWN_CLASSES]
        text += f"; smallest {_counts(smallest, SHOWN_CLASSES)}"
    empty = len(classes) - len(present)
    return text + (f"; {empty:,} without examples" if empty else "")


def _counts(items: Sequence[tuple[str, int]], total: int) -> str:
    shown = ", ".join(f"{name} ({count:,})" for name, count in items[:SHOWN_CLASSES])
    return shown + (", …" if total > SHOWN_CLASSES else "")


def _files(files: Sequence[str]) -> str:
    more = f" and {len(files) - SHOWN_FILES:,} more" if len(files) > SHOWN_FILES else ""
    return f"{len(files):,} files: {', '.join(files[:SHOWN_FILES])}{more}" if len(files) > 1 else files[0]


def _endings(count: Mapping[str, int]) -> str:
    if not count:
        return ""
    total = sum(count.values())
    listed = ", ".join(f"{ending} {times:,}" for ending, times in list(count.items())[:6])
    return f"{total:,} other file{'s' if total > 1 else ''} ({listed}{', …' if len(count) > 6 else ''})"


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
