"""From whatever a person names to a `Source`: which format is this, and who reads it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datapare.data import arrays, folder, lines, parquet, saved, webdataset
from datapare.data.files import of_split, same_split, walk
from datapare.data.source import Source
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
KNOWN = "a folder of images, a .parquet, .csv, .jsonl, .tar (WebDataset) or .npz file, a save_to_disk folder"


def read(source: Any, split: str, label: str | None, inputs: Sequence[str] | None) -> Source:
    """Every row of a path, a hub name, a `datasets.Dataset`, a pair of arrays (X, y) or a dict of arrays."""
    one = inputs[0] if inputs else None
    if isinstance(source, str | Path):
        return _named(str(source), split, label, inputs)
    if hasattr(source, "column_names") or (
        isinstance(source, dict) and source and hasattr(next(iter(source.values())), "features")
    ):
        return saved.from_object(source, split)
    if isinstance(source, Mapping):
        return arrays.from_arrays({k: np.asarray(v) for k, v in source.items()}, "arrays", None, (), one, label, split)
    if isinstance(source, tuple) and len(source) == 2:
        pair = {"x": np.asarray(source[0]), "y": np.asarray(source[1])}
        return arrays.from_arrays(pair, "arrays", None, (), "x", "y")
    raise InputError(f"expected {KNOWN}, a datasets.Dataset or a pair of arrays (X, y), not {type(source).__name__}.")


def _named(name: str, split: str, label: str | None, inputs: Sequence[str] | None) -> Source:
    path = Path(name).expanduser()
    if path.is_dir():
        return _folder(path, split, label, inputs)
    if path.is_file():
        form = ENDINGS.get(path.suffix.lower())
        if form is None:
            raise InputError(f"{path} ends in {path.suffix or 'nothing'}; expected {KNOWN}.")
        return _files(form, [path], path, split, label, inputs)
    if any(sign in path.name for sign in "*?["):
        found = sorted(one for one in path.parent.glob(path.name) if one.is_file())
        if not found:
            raise InputError(f"no file matches {path}.")
        return _files(_form(found, path), found, path, split, label, inputs)
    if path.suffix.lower() not in ENDINGS and name.count("/") <= 1 and name[:1] not in "./~" and not path.is_absolute():
        return saved.read_hub(name, split)
    raise InputError(f"there is no file or folder {path}; expected {KNOWN}.")


def _form(files: Sequence[Path], where: Path) -> str:
    forms = {ENDINGS.get(file.suffix.lower(), "") for file in files}
    if len(forms) != 1 or "" in forms:
        raise InputError(
            f"{where} holds files of different formats ({', '.join(file.name for file in files[:5])}); name one."
        )
    return forms.pop()


def _files(
    form: str, files: Sequence[Path], path: Path, split: str, label: str | None, inputs: Sequence[str] | None
) -> Source:
    one = inputs[0] if inputs else None
    if form == "webdataset":
        return webdataset.read_webdataset(files, path, label)
    if form in {"npz", "npy"}:
        if form == "npy" or len(files) > 1:
            raise InputError(f"{path}: expected one .npz file of inputs and labels, or a folder with x.npy and y.npy.")
        return arrays.read_npz(files[0], one, label, split)
    if form == "csv" and len(files) == 1:
        table = lines.csv_table(files[0])
        if folder.names_images(files[0].parent, table, folder.file_column(table.column_names, one)):
            return folder.read_listed(files[0], one, files[0].parent)
    return {"parquet": parquet.read_parquet, "csv": lines.read_csv, "jsonl": lines.read_jsonl}[form](files, path)


def _folder(path: Path, split: str, label: str | None, inputs: Sequence[str] | None) -> Source:
    if saved.is_saved(path):
        return saved.read_saved(path, split)
    _, files = walk(path)
    if not files:
        raise InputError(f"{path} is empty; expected {KNOWN}.")
    if any(folder.is_image(name) for name in files):
        return _images(path, split, inputs)
    data = [name for name in files if Path(name).suffix.lower() in ENDINGS and not name.endswith(".json")]
    if not data:
        raise InputError(f"{path} holds no images and no data files ({', '.join(files[:3])} …); expected {KNOWN}.")
    if {Path(name).suffix for name in data} == {".npy"}:
        return arrays.read_npy(path, inputs[0] if inputs else None, label, split)
    chosen = [path / name for name in of_split(path, data, split)]
    return _files(_form(chosen, path), chosen, path, split, label, inputs)


def _images(path: Path, split: str, inputs: Sequence[str] | None) -> Source:
    """A CSV beside the images, or beside those of the split, says their labels; otherwise their folders do."""
    below = [one for one in sorted(path.iterdir()) if one.is_dir() and same_split(one.name, split)]
    for base in [path, *below]:
        listed = folder.labels_file(base)
        if listed is not None:
            table = lines.csv_table(listed)
            column = folder.file_column(table.column_names, inputs[0] if inputs else None)
            if folder.names_images(base, table, column):
                return folder.read_listed(listed, column, path)
    if not any(one.is_dir() and not one.name.startswith(".") for one in path.iterdir()):
        raise InputError(
            f"{path} holds images but no labels: put them into one folder per class, or write a labels.csv with the "
            "columns file_name and label beside them."
        )
    return folder.read_folder(path, split)
