"""Why does predicting scores fall short of scoring, and does it help to choose which fraction is scored?

    python benchmarks/extrapolation_why.py --data FOLDER    after extrapolation.py, whose records it reads

The setting of extrapolation.py, a fifth scored. From full scoring to a prediction one thing changes at a time: the run
(another seed's on everything: no prediction can be expected to agree better), then the same scores but only of a fifth,
the rest predicted by neighbours of the same class in the embedding of the run on everything, then in that of the run on
the fifth, then the fifth's own scores too. The other two arms mix: predicted scores with the mean probabilities of the
run on everything, which Beta also reads, and the other way round. For each: rank correlation with full scoring,
overlap of the best, and accuracy with a tenth kept; of three seeds, accuracy says little.

The fraction is also drawn otherwise: uniformly over all classes together (as released), inside each class (as datapare
does), and inside each class so that it covers 32 principal directions of the pixels (k_center, or the example nearest
to each of as many k-means centres).
"""

import argparse
import hashlib
import json
import os
import platform
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

import numpy as np

import datapare as dp
from datapare.artifacts import Dynamics
from datapare.data import encode
from datapare.evaluation.statistics import paired_interval
from datapare.methods.extrapolation import overlap
from datapare.numerics.sampling import draw_fraction
from extrapolation import CHANNELS, KEEPS, MAIN, SEEDS, WORK, both, kept, mean, predicted, recorded, trained

RESULT = Path(__file__).parent / "results" / "extrapolation_why.json"
KEEP = KEEPS[1]
WAY = "knn same class"
RIVALS = ("random", "balanced random", "full scoring")
REAL = "the fraction's own scores"  # trained on by extrapolation.py already, as are RIVALS
DIRECTIONS = 32


def steps(whole, other, part, seed):
    """Name -> (scores, dynamics): what is kept of each, one change at a time."""
    full, done = dp.score(whole, "dual"), predicted(part, WAY, seed)
    hidden = done.predicted
    channels = {name: np.where(hidden, np.nan, values) for name, values in whole.channels.items()}
    table = {"another full run": (dp.score(other, "dual"), other)}
    for name, source in (("full run's embedding", whole), ("fraction's embedding", part)):
        seen = replace(whole, channels=channels, arrays=source.arrays)
        guess = dp.extrapolate(dp.score(seen, "dual"), seen, "knn", seed=seed, same_class=True)
        table[f"a fifth of the full scores, {name}"] = guess, seen
    table[REAL] = done, part
    table["predicted scores, full run's means"] = dp.Scores(done.score), whole
    table["full scores, predicted means"] = replace(done, score=full.score), part
    return full, hidden, table


def ranked(score, full, hidden):
    """Agreement of scores with full scoring, where predicted and over all."""
    from scipy.stats import spearmanr

    return {
        "spearman_predicted": float(spearmanr(score[hidden], full.score[hidden])[0]),
        "spearman_scored": float(spearmanr(score[~hidden], full.score[~hidden])[0]),
        "spearman_all": float(spearmanr(score, full.score)[0]),
        **{f"overlap_{keep:g}": overlap(score, full.score, keep) for keep in KEEPS},
    }


def belief(whole, done):
    """How the fraction's mean probabilities, observed and predicted, agree with those of the run on everything."""
    from scipy.stats import spearmanr

    true, guess = np.asarray(whole.channels["target_prob"]).mean(axis=0), done.means["target_prob"]
    parts = {"scored": ~done.predicted, "predicted": done.predicted}
    return {f"spearman_{name}": float(spearmanr(guess[at], true[at])[0]) for name, at in parts.items()} | {
        f"mean_minus_full_run_{name}": float((guess[at] - true[at]).mean()) for name, at in parts.items()
    }


def draws(data, seed):
    """Name -> positions of the fraction to score."""
    pixel = encode(data).array.reshape(len(data), -1) / np.float32(255)
    pixel -= pixel.mean(axis=0)
    low = pixel @ np.linalg.svd(pixel, full_matrices=False)[2][:DIRECTIONS].T
    look = Dynamics({}, data.label, arrays={"embedding": low})
    nothing = dp.Scores(np.zeros(len(data)))
    rules = {"uniform": ("random", None), "k_center": ("k_center", "proportional")}
    table = {
        name: dp.select(nothing, rule, keep=MAIN, seed=seed, dynamics=look, balance=balance).index
        for name, (rule, balance) in rules.items()
    }
    return table | {"k-means": medoids(low, data.label, np.bincount(data.label[draw_fraction(data.label, MAIN, seed)]))}


def medoids(low, label, share):
    """In each class the examples nearest to as many k-means centres as it may score."""
    from sklearn.cluster import KMeans

    chosen = []
    for own, count in enumerate(share):
        member = np.flatnonzero(label == own)
        distance = KMeans(count, n_init=1, random_state=0).fit_transform(low[member])  # (members, count)
        free = np.ones(len(member), dtype=bool)
        for column in distance.T:  # two centres may share their nearest: the second takes the next
            place = int(np.argmin(np.where(free, column, np.inf)))
            free[place] = False
            chosen.append(member[place])
    return np.sort(chosen)


def drawn(data, name, index, seed):
    """The prediction from a run on these positions."""
    with patch("datapare.training.record_training.draw_fraction", lambda *_: index):
        part = dp.record(
            data, preset="tiny", channels=CHANNELS, fraction=MAIN, seed=seed, out=WORK / f"record-{seed}-{name}"
        )
    return dp.extrapolate(dp.score(part, "dual"), part, "knn", seed=seed, same_class=True)


def line(data, test, seed):
    """All jobs of one seed: agreement of every step and draw, accuracy of every step."""
    whole, part = recorded(data, seed, None), recorded(data, seed, MAIN)
    full, hidden, table = steps(whole, recorded(data, (seed + 1) % SEEDS, None), part, seed)
    ranks = {name: ranked(scores.score, full, hidden) for name, (scores, _) in table.items()}
    arms = {name: kept(scores, dynamics, seed, KEEP) for name, (scores, dynamics) in table.items()}
    done = predicted(part, WAY, seed)
    believed = belief(whole, done)
    ranks["draw stratified"] = ranked(done.score, full, done.predicted) | told(done)
    for name, index in draws(data, seed).items():
        done = drawn(data, name, index, seed)
        ranks[f"draw {name}"] = ranked(done.score, full, done.predicted) | told(done)
    accuracy = {
        name: trained(data, test, WAY if name == REAL else f"why {name}", arm, seed, KEEP)["accuracy"]
        for name, arm in arms.items()
    }
    for name in RIVALS:
        file = WORK / f"train-{seed}-{KEEP}-{name.replace(' ', '-')}.json"
        accuracy[name] = json.loads(file.read_text())["accuracy"]
    return ranks, believed, accuracy


def share(accurate, name):
    """What an arm gains over random, as a share of what full scoring gains."""
    random, full = accurate["random"]["mean"], accurate["full scoring"]["mean"]
    return (accurate[name]["mean"] - random) / (full - random)


def told(done):
    return {"held_out_spearman": done.provenance.params["held_out"]["spearman"]}


def main():
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the four Fashion-MNIST idx .xz files")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data, test = both(asked.data)
    ranks, believed, accuracy = zip(*(line(data, test, seed) for seed in range(SEEDS)), strict=True)
    accurate = {name: mean(one[name] for one in accuracy) for name in accuracy[0]}
    result = {
        "claim": "what is lost between full scoring and scores predicted from a fifth, and by which draw of the fifth",
        "agreement": {
            name: {key: mean(one[name][key] for one in ranks) for key in keys} for name, keys in ranks[0].items()
        },
        "mean_probability": {key: mean(one[key] for one in believed) for key in believed[0]},
        "accuracy": accurate,
        "minus_random_points": {
            name: [round(100 * x, 2) for x in paired_interval(values["each"], accurate["random"]["each"])]
            for name, values in accurate.items()
        },
        "share_of_full_gain": {name: round(share(accurate, name), 2) for name in accurate},
        "kept": KEEP,
        "scored": MAIN,
        "train": len(data),
        "test": len(test),
        "seeds": SEEDS,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "loadavg": os.getloadavg(),
        "threads": 1,
        "machine": platform.platform(),
        "versions": {name: version(name) for name in ("datapare", "torch", "numpy", "faiss-cpu")},
        "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
