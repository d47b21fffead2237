"""Train on a fraction only, score it, predict the scores of the rest, and see what that loses.

    python examples/score_a_fraction.py [--data PATH --test PATH] [--keep 0.2] [--fraction 0.3] [--method knn]

Runs in about a minute on the digits of scikit-learn. PATH is any dataset that datapare opens. Without a comparison the
same is one command: datapare prune PATH --keep 0.2 --score-fraction 0.3 --extrapolate knn
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import datapare as dp


def load(data, test):
    """A dataset to prune, and another to judge by."""
    if data is not None:
        opened = dp.open_dataset(data)
        return opened, dp.open_dataset(test, classes=opened.classes)
    digits = load_digits()
    image = (digits.images * (255 / 16)).astype(np.uint8)
    x, x_test, y, y_test = train_test_split(image, digits.target, test_size=0.3, random_state=0, stratify=digits.target)
    opened = dp.open_dataset((x, y))
    return opened, dp.open_dataset((x_test, y_test), classes=opened.classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--test")
    parser.add_argument("--keep", type=float, default=0.2)
    parser.add_argument("--fraction", type=float, default=0.3)
    parser.add_argument("--method", default="knn", help="what predicts: knn or gnn")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    data, test = load(asked.data, asked.test)

    subsets = {}
    for name, fraction in (("all scored", None), (f"{asked.fraction:.0%} scored", asked.fraction)):
        dynamics = dp.record(data, fraction=fraction)
        scores = dp.score(dynamics, "dual", window=max(2, dynamics.epochs // 2))
        if fraction is not None:
            scores = dp.extrapolate(scores, dynamics, asked.method)
            print("predicted against hidden scores:", scores.provenance.params.get("held_out"))
        print(f"{name}: {dynamics.seconds.sum() + (scores.seconds or 0):.1f} s")
        subsets[name] = dp.select(scores, "beta", keep=asked.keep, dynamics=dynamics, balance="proportional")
    compared = dp.compare(data, subsets, test=test, seeds=asked.seeds, full=False)
    for arm, accuracy in zip(compared.arms, compared.accuracy, strict=True):
        told = " ".join(f"{a:.3f}" for a in accuracy)
        print(f"{arm:24} {told}  mean {np.mean(accuracy):.3f}")


if __name__ == "__main__":
    main()
