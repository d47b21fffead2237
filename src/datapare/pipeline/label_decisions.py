"""Decisions about label issues: a CSV to edit, and how it is read back.

key, name, label, suggested, issue_score, reason, decision     one label issue per line, the clearest first

`decision` is keep, drop or relabel, and keep until it is edited; relabel gives the example the class in
`suggested`, which may be edited too. Lines may be removed or put in another order: the key says which example it is.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Subset
from datapare.errors import InputError
from datapare.methods.label_issues import LabelIssues
from datapare.numerics.checked_calls import checked_call
from datapare.storage import atomic_write, meant

if TYPE_CHECKING:
    from datapare.data import Dataset

COLUMNS = ("key", "name", "label", "suggested", "issue_score", "reason", "decision")
KEEP, DROP, RELABEL = CHOICES = ("keep", "drop", "relabel")
# where a spreadsheet would compute: at the start of a cell, and after what its locale may take for the end of one; the
# wide signs mean the same to some
_CELL, _SIGN = r"(?:^|(?<=[;,\t\n\r]))", r"(?=[ '\"]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])"
_FORMULA, _SHOWN = re.compile(_CELL + _SIGN), re.compile(f"{_CELL}'{_SIGN}")
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


def write_decisions(path: Path, data: "Dataset", found: LabelIssues, method: str, *, force: bool = False) -> Path:
    """Write the label issues as a file to edit; raises InputError rather than replace decisions already made."""
    if path.exists() and not force and any(row["decision"] != KEEP for _, row in _rows(path)):
        raise InputError(f"{path} holds decisions already made; give another file with --out, or remove it.")
    with atomic_write(path) as draft, draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i, suggested in zip(found.index.tolist(), found.suggested.tolist(), strict=True):
            issue_score = float(found.issue_score[i])
            cells = (
                _written(data.key[i]), data.name[i], data.classes[int(data.label[i])],
                "" if suggested < 0 else data.classes[suggested], f"{issue_score:.6g}",
                REASONS[method].format(abs(issue_score)), KEEP,
            )  # fmt: skip
            writer.writerow(
                [
                    cell if at == COLUMNS.index("issue_score") else spreadsheet_cell(cell)
                    for at, cell in enumerate(cells)
                ]
            )
    return path


@checked_call
def read_decisions(path: Path, data: object) -> Decisions:  # a Dataset, or whatever open_dataset reads
    """Read an edited file of label decisions back.

    Args:
        path: The CSV file, with the columns that this module describes.
        data: The dataset that the decisions are about, or what `open_dataset` opens.

    Returns:
        Positions to drop, and the new class numbers of those to relabel.

    Raises:
        InputError: For a line that cannot be understood; the message names it.
    """
    from datapare.data import as_dataset

    data = as_dataset(data)
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


def read_examples(path: Path, data: "Dataset") -> list[int]:
    """Read a list of examples, such as one picked in a report.

    Args:
        path: A CSV file with a column `key` or `name`; other columns are not read.
        data: The dataset that the examples are in.

    Returns:
        Their positions, in the order of the file.

    Raises:
        InputError: The file cannot be read, or names an example that is not, or not once, in the dataset.
    """
    rows = list(_cells(path, "write a CSV file with a column key or name"))
    columns = set().union(*(row for _, row in rows))
    by = next((name for name in ("key", "name") if name in columns and all(row[name] for _, row in rows)), None)
    if by is None:
        raise InputError(f"{path} has no column key or name that is filled in every line; it has {sorted(columns)}.")
    known = [_written(key) for key in data.key] if by == "key" else [str(name) for name in data.name]
    place = {value: i for i, value in enumerate(known)}
    twice = Counter(known)
    for line, row in rows:
        if twice[row[by]] != 1:
            found = "no example" if row[by] not in twice else f"{twice[row[by]]:,} examples"
            raise InputError(f"{path}, line {line}: {row[by]!r} is the {by} of {found} of this dataset; expected one.")
    return [place[row[by]] for _, row in rows]


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
    """Yield each row of decisions with its line number."""
    wanted = {"key", "suggested", "decision"}
    for line, row in _cells(path, "write it with datapare label-issues RUN", wanted):
        yield line, {**{name: row[name] for name in wanted}, "decision": row["decision"].lower()}


def _cells(path: Path, advice: str, wanted: AbstractSet[str] = frozenset()) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row with its line number, stripped of what editing may have put around its cells.

    Spreadsheets save with semicolons or tabs where the comma is a decimal point, and capitalise words.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
            missing = wanted - set(reader.fieldnames or ())
            if missing:
                raise InputError(f"{path} has no column {min(missing)!r}; {advice}.")
            for row in reader:
                yield reader.line_num, {name: _plain((row[name] or "").strip()) for name in reader.fieldnames or ()}
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}{meant(path).removesuffix('.') or f'; {advice}.'}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {advice}.") from error
    except csv.Error as error:
        raise InputError(f"{path} is no CSV that can be read: {error}.") from error


def spreadsheet_cell(text: str) -> str:
    """Return text that a spreadsheet shows and does not compute: an apostrophe in front of each possible formula.

    >>> spreadsheet_cell("=HYPERLINK(1)"), spreadsheet_cell("cat")
    ("'=HYPERLINK(1)", 'cat')
    """
    return _FORMULA.sub("'", text)


def _plain(text: str) -> str:
    """The text that `spreadsheet_cell` was given.

    >>> [_plain(spreadsheet_cell(text)) for text in ("=1", "'=1", "'a", "-x")]
    ['=1', "'=1", "'a", '-x']
    """
    return _SHOWN.sub("", text)


def _written(key: np.uint64) -> str:
    # not as a number: a spreadsheet would round it to 15 digits
    return f"#{int(key):016x}"
