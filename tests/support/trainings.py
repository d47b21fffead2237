"""Small trainings that several tests share."""

import numpy as np
import pytest
import torch

from datapare.data import Encoding, Inputs
from datapare.training import TrainingConfig

PICTURES = TrainingConfig(
    epochs=3, schedule_epochs=4, batch_size=16, lr=0.05, augment=("shift",), model="resnet8", width=4
)
WORDS = TrainingConfig(epochs=3, batch_size=16, lr=0.01, optimizer="adamw", model="textnet", width=8)


def pictures(count=65, seed=0):
    """Three classes of 8x8 pictures, bright in another third each."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, count)
    array = rng.integers(0, 120, (count, 8, 8, 1), dtype=np.uint8)
    for image, third in zip(array, label, strict=True):
        image[:, 2 * third : 2 * third + 3] += 100
    return Inputs(array, Encoding("image")), label


def words(count=65, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    array = rng.integers(3, 30, (count, 9), dtype=np.int32)
    array[:, 0] = label + 1
    array[:, 6:] = 0
    return Inputs(array, Encoding("text", tokens=30)), label


def same_model(one, other):
    state = other.model.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.model.state_dict().items())


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Networks this small gain nothing from threads, and wait for them where tests run side by side."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # for what the tests start
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
