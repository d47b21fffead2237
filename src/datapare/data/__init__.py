"""Datasets of people: opened, encoded for a network, and written back smaller in their own format."""

from datapare.data.dataset import BadExample, Dataset, images, records, texts
from datapare.data.encoding import Encoding, Inputs, encode, encoding_from
from datapare.data.examples import example_table, write_examples
from datapare.data.open import open_dataset
from datapare.data.part import part
from datapare.data.trial import aligned_labels, relabelled, scenario
from datapare.data.write import check_outside, export

__all__ = [
    "BadExample",
    "Dataset",
    "Encoding",
    "Inputs",
    "aligned_labels",
    "check_outside",
    "encode",
    "encoding_from",
    "example_table",
    "export",
    "images",
    "open_dataset",
    "part",
    "records",
    "relabelled",
    "scenario",
    "texts",
    "write_examples",
]
