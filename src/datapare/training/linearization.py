"""A network linearised at its first weights: what the dataset metrics that read gradients need."""

import numpy as np
import torch
from numpy.typing import NDArray

from datapare.artifacts import Dynamics
from datapare.data import Inputs
from datapare.errors import InputError
from datapare.training.batches import BatchSource
from datapare.training.compute import with_defaults
from datapare.training.config import TrainingConfig
from datapare.training.device import compute_threads
from datapare.training.inference import predict
from datapare.training.loop import initial
from datapare.training.signals.ntk_feature import freeze, ntk_feature

FREEZE = 512  # examples that fix the batch norms


def linearise(
    inputs: Inputs,
    label: NDArray[np.int64],
    n_classes: int,
    training: TrainingConfig,
    *,
    examples: int = 100,
    seed: int = 0,
) -> Dynamics:
    """Return ntk_feature (n, K, D) and logit (n, K) of some examples, at the weights that a training starts from.

    `inputs` are what `encode` returns; `seed` is that of the training, and draws the examples. Raises InputError when
    there is nothing to draw.
    """
    if examples < 1 or not len(label):
        raise InputError(f"a linearised model needs at least one example, not {min(examples, len(label))}.")
    order = np.random.default_rng(seed).permutation(len(label))
    chosen = np.sort(order[:examples])
    network, rows = initial(inputs, n_classes, training, seed), BatchSource(inputs.array, inputs.encoding.kind)
    with compute_threads(with_defaults(training, inputs).threads):
        freeze(network, rows.take(torch.from_numpy(order[:FREEZE])))
        arrays = {
            "ntk_feature": ntk_feature(network, rows.take, chosen, seed=seed),
            "logit": predict(network, Inputs(inputs.array[chosen], inputs.encoding)),
        }
    return Dynamics({}, label[chosen], arrays, observed="eval-pass")
