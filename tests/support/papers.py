"""The script of the papers' tables, and data and settings by which a table takes a second."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from sources import encoded

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def module() -> Any:
    """Return the script as a module."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("paper", BENCHMARKS / "paper.py")
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        sys.modules["paper"] = made
        spec.loader.exec_module(made)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return made


def tiny(paper: Any, folder: Path) -> Any:
    """Write images of three classes into a folder, and return a protocol for them."""
    import datasets

    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["a", "b", "c"]))
    for split, count in (("train", 90), ("test", 30)):
        image = [{"bytes": encoded(i, size=(16, 16)), "path": None} for i in range(count)]
        rows = {"image": image, "label": [i % 3 for i in range(count)]}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(folder / f"{split}.parquet"))
    training = replace(paper.REDUCED.training, epochs=5, batch_size=16, width=4)
    return replace(paper.REDUCED, training=training, epochs={21: 2, 30: 3, 200: 5}, window=3, per_class=20, side=8)
