"""The card of a repository says its configurations and the size of its splits; an export loads where it loaded."""

import numpy as np
import pytest
from sources import put

from datapare.artifacts import Subset
from datapare.data import export, open_dataset
from datapare.errors import InputError

CARD = """---
license: mit
dataset_info:
- config_name: en
  splits:
  - name: train
    num_bytes: 2000
    num_examples: 20
  - name: test
    num_bytes: 600
    num_examples: 6
  download_size: 9
  dataset_size: 2600
- config_name: fr
  splits:
  - name: train
    num_bytes: 2000
    num_examples: 20
  download_size: 9
configs:
- config_name: en
  data_files:
  - split: train
    path: en/train-*
  - split: test
    path: en/test-*
- config_name: fr
  data_files: fr/*.csv
---
# 20 rows each
"""


def repository(at):
    for name, count in {"en/train-0.csv": 20, "en/test-0.csv": 6, "fr/a.csv": 20}.items():
        rows = "".join(f"{name[:2]} word {i},{i % 2}\n" for i in range(count))
        put(at / "repo" / name, f"text,label\n{rows}".encode())
    put(at / "repo" / "README.md", CARD.encode())
    return at / "repo"


def test_one_configuration_is_read_and_written_back_with_its_size(tmp_path):
    import datasets

    source = repository(tmp_path)
    with pytest.raises(InputError, match="holds the configurations en, fr"):
        open_dataset(source)
    with pytest.raises(InputError, match="no 'de'"):
        open_dataset(f"{source}:de")
    data = open_dataset(f"{source}:en")
    assert (len(data), data.address) == (20, f"{source}:en")
    assert len(open_dataset(data.address, split="test")) == 6
    assert len(open_dataset(f"{source}:fr")) == 20
    out = export(data, Subset(np.arange(10), 20, key=data.key), tmp_path / "out")
    card = (out / "README.md").read_text()
    changed = CARD.replace("2000", "1000", 1).replace("examples: 20", "examples: 10", 1)
    assert card == changed.replace("  download_size: 9\n  dataset_size: 2600\n", "", 1)
    for name, counts in {"en": {"train": 10, "test": 6}, "fr": {"train": 20}}.items():
        loaded = datasets.load_dataset(str(out), name, cache_dir=str(tmp_path / "cache"))
        assert {split: len(rows) for split, rows in loaded.items()} == counts


def test_a_card_that_cannot_be_read_comes_along(tmp_path):
    source = repository(tmp_path)
    put(source / "README.md", b"---\n: [broken\n---\n")
    data = open_dataset(source / "fr")
    assert len(data) == 20
    whole = open_dataset(source)
    assert len(whole) == 20  # the files named train, as everywhere
    out = export(whole, Subset(np.arange(4), 20, key=whole.key), tmp_path / "out")
    assert (out / "README.md").read_bytes() == b"---\n: [broken\n---\n"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("words", [False, True])
def test_class_names_of_the_card_are_those_that_datasets_reads(ending, words, tmp_path):
    import pandas as pd
    from datasets import load_dataset

    names = ["neg", "neu", "pos"]
    label = [names[i % 3] if words else i % 3 for i in range(12)]
    frame = pd.DataFrame({"text": [f"words {i}" for i in range(12)], "label": label})
    root = tmp_path / "d"
    root.mkdir()
    for split in ("train", "test"):
        if ending == "csv":
            frame.to_csv(root / f"{split}.csv", index=False)
        elif ending == "jsonl":
            frame.to_json(root / f"{split}.jsonl", orient="records", lines=True)
        else:
            frame.to_parquet(root / f"{split}.parquet")
    kind = "".join(f"          '{i}': {name}\n" for i, name in enumerate(names))
    card = "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n  - name: label\n    dtype:\n"
    (root / "README.md").write_text(card + f"      class_label:\n        names:\n{kind}---\n")
    data = open_dataset(root)
    theirs = load_dataset(str(root), split="train", cache_dir=str(tmp_path / "cache"))
    assert (data.classes, data.label.tolist()) == (tuple(theirs.features["label"].names), theirs["label"][:])
    held_out = open_dataset(root, split="test", classes=("pos", "neu", "neg", "other"))
    assert [held_out.classes[i] for i in held_out.label] == [names[i % 3] for i in range(12)]
