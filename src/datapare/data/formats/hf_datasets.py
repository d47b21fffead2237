"""What `datasets` itself made: a folder of save_to_disk, a Dataset in memory, a name on the hub."""

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Perturbation, Provenance
from datapare.data.dataset import Dataset
from datapare.data.foreign_types import ArrowSchema, ArrowTable, LoadedRows, Rows
from datapare.data.formats.detect import format_of
from datapare.data.paths import check_unsplit, same_split
from datapare.data.placing import PlaceFile
from datapare.data.source import OpenRequest, RawTable, SourceFiles, rows_of, undecoded
from datapare.data.tables import checked, concatenated
from datapare.errors import InputError

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?(:[\w.-]+)?")
PRIORITY = 3
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


def matches(files: SourceFiles, request: OpenRequest) -> bool:  # noqa: ARG001 (every format is asked alike)
    """Whether `save_to_disk` wrote this folder."""
    return any((files.path / name).is_file() for name in ("dataset_dict.json", "state.json"))


def accepts(source: object) -> bool:
    """Whether this is a `datasets.Dataset`, a `DatasetDict`, or may be the name of a dataset on the hub."""
    if isinstance(source, str | Path):
        return bool(HUB_NAME.fullmatch(str(source))) and format_of(str(source)) is None
    if isinstance(source, Mapping):
        return any(hasattr(rows, "column_names") for rows in source.values())
    return hasattr(source, "column_names") and hasattr(source, "with_format")


def read_object(source: LoadedRows | str | Path, request: OpenRequest) -> RawTable:
    """The rows of a dataset in memory or on the hub."""
    if isinstance(source, str | Path):
        return _from_hub(str(source), request.split)
    return _from_memory(source, request.split)


def read(files: SourceFiles, request: OpenRequest) -> RawTable:
    """The rows of a folder written by `Dataset.save_to_disk` or `DatasetDict.save_to_disk`."""
    folder = files.path
    loaded = _load(folder)
    if not isinstance(loaded, dict):
        check_unsplit(folder, request.split)
    rows = undecoded(_split(loaded, request.split, str(folder)))
    done = folder / PERTURBATION
    perturbation = cast("Perturbation", storage.load(done)) if storage.is_finished(done) else None
    return RawTable(rows, folder, perturbation=perturbation)


def perturbation_in(folder: Path) -> Provenance | None:
    """Return how a folder that `perturb` and `export` wrote was made; None where there is none."""
    done = folder / PERTURBATION
    return storage.load(done).provenance if storage.is_finished(done) else None


def _from_memory(data: LoadedRows, split: str) -> RawTable:
    """The rows of a `datasets.Dataset`, of one split of a `DatasetDict`, or of a stream until its end."""
    rows = _split(data, split, "the DatasetDict")
    if not hasattr(rows, "__len__"):
        rows = data = _materialised(rows)
    note = "the transform of the dataset is not applied: the rows are read as they are stored"
    return RawTable(undecoded(rows), origin=data, notes=(note,) if _is_transformed(rows) else ())


def _is_transformed(rows: Rows) -> bool:
    """Whether a function of the user's makes what the rows show, as `set_transform` has it."""
    return bool(rows.format["type"] == "custom")


def _materialised(stream: Rows) -> Rows:
    """All rows of an `IterableDataset` in a memory-mapped Arrow file, which is gone with them."""
    import datasets
    import pyarrow as pa

    features = stream.features
    for name, feature in (features or {}).items():
        if isinstance(feature, datasets.Image):
            stream = stream.cast_column(name, datasets.Image(decode=False))
    try:
        try:
            with tempfile.TemporaryDirectory() as folder:
                rows = _written(stream, Path(folder) / "stream.arrow")
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # types that differ along the stream
            return _from_examples(stream)
    except InputError:
        raise
    except Exception as error:  # of the code that makes the examples
        raise InputError(f"the streamed dataset cannot be read: {error!r}.") from error
    if features is None:
        return rows
    with quiet():
        return rows.cast(datasets.Features({name: features[name] for name in rows.features}))


def _written(stream: Rows, file: Path) -> Rows:
    """The rows of a stream from a file that they are written to, all of the types of the first thousand."""
    import datasets
    import pyarrow as pa

    writer = schema = None
    for block in stream.with_format("arrow").iter(1000):
        schema = schema or block.schema
        writer = writer or pa.ipc.new_stream(str(file), schema)
        writer.write_table(block if block.schema == schema else _cast(block, schema))
    if writer is None:
        raise InputError("the streamed dataset has no examples.")
    writer.close()
    return datasets.Dataset.from_file(str(file))


def _cast(block: ArrowTable, schema: ArrowSchema) -> ArrowTable:
    import pyarrow as pa

    if set(block.column_names) != set(schema.names):
        raise pa.ArrowInvalid(f"expected the columns {', '.join(schema.names)}, not {', '.join(block.column_names)}")
    return block.select(schema.names).cast(schema)


def _from_examples(stream: Rows) -> Rows:
    """The rows of a stream in types that hold the values of all of them."""
    import pyarrow as pa

    blocks: list[ArrowTable] = []
    for block in stream.with_format(None).iter(1000):
        values = {name: list(column) for name, column in block.items()}
        try:
            blocks.append(pa.table(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InputError(
                f"the streamed dataset has a column of several types: {str(error).splitlines()[0]}."
            ) from error
    return rows_of(concatenated(blocks, [Path(f"block {i}") for i in range(len(blocks))]))


def _from_hub(name: str, split: str) -> RawTable:
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
            "check the path, the name or the connection (with HF_HUB_OFFLINE=1 what was downloaded before is used)"
            f"{storage.meant(Path(name))}"
        ) from error
    return RawTable(undecoded(loaded), origin=loaded)


def _ask_hub(repository: str) -> None:
    """Fail at once when the hub is out of reach or has no such dataset: loading would try again for half a minute."""
    from huggingface_hub import HfApi, constants

    if not constants.HF_HUB_OFFLINE:
        HfApi().dataset_info(repository, timeout=10)


def _load(folder: Path) -> LoadedRows:
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:
        raise InputError(f"{folder} was written by save_to_disk but cannot be read: {error}") from error
    for rows in loaded.values() if isinstance(loaded, dict) else (loaded,):
        checked(rows.data.table, folder)
    return loaded


def _split(loaded: LoadedRows, split: str, where: str) -> Rows:
    if not isinstance(loaded, dict):
        return loaded
    found = [name for name in loaded if name == split] or [name for name in loaded if same_split(name, split)]
    if not found:
        raise InputError(
            f"{where} holds the splits {', '.join(loaded)}, but no {split!r}; name one with split= (--split)."
        )
    return loaded[found[0]]


def write_all(data: Dataset, keep: NDArray[np.int64], out: Path, place: PlaceFile) -> int:  # noqa: ARG001
    """A save_to_disk folder of the rows at `keep`, other splits as they are; the number of rows there were."""
    loaded = _load(data.path) if data.path is not None else data.origin
    rows = _split(loaded, data.split, "the dataset")
    # saved with the rows, and drawn at random where nothing is given
    chosen = hashlib.sha256(data.digest.encode() + np.ascontiguousarray(keep, np.int64).tobytes()).hexdigest()[:16]
    plain = rows.with_format(None) if _is_transformed(rows) else rows  # a function cannot be saved
    smaller = plain.select(keep, new_fingerprint=chosen)
    if isinstance(loaded, dict):
        smaller = type(loaded)({name: smaller if one is rows else one for name, one in loaded.items()})
    with quiet():
        smaller.save_to_disk(str(out))
    if data.perturbation is not None:
        storage.save(data.perturbation.at(np.searchsorted(data.row, keep)), out / PERTURBATION)
    return len(rows)
