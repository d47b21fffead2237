"""Scores as columns to filter and sort by in LightlyStudio (pip install lightly-studio pyarrow).

    python examples/with_lightly_studio.py photos photos.datapare/keep-0.3/examples.parquet

Sliders for `score` and `mean_prob` appear in its left bar; the tags `kept` and `dropped` filter.
"""

import sys
from pathlib import Path

import lightly_studio as ls
import pyarrow.parquet as pq

COLUMNS = ["score", "mean_prob", "kept", "why", "class"]


def load(photos, examples):
    """Return a LightlyStudio dataset of a folder of images with the columns of `examples.parquet`."""
    known = {str(Path(photos).resolve() / row["name"]): row for row in pq.read_table(examples).to_pylist()}
    dataset = ls.ImageDataset.create()
    dataset.add_images_from_path(path=photos, embed=False)
    columns = []
    for sample in dataset:
        row = known[sample.file_path_abs]
        columns.append((sample.sample_id, {name: row[name] for name in COLUMNS if row[name] is not None}))
        sample.add_tag("kept" if row["kept"] else "dropped")
    dataset.update_metadata(columns)
    return dataset


if __name__ == "__main__":
    load(sys.argv[1], sys.argv[2])
    ls.start_gui()
