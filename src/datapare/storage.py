"""Save and load any noun: a folder of `meta.json` and plain `.npy` files that other programs can read.

`meta.json` is written last and atomically, so its existence means *complete*. Nothing is ever pickled. Large arrays
come back memory-mapped, so opening a record costs nothing.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Artifact, Comparison, Dynamics, Perturbation, Provenance, Scores, Subset
from datapare.errors import InputError

FORMAT = 2
# Format 1 (datapare 0.1) used other words for the same things.
FORMAT_1_KEYS = {"noun": "artifact", "recipe": "provenance", "verb": "step", "knobs": "params"}
FORMAT_1_STEPS = {"scenario": "perturb", "gauge": "measure", "curve": "sweep", "average": "average_scores"}
META = "meta.json"
ARTIFACTS: Mapping[str, type[Artifact]] = {
    cls.__name__.lower(): cls for cls in (Dynamics, Scores, Subset, Comparison, Perturbation)
}
GROUPS = {"channels", "arrays", "means"}  # fields that hold named arrays; each is stored as "<field>.<name>.npy"


def save(artifact: Artifact, path: str | Path) -> Path:
    """Write a noun to a new folder, complete or not at all.

    An existing folder is replaced only when it holds the same kind of noun. Raises InputError when it holds anything
    else or cannot be written.

    >>> import tempfile
    >>> folder = save(Scores([0.5, 0.25]), Path(tempfile.mkdtemp()) / "scores")
    >>> load(folder).score.tolist()
    [0.5, 0.25]
    """
    path = Path(path)
    _check_replaceable(path, artifact)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, array in named_arrays(artifact):
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
        write_meta(draft, artifact)
        if path.exists():
            shutil.rmtree(path)
        draft.rename(path)
    except OSError as error:
        reason = error.strerror or "the disk is full"  # numpy reports a short write without an error number
        raise InputError(f"cannot write {path}: {reason}; make room or choose another output folder.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return path


def load(path: str | Path) -> Artifact:
    """Read a noun back; arrays are memory-mapped read-only.

    Raises InputError when the folder is missing, incomplete, damaged or of an unknown format.
    """
    path = Path(path)
    meta = read_meta(path)
    cls = ARTIFACTS[meta["artifact"]]
    values: dict[str, Any] = dict(meta["fields"])
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


def read_meta(path: str | Path) -> dict[str, Any]:
    """Return the parsed `meta.json` of a finished artefact; raises InputError when there is none."""
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"expected a folder made by datapare at {path}, but there is none.")
    try:
        meta = json.loads((path / META).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} has no {META}, so it is unfinished or not made by datapare; run the command that makes it again."
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(f"{path / META} cannot be read ({error}); make the artefact again.") from error
    if isinstance(meta, dict) and meta.get("datapare") == 1:
        meta = _from_format_1(meta)
    if not isinstance(meta, dict) or meta.get("datapare") != FORMAT or meta.get("artifact") not in ARTIFACTS:
        raise InputError(f"{path} is not an artefact this version of datapare can read; make it again.")
    return meta


def is_finished(path: str | Path) -> bool:
    """Whether a complete artefact stands in this folder."""
    return (Path(path) / META).is_file()


def write_meta(folder: Path, artifact: Artifact) -> None:
    """Finish a folder whose arrays are already in place: describe them in `meta.json`, atomically and last."""
    arrays = {name: {"dtype": str(array.dtype), "shape": array.shape} for name, array in named_arrays(artifact)}
    plain = {
        field.name: getattr(artifact, field.name)
        for field in fields(artifact)
        if field.name != "provenance" and not _is_array(getattr(artifact, field.name)) and field.name not in GROUPS
    }
    meta = {
        "datapare": FORMAT,
        "artifact": type(artifact).__name__.lower(),
        "fields": {**plain, "provenance": asdict(artifact.provenance)},
        "arrays": arrays,
    }
    write_json(folder / META, meta)


def draft_of(path: Path) -> Path:
    """Where a file is written before it takes its place; what a killed process leaves there, the next one overwrites.

    >>> draft_of(Path("run.json")).name
    '.run.json.draft'
    """
    return path.with_name(f".{path.name}.draft")


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically, so that a reader sees the old or the new one and never half of it."""
    draft = draft_of(path)
    with draft.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, default=_plain)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def named_arrays(artifact: Artifact) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield every array of a noun under the name of its file."""
    for field in fields(artifact):
        value = getattr(artifact, field.name)
        if field.name in GROUPS:
            yield from ((f"{field.name}.{name}", array) for name, array in value.items())
        elif _is_array(value):
            yield field.name, value


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _check_replaceable(path: Path, artifact: Artifact) -> None:
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() and (not is_finished(path) or read_meta(path)["artifact"] != type(artifact).__name__.lower()):
        raise InputError(f"{path} already holds something else; choose another folder for the {_word(artifact)}.")


def _word(artifact: Artifact) -> str:
    return type(artifact).__name__.lower()


def _load_array(file: Path, described: Mapping[str, Any]) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} is missing or damaged ({error}); make the artefact again.") from error
    if str(array.dtype) != described["dtype"] or list(array.shape) != list(described["shape"]):
        raise InputError(f"{file} holds {array.dtype} {array.shape}, not what {META} says; make the artefact again.")
    return array


def _provenance(value: Mapping[str, Any]) -> Provenance:
    return Provenance(**{**value, "parents": tuple(_provenance(parent) for parent in value["parents"])})


def _from_format_1(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the keys and steps that format 1 called otherwise."""
    renamed = {FORMAT_1_KEYS.get(key, key): value for key, value in meta.items()}
    artifact = "perturbation" if renamed.get("artifact") == "scenario" else renamed.get("artifact")
    stored = {FORMAT_1_KEYS.get(key, key): value for key, value in renamed["fields"].items()}
    stored["provenance"] = _provenance_from_format_1(stored["provenance"])
    return {**renamed, "datapare": FORMAT, "artifact": artifact, "fields": stored}


def _provenance_from_format_1(value: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {FORMAT_1_KEYS.get(key, key): item for key, item in value.items()}
    renamed["step"] = FORMAT_1_STEPS.get(renamed["step"], renamed["step"])
    renamed["parents"] = [_provenance_from_format_1(parent) for parent in renamed["parents"]]
    return renamed


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
