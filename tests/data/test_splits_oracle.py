"""Splits are the files that `datasets.load_dataset` takes for them."""

import json

import pytest
from sources import put

from datapare.data import open_dataset

ROWS = [{"text": f"word {i}", "label": i % 2} for i in range(6)]
CSV = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS)
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
LAYOUTS = {
    "files": ["train.csv", "validation.csv"],
    "shards": ["data/train-00000-of-00002.csv", "data/train-00001-of-00002.csv", "data/test-00000-of-00001.csv"],
    "folders": ["train/0.jsonl", "train/1.jsonl", "dev/0.jsonl"],
    "words inside": ["my_train_file.jsonl", "my_test_file.jsonl"],
    "no splits": ["x.csv", "y.csv"],
    "other words": ["training.csv", "eval.csv"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_splits_of_datasets(layout, tmp_path):
    import datasets

    from datapare.data.formats.hf_datasets import quiet

    for name in LAYOUTS[layout]:
        put(tmp_path / "d" / name, (CSV if name.endswith("csv") else LINES).encode())
    with quiet():
        oracle = datasets.load_dataset(str(tmp_path / "d"), cache_dir=str(tmp_path / "cache"))
    read = {split: open_dataset(tmp_path / "d", split=split).rows["text"][:] for split in oracle}
    assert read == {split: rows["text"][:] for split, rows in oracle.items()}
