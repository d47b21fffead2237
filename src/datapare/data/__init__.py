"""Datasets of people: opened, encoded for a network, and written back smaller in their own format."""

from datapare.data.dataset import BadExample, Dataset, images, records, texts
from datapare.data.encodings.base import Encoding, Inputs
from datapare.data.encodings.dispatch import encode, encoding_from
from datapare.data.example_table import example_table, write_examples
from datapare.data.exporting import check_mode, check_outside, export
from datapare.data.groups import whole_groups
from datapare.data.inspection import Inspection, inspect
from datapare.data.open import as_dataset, open_dataset
from datapare.data.perturbation import aligned_labels, perturb, relabelled
from datapare.data.subsetting import take

__all__ = [
    "BadExample",
    "Dataset",
    "Encoding",
    "Inputs",
    "Inspection",
    "aligned_labels",
    "as_dataset",
    "check_mode",
    "check_outside",
    "encode",
    "encoding_from",
    "example_table",
    "export",
    "images",
    "inspect",
    "open_dataset",
    "perturb",
    "records",
    "relabelled",
    "take",
    "texts",
    "whole_groups",
    "write_examples",
]
