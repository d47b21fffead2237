"""Save and load artifacts: folders of `meta.json` and plain `.npy` files that other programs can read.

`meta.json` is written last and atomically, after the arrays have reached the disk, so its existence means *complete*.
Nothing is ever pickled.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, fields
from pathlib import Path
from typing import NotRequired, TypedDict, TypeGuard, cast, get_type_hints

import numpy as np

from datapare.artifacts import Array, Artifact, Comparison, Dynamics, Params, Perturbation, Provenance, Scores, Subset
from datapare.errors import InputError, is_refused
from datapare.numerics.checked_calls import checked_call
from datapare.storage.atomic import META, atomic_write, flush, plain, recover, write_json
from datapare.storage.format_1 import from_format_1
from datapare.storage.reading import JsonObject, conforms, meant, read_array, read_described, read_json

FORMAT = 2
ARTIFACTS: Mapping[str, type[Artifact]] = {
    cls.__name__.lower(): cls for cls in (Dynamics, Scores, Subset, Comparison, Perturbation)
}
GROUPS = {"channels", "arrays", "means"}  # fields that hold named arrays; each is stored as "<field>.<name>.npy"


class StoredProvenance(TypedDict):
    """A `Provenance` as plain data."""

    step: str
    method: str
    params: Params
    seed: int | None
    dataset: str
    versions: Mapping[str, str]
    parents: "Sequence[StoredProvenance]"


class StoredArray(TypedDict):
    """The description of an array in `meta.json`."""

    dtype: str
    shape: Sequence[int]


class BegunEpochs(TypedDict):
    """How many epochs a begun record is to have."""

    epochs: int


class BegunRecord(TypedDict):
    """What `progress.json` of a begun record says of how far it is."""

    coverage: Sequence[float]
    facts: BegunEpochs


class Meta(TypedDict):
    """What `meta.json` holds; `fields` are those that are no arrays, by name."""

    datapare: int
    artifact: str
    fields: JsonObject
    arrays: Mapping[str, StoredArray]
    digest: NotRequired[str]  # of the others; since 0.2


@checked_call
def save(artifact: Artifact, path: str | Path) -> Path:
    """Write an artifact to a folder, complete or not at all.

    Args:
        artifact: A record, scores, a subset, a comparison or a perturbation.
        path: The folder. A finished artifact of the same kind there, or our unfinished files, is replaced at the end.

    Returns:
        The folder.

    Raises:
        InputError: When the folder holds anything else or cannot be written.

    >>> import tempfile
    >>> load(save(Scores([0.5, 0.25]), Path(tempfile.mkdtemp()) / "scores")).score.tolist()
    [0.5, 0.25]
    """
    if not isinstance(artifact, tuple(ARTIFACTS.values())):
        raise InputError(
            f"expected save(artifact, path) with a record, scores, a subset, a comparison or a perturbation, not a "
            f"{type(artifact).__name__}."
        )
    path = Path(path)
    recover(path)
    check_replaceable(path, artifact)
    _write(artifact, path, replace=True)
    return path


def save_first(artifact: Artifact, path: Path) -> bool:
    """Write an artifact to a folder, unless a finished one is there by then; returns whether it was written.

    Of several processes that do so at once, one writes.
    """
    recover(path)
    if is_finished(path):
        return False
    check_replaceable(path, artifact)
    try:
        _write(artifact, path, replace=os.path.lexists(path))  # our unfinished files
    except InputError:
        if not is_finished(path):
            raise
        return False
    return True


def _write(artifact: Artifact, path: Path, *, replace: bool) -> None:
    with atomic_write(path, replace=replace) as draft:
        draft.mkdir()
        for name, array in named_arrays(artifact):
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
        write_meta(draft, artifact)


@checked_call
def load(path: str | Path) -> Artifact:
    """Read an artifact back; arrays are memory-mapped read-only.

    Args:
        path: The folder that `save`, a command or a recorder wrote.

    Returns:
        A record, scores, a subset, a comparison or a perturbation, as the folder holds it.

    Raises:
        InputError: When the folder is missing, incomplete, damaged or of an unknown format.
    """
    path = Path(path)
    while True:
        before = _version(path)
        try:
            artifact = _read(path)
        except InputError:
            if _version(path) == before:
                raise
        else:
            if _version(path) == before:
                return artifact


def _version(path: Path) -> tuple[int, int]:
    """What changes when another process replaces an artifact, so that parts of two are never taken for one."""
    try:
        found = (path / META).stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns


def _read(path: Path) -> Artifact:
    meta = read_meta(path)
    cls = ARTIFACTS[meta["artifact"]]
    values: JsonObject = {name: tuple(v) if isinstance(v, list) else v for name, v in meta["fields"].items()}
    try:
        values["provenance"] = _provenance(values["provenance"])
        for name, described in meta["arrays"].items():
            array = _load_array(path / f"{name}.npy", described)
            group, _, member = name.partition(".")
            if group in GROUPS:
                values.setdefault(group, {})[member] = array
            else:
                values[name] = array
        return cls(**values)
    except InputError as error:
        known = str(path) in str(error) or (isinstance(error.__cause__, Exception) and is_refused(error.__cause__))
        raise error if known else InputError(f"{path} is damaged: {error}") from error
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise InputError(f"{path / META} is damaged ({error}); make the artifact again.") from error


def array_digest(array: Array) -> str:
    """Return the hex SHA-256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def read_meta(path: str | Path) -> Meta:
    """Return the parsed `meta.json` of a finished artifact.

    Raises:
        InputError: When there is none, or none that this version can read.
    """
    path = Path(path)
    recover(path)
    if not path.is_dir():
        raise InputError(f"expected a folder made by datapare at {path}, but there is none{meant(path)}")
    meta = read_json(path / META)
    if meta is None and not (path / META).is_file():
        raise InputError(
            begun_record(path)
            or f"{path} has no {META}, so it is unfinished or not made by datapare; make it "
            f"again, or see what a dataset holds by: datapare inspect {path}"
        )
    if isinstance(meta, dict) and meta.get("datapare") is not True and meta.get("datapare") == 1:
        meta = {**from_format_1(meta, path / META), "datapare": FORMAT}
    return _check_meta(meta, path)


def begun_record(path: Path) -> str | None:
    """Return how far a Recorder came here whose training ended early, and what to do; None for anything else."""
    begun = read_described(path / "progress.json", BegunRecord, "record again in a new folder")
    if begun is None or is_finished(path):
        return None
    return (
        f"{path} is unfinished: it holds {len(begun['coverage'])} of {begun['facts']['epochs']} epochs of a training "
        "that ended early; "
        "resume it, or keep these alone: make the Recorder again with the same arguments, stop() it and close() it."
    )


def _check_meta(meta: object, path: Path) -> Meta:
    if not isinstance(meta, dict) or not conforms(meta.get("datapare"), int):
        raise InputError(f"{path / META} is not an artifact this version of datapare can read; make it again.")
    if meta["datapare"] > FORMAT:
        raise InputError(f"{path / META} was written by a newer version of datapare; update datapare to read it.")
    if meta["datapare"] != FORMAT or meta.get("artifact") not in [*ARTIFACTS]:
        raise InputError(f"{path / META} is not an artifact this version of datapare can read; make it again.")
    if not conforms(meta, Meta) or any("/" in name for name in meta["arrays"]):
        raise InputError(f"{path / META} is damaged (its entries are not those of an artifact); make it again.")
    _check_known(meta.keys(), get_type_hints(Meta), path)
    declared = get_type_hints(ARTIFACTS[meta["artifact"]])
    stored = {name: value for name, value in meta["fields"].items() if name != "provenance"}
    _check_known({*stored, *(name.partition(".")[0] for name in meta["arrays"])}, declared, path)
    for name, value in stored.items():
        if not conforms(value, declared[name]):
            raise InputError(f"{path / META} is damaged (its {name} is {value!r:.40}); make the artifact again.")
    if "provenance" not in meta["fields"]:
        raise InputError(f"{path / META} is damaged (it has no provenance); make the artifact again.")
    _check_provenance(meta["fields"]["provenance"], path)
    if meta.get("digest", _digest(meta)) != _digest(meta):
        raise InputError(f"{path / META} is damaged (its content has changed since); make the artifact again.")
    return cast("Meta", meta)


def _digest(meta: Mapping[str, object]) -> str:
    """Return a digest of all that `meta.json` says: its values can be damaged without being of another type."""
    said = {name: meta[name] for name in ("artifact", "fields", "arrays")}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def _check_provenance(value: object, path: Path) -> None:
    if not conforms(value, StoredProvenance):
        raise InputError(f"{path / META} is damaged (its provenance is incomplete); make the artifact again.")
    stored = cast("StoredProvenance", value)
    _check_known({*stored}, get_type_hints(Provenance), path)
    for parent in stored["parents"]:
        _check_provenance(parent, path)


def _check_known(names: AbstractSet[str], known: Collection[str], path: Path) -> None:
    if unknown := sorted(names - {*known}):
        raise InputError(
            f"{path / META} holds {unknown[0]!r}, which this version of datapare does not know; it was written by a "
            "newer one: update datapare to read it."
        )


def is_finished(path: str | Path) -> bool:
    """Return whether a folder holds a complete artifact."""
    recover(Path(path))
    return (Path(path) / META).is_file()


def write_meta(folder: Path, artifact: Artifact) -> None:
    """Complete a folder whose arrays are in place: flush them to disk, then describe them in `meta.json`."""
    arrays = {name: {"dtype": str(array.dtype), "shape": array.shape} for name, array in named_arrays(artifact)}
    values = {
        field.name: getattr(artifact, field.name)
        for field in fields(artifact)
        if field.name != "provenance" and not _is_array(getattr(artifact, field.name)) and field.name not in GROUPS
    }
    meta = {
        "datapare": FORMAT,
        "artifact": type(artifact).__name__.lower(),
        "fields": {**values, "provenance": asdict(artifact.provenance)},
        "arrays": arrays,
    }
    meta = json.loads(json.dumps(meta, default=plain))  # as it will be read: lists for tuples, text for keys
    for name in arrays:
        flush(folder / f"{name}.npy")
    flush(folder)
    write_json(folder / META, {**meta, "digest": _digest(meta)})


def named_arrays(artifact: Artifact) -> Iterator[tuple[str, Array]]:
    """Yield every array of an artifact under the name of its file."""
    for field in fields(artifact):
        value = getattr(artifact, field.name)
        if field.name in GROUPS:
            yield from ((f"{field.name}.{name}", array) for name, array in value.items())
        elif _is_array(value):
            yield field.name, value


def check_replaceable(path: Path, artifact: Artifact) -> None:
    """Raise InputError unless `path` is free, or holds an artifact of the same kind or our unfinished files alone."""
    if not os.path.lexists(path) or (path.is_dir() and _is_unfinished(path, type(artifact))):
        return
    if not is_finished(path) or read_meta(path)["artifact"] != _word(artifact):
        raise InputError(f"{path} already holds something else; choose another folder for the {_word(artifact)}.")


def _is_unfinished(path: Path, cls: type[Artifact]) -> bool:
    """Whether a folder holds nothing but the arrays of an artifact that was never completed."""
    names = {field.name for field in fields(cls)}
    return all(
        entry.name.endswith(".draft") or (entry.suffix == ".npy" and entry.name.partition(".")[0] in names)
        for entry in path.iterdir()
    )


def _is_array(value: object) -> TypeGuard[Array]:
    return isinstance(value, np.ndarray)


def _word(artifact: Artifact) -> str:
    return type(artifact).__name__.lower()


def _load_array(file: Path, described: StoredArray) -> Array:
    array = read_array(file)
    if str(array.dtype) != described["dtype"] or list(array.shape) != list(described["shape"]):
        raise InputError(f"{file} holds {array.dtype} {array.shape}, not what {META} says; make the artifact again.")
    return array


def _provenance(value: StoredProvenance) -> Provenance:
    plain: JsonObject = {**value, "parents": tuple(_provenance(parent) for parent in value["parents"])}
    return Provenance(**plain)
