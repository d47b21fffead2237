import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datapare.errors import InputError
from datapare.training.augmentation import TRANSFORMS, augment, crop, flip, resized_crop


def images(count=8, height=6, width=5, channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, height, width, channels), generator=generator, dtype=torch.uint8)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_flipping_everything_twice_changes_nothing():
    batch = images()
    assert torch.equal(flip(flip(batch, rng(), chance=1.0), rng(), chance=1.0), batch)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_flip_keeps_each_rows_pixels(seed):
    batch = images(seed=seed)
    flipped = flip(batch, rng(seed))
    assert torch.equal(flipped.sort(dim=2).values, batch.sort(dim=2).values)
    mirrored = (flipped == batch.flip(2)).all(dim=3).all(dim=2).all(dim=1)
    same = (flipped == batch).all(dim=3).all(dim=2).all(dim=1)
    assert (mirrored | same).all()


def test_about_half_of_the_images_are_flipped():
    batch = images(count=2000)
    changed = (flip(batch, rng()) != batch).flatten(1).any(1).float().mean()
    assert 0.45 < changed < 0.55


def test_a_crop_without_margin_is_the_image():
    batch = images()
    assert torch.equal(crop(batch, rng(), margin=0), batch)


@given(seed=st.integers(0, 10_000), margin=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_every_crop_is_a_window_of_the_padded_image(seed, margin):
    batch = images(count=4, seed=seed)
    height, width = batch.shape[1:3]
    padded = np.pad(batch.numpy(), ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    for image, window in zip(padded, crop(batch, rng(seed), margin=margin).numpy(), strict=True):
        places = [
            (row, column)
            for row in range(2 * margin + 1)
            for column in range(2 * margin + 1)
            if np.array_equal(image[row : row + height, column : column + width], window)
        ]
        assert places


def test_crops_reach_every_offset():
    spot = torch.zeros((2000, 5, 5, 1), dtype=torch.uint8)
    spot[:, 2, 2] = 255
    rows, columns = crop(spot, rng(), margin=2)[..., 0].nonzero()[:, 1:].unbind(1)
    counts = torch.bincount(rows * 5 + columns, minlength=25)
    assert counts.min() > 40  # 80 each are expected
    assert counts.sum() == 2000


def test_the_cifar_crop_has_four_black_pixels_around():
    white = torch.full((500, 32, 32, 3), 255, dtype=torch.uint8)
    dark = (TRANSFORMS["crop"](white, rng())[..., 0] == 0).all(dim=2).sum(dim=1)  # rows wholly black
    assert dark.max() == 4


def test_a_resized_crop_of_everything_is_the_image():
    batch = images(height=6, width=6)
    squares = torch.full_like(batch, 77)
    assert torch.equal(resized_crop(squares, rng()), squares)
    assert resized_crop(batch, rng()).shape == batch.shape
    assert resized_crop(batch, rng()).dtype == torch.uint8


def test_a_resized_crop_looks_at_a_smaller_window():
    ramp = torch.arange(64, dtype=torch.uint8).repeat(500, 64, 1)[..., None]  # value = column
    seen = resized_crop(ramp, rng()).float()
    wide = seen.amax((1, 2, 3)) - seen.amin((1, 2, 3))
    assert wide.min() >= 12  # 8 % of the area at ratio 3/4 is a quarter of the side
    assert wide.max() >= 60
    assert seen.min() >= 0
    assert seen.max() <= 63


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_generator_decides(name):
    batch = images(height=16, width=16)
    assert torch.equal(TRANSFORMS[name](batch, rng(1)), TRANSFORMS[name](batch, rng(1)))
    assert not torch.equal(TRANSFORMS[name](batch, rng(1)), TRANSFORMS[name](batch, rng(2)))


def test_the_order_of_the_names_counts():
    batch, generator = images(height=8, width=8), rng(3)
    by_hand = crop(flip(batch, generator), generator, margin=1)
    assert torch.equal(augment(batch, ("flip", "crop"), rng(3)), by_hand)


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(InputError, match="no augmentation 'mixup'"):
        augment(images(), ("mixup",), rng())
