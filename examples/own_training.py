"""Your own training in a comparison: one function, given to `datapare compare` or `datapare sweep`.

    datapare compare digits.datapare --keep 0.3 --test digits-test.npz --train examples/own_training.py:train

`train` and `test` hold only the examples to train on and to be judged by (`label`, `classes`, and `array` where they
are small images or embeddings; `name`, `key` and `row` say which examples of your source they are). Let all randomness
follow from `seed`, pass over the examples `epochs` times, and return one boolean per test example: was it right? (An
accuracy between 0 and 1 will do too, but then there are no accuracies per class or group.)
"""

import numpy as np
from sklearn.neural_network import MLPClassifier


def train(train, test, *, seed, epochs):
    model = MLPClassifier((64,), batch_size=min(32, len(train)), random_state=seed)
    for _ in range(epochs):
        model.partial_fit(rows(train), train.label, classes=np.arange(len(train.classes)))
    return model.predict(rows(test)) == test.label


def rows(data):
    """Pixels 0..1 or embeddings, one flat row per example."""
    array = data.array.reshape(len(data), -1)
    return array / 255 if array.dtype == np.uint8 else array
