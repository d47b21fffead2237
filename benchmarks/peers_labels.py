"""One recorded training beside five-fold cross-validation, with the same network, for benchmarks/peers.py."""

import time

import numpy as np
import pyarrow.parquet as pq

import datapare as dp
from datapare.data import Inputs, encode
from datapare.methods.label_issues import label_issues
from datapare.training import record
from datapare.training.loop import train
from peers_case import ranking
from suspects import COUNT, TRAINING, images

SIZES = {"seeds": 3, "count": COUNT, "folds": 5}
SETS = {  # name: (images, labels, noisy column, clean column, share of labels flipped instead)
    "CIFAR-10N aggregate": ("cifar10", "cifar10n_train", "aggre_label", "clean_label", 0.0),
    "CIFAR-10N worse": ("cifar10", "cifar10n_train", "worse_label", "clean_label", 0.0),
    "CIFAR-100N coarse": ("cifar100", "cifar100n_train", "noisy_coarse_label", "clean_coarse_label", 0.0),
    "CIFAR-10, 20 % flipped": ("cifar10", "cifar10n_train", "clean_label", "clean_label", 0.2),
}


def prepared(folder, name, seed, out):
    """Record once for datapare, and train five times on four fifths for cleanlab; arrays for its case are in `out`."""
    place, table, noisy, clean, share = SETS[name]
    index = np.sort(np.random.default_rng([seed, 7]).choice(50_000, SIZES["count"], replace=False))
    columns = pq.read_table(folder / "human_labels" / f"{table}.parquet", columns=sorted({noisy, clean})).take(index)
    given, true = (columns[column].to_numpy().astype(np.int64) for column in (noisy, clean))
    if share:
        given = flipped(given, share, seed)
    data = dp.open_dataset((images(folder, place, index), given))
    wrong = given != true
    start, used = time.perf_counter(), time.process_time()
    dynamics = record(data, preset=TRAINING, seed=seed, channels=("margin", "target_prob", "logit_mean"))
    found = {method: label_issues(dynamics, method) for method in ("aum", "confidence")}
    ours = {
        "seconds": round(time.perf_counter() - start, 1),
        "processor_seconds": round(time.process_time() - used, 1),
        "trainings": 1,
        **ranking(found["aum"].issue_score, wrong),
        "by confidence": ranking(found["confidence"].issue_score, wrong),
    }
    start = time.process_time()
    prob = cross_validated(data, seed)
    for one, array in (("label", data.label), ("prob", prob), ("wrong", wrong)):
        np.save(out / f"{one}.npy", array)
    return {"ours": ours, "trainings": 5 * 0.8, "training_seconds": round(time.process_time() - start, 1)}


def flipped(label, share, seed):
    """Labels with a share of them moved to another class, each as likely."""
    rng = np.random.default_rng([seed, 8])
    classes, noisy = int(label.max()) + 1, label.copy()
    at = rng.choice(len(label), int(share * len(label)), replace=False)
    noisy[at] = (label[at] + rng.integers(1, classes, len(at))) % classes
    return noisy


def cross_validated(data, seed):
    """Probabilities (N, K) of every example by a network that did not train on it; folds are drawn inside classes."""
    inputs, classes = encode(data), len(data.classes)
    fold = np.empty(len(data), dtype=np.int64)
    rng = np.random.default_rng([seed, 9])
    for number in range(classes):
        own = rng.permutation(np.flatnonzero(data.label == number))
        fold[own] = np.arange(len(own)) % SIZES["folds"]
    prob = np.empty((len(data), classes))
    for number in range(SIZES["folds"]):
        held_out = np.flatnonzero(fold == number)
        trained = train(
            inputs, data.label, classes, TRAINING, seed=seed, index=np.flatnonzero(fold != number),
            evaluate=(Inputs(inputs.array[held_out], inputs.encoding), data.label[held_out]),
        )  # fmt: skip
        shifted = trained.logits - trained.logits.max(axis=1, keepdims=True)
        prob[held_out] = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    return prob
