"""The example without classes: its record, its window, and that it learns, on patches made here."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import datapare as dp

FILE = Path(__file__).parents[2] / "examples" / "super_resolution.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("super_resolution", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pairs(example):
    """Eighty patches of soft waves, and 4 of noise, which nobody can sharpen."""
    rng = np.random.default_rng(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    line = np.arange(example.SIDE) / example.SIDE
    waves = [0.5 + 0.4 * np.sin(2 * np.pi * (f * line[:, None] + p * line)) for f, p in rng.uniform(0, 4, (80, 2))]
    noise = list(rng.random((4, example.SIDE, example.SIDE)))
    sharp = [patch.astype(np.float32) for patch in [*waves, *noise]]
    blunt = [np.array(example.blurred(patch)) for patch in sharp]
    yield [torch.from_numpy(np.stack(part))[:, None] for part in (blunt, sharp)]
    torch.set_num_threads(threads)


def test_the_window_leaves_out_what_cannot_be_learnt_and_the_top_keeps_it(example, pairs):
    dynamics = example.record(*pairs, epochs=2)
    assert dynamics.channels["loss"].shape == (2, 84)
    assert np.isfinite(dynamics.channels["loss"]).all()
    chosen = example.subsets(dynamics)
    noise = set(range(80, 84))
    assert len(chosen["window"]) == len(chosen["top"]) == 42
    assert not noise & set(chosen["window"].index)
    assert noise <= set(chosen["top"].index)
    assert len(set(chosen["window"].index) & set(chosen["top"].index)) == 38
    assert isinstance(chosen["window"], dp.Subset)


def test_training_on_patches_beats_the_blur(example, pairs):
    network = example.trained(*pairs, np.arange(80), seed=0, updates=60)
    images = [patch[0].numpy() for patch in pairs[1][:10]]
    assert example.psnr(network, images) > example.psnr(None, images) + 0.5


def test_patches_and_their_blur_lie_on_each_other(example):
    rng = np.random.default_rng(0)
    image = np.kron(rng.random((20, 17)), np.ones((3, 3))).astype(np.float32)
    blunt, sharp = example.patches([image])
    assert blunt.shape == sharp.shape == (example.PER_IMAGE, 1, example.SIDE, example.SIDE)
    assert torch.allclose(blunt.mean((1, 2, 3)), sharp.mean((1, 2, 3)), atol=0.05)
    assert (blunt - sharp).abs().mean() > 0.005
