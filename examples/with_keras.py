"""Record in Keras, here with its PyTorch backend: lines with an arrow are datapare's.

python examples/with_keras.py [FOLDER]
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from sklearn.datasets import load_digits

from datapare.recording.adapters.keras import RecordingCallback  # <--

EPOCHS = 2


def main(folder):
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    recording = RecordingCallback(folder / "dynamics", labels, epochs=EPOCHS, inputs=images)  # <--
    model.fit(images, labels, batch_size=64, epochs=EPOCHS, verbose=0, callbacks=[recording])  # <-- callbacks=
    print(f"recorded {recording.recorder.epoch} epochs of {len(labels):,} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "keras-run"))
