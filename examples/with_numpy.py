"""Record from plain arrays, as a loop in JAX or TensorFlow would: lines with an arrow are datapare's.

    python examples/with_numpy.py [FOLDER]

Softmax regression by hand. With another framework hand over np.asarray(logits); positions are integers of your own.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import datapare as dp

EPOCHS, BATCH, RATE = 3, 64, 0.5


def main(folder):
    images, labels = load_digits(return_X_y=True)
    images = images / 16
    weight, rng = np.zeros((64, 10)), np.random.default_rng(0)
    with dp.Recorder(folder / "dynamics", labels, epochs=EPOCHS) as recorder:  # <--
        recorder.resume(0)  # <-- this loop keeps no checkpoint, so an interrupted run starts over
        for _ in range(recorder.epoch, EPOCHS):
            order = rng.permutation(len(labels))
            for start in range(0, len(order), BATCH):
                index = order[start : start + BATCH]
                logits = images[index] @ weight
                recorder.observe(index, logits, labels[index])  # <--
                prob = np.exp(logits - logits.max(axis=1, keepdims=True))
                prob /= prob.sum(axis=1, keepdims=True)
                prob[np.arange(len(index)), labels[index]] -= 1
                weight -= RATE / len(index) * images[index].T @ prob
            recorder.end_epoch()  # <--
    print(f"recorded {recorder.epoch} epochs of {len(labels):,} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "numpy-run"))
