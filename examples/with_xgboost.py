"""Record XGBoost, a boosting round as an epoch: lines with an arrow are datapare's.

python examples/with_xgboost.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
import xgboost
from sklearn.datasets import load_digits

import datapare as dp

EPOCHS = 6


class Rounds(xgboost.callback.TrainingCallback):
    def __init__(self, recorder, data):
        self.recorder, self.data = recorder, data

    def after_iteration(self, model, epoch, _log):
        if epoch >= self.recorder.epoch:
            logits = model.predict(self.data, output_margin=True)
            self.recorder.observe(np.arange(len(logits)), logits, self.data.get_label())  # <--
            self.recorder.end_epoch()  # <--
        return False


def main(folder):
    images, labels = load_digits(return_X_y=True)
    data = xgboost.DMatrix(images, labels)
    params = {"objective": "multi:softprob", "num_class": 10, "max_depth": 3, "nthread": 1}
    with dp.Recorder(folder / "dynamics", labels, EPOCHS, observed="eval-pass") as recorder:  # <--
        xgboost.train(params, data, EPOCHS, callbacks=[Rounds(recorder, data)])
    print(f"recorded {recorder.epoch} epochs of {len(labels):,} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "xgboost-run"))
