"""The keys by which records before 0.2 know the rows of tables and texts, so that they are used again."""

from dataclasses import replace

from datapare.data import keys
from datapare.data.dataset import Dataset, Identity, RowNames
from datapare.data.open import with_perturbation


def in_keys_of(data: Dataset, digest: str) -> Dataset:
    """Return the dataset with the keys under which it has this digest; as it is where it has it under none.

    Texts of tables were hashed one by one before 0.2, ids too, and are now hashed a column at a time. Files, arrays and
    tables of numbers have the keys they had.

    Args:
        data: The dataset as it was opened.
        digest: The digest that an artifact holds of its dataset.
    """
    if not digest or digest == data.digest:
        return data
    former = with_former_keys(data)
    return former if former is not None and former.digest == digest else data


def with_former_keys(data: Dataset) -> Dataset | None:
    """Return the dataset with the keys it had before 0.2; None where they are the same.

    >>> from datapare.data import open_dataset
    >>> with_former_keys(open_dataset(([[1.0], [2.0], [3.0], [4.0]], [0, 1, 0, 1]))) is None
    True
    """
    if data.id_column is not None:
        key = keys.text_keys(data.name)
    elif data.array is None and isinstance(data.name, RowNames):
        class_keys = keys.text_keys(data.classes)
        key = keys.unique_keys(keys.former_content_keys(data.rows, data.inputs, class_keys, data.label))
    else:
        return None
    known = replace(data, identity=Identity(key, data.label))
    return known if data.perturbation is None else with_perturbation(known, data.perturbation)
