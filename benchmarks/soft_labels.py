"""Which epochs, temperature and weight make the best soft labels: random subsets trained with and without them.

    python benchmarks/soft_labels.py --data FOLDER [--only SET …] [--keep 0.1 …]    an hour on one thread, resumable

A record of the scoring run that `record` would choose gives the soft labels; a fresh network is trained on a random
subset of 10 or 30 % with the labels alone (arm `labels`) or with one choice of soft labels; every arm of a seed has the
same subset and the same updates. The choices vary one at a time around the mean logits of all epochs, temperature 1
and weight 0.5. With `noise`, 20 % of the training labels, which the record and the student both see, are wrong; the
test labels never are. `corrected` is how many of the wrong labels the soft label's largest class puts right, and
`broken` how many right ones it changes. Results: results/soft_labels.json, accuracies in percent.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import datapare as dp
from datapare.data import encode
from datapare.numerics.embeddings import softmax
from datapare.training import SoftLabels, choose, predict, subset_batch, train
from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "soft_labels.json"
SEEDS = (0, 1, 2)
KEEPS = (0.1, 0.3)
EPOCHS = 40  # of a student
EPOCHS_VARIED = ("all", "last half", "last third", "final network", "mean of probabilities")
ARMS = {  # name: (epochs, temperature, weight)
    "labels": ("all", 1.0, 0.0),
    **{f"epochs: {epochs}": (epochs, 1.0, 0.5) for epochs in EPOCHS_VARIED},
    **{f"temperature {temperature:g}": ("all", temperature, 0.5) for temperature in (2.0, 4.0)},
    **{f"weight {weight:g}": ("all", 1.0, weight) for weight in (0.25, 0.75, 1.0)},
}


class Logits:
    """A recorder that keeps every logit, (T, N, K): what the record keeps is one of its means."""

    observed = "train-pass"

    def __init__(self, count, classes):
        self.count, self.classes, self.epoch, self.every = count, classes, 0, []
        self.now = np.full((count, classes), np.nan, dtype=np.float32)

    def observe(self, index, logits, _target):
        """Keep the logits of a batch."""
        self.now[np.asarray(index)] = logits.float().cpu().numpy()

    def end_epoch(self):
        """Keep the epoch."""
        self.every.append(self.now.copy())
        self.epoch += 1


def digits(_folder):
    """Digits of scikit-learn as 64 columns of a table."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype(np.float32), y[order]
    return dp.open_dataset((x[:1297], y[:1297])), dp.open_dataset((x[1297:], y[1297:]))


def cifar10(folder):
    """The first 5,000 training and test images of CIFAR-10, averaged to 16 x 16."""

    def halved(split):
        data = dp.open_dataset(folder / f"cifar10/{split}.parquet")
        x = data.array[:5000].astype(np.float32).reshape(-1, 16, 2, 16, 2, 3).mean(axis=(2, 4))
        return x.round().astype(np.uint8), data.label[:5000]

    return dp.open_dataset(halved("train")), dp.open_dataset(halved("test"))


def texts(name, test):
    def opened(folder):
        data = dp.open_dataset(folder / name / "train.parquet")
        return data, dp.open_dataset(folder / name / f"{test}.parquet", classes=data.classes, split="test")

    return opened


SETS = {"digits": digits, "banking77": texts("banking77", "test"), "trec": texts("trec", "test"), "cifar10": cifar10}


def noisy(label, classes, seed):
    """Change 20 % of the labels (N,) to another class, evenly."""
    rng = np.random.default_rng([seed, 77])
    wrong = rng.choice(len(label), size=len(label) // 5, replace=False)
    changed = label.copy()
    changed[wrong] = (label[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return changed


def teacher(inputs, label, classes, training, seed):
    """Return the logits of every epoch (T, N, K), and those of the finished network (N, K)."""
    logits = Logits(len(label), classes)
    trained = train(inputs, label, classes, training, seed=seed + 100, recorder=logits)
    return np.stack(logits.every), predict(trained.model, inputs)


def probabilities(every, final, epochs, temperature):
    """Return the soft labels (N, K) of one choice."""
    if epochs == "mean of probabilities":
        return np.mean([softmax(logit / temperature) for logit in every], axis=0)
    first = {"all": 0, "last half": len(every) // 2, "last third": 2 * len(every) // 3}
    logit = final if epochs == "final network" else every[first[epochs] :].mean(axis=0)
    return softmax(logit / temperature)


def run(name, folder, keeps, noise, seed, done, save):
    """Train every arm of one set and seed that is not done."""
    wanted = [(keep, arm) for keep in keeps for arm in ARMS if key(name, noise, keep, arm, seed) not in done]
    if not wanted:
        return
    data, test = SETS[name](folder)
    inputs, classes = encode(data), len(data.classes)
    held_out = encode(test, inputs.encoding)
    label = noisy(data.label, classes, seed) if noise else data.label
    training = replace(choose(inputs, classes), threads=1)
    if name == "cifar10":
        training = replace(training, width=8)
    every, final = teacher(inputs, label, classes, training, seed)
    for keep, arm in wanted:
        epochs, temperature, weight = ARMS[arm]
        q = probabilities(every, final, epochs, temperature)
        index = np.sort(np.random.default_rng([seed, 5]).permutation(len(label))[: round(keep * len(label))])
        batch = subset_batch(training.batch_size, keep)
        student = replace(training, epochs=EPOCHS, schedule_epochs=None, batch_size=batch)
        loss = dp.online.soft_labels(SoftLabels(q.astype(np.float16)), weight=weight)
        trained = train(
            inputs, label, classes, student, seed=seed, index=index, loss=loss, evaluate=(held_out, test.label)
        )
        clean, wrong = q.argmax(axis=1) == data.label, label != data.label
        fixed = (
            {"corrected": round(float(clean[wrong].mean()), 4), "broken": round(float((~clean)[~wrong].mean()), 4)}
            if noise
            else {}
        )
        done[key(name, noise, keep, arm, seed)] = {"accuracy": round(100 * trained.accuracy, 2), **fixed}
        save()
        print(key(name, noise, keep, arm, seed), done[key(name, noise, keep, arm, seed)], flush=True)


def key(name, noise, keep, arm, seed):
    return f"{name}|{'20 % noise' if noise else 'clean'}|{keep:g}|{arm}|{seed}"


def table(done):
    """Return by arm its mean gain in points over `labels` and the standard error over the seeds, per set and keep."""
    found = {}
    for name in SETS:
        for condition in ("clean", "20 % noise"):
            for keep in KEEPS:
                rows = {
                    arm: [done.get(f"{name}|{condition}|{keep:g}|{arm}|{seed}", {}).get("accuracy") for seed in SEEDS]
                    for arm in ARMS
                }
                if any(value is None for row in rows.values() for value in row):
                    continue
                base = np.array(rows["labels"])
                gains = {arm: np.array(row) - base for arm, row in rows.items() if arm != "labels"}
                found[f"{name}, {condition}, {keep:.0%} kept"] = {
                    "labels": round(float(base.mean()), 2),
                    "gain": {
                        arm: [round(float(g.mean()), 2), round(float(g.std(ddof=1) / np.sqrt(len(g))), 2)]
                        for arm, g in gains.items()
                    },
                }
    if found:
        mean = {arm: np.mean([row["gain"][arm][0] for row in found.values()]) for arm in ARMS if arm != "labels"}
        found["mean gain of all"] = {arm: round(float(value), 2) for arm, value in mean.items()}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--keep", nargs="*", type=float, default=list(KEEPS))
    arguments = parser.parse_args()
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"trainings": {}}
    done = result["trainings"]

    def save():
        content = {**conditions({"epochs": EPOCHS}, __file__), "seeds": SEEDS, "arms": ARMS, "table": table(done)}
        RESULTS.write_text(json.dumps({**content, "trainings": done}, indent=1) + "\n")

    for name in arguments.only:
        for noise in (False, True):
            for seed in SEEDS:
                run(name, arguments.data, arguments.keep, noise, seed, done, save)
    save()


if __name__ == "__main__":
    main()
