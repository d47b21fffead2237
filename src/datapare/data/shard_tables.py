"""Tables beside WebDataset shards, as img2dataset and DataComp write them: a row for each sample, found by its key."""

from collections.abc import Collection
from pathlib import Path

from datapare.data.formats import parquet
from datapare.errors import InputError

KEY = "key"
_TARS = (".tar", ".tar.gz", ".tgz")


def describe_shards(root: Path, names: Collection[str]) -> bool:
    """Whether all Parquet files stand beside tar files and have a column `key`: then the tar files are the dataset."""
    tables = [name for name in names if name.lower().endswith(parquet.SUFFIXES)]
    if not tables or not any(name.lower().endswith(_TARS) for name in names):
        return False
    try:
        return all(KEY in parquet.peek(root / name)[0] for name in tables)
    except InputError:
        return False


def without_dropped(root: Path, out: Path, names: Collection[str], dropped: Collection[str]) -> None:
    """Write the tables of an export without the rows of dropped samples.

    Args:
        root: The folder of the source.
        out: That of the export, to which the tables were copied.
        names: The files of the source.
        dropped: Keys of the samples that are not kept.
    """
    gone = frozenset(dropped)
    for name in names:
        if not name.lower().endswith(parquet.SUFFIXES) or not (out / name).is_file():
            continue
        keys = parquet.column_texts(root / name, KEY)
        keep = [i for i, key in enumerate(keys) if key not in gone]
        if len(keep) < len(keys):
            (out / name).unlink()  # it may be a link to the source
            parquet.write(root / name, keep, out / name)
