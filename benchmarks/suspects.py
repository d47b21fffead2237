"""Are the labels that people got wrong found? Precision and recall on CIFAR-10N and CIFAR-100N, beside the estimate.

    python benchmarks/suspects.py FOLDER     writes benchmarks/results/suspects.json, in about 15 minutes on one thread

FOLDER holds cifar10, cifar100 and human_labels. Each seed draws 5,000 training images, halved to 16 px so that a thin
network (resnet8 of width 16) trains quickly, and records 10 epochs with labels as people gave them. The clean labels
are used for nothing but counting. `estimated` comes from labels flipped on purpose, which knows nothing of the clean
labels: its recall is what datapare shows, its precision (flips among the flagged) is no estimate of theirs and is not
shown. Finished seeds are not repeated when the script is run again.
"""

import hashlib
import io
import json
import os
import platform
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

import datapare as dp
from datapare.evaluation.label_issue_check import check_label_issues, methods_for
from datapare.methods.label_issues import label_issues
from datapare.training import preset, record

RESULT = Path(__file__).parent / "results" / "suspects.json"
COUNT, EPOCHS, SEEDS, SHARE = 5000, 10, 3, 0.1
TRAINING = replace(
    preset("small"), epochs=EPOCHS, schedule_epochs=40, model="resnet8", width=16, precision="fp32", batch_size=64
)
# name: (images, labels, noisy column, clean column)
SETS = {
    "CIFAR-10N aggregate": ("cifar10", "cifar10n_train", "aggre_label", "clean_label"),
    "CIFAR-10N worse": ("cifar10", "cifar10n_train", "worse_label", "clean_label"),
    "CIFAR-100N coarse": ("cifar100", "cifar100n_train", "noisy_coarse_label", "clean_coarse_label"),
}


def images(folder, name, index):
    """The images (n, 16, 16, 3) uint8 at `index`, each pixel the mean of four."""
    cells = pq.read_table(folder / name / "train.parquet", columns=["image"])["image"].take(index).to_pylist()
    pixels = [Image.open(io.BytesIO(c["bytes"] if isinstance(c, dict) else c)).convert("RGB") for c in cells]
    full = np.stack([np.asarray(p, dtype=np.float32) for p in pixels])
    return full.reshape(-1, 16, 2, 16, 2, 3).mean((2, 4)).round().astype(np.uint8)


def measure(folder, name, seed):
    """Precision and recall of every detector against the clean labels, and as estimated without them."""
    place, table, noisy, clean = SETS[name]
    index = np.sort(np.random.default_rng([seed, 7]).choice(50_000, COUNT, replace=False))
    labels = pq.read_table(folder / "human_labels" / f"{table}.parquet", columns=[noisy, clean]).take(index)
    given, true = (labels[column].to_numpy().astype(np.int64) for column in (noisy, clean))
    data = dp.open_dataset((images(folder, place, index), given))
    start = time.perf_counter()
    dynamics = record(data, preset=TRAINING, seed=seed, channels=("margin", "target_prob", "logit_mean"))
    recorded = time.perf_counter() - start
    checked = check_label_issues(data, dynamics, fraction=SHARE, seed=seed, training=TRAINING)
    wrong = given != true
    rows = {}
    for method in methods_for(dynamics):
        found = label_issues(dynamics, method, cut=checked[method].cut)
        best = np.argsort(-found.issue_score, kind="stable")[: int(wrong.sum())]
        hit = wrong[found.index]
        rows[method] = {
            "flagged": len(found.index),
            "precision": float(hit.mean()) if len(hit) else None,
            "recall": float(hit.sum() / wrong.sum()),
            "precision_of_as_many_as_are_wrong": float(wrong[best].mean()),
            "suggestion_right": float((found.suggested == true[found.index])[hit].mean()) if hit.any() else None,
            "estimated": {
                "precision": checked[method].found / checked[method].flagged if checked[method].flagged else None,
                "recall": checked[method].recall,
            },
            "check": asdict(checked[method]),
        }
    return {"wrong": float(wrong.mean()), "seconds_record": recorded, "methods": rows,
            "seconds_check": time.perf_counter() - start - recorded}  # fmt: skip


def main():
    folder = Path(sys.argv[1])
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    before = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    runs = before["runs"] if before.get("script_sha256") == digest else {}
    for seed in range(SEEDS):
        for name in SETS:
            if f"{name}, seed {seed}" not in runs:
                runs[f"{name}, seed {seed}"] = measure(folder, name, seed)
                RESULT.write_text(json.dumps(told(runs, digest), indent=1) + "\n")
                print(name, seed, json.dumps(runs[f"{name}, seed {seed}"]["methods"]), flush=True)


def told(runs, digest):
    """Everything as it is written: means over seeds first, then each run."""
    means = {}
    for name in SETS:
        some = [run["methods"] for key, run in runs.items() if key.startswith(f"{name}, ")]
        for method in some[0] if some else ():
            numbers = ("precision", "recall", "precision_of_as_many_as_are_wrong", "suggestion_right")
            mean = {k: [r[method][k] for r in some if r[method][k] is not None] for k in numbers}
            mean |= {
                f"estimated_{k}": [r[method]["estimated"][k] for r in some if r[method]["estimated"][k] is not None]
                for k in ("precision", "recall")
            }
            means[f"{name}: {method}"] = {k: round(float(np.mean(v)), 4) for k, v in mean.items() if v}
    return {
        "claim": "labels that people got wrong, found from one short recorded training; means over seeds",
        "means": means,
        "examples": COUNT,
        "training": asdict(TRAINING),
        "share_flipped": SHARE,
        "runs": runs,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "loadavg": os.getloadavg(),
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "versions": {name: version(name) for name in ("datapare", "torch", "numpy")},
        "script_sha256": digest,
    }


if __name__ == "__main__":
    main()
