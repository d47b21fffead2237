"""What a training on an accelerator must keep to; the last test runs where there is one."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from datapare.data import Encoding, Inputs
from datapare.recording import Recorder
from datapare.training import preset
from datapare.training.device import device
from datapare.training.loop import train


def test_the_device_is_that_of_its_tensors(monkeypatch):
    """A tensor lies on "cuda:3", and "cuda" is not equal to that: rows there would be copied from the host again."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert device() == torch.device("cuda:3") != torch.device("cuda")


def waits(count, epochs, folder):
    """How often the host waited for the device while `count` images were trained on and recorded."""
    array = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    label = np.arange(count) % 10
    settings = replace(preset("small"), epochs=epochs, schedule_epochs=40, batch_size=64)
    with Recorder(folder, label, epochs=epochs) as recorder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            inputs = Inputs(array, Encoding("image", *array.shape[1:]))
            train(inputs, label, 10, settings, seed=0, recorder=recorder)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(one.message) for one in caught)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_the_host_waits_once_an_epoch_and_not_in_its_steps(tmp_path):
    assert waits(256, 2, tmp_path / "short") == waits(2048, 2, tmp_path / "long")
