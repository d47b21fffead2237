"""What `datasets` itself made: a folder of save_to_disk, a Dataset in memory, a name on the hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Perturbation
from datapare.data.paths import same_split
from datapare.data.source import Source, undecoded
from datapare.errors import InputError

PERTURBATION = "scenario"  # the folder, beside the rows, that says what was done to them


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of `datasets` inside."""
    import datasets

    before = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            datasets.enable_progress_bars()


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def read_saved(folder: Path, split: str) -> Source:
    """The rows of a folder written by `Dataset.save_to_disk` or `DatasetDict.save_to_disk`."""
    rows = undecoded(_split(_load(folder), split, str(folder)))
    done = folder / PERTURBATION
    perturbation = cast("Perturbation", storage.load(done)) if storage.is_finished(done) else None
    return Source(rows, "saved", folder, perturbation=perturbation)


def from_object(data: Any, split: str) -> Source:
    """The rows of a `datasets.Dataset`, or of one split of a `DatasetDict`."""
    rows = _split(data, split, "the DatasetDict")
    if not hasattr(rows, "__len__"):
        raise InputError(
            "a streamed dataset cannot be pruned, as its examples have no places; load it without streaming."
        )
    return Source(undecoded(rows), "dataset", origin=data)


def read_hub(name: str, split: str) -> Source:
    """The rows of a dataset on the Hugging Face hub, "owner/name" or "owner/name:configuration"."""
    import datasets

    repository, _, configuration = name.partition(":")
    try:
        _ask_hub(repository)
        with quiet():
            loaded = datasets.load_dataset(repository, configuration or None, split=split)
    except Exception as error:
        raise InputError(
            f"{name!r} is no file or folder here, and the Hugging Face hub did not give it ({type(error).__name__}); "
            "check the path, the name or the connection (with HF_HUB_OFFLINE=1 what was downloaded before is used)."
        ) from error
    return Source(undecoded(loaded), "hub", origin=loaded)


def _ask_hub(repository: str) -> None:
    """Fail at once when the hub is out of reach or has no such dataset: loading would try again for half a minute."""
    import huggingface_hub

    if not huggingface_hub.constants.HF_HUB_OFFLINE:
        huggingface_hub.HfApi().dataset_info(repository, timeout=10)


def _load(folder: Path) -> Any:
    import datasets

    try:
        return datasets.load_from_disk(str(folder))
    except Exception as error:
        raise InputError(f"{folder} was written by save_to_disk but cannot be read: {error}") from error


def _split(loaded: Any, split: str, where: str) -> Any:
    if not isinstance(loaded, dict):
        return loaded
    found = [name for name in loaded if name == split] or [name for name in loaded if same_split(name, split)]
    if not found:
        raise InputError(
            f"{where} holds the splits {', '.join(loaded)}, but no {split!r}; name one with split= (--split)."
        )
    return loaded[found[0]]


def write_saved(data: Any, keep: NDArray[np.int64], out: Path) -> int:
    """A save_to_disk folder of the rows at `keep`, other splits as they are; the number of rows there were."""
    loaded = _load(data.path) if data.path is not None else data.origin
    rows = _split(loaded, data.split, "the dataset")
    smaller = rows.select(keep)
    if isinstance(loaded, dict):
        smaller = type(loaded)({name: smaller if one is rows else one for name, one in loaded.items()})
    with quiet():
        smaller.save_to_disk(str(out))
    if data.perturbation is not None:
        storage.save(data.perturbation.at(np.searchsorted(data.row, keep)), out / PERTURBATION)
    return len(rows)
