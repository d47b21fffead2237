"""What a reader of one format hands to `open_dataset`: every row, nothing judged yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from numpy.typing import NDArray

from datapare.artifacts import Kind, Perturbation
from datapare.errors import InputError


@dataclass(frozen=True)
class OpenRequest:
    """What the person said about a source: its split, and the columns (or arrays) of label and inputs, if any."""

    split: str = "train"
    label: str | None = None
    inputs: tuple[str, ...] | None = None
    kind: Kind | None = None

    @property
    def input(self) -> str | None:
        """The first named input."""
        return self.inputs[0] if self.inputs else None


@dataclass(frozen=True, eq=False)
class Source:
    """All rows of a source, and what its format already says about them.

    `label`, `inputs` and `kind` are None where the column names decide. `identity` are the texts that keys are made
    from (None: the id column or the row's content); `name` what a person calls each row (None: its id or number).
    `classes` are the class names where the format lists them. `array` stands for the inputs where they are arrays.
    """

    rows: Any
    format: str
    path: Path | None = None
    files: tuple[Path, ...] = ()
    kind: Kind | None = None
    inputs: tuple[str, ...] | None = None
    label: str | None = None
    identity: Sequence[str] | None = None
    name: Sequence[str] | None = None
    array: NDArray[Any] | None = None
    origin: Any = None
    perturbation: Perturbation | None = None


def rows_of(table: Any) -> Any:
    """A `datasets.Dataset` over an Arrow table in memory, its Hugging Face features kept, images left undecoded."""
    import datasets

    if len(set(table.column_names)) < table.num_columns:
        raise InputError(f"two columns have the same name ({', '.join(table.column_names)}); rename one.")
    try:
        # a fingerprint given beforehand keeps `datasets` from hashing the whole table
        rows = datasets.Dataset(datasets.table.InMemoryTable(table), fingerprint=uuid4().hex[:16])
    except (ValueError, TypeError, NotImplementedError) as error:
        raise InputError(f"a column has a type that cannot be read: {str(error).splitlines()[0]}.") from error
    return undecoded(rows)


def undecoded(rows: Any) -> Any:
    """The same rows without any output format and with every image column as bytes and path."""
    import datasets

    rows = rows.with_format(None)
    for column, feature in rows.features.items():
        if isinstance(feature, datasets.Image) and feature.decode:
            rows = rows.cast_column(column, datasets.Image(decode=False))
    return rows
