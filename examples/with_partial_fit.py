"""Record a scikit-learn classifier that learns by partial_fit: lines with an arrow are datapare's.

    python examples/with_partial_fit.py [FOLDER]

What it believes before it learns from a batch costs one predict_proba; ln p is as good as logits. For a classifier that
has decision_function alone, stack its output into (B, K) and observe that.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import datapare as dp

EPOCHS, BATCH, SMALLEST = 3, 64, 1e-30


def main(folder):
    images, labels = load_digits(return_X_y=True)
    images, classes = images / 16, np.unique(labels)
    classifier = MLPClassifier(64, random_state=0)
    classifier.partial_fit(images[:BATCH], labels[:BATCH], classes=classes)  # before that it can predict nothing
    rng = np.random.default_rng(0)
    with dp.Recorder(folder / "dynamics", labels, epochs=EPOCHS) as recorder:  # <--
        recorder.resume(0)  # <-- this loop keeps no checkpoint, so an interrupted run starts over
        for _ in range(recorder.epoch, EPOCHS):
            order = rng.permutation(len(labels))
            for start in range(0, len(order), BATCH):
                index = order[start : start + BATCH]
                prob = classifier.predict_proba(images[index])
                recorder.observe(index, np.log(prob.clip(SMALLEST)), labels[index])  # <--
                classifier.partial_fit(images[index], labels[index])
            recorder.end_epoch()  # <--
    print(f"recorded {recorder.epoch} epochs of {len(labels):,} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "partial-fit-run"))
