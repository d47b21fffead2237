"""What `run.json` says of a run folder: which dataset it is about, and how that was opened."""

from collections.abc import Mapping
from pathlib import Path
from typing import NotRequired, TypedDict, get_type_hints

from datapare import storage
from datapare.errors import InputError

RUN = storage.RUN
FORMAT = 2


class StoredRun(TypedDict):
    """What `run.json` holds."""

    datapare: int
    path: str | None
    open_options: NotRequired[Mapping[str, object]]
    open_with: NotRequired[Mapping[str, object]]  # as format 1 called them
    digest: str
    examples: int


def read_run(path: Path) -> StoredRun | None:
    """Return what `run.json` of a folder holds; None where there is none.

    Raises:
        InputError: When it is damaged, or of a version of datapare that this one cannot read.
    """
    described = storage.read_described(path / RUN, StoredRun, "make the run again")
    if described is None:
        return None
    unknown = described.keys() - get_type_hints(StoredRun).keys()
    if described["datapare"] not in {1, FORMAT} or (unknown and described["datapare"] == FORMAT):
        raise InputError(
            f"{path / RUN} is of another version of datapare{f' (it holds {min(unknown)!r})' if unknown else ''}; "
            "update datapare, or make the run again."
        )
    return described
