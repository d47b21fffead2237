"""Export once: a smaller dataset that the same call wrote before is not written again, and no other one is lost."""

import filecmp
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

from datapare import storage
from datapare.artifacts import Subset, subset_digest
from datapare.errors import InputError
from datapare.options import ExportMode

if TYPE_CHECKING:
    from datapare.data import Dataset
    from datapare.data.soft_label_files import SoftLabelRows

NOTE = "export.json"  # in the folder of the subset: what was written where
INSIDE = "dataset"  # the place in that folder, under a name that stays when the run folder moves

ExportPlan = TypedDict(
    "ExportPlan",
    {
        "as": ExportMode, "subset": NotRequired[str], "dataset": NotRequired[str], "shard_size": NotRequired[int],
        "soft_labels": NotRequired[str], "written": NotRequired[Sequence[int]],
    },
)  # fmt: skip  # how, which examples, with which labels, which file on the disk; of datapare 0.2 how alone is known


def export_once(
    data: "Dataset",
    subset: Subset,
    out: Path | str,
    folder: Path,
    as_: ExportMode,
    *,
    shard_size: int | None = None,
    soft_labels: "SoftLabelRows | None" = None,
    before_writing: Callable[[], object] = lambda: None,
) -> bool:
    """Write the kept examples, unless the same call wrote them there before.

    What is about to be written is noted first, and the dataset appears complete or not at all, so a call that was
    killed in between is repeated.

    Args:
        data: The dataset.
        subset: The examples to keep.
        out: A path, or a URL that fsspec knows; a URL is always written.
        folder: The folder of the subset in its run.
        as_: How files get there.
        shard_size: Samples in each shard, as `export` takes it.
        soft_labels: Soft labels of all examples, to be written beside the dataset.
        before_writing: Called before anything is written.

    Returns:
        Whether it was written: False when it was there already.

    Raises:
        InputError: When `out` holds anything else.
    """
    from datapare.data import export
    from datapare.data.remote import is_url
    from datapare.data.soft_label_files import is_written, soft_label_digest, write_soft_labels

    planned: ExportPlan = {"as": as_, "subset": subset_digest(subset), "dataset": data.digest}
    if shard_size is not None:
        planned["shard_size"] = shard_size
    if soft_labels is not None:
        planned["soft_labels"] = soft_label_digest(soft_labels, subset.index)
    if is_url(out):
        before_writing()
        export(data, subset, out, as_=as_, shard_size=shard_size, soft_labels=soft_labels)
        return True
    target = Path(out).expanduser()
    place = INSIDE if target == folder / INSIDE else str(target.absolute())
    before = _noted(folder).get(place, planned if place == INSIDE else None)
    if _is_taken(target) and before is not None:
        _check_same(target, before, planned)
        if place != INSIDE and before.get("written") != _identity(target):
            _check_content(data, subset, target, planned)
            _note(folder, place, {**planned, "written": _identity(target)})
        if soft_labels is None or is_written(soft_labels, target):
            return False
        write_soft_labels(soft_labels, subset.index, target)
        return True
    with nullcontext() if _is_taken(target) else _noting(folder, place, planned):
        before_writing()
        export(data, subset, target, as_=as_, shard_size=shard_size, soft_labels=soft_labels)
    if place != INSIDE:
        _note(folder, place, {**planned, "written": _identity(target)})
    return True


def _note(folder: Path, place: str, plan: ExportPlan) -> None:
    storage.write_json(folder / NOTE, {**_noted(folder), place: plan})


@contextmanager
def _noting(folder: Path, place: str, plan: ExportPlan) -> Iterator[None]:
    """Note what is about to be written; what is refused, as where another process was first, leaves no note."""
    before = _noted(folder)
    _note(folder, place, plan)
    try:
        yield
    except InputError:
        if before:
            storage.write_json(folder / NOTE, before)
        else:
            storage.remove(folder / NOTE)
        raise


def _identity(target: Path) -> list[int]:
    """Return numbers that differ for a file or folder which somebody else put in the same place."""
    found = target.stat()
    return [found.st_ino, found.st_mtime_ns]


def _check_content(data: "Dataset", subset: Subset, target: Path, planned: ExportPlan) -> None:
    """Raise InputError unless a place that an export was about to write holds what it would have written."""
    from datapare.data import export

    beside = storage.draft_of(target)
    try:
        again = export(data, subset, beside / target.name, as_=planned["as"], shard_size=planned.get("shard_size"))
        if not _are_equal(again, target):
            raise InputError(f"{target} exists and was not written by this call; choose another --out.")
    finally:
        storage.remove(beside)


def _are_equal(one: Path, other: Path) -> bool:
    if not one.is_dir():
        return other.is_file() and filecmp.cmp(one, other, shallow=False)
    names = [{file.relative_to(root) for file in root.rglob("*")} for root in (one, other)]
    return names[0] == names[1] and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in names[0] if (one / name).is_file()
    )


def _noted(folder: Path) -> Mapping[str, ExportPlan]:
    value = storage.read_json(folder / NOTE)
    if storage.conforms(value, ExportPlan):
        return {INSIDE: cast("ExportPlan", value)}  # as datapare 0.2 wrote it
    if value is not None and not storage.conforms(value, Mapping[str, ExportPlan]):
        raise InputError(f"{folder / NOTE} is damaged; delete it and the dataset beside it.")
    return cast("Mapping[str, ExportPlan]", value or {})


def _is_taken(target: Path) -> bool:
    return os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir()))


def _check_same(target: Path, before: ExportPlan, planned: ExportPlan) -> None:
    if before["as"] != planned["as"]:
        raise InputError(
            f"{target} was written with --as {before['as']}; delete it to write it with --as {planned['as']}."
        )
    for option, flag in (("shard_size", "--shard-size"), ("soft_labels", "--soft-labels")):
        if "subset" in before and (option in before) != (option in planned):
            said = "with" if option in before else "without"
            raise InputError(f"{target} was written {said} {flag}; delete it, or choose another --out.")
    if any(planned.get(option, value) != value for option, value in before.items() if option != "written"):
        raise InputError(f"{target} holds another subset, or other labels; delete it, or choose another --out.")
