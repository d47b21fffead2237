"""Decisions about label issues: a CSV to edit, and how it is read back.

key, name, label, suggested, doubt, reason, decision     one label issue per line, the clearest first

`decision` is keep, drop or relabel, and keep until it is edited; relabel gives the example the class in
`suggested`, which may be edited too. Lines may be removed or put in another order: the key says which example it is.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Subset
from datapare.errors import InputError
from datapare.methods.label_issues import LabelIssues
from datapare.storage import atomic_write

if TYPE_CHECKING:
    from datapare.data import Dataset

COLUMNS = ("key", "name", "label", "suggested", "doubt", "reason", "decision")
KEEP, DROP, RELABEL = CHOICES = ("keep", "drop", "relabel")
REASONS = {
    "aum": "the label's logit was {:.3g} below that of another class, on average over the epochs",
    "soft_label": "another class has {:.3g} of the soft label",
    "confidence": "the label was given {:.3g} on average over the epochs",
}


@dataclass(frozen=True, eq=False)
class Decisions:
    """Positions to drop, sorted, and the new class number of positions to relabel."""

    drop: NDArray[np.int64]
    relabel: Mapping[int, int] = field(default_factory=dict)


def write_decisions(path: Path, data: "Dataset", found: LabelIssues, method: str) -> Path:
    """Write the label issues as a file to edit; raises InputError rather than replace decisions already made."""
    if path.exists() and any(row["decision"] != KEEP for _, row in _rows(path)):
        raise InputError(f"{path} holds decisions already made; give another file with --out, or remove it.")
    with atomic_write(path) as draft, draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i, suggested in zip(found.index.tolist(), found.suggested.tolist(), strict=True):
            doubt = float(found.issue_score[i])
            writer.writerow([
                _written(data.key[i]), data.name[i], data.classes[int(data.label[i])],
                "" if suggested < 0 else data.classes[suggested], f"{doubt:.6g}",
                REASONS[method].format(abs(doubt)), KEEP,
            ])  # fmt: skip
    return path


def read_decisions(path: Path, data: "Dataset") -> Decisions:
    """Read an edited file back; raises InputError naming the line that cannot be understood."""
    place = {_written(key): i for i, key in enumerate(data.key)}
    number = {name: i for i, name in enumerate(data.classes)}
    decided: dict[int, int | None] = {}
    for line, row in _rows(path):
        if row["decision"] not in CHOICES:
            raise InputError(f"{path}, line {line}: decision is one of {', '.join(CHOICES)}, not {row['decision']!r}.")
        if row["key"] not in place:
            raise InputError(f"{path}, line {line}: {row['key']!r} is the key of no example of this dataset.")
        i = place[row["key"]]
        if i in decided:
            raise InputError(f"{path}, line {line}: the example {data.name[i]} was decided in an earlier line already.")
        if row["decision"] == RELABEL and row["suggested"] not in number:
            raise InputError(
                f"{path}, line {line}: relabel needs a class in the column suggested, one of "
                f"{', '.join(data.classes[:10])}, not {row['suggested']!r}."
            )
        decided[i] = {KEEP: None, DROP: -1}.get(row["decision"], number.get(row["suggested"]))
    dropped = sorted(i for i, what in decided.items() if what == -1)
    changed = {i: what for i, what in decided.items() if what is not None and what not in (-1, int(data.label[i]))}
    return Decisions(np.array(dropped, dtype=np.int64), changed)


def apply_decisions(data: "Dataset", subset: Subset, decisions: Decisions) -> tuple["Dataset", Subset, str]:
    """The dataset with its new labels, the same subset of it, and what was done in words.

    Without new labels among the kept, both come back as they are. Raises InputError when the subset keeps examples that
    were decided to be dropped.
    """
    from datapare.data import relabelled

    kept = np.intersect1d(decisions.drop, subset.index)
    if len(kept):
        raise InputError(
            f"the subset keeps {len(kept):,} examples that the decisions drop, {data.name[int(kept[0])]} first; "
            "select with the same --decisions before exporting."
        )
    new = {i: label for i, label in decisions.relabel.items() if subset.mask[i]}
    if not new:
        return data, subset, "the decisions change no label of the kept examples"
    made = relabelled(data, new)
    return made, Subset(subset.index, subset.total), f"{len(new):,} of the kept examples get a new label"


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with its line number, stripped of what editing may have put around its cells.

    Spreadsheets save with semicolons or tabs where the comma is a decimal point, and capitalise words.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
            missing = {"key", "suggested", "decision"} - set(reader.fieldnames or ())
            if missing:
                raise InputError(f"{path} has no column {min(missing)!r}; write it with datapare label-issues RUN.")
            for row in reader:
                cell = {name: (row[name] or "").strip() for name in ("key", "suggested", "decision")}
                yield reader.line_num, {**cell, "decision": cell["decision"].lower()}
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); write it with datapare label-issues RUN."
        ) from error
    except csv.Error as error:
        raise InputError(f"{path} is no CSV that can be read: {error}.") from error


def _written(key: np.uint64) -> str:
    # not as a number: a spreadsheet would round it to 15 digits
    return f"#{int(key):016x}"
