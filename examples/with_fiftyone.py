"""Scores as fields to filter and sort by in FiftyOne (pip install fiftyone pyarrow).

    python examples/with_fiftyone.py photos photos.datapare/keep-0.3/examples.parquet

FiftyOne's CSV reader takes the table as it is, the images by their names in the folder.
"""

import sys
from pathlib import Path

import fiftyone as fo
import pandas as pd

FIELDS = {
    "score": lambda text: float(text) if text else None,
    "mean_prob": lambda text: float(text) if text else None,
    "kept": lambda text: text == "True",
    "class": lambda text: fo.Classification(label=text),
    "why": str,
}


def read(photos, examples):
    """Return the arguments of `fo.Dataset.from_dir` that read a folder of images and `examples.parquet`."""
    labels = Path(examples).with_suffix(".csv").resolve()
    pd.read_parquet(examples).rename(columns={"class": "ground_truth"}).to_csv(labels, index=False)
    fields = {"ground_truth" if name == "class" else name: parse for name, parse in FIELDS.items()}
    return {
        "labels_path": str(labels),
        "data_path": str(Path(photos).resolve()),
        "media_field": "name",
        "fields": fields,
    }


if __name__ == "__main__":
    dataset = fo.Dataset.from_dir(dataset_type=fo.types.CSVDataset, **read(sys.argv[1], sys.argv[2]))
    fo.launch_app(dataset).wait()
