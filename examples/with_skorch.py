"""Record in a skorch classifier: two small methods, marked with an arrow.

python examples/with_skorch.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier

import datapare as dp

EPOCHS = 2


class RecordedClassifier(NeuralNetClassifier):
    def get_iterator(self, dataset, training=False):  # <--
        loader = super().get_iterator(dataset, training)
        return self.recorder.track(loader) if training else loader

    def train_step_single(self, batch, **settings):  # <--
        index, images, target = batch
        step = super().train_step_single((images, target), **settings)
        self.recorder.observe(index, step["y_pred"], target)
        return step

    def on_epoch_end(self, net, **settings):  # <--
        super().on_epoch_end(net, **settings)
        self.recorder.end_epoch()


def main(folder):
    images, labels = load_digits(return_X_y=True)
    net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    with dp.Recorder(folder / "dynamics", labels, epochs=EPOCHS) as recorder:  # <--
        recorder.resume(0)  # <-- `fit` starts over
        classifier = RecordedClassifier(
            net,
            criterion=torch.nn.CrossEntropyLoss,  # the network gives logits
            optimizer=torch.optim.AdamW,
            lr=3e-3,
            max_epochs=EPOCHS - recorder.epoch,
            batch_size=64,
            iterator_train__shuffle=True,
            verbose=0,
        )
        classifier.recorder = recorder  # <--
        classifier.fit((images / 16).astype(np.float32), labels)  # holds out a fifth: never observed
    share = recorder.coverage[0]
    print(f"recorded {recorder.epoch} epochs of {len(labels):,} digits, {share:.0%} of them trained on")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "skorch-run"))
