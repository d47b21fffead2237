"""Is predicting scores as good as scoring? Fashion-MNIST, a fraction scored, the rest predicted, three seeds.

    python benchmarks/extrapolation.py --data FOLDER    the four official .xz files; a quarter of an hour on one thread

The first 2,000 training images, halved to 14 x 14 by averaging, the preset `tiny` (resnet8 of width 16, DUAL of the
first 15 of 40 epochs), Beta sampling as `prune` does it: constant fitted, budgets proportional to the classes. For
every seed: the record of everything and of 5, 10, 20 and 50 %, the same seed; predictions by nearest neighbours, by
those of the same class, and by the graph network; at 20 % scored, retraining on what each keeps at 50 and 90 % pruned,
against full scoring and against random draws with and without the same class budgets, on 5,000 test images. Seconds are
of the processor, which other work on the machine does not lengthen much. Every job's result is one JSON file in the
work folder, so a killed benchmark goes on where it stopped.
"""

import argparse
import hashlib
import json
import lzma
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

import datapare as dp
from datapare.data import encode
from datapare.evaluation.statistics import paired_interval
from datapare.methods.extrapolation import overlap
from datapare.storage import write_json
from datapare.training import preset, retraining, train

RESULT = Path(__file__).parent / "results" / "extrapolation.json"
WORK = Path(__file__).parents[1] / "demo" / "extrapolation"  # ignored by git
COUNT, TEST, SEEDS = 2000, 5000, 3
FRACTIONS, MAIN = (0.05, 0.1, 0.2, 0.5), 0.2
KEEPS = (0.5, 0.1)
WAYS = {"knn": ("knn", {}), "knn same class": ("knn", {"same_class": True}), "gnn": ("gnn", {})}
RANDOM = {"random": None, "balanced random": "proportional"}
CHANNELS = ("target_prob", "embedding")


def idx(folder, name, skip):
    with lzma.open(folder / f"{name}.xz") as file:
        return np.frombuffer(file.read(), np.uint8)[skip:]


def read(folder, part, count):
    image = idx(folder, f"{part}-images-idx3-ubyte", 16).reshape(-1, 28, 28)[:count]
    small = image.reshape(-1, 14, 2, 14, 2).mean((2, 4)).round().astype(np.uint8)
    return small, idx(folder, f"{part}-labels-idx1-ubyte", 8)[:count].astype(np.int64)


def both(folder):
    """The examples to prune, and those to judge by."""
    data = dp.open_dataset(read(folder, "train", COUNT))
    return data, dp.open_dataset(read(folder, "t10k", TEST), classes=data.classes)


def job(name, make):
    """The result of a job: read, or made and written."""
    file = WORK / f"{name}.json"
    if not file.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        write_json(file, make())
        print(name, file.read_text()[:200].replace("\n", " "), flush=True)
    return json.loads(file.read_text())


def recorded(data, seed, fraction):
    """The record of a seed and fraction, and the processor's seconds it took, embedding included."""
    place = WORK / f"record-{seed}-{fraction}"
    start = time.process_time()
    dynamics = dp.record(data, preset="tiny", channels=CHANNELS, fraction=fraction, seed=seed, out=place)
    job(f"record-{seed}-{fraction}", lambda: {"seconds": time.process_time() - start})
    return dynamics


def predicted(dynamics, way, seed):
    """Scores with the missing ones predicted; kept beside the record."""
    method, params = WAYS[way]
    fraction = dynamics.provenance.params["fraction"]
    place = WORK / f"scores-{seed}-{fraction}-{way.replace(' ', '-')}"
    if not (place / "meta.json").exists():
        start = time.process_time()
        done = dp.extrapolate(dp.score(dynamics, "dual"), dynamics, method, seed=seed, **params)
        job(f"seconds-{place.name}", lambda: {"seconds": time.process_time() - start})
        dp.save(done, place)
    return dp.load(place)


def agreement(full, partial, done):
    """How predicted scores agree with full scoring, and what the two scorings have in common where both observed."""
    from scipy.stats import pearsonr, spearmanr

    truth, hidden = full.score, done.predicted
    return {
        "pearson": float(pearsonr(done.score[hidden], truth[hidden])[0]),
        "spearman": float(spearmanr(done.score[hidden], truth[hidden])[0]),
        "same_examples_pearson": float(pearsonr(partial.score[~hidden], truth[~hidden])[0]),
        "same_examples_spearman": float(spearmanr(partial.score[~hidden], truth[~hidden])[0]),
        "overlap": {str(k): overlap(done.score, truth, k) for k in (0.1, 0.5)},
        "spread_predicted_over_observed": float(done.score[hidden].std() / done.score[~hidden].std()),
        **{k: done.provenance.params[k] for k in ("chosen", "held_out")},
    }


def accuracy(data, test, index, seed, keep):
    inputs = encode(data)
    held_out = (encode(test, inputs.encoding), test.label)
    done = train(
        inputs, data.label, len(data.classes), retraining(preset("tiny"), keep), seed=seed, index=index,
        evaluate=held_out,
    )  # fmt: skip
    return {"accuracy": done.accuracy, "seconds": done.seconds, "examples_seen": done.examples_seen}


def kept(scores, dynamics, seed, keep):
    """What `prune` keeps by these scores."""
    return dp.select(scores, "beta", keep=keep, seed=seed, dynamics=dynamics, balance="proportional")


def trained(data, test, arm, subset, seed, keep):
    """Accuracy of a retraining on a subset, by an arm's name."""
    name = f"train-{seed}-{keep}-{arm.replace(' ', '-')}"
    return job(name, lambda: accuracy(data, test, subset.index, seed, keep))


def line(data, test, seed):
    """All jobs of one seed."""
    whole = recorded(data, seed, None)
    full = dp.score(whole, "dual")
    agreements, arms = {}, {}
    for fraction in FRACTIONS:
        part = recorded(data, seed, fraction)
        partial = dp.score(part, "dual")
        for way in WAYS:
            name = f"agree-{seed}-{fraction}-{way.replace(' ', '-')}"
            done = predicted(part, way, seed)
            agreements[f"{way} {fraction:g}"] = job(name, lambda d=done, p=partial: agreement(full, p, d))
    part = recorded(data, seed, MAIN)
    for keep in KEEPS:
        chosen = {
            name: dp.select(full, "random", keep=keep, seed=seed, dynamics=whole, balance=balance)
            for name, balance in RANDOM.items()
        }
        chosen["full scoring"] = kept(full, whole, seed, keep)
        chosen |= {way: kept(predicted(part, way, seed), part, seed, keep) for way in WAYS}
        for arm, subset in chosen.items():
            arms[f"{arm} {keep:g}"] = trained(data, test, arm, subset, seed, keep)
    arms["everything 1"] = job(f"train-{seed}-1-all", lambda: accuracy(data, test, None, seed, 1.0))
    return agreements, arms


def mean(values):
    values = [v for v in values if v is not None]
    return {"mean": float(np.mean(values)), "each": [round(float(v), 4) for v in values]} if values else None


def summary(lines):
    agreements, arms = [list(x) for x in zip(*lines, strict=True)]
    agreed = {}
    for name in agreements[0]:
        rows = [one[name] for one in agreements]
        agreed[name] = {
            key: mean(row[key] for row in rows)
            for key in ("pearson", "spearman", "same_examples_pearson", "same_examples_spearman",
                        "spread_predicted_over_observed")
        }  # fmt: skip
        agreed[name]["held_out_pearson"] = mean(row["held_out"]["pearson"] for row in rows)
        agreed[name]["overlap"] = {k: mean(row["overlap"][k] for row in rows) for k in rows[0]["overlap"]}
        agreed[name]["k"] = [row["chosen"].get("k") for row in rows]
    accurate = {name: mean(one[name]["accuracy"] for one in arms) for name in arms[0]}
    gains = {
        f"{way} minus {rival} {keep:g}": paired(accurate, f"{way} {keep:g}", f"{rival} {keep:g}")
        for keep in KEEPS for rival in RANDOM for way in ("full scoring", *WAYS)
    }  # fmt: skip
    return {"agreement": agreed, "accuracy": accurate, "gain": gains, "cost": cost()}


def paired(accurate, one, other):
    """Mean difference with its 95 % interval, seed by seed, in points."""
    return [round(100 * x, 2) for x in paired_interval(accurate[one]["each"], accurate[other]["each"])]


def seconds(name):
    return mean(json.loads((WORK / f"{name.format(seed)}.json").read_text())["seconds"] for seed in range(SEEDS))


def cost():
    """Example-epochs (a forward pass alone counts a third) and seconds of each way of scoring."""
    epochs = preset("tiny").epochs
    full = seconds("record-{}-None")["mean"]
    table = {"full scoring": {"example_epochs": COUNT * epochs, "seconds": full}}
    for fraction in FRACTIONS:
        record = seconds(f"record-{{}}-{fraction}")["mean"]
        for way in WAYS:
            spent = seconds(f"seconds-scores-{{}}-{fraction}-{way.replace(' ', '-')}")["mean"]
            examples = fraction * COUNT * epochs + COUNT / 3
            table[f"{way} {fraction:g}"] = {
                "example_epochs": examples, "of_full": examples / (COUNT * epochs), "record_seconds": record,
                "extrapolate_seconds": spent, "seconds_of_full": (record + spent) / full,
            }  # fmt: skip
    return table


def main():
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the four Fashion-MNIST idx .xz files")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data, test = both(asked.data)
    with tempfile.TemporaryDirectory() as folder:  # the first training also loads and tunes libraries
        dp.record(data, preset="tiny", epochs=1, fraction=0.05, out=Path(folder) / "warm")
    lines = [line(data, test, seed) for seed in range(SEEDS)]
    result = {
        "claim": "DUAL scores predicted from a fraction against full scoring: agreement, accuracy after pruning, cost",
        **summary(lines),
        "train": COUNT,
        "test": TEST,
        "seeds": SEEDS,
        "scored_for_accuracy": MAIN,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "loadavg": os.getloadavg(),
        "threads": 1,
        "machine": platform.platform(),
        "versions": {name: version(name) for name in ("datapare", "torch", "numpy", "faiss-cpu")},
        "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"accuracy": result["accuracy"], "gain": result["gain"]}, indent=1))


if __name__ == "__main__":
    main()
