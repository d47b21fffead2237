"""The network of the preset fast: its first layer whitens, convolutions begin as identities, shifts learn fast."""

import numpy as np
import pytest
import torch
from torch import nn

from datapare.data import Encoding, Inputs
from datapare.errors import InputError
from datapare.training import preset
from datapare.training.config import TrainingConfig
from datapare.training.loop import train
from datapare.training.networks.factory import build
from datapare.training.networks.fastconv import ShiftedNorm, identity, whitening

FAST = TrainingConfig(epochs=1, model="fastconv", width=4)


def pictures(count=40, side=12, channels=3, seed=0):
    """Images (N, H, W, C) uint8 whose neighbouring pixels are alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, -(-side // 4), -(-side // 4), channels))
    smooth = coarse.repeat(4, 1).repeat(4, 2)[:, :side, :side] + rng.integers(-40, 40, (count, side, side, channels))
    return smooth.clip(0, 255).astype(np.uint8)


def inputs(array):
    return Inputs(array, Encoding("image", *array.shape[1:]))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_layer_makes_patches_uncorrelated(channels):
    array = pictures(200, channels=channels)
    filters = whitening(array)
    count = 4 * channels
    assert filters.shape == (2 * count, channels, 2, 2)
    assert torch.equal(filters[count:], -filters[:count])
    pixels = torch.from_numpy(array).permute(0, 3, 1, 2).double()
    pixels = (pixels - pixels.mean((0, 2, 3), keepdim=True)) / pixels.std((0, 2, 3), keepdim=True)
    responses = nn.functional.conv2d(pixels, filters[:count].double()).transpose(0, 1).reshape(count, -1)
    second = responses @ responses.T / responses.shape[1]
    assert torch.allclose(second, torch.eye(count, dtype=torch.float64), atol=0.02)


def test_the_first_layer_of_images_of_one_colour_is_finite():
    assert whitening(np.full((4, 8, 8, 3), 7, dtype=np.uint8)).isfinite().all()


@pytest.mark.parametrize(("wide_in", "wide_out"), [(3, 5), (5, 3), (4, 4)])
def test_convolutions_begin_as_identities(wide_in, wide_out):
    x, same = torch.randn(2, wide_in, 6, 6), min(wide_in, wide_out)
    made = identity(wide_in, wide_out)(x)
    assert torch.allclose(made[:, :same], x[:, :same])
    assert made[:, same:].abs().sum((0, 2, 3)).gt(0).all()  # the others are drawn


def test_the_shift_of_batch_norm_learns_64_times_as_fast():
    x, y = torch.randn(8, 3, 4, 4), torch.randn(8, 3, 4, 4)
    moved = []
    for norm in (nn.BatchNorm2d(3), ShiftedNorm(3)):
        before = norm(x)
        ((norm(x) - y) ** 2).mean().backward()
        with torch.no_grad():
            norm.bias -= norm.bias.grad
        moved.append(norm(x) - before)
    assert torch.allclose(moved[1], 64 * moved[0], rtol=1e-3)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (12, 9, 3), (64, 64, 3), (2, 2, 3)])
def test_images_of_any_small_size_are_read(shape):
    array = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    network = build(FAST, inputs(array), 5)
    assert network(torch.from_numpy(array)).shape == (6, 5)
    assert network.features(torch.from_numpy(array)).shape == (6, 16)


def test_large_images_are_refused_with_what_to_do():
    with pytest.raises(InputError, match="at most 64 pixels, not 65; resize them"):
        build(FAST, inputs(np.zeros((4, 8, 65, 3), dtype=np.uint8)), 2)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_equal_calls_of_the_preset_give_equal_bits_and_learn(precision):
    array = pictures(64, 8)
    label = np.arange(64) % 2
    array[label == 1, :, ::2] //= 3  # stripes
    settings = {"epochs": 6, "schedule_epochs": 6, "batch_size": 16, "precision": precision, "augment": ()}
    config = TrainingConfig(**{**vars(preset("fast")), **settings})
    one, two = (train(inputs(array), label, 2, config, seed=3, evaluate=(inputs(array), label)) for _ in range(2))
    assert one.accuracy > 0.9
    assert np.array_equal(one.logits, two.logits)
    first = build(config, inputs(array), 2).body.first.weight
    assert torch.equal(one.model.body.first.weight, first)  # it is not learned
