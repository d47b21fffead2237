"""Record LightGBM, a boosting round as an epoch: lines with an arrow are datapare's.

python examples/with_lightgbm.py [FOLDER]
"""

import sys
from pathlib import Path

import lightgbm
import numpy as np
from sklearn.datasets import load_digits

import datapare as dp

EPOCHS = 6


def main(folder):
    images, labels = load_digits(return_X_y=True)
    logits = np.zeros((len(labels), 10))

    def record_round(env):
        # a round adds one tree per class to the sum that softmax takes
        logits[:] += env.model.predict(images, raw_score=True, start_iteration=env.iteration, num_iteration=1)
        if env.iteration >= recorder.epoch:
            recorder.observe(np.arange(len(labels)), logits, labels)  # <--
            recorder.end_epoch()  # <--

    params = {"objective": "multiclass", "num_class": 10, "num_leaves": 8, "verbose": -1, "num_threads": 1}
    with dp.Recorder(folder / "dynamics", labels, EPOCHS, observed="eval-pass") as recorder:  # <--
        lightgbm.train(params, lightgbm.Dataset(images, labels), EPOCHS, callbacks=[record_round])
    print(f"recorded {recorder.epoch} epochs of {len(labels):,} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "lightgbm-run"))
