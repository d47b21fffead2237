"""Prune for adversarial training: record what a network believes of attacked images, and judge by robust accuracy.

    python examples/adversarial.py [--data PATH --test PATH] [--keep 0.5] [--epsilon 0.1] [--seeds 1]

Every example is scored, and in another arm only a fraction, the rest predicted from its 12 nearest neighbours. Runs in
about a minute on the digits of scikit-learn. PATH is any image dataset that datapare opens.
"""

import argparse
from dataclasses import replace

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import datapare as dp
from datapare.data import encode
from datapare.training import choose, record, robust_accuracy, train


def load(data, test):
    """A dataset to train on, and another to judge by."""
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
    parser.add_argument("--keep", type=float, default=0.5)
    parser.add_argument("--fraction", type=float, default=0.3, help="so much is scored where the rest is predicted")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--epsilon", type=float, default=0.1, help="of the pixel range; 8/255 for photographs")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    data, test = load(asked.data, asked.test)
    inputs = encode(data)
    held_out = encode(test, inputs.encoding)
    training = replace(
        choose(inputs, len(data.classes)), epochs=asked.epochs, schedule_epochs=asked.epochs, width=8,
        epsilon=asked.epsilon, attack_step=asked.epsilon / 3, attack_steps=4,
    )  # fmt: skip

    of = {}
    for name, fraction in (("dyn_unc", None), ("dyn_unc+knn", asked.fraction)):
        # what is believed of attacked images, after each epoch
        dynamics = record(data, preset=training, observed="eval-pass", fraction=fraction)
        print(f"{name}: {dynamics.epochs} epochs in {dynamics.seconds.sum():.0f} s, {dynamics.observed}")
        scores = dp.score(dynamics, "dyn_unc", window=min(10, asked.epochs - 2), windows="official")
        of[name] = scores if fraction is None else dp.extrapolate(scores, dynamics, "knn", k=12)
    print("arm          examples  accuracy  under attack")
    for arm, keep in (("all", 1.0), ("dyn_unc", asked.keep), ("dyn_unc+knn", asked.keep), ("random", asked.keep)):
        scores, method = (of[arm], "top") if arm in of else (of["dyn_unc"], "random")
        clean, robust = [], []
        for seed in range(asked.seeds):
            subset = dp.select(scores, method, keep=keep, seed=seed)
            trained = train(
                inputs, data.label, len(data.classes), training, seed=seed, index=subset.index,
                evaluate=(held_out, test.label),
            )  # fmt: skip
            clean.append(trained.accuracy)
            robust.append(robust_accuracy(trained.model, held_out, test.label, replace(training, attack_steps=10)))
        print(f"{arm:12} {len(subset):8,}  {np.mean(clean):8.3f}  {np.mean(robust):12.3f}")
    if asked.seeds < 3:
        print("fewer than three seeds prove nothing")


if __name__ == "__main__":
    main()
