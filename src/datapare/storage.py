"""Save and load artifacts; write files atomically; lock a folder for one process.

An artifact is a folder of `meta.json` and plain `.npy` files that other programs can read. `meta.json` is written last
and atomically, after the arrays have reached the disk, so its existence means *complete*. Nothing is ever pickled.

Everything is written to a draft beside its place, `.NAME.HOST.PID.draft`, and renamed; later writers remove dead ones.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from functools import cache
from io import FileIO
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np

from datapare.artifacts import Array, Artifact, Comparison, Dynamics, Params, Perturbation, Provenance, Scores, Subset
from datapare.errors import BusyError, InputError

FORMAT = 2  # format 1 (datapare 0.1) used other words for the same things:
FORMAT_1_KEYS = {"noun": "artifact", "recipe": "provenance", "verb": "step", "knobs": "params"}
FORMAT_1_PARAMS = {"batch": "batch_size"}  # of a recording
FORMAT_1_STEPS = {"scenario": "perturb", "gauge": "measure", "curve": "sweep", "average": "average_scores"}
META = "meta.json"
LOCK = ".lock"
ASIDE = ".aside."  # in the name of what is being replaced
ARTIFACTS: Mapping[str, type[Artifact]] = {
    cls.__name__.lower(): cls for cls in (Dynamics, Scores, Subset, Comparison, Perturbation)
}
GROUPS = {"channels", "arrays", "means"}  # fields that hold named arrays; each is stored as "<field>.<name>.npy"
JsonObject = dict[str, Any]  # as read from a file, its values not yet checked
_held: "weakref.WeakSet[FileIO]" = weakref.WeakSet()
_drafts: set[Path] = set()  # what this process is writing


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


class Meta(TypedDict):
    """What `meta.json` holds; `fields` are those that are no arrays, by name."""

    datapare: int
    artifact: str
    fields: JsonObject
    arrays: Mapping[str, StoredArray]


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
    path = Path(path)
    recover(path)
    check_replaceable(path, artifact)
    with atomic_write(path, replace=True) as draft:
        draft.mkdir()
        for name, array in named_arrays(artifact):
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
        write_meta(draft, artifact)
    return path


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
    meta = read_meta(path)
    cls = ARTIFACTS[meta["artifact"]]
    values: JsonObject = dict(meta["fields"])
    try:
        for name, described in meta["arrays"].items():
            array = _load_array(path / f"{name}.npy", described)
            group, _, member = name.partition(".")
            if group in GROUPS:
                values.setdefault(group, {})[member] = array
            else:
                values[name] = array
        values["provenance"] = _provenance(values["provenance"])
        for field in fields(cls):
            if isinstance(values.get(field.name), list):
                values[field.name] = tuple(values[field.name])
        return cls(**values)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path} is damaged: {error}") from error
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
        raise InputError(f"expected a folder made by datapare at {path}, but there is none.")
    meta = read_json(path / META)
    if meta is None:
        raise InputError(
            begun_record(path) or f"{path} has no {META}, so it is unfinished or not made by datapare; make it again."
        )
    if isinstance(meta, dict) and meta.get("datapare") == 1:
        meta = _from_format_1(meta, path)
    return _check_meta(meta, path)


def begun_record(path: Path) -> str | None:
    """Return how far a Recorder came here whose training ended early, and what to do; None for anything else."""
    begun = read_json(path / "progress.json")
    if not isinstance(begun, dict) or "facts" not in begun or is_finished(path):
        return None
    return (
        f"{path} holds {len(begun['coverage'])} of {begun['facts']['epochs']} epochs of a training that ended early; "
        "resume it, or keep these alone: make the Recorder again with the same arguments, stop() it and close() it."
    )


def _check_meta(meta: object, path: Path) -> Meta:
    known = isinstance(meta, dict) and isinstance(meta.get("datapare"), int)
    if known and meta["datapare"] > FORMAT:  # type: ignore[index] # narrowed by `known`
        raise InputError(f"{path} was written by a newer version of datapare; update datapare to read it.")
    if not isinstance(meta, dict) or meta.get("datapare") != FORMAT or meta.get("artifact") not in ARTIFACTS:
        raise InputError(f"{path} is not an artifact this version of datapare can read; make it again.")
    stored = meta.get("fields")
    if not isinstance(stored, dict) or not isinstance(stored.get("provenance"), dict):
        raise InputError(f"{path / META} is damaged (its fields are missing); make the artifact again.")
    if not isinstance(meta.get("arrays"), dict):
        raise InputError(f"{path / META} is damaged (its list of arrays is missing); make the artifact again.")
    expected = {field.name for field in fields(ARTIFACTS[meta["artifact"]])}
    if unknown := sorted({*stored, *(name.partition(".")[0] for name in meta["arrays"])} - expected):
        raise InputError(
            f"{path} holds {unknown[0]!r}, which this version of datapare does not know; it was written by a newer "
            "one: update datapare to read it."
        )
    return cast("Meta", meta)


def is_finished(path: str | Path) -> bool:
    """Return whether a folder holds a complete artifact."""
    recover(Path(path))
    return (Path(path) / META).is_file()


def write_meta(folder: Path, artifact: Artifact) -> None:
    """Complete a folder whose arrays are in place: flush them to disk, then describe them in `meta.json`."""
    arrays = {name: {"dtype": str(array.dtype), "shape": array.shape} for name, array in named_arrays(artifact)}
    plain = {
        field.name: getattr(artifact, field.name)
        for field in fields(artifact)
        if field.name != "provenance"
        and not isinstance(getattr(artifact, field.name), np.ndarray)
        and field.name not in GROUPS
    }
    meta = {
        "datapare": FORMAT,
        "artifact": type(artifact).__name__.lower(),
        "fields": {**plain, "provenance": asdict(artifact.provenance)},
        "arrays": arrays,
    }
    for name in arrays:
        _flush(folder / f"{name}.npy")
    _flush(folder)
    write_json(folder / META, meta)


def named_arrays(artifact: Artifact) -> Iterator[tuple[str, Array]]:
    """Yield every array of an artifact under the name of its file."""
    for field in fields(artifact):
        value = getattr(artifact, field.name)
        if field.name in GROUPS:
            yield from ((f"{field.name}.{name}", array) for name, array in value.items())
        elif isinstance(value, np.ndarray):
            yield field.name, value


@contextmanager
def atomic_write(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give a free place beside `path` to write a file or folder to; it takes the place of `path` at the end.

    Args:
        path: Where the file or folder is to appear, complete or not at all.
        replace: Whether something that is there by then is replaced; an empty folder always is.

    Raises:
        InputError: When it cannot be written, the disk is full, or, without `replace`, another process was first.
    """
    draft = draft_of(path)
    _drafts.add(draft)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        recover(path)
        _remove_drafts(path)
        remove(draft)
        yield draft
        _flush(draft)
        if draft.is_dir():
            _place_folder(draft, path, replace=replace)
        else:
            _place_file(draft, path, replace=replace)
        _flush(path.parent)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        remove(draft)
        _drafts.discard(draft)


def write_error(error: OSError, path: Path) -> InputError:
    """Return what went wrong while writing `path`, as a sentence."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, None}:  # numpy reports a short write without an error number
        return InputError(f"cannot write {path}: the disk is full; free some space or choose another place.")
    if error.errno == errno.ENOTEMPTY:
        return InputError(f"{path} was written by another process in the meantime; that one stays.")
    if error.errno == errno.EXDEV:
        return InputError(
            f"cannot write {path}: it is on another disk than the source, where hard links cannot lead; "
            "use copy or symlink."
        )
    return InputError(f"cannot write {path}: {error.strerror or error}; choose a place you can write to.")


def draft_of(path: Path) -> Path:
    """Return where this process writes a file or folder before it takes its place."""
    return path.with_name(f".{path.name}.{_host()}.{os.getpid()}.draft")


def place_of(draft: Path) -> Path:
    """Return the place that a draft of this process will take.

    >>> place_of(draft_of(Path("small/photos.npz"))).name
    'photos.npz'
    """
    return draft.with_name(".".join(draft.name.removeprefix(".").split(".")[:-3]))


def recover(path: Path) -> None:
    """Put a folder in its place whose process was killed between the two renamings of a replacement."""
    if os.path.lexists(path):
        return
    for draft in sorted(_drafts_of(path), key=lambda one: ASIDE in one.name):  # the new one first
        if _is_abandoned(draft) and (ASIDE in draft.name or (draft / META).is_file()):
            with suppress(OSError):
                draft.rename(path)
            return


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file atomically, so that a reader sees the old or the new one and never half of it."""
    with atomic_write(path) as draft, draft.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, default=_plain)


def write_text(path: Path, text: str) -> None:
    """Write a text file, complete or not at all."""
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8")


def read_json(path: Path) -> object:
    """Return the value in a JSON file, None when there is no file; raises InputError when it cannot be read."""
    try:
        return cast("object", json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); make it again.") from error


def check_replaceable(path: Path, artifact: Artifact) -> None:
    """Raise InputError unless `path` is free, or holds an artifact of the same kind or our unfinished files alone."""
    if not os.path.lexists(path) or (path.is_dir() and _is_unfinished(path, type(artifact))):
        return
    word = type(artifact).__name__.lower()
    if not is_finished(path) or read_meta(path)["artifact"] != word:
        raise InputError(f"{path} already holds something else; choose another folder for the {word}.")


def acquire_lock(folder: Path, activity: str) -> FileIO:
    """Create the folder if need be and lock it; a killed process releases its lock.

    Raises:
        BusyError: When another process holds the lock.
        InputError: When the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileIO(folder / LOCK, "a")
    except OSError as error:
        raise write_error(error, folder) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BusyError(f"another process is {activity} in {folder}; wait for it or choose another folder.") from None
    except OSError as error:
        lock.close()
        raise InputError(f"{folder} cannot be locked ({error.strerror}); choose a folder on a local disk.") from error
    _held.add(lock)
    return lock


def release_lock(lock: FileIO) -> None:
    """Release a locked folder."""
    _held.discard(lock)
    lock.close()


@contextmanager
def folder_lock(folder: Path, activity: str) -> Iterator[None]:
    """Lock a folder for the length of a with-block."""
    lock = acquire_lock(folder, activity)
    try:
        yield
    finally:
        release_lock(lock)


def _release_in_child() -> None:
    # A forked data-loading worker would otherwise keep the folder locked for as long as it outlives a killed parent.
    for lock in list(_held):
        lock.close()
    _held.clear()


os.register_at_fork(after_in_child=_release_in_child)


@cache
def _host() -> str:
    return socket.gethostname().partition(".")[0] or "localhost"


def _is_abandoned(draft: Path) -> bool:
    """Whether the process that wrote a draft is dead, or this one; of other machines it is not known."""
    *_, host, number, _ = draft.name.split(".")
    if draft in _drafts or host != _host() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return int(number) == os.getpid()


def _remove_drafts(path: Path) -> None:
    for draft in _drafts_of(path):
        if _is_abandoned(draft):
            remove(draft)


def _drafts_of(path: Path) -> list[Path]:
    with suppress(OSError):
        return [entry for entry in path.parent.iterdir() if _is_draft(entry.name, path.name)]
    return []


def _is_draft(entry: str, name: str) -> bool:
    rest = entry.removeprefix(f".{name}").removeprefix(ASIDE.rstrip("."))
    return entry.startswith(f".{name}.") and rest.count(".") == 3 and rest.endswith(".draft")


def _place_folder(draft: Path, path: Path, *, replace: bool) -> None:
    if path.is_dir() and not path.is_symlink() and (not replace or not any(path.iterdir())):
        path.rmdir()  # fails when it is not empty
    aside = draft.with_name(f".{path.name}{ASIDE}{_host()}.{os.getpid()}.draft")
    remove(aside)
    if replace and os.path.lexists(path):
        path.rename(aside)
    try:
        draft.rename(path)
    except OSError:
        if aside.exists():
            aside.rename(path)
        raise
    remove(aside)


def _place_file(draft: Path, path: Path, *, replace: bool) -> None:
    if replace:
        draft.replace(path)
        return
    try:
        os.link(draft, path)  # unlike a renaming, it fails when the place is taken
    except OSError as error:
        if os.path.lexists(path):
            raise OSError(errno.ENOTEMPTY, error.strerror) from error
        draft.rename(path)  # a file system without links


def remove(path: Path) -> None:
    """Remove a file or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, have reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF}:  # file systems that cannot
            raise
    finally:
        os.close(handle)


def _is_unfinished(path: Path, cls: type[Artifact]) -> bool:
    """Whether a folder holds nothing but the arrays of an artifact that was never completed."""
    names = {field.name for field in fields(cls)}
    return all(
        entry.name.endswith(".draft") or (entry.suffix == ".npy" and entry.name.partition(".")[0] in names)
        for entry in path.iterdir()
    )


def _load_array(file: Path, described: StoredArray) -> Array:
    try:
        array: Array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file} is missing or damaged ({error}); make the artifact again.") from error
    if str(array.dtype) != described["dtype"] or list(array.shape) != list(described["shape"]):
        raise InputError(f"{file} holds {array.dtype} {array.shape}, not what {META} says; make the artifact again.")
    return array


def _provenance(value: StoredProvenance) -> Provenance:
    plain: JsonObject = {**value, "parents": tuple(_provenance(parent) for parent in value["parents"])}
    return Provenance(**plain)


def _from_format_1(meta: JsonObject, path: Path) -> JsonObject:
    """Rename the keys and steps that format 1 called otherwise."""
    renamed = {FORMAT_1_KEYS.get(key, key): value for key, value in meta.items()}
    artifact = "perturbation" if renamed.get("artifact") == "scenario" else renamed.get("artifact")
    try:
        stored = {FORMAT_1_KEYS.get(key, key): value for key, value in renamed["fields"].items()}
        stored["provenance"] = _provenance_from_format_1(stored["provenance"])
        if artifact == "comparison":
            roles = {"full": "full", "random": "random"}  # in format 1 only the name of an arm says its role
            stored["roles"] = [roles.get(arm if arm == "full" else arm[:6], "subset") for arm in stored["arms"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path / META} is damaged (no {error}); make the artifact again.") from error
    return {**renamed, "datapare": FORMAT, "artifact": artifact, "fields": stored}


def _provenance_from_format_1(value: JsonObject) -> JsonObject:
    renamed = {FORMAT_1_KEYS.get(key, key): item for key, item in value.items()}
    renamed["step"] = FORMAT_1_STEPS.get(renamed["step"], renamed["step"])
    renamed["parents"] = [_provenance_from_format_1(parent) for parent in renamed["parents"]]
    if renamed["step"] == "record":
        renamed["params"] = {FORMAT_1_PARAMS.get(name, name): item for name, item in renamed["params"].items()}
    return renamed


def _plain(value: object) -> object:
    if isinstance(value, np.generic | Path):
        return value.item() if isinstance(value, np.generic) else str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
