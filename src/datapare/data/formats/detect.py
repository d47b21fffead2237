"""From whatever a person names to a `Source`: which format is this, and who reads it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from datapare.data.formats import arrays, delimited, hf_datasets, image_folder, parquet, webdataset
from datapare.data.paths import of_split, same_split, walk
from datapare.data.source import OpenRequest, Source
from datapare.errors import InputError

ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".tar": "webdataset",
    ".npz": "npz",
    ".npy": "npy",
}
HUB = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?(:[\w.-]+)?")
KNOWN = "a folder of images, a .parquet, .csv, .jsonl, .tar (WebDataset) or .npz file, a save_to_disk folder"


def read(source: Any, ask: OpenRequest) -> Source:
    """Every row of a path, a hub name, a `datasets.Dataset`, a pair of arrays (X, y) or a dict of arrays."""
    if isinstance(source, str | Path):
        return _named(str(source), ask)
    if hasattr(source, "column_names"):
        return hf_datasets.from_object(source, ask.split)
    if isinstance(source, Mapping):
        return arrays.from_arrays({name: np.asarray(array) for name, array in source.items()}, ask)
    if isinstance(source, tuple) and len(source) == 2:
        pair = {"x": np.asarray(source[0]), "y": np.asarray(source[1])}
        return arrays.from_arrays(pair, replace(ask, inputs=("x",), label="y"))
    raise InputError(f"expected {KNOWN}, a datasets.Dataset or a pair of arrays (X, y), not {type(source).__name__}.")


def _named(name: str, ask: OpenRequest) -> Source:
    path = Path(name).expanduser()
    if path.is_dir():
        return _folder(path, ask)
    if path.is_file():
        return _files(_form([path], path), [path], path, ask)
    if any(sign in path.name for sign in "*?["):
        found = sorted(one for one in path.parent.glob(path.name) if one.is_file())
        if not found:
            raise InputError(f"no file matches {path}.")
        return _files(_form(found, path), found, path, ask)
    if HUB.fullmatch(name) and path.suffix.lower() not in ENDINGS:
        return hf_datasets.read_hub(name, ask.split)
    raise InputError(f"there is no file or folder {path}; expected {KNOWN}.")


def _form(files: Sequence[Path], where: Path) -> str:
    """The one format of all files, from how their names end."""
    forms = {file.suffix.lower(): ENDINGS.get(file.suffix.lower()) for file in files}
    unknown = [ending for ending, form in forms.items() if form is None]
    if unknown:
        raise InputError(f"{where} ends in {unknown[0] or 'nothing'}; expected {KNOWN}.")
    if len(set(forms.values())) > 1:
        raise InputError(f"{where} holds files of different formats ({', '.join(sorted(forms))}); name one file.")
    return next(form for form in forms.values() if form)


def _files(form: str, files: Sequence[Path], path: Path, ask: OpenRequest) -> Source:
    if form == "webdataset":
        return webdataset.read_webdataset(files, path, ask.label)
    if form == "npz" and len(files) == 1:
        return arrays.read_npz(files[0], ask)
    if form in {"npz", "npy"}:
        raise InputError(f"{path}: expected one .npz file of inputs and labels, or a folder with x.npy and y.npy.")
    if form == "csv" and len(files) == 1 and ask.kind in {None, "image"}:
        listed = image_folder.image_column(files[0], ask.input)
        if listed is not None:
            return image_folder.read_listed(files[0], listed, files[0].parent)
    return {"parquet": parquet.read_parquet, "csv": delimited.read_csv, "jsonl": delimited.read_jsonl}[form](
        files, path
    )


def _folder(path: Path, ask: OpenRequest) -> Source:
    if hf_datasets.is_saved(path):
        return hf_datasets.read_saved(path, ask.split)
    _, files = walk(path)
    if not files:
        raise InputError(f"{path} is empty; expected {KNOWN}.")
    data = [name for name in files if Path(name).suffix.lower() in ENDINGS and not name.endswith(".json")]
    whole = [name for name in data if ENDINGS[Path(name).suffix.lower()] in {"parquet", "webdataset"}]
    if not whole and any(image_folder.is_image(name) for name in files):
        return _images(path, ask)
    if not data:
        raise InputError(f"{path} holds no images and no data files ({', '.join(files[:3])}, …); expected {KNOWN}.")
    if {Path(name).suffix for name in data} == {".npy"}:
        return arrays.read_npy(path, ask)
    chosen = [path / name for name in of_split(path, whole or data, ask.split)]
    return _files(_form(chosen, path), chosen, path, ask)


def _images(path: Path, ask: OpenRequest) -> Source:
    """A CSV beside the images, or beside those of the split, says their labels; otherwise their folders do."""
    below = [one for one in sorted(path.iterdir()) if one.is_dir() and not one.name.startswith(".")]
    for base in [path, *(one for one in below if same_split(one.name, ask.split))]:
        for listed in image_folder.label_files(base, ask.split):
            column = image_folder.image_column(listed, ask.input)
            if column is not None:
                return image_folder.read_listed(listed, column, path)
    if not below:
        raise InputError(
            f"{path} holds images but no labels: put them into one folder per class, or write a labels.csv with the "
            "columns file_name and label beside them."
        )
    if ask.label or ask.inputs:
        raise InputError(f"{path} has a folder per class and no columns; leave out label= and input=.")
    return image_folder.read_folder(path, ask.split)
