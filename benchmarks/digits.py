"""Does it beat random on scikit-learn's digits? Subsets, strategies, random and full, five seeds, test data held out.

    python benchmarks/digits.py            writes benchmarks/results/digits.json, in about eight minutes on one core

The recipe is the preset `tiny` (resnet8 of width 16, 40 epochs), the record its first 15 epochs. Each arm is trained
with the batch size and the number of epochs its recipe gives to a subset of that size, random redrawn for every seed.
"""

import hashlib
import json
import os
import platform
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import datapare as dp
from datapare.evaluation.arms import arms
from datapare.training import preset

RESULT = Path(__file__).parent / "results" / "digits.json"
KEEP, SEEDS = (0.5, 0.3, 0.1), 5


def main():
    digits = load_digits()
    image = (digits.images * (255 / 16)).astype("uint8")
    x, x_test, y, y_test = train_test_split(
        image, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    data = dp.open_dataset((x, y))
    test = dp.open_dataset((x_test, y_test), classes=data.classes)
    with tempfile.TemporaryDirectory() as folder:
        dynamics = dp.record(data, preset="tiny", out=Path(folder) / "dynamics")
        scores = dp.score(dynamics, "dual")
        subsets = {
            f"dual+{rule} keep {k:g}": dp.select(scores, rule, keep=k, dynamics=dynamics)
            for k in KEEP
            for rule in ("mixed", "beta")
        }
        comparison = dp.compare(
            data, subsets, test=test, training=preset("tiny"), seeds=SEEDS, dynamics=dynamics,
            progress=lambda *at: print(*at, flush=True),
        )  # fmt: skip
        seconds = float(dynamics.seconds.sum())
    rows = [
        {
            "arm": arm.name,
            "examples": arm.count,
            "accuracy": arm.values,
            "distinct": comparison.distinct[i].tolist(),
            "mean": arm.accuracy.mean,
            "interval": arm.accuracy[1:],
            "minus_random": arm.difference,
            "epochs": arm.epochs,
            "seconds": arm.minutes * 60,
        }
        for i, arm in enumerate(arms(comparison))
    ]
    result = {
        "claim": "held-out accuracy on digits: subsets by DUAL and strategies against random and full, paired by seed",
        "arms": rows,
        "scoring": {"epochs": dynamics.epochs, "seconds": seconds},
        "seeds": list(range(SEEDS)),
        "train": len(data),
        "test": len(test),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "loadavg": os.getloadavg(),
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "versions": {name: version(name) for name in ("datapare", "torch", "numpy", "scikit-learn")},
        "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
