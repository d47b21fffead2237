"""Record in Keras, with any backend: a callback for `fit`.

    recording = RecordingCallback("run/dynamics", labels=y, epochs=30, inputs=x)
    model.fit(x, y, epochs=30, callbacks=[recording])

Keras callbacks see no batches, so each example is predicted after each epoch, as it is: the pass is `eval-pass`, and
costs one prediction of the whole dataset per epoch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
from torch import Tensor

from datapare.recording import Recorder
from datapare.recording.arguments import RecorderSettings
from datapare.recording.epoch_buffer import to_tensor
from datapare.recording.foreign_types import Array, Criterion, Labels
from datapare.recording.losses import from_criterion, observe_batch

SMALLEST = 1e-7  # what Keras clips probabilities at before it takes their logarithm


class RecordingCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Makes a `recorder` when training begins, and records what the model predicts after each epoch.

    Args:
        path: The folder of the record.
        labels: True classes, integers (N,), or any grouping where the record holds losses.
        epochs: How many are recorded; training may be longer.
        inputs: What `model.predict` takes of all N examples: an array, or a list or dict of arrays.
        target: What the model should predict, (N, ...), where losses are recorded.
        batch_size: How many examples are predicted at once.
        from_logits: Whether the model returns logits; else its probabilities, of a softmax or one sigmoid, are
            converted.
        problem_type: One of those of `per_example_loss`, for a record of losses. Its losses take logits, or numbers.
        per_example_loss: A function of (prediction, target) that returns losses (B,), for a record of losses.
        **settings: Further arguments of Recorder.
    """

    recorder: Recorder

    def __init__(
        self,
        path: str | Path,
        labels: Labels,
        epochs: int,
        inputs: object,
        *,
        target: Array | Tensor | None = None,
        batch_size: int = 1024,
        from_logits: bool = False,
        problem_type: str | None = None,
        per_example_loss: Criterion | None = None,
        **settings: Unpack[RecorderSettings],
    ) -> None:
        super().__init__()
        self._arguments = (path, labels, epochs)
        self._settings: RecorderSettings = {"observed": "eval-pass", **settings}
        self._inputs, self._target, self._batch_size = inputs, target, batch_size
        self._from_logits = from_logits or problem_type == "regression" or per_example_loss is not None
        self._problem_type = problem_type
        self._criterion = None if per_example_loss is None else from_criterion(per_example_loss)
        self._begun = False

    def on_train_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        """Make the recorder."""
        if hasattr(self, "recorder"):
            self.recorder.__exit__(KeyboardInterrupt, None, None)  # of a training that an exception ended
        self.recorder = Recorder(*self._arguments, **self._settings)
        self._begun = False

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Continue the record where the training does."""
        if not self._begun:
            self.recorder.resume(epoch)
            self._begun = True

    def on_epoch_end(self, _epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Predict every example, and record it."""
        if self.recorder.epoch == self.recorder.epochs:
            return
        predicted = np.asarray(self.model.predict(self._inputs, batch_size=self._batch_size, verbose=0))
        logits = predicted if self._from_logits else to_logits(predicted)
        for start in range(0, len(logits), self._batch_size):
            some = slice(start, start + self._batch_size)
            target = None if self._target is None else to_tensor(self._target[some])
            observe_batch(
                self.recorder,
                np.arange(len(logits))[some],
                to_tensor(logits[some]),
                target,
                problem_type=self._problem_type,
                criterion=self._criterion,
            )
        self.recorder.end_epoch()

    def on_train_end(self, _logs: Mapping[str, float] | None = None) -> None:
        """Finish the record with the epochs that are there; training longer continues it."""
        self.recorder.close()


def to_logits(prob: Array) -> Array:
    """Return logits of probabilities: ln p of a softmax (B, K), ln p - ln(1 - p) of one sigmoid (B, 1) or several.

    >>> to_logits(np.array([[0.5, 0.5]])).astype(float).round(4).tolist()
    [[-0.6931, -0.6931]]
    >>> bool(abs(to_logits(np.array([[0.5]]))[0, 0]) < 1e-6)
    True
    """
    prob = np.clip(prob.astype(np.float32), SMALLEST, 1 - SMALLEST)
    if prob.ndim == 2 and prob.shape[1] > 1 and np.allclose(prob.sum(axis=1), 1, atol=1e-3):
        log_prob: Array = np.log(prob)
        return log_prob
    odds: Array = np.log(prob) - np.log1p(-prob)
    return odds
