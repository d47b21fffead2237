"""What scenarios do to an image, against plain loops over its pixels; and the strengths they have when nobody says."""

import math
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapare.errors import InputError
from datapare.methods.perturb import (
    asymmetric_noise,
    fog,
    gaussian_noise,
    label_noise,
    long_tail,
    motion_blur,
    occlusion,
    resolution,
)
from datapare.methods.registry import find

STRENGTH = {
    "fog": ("density", 0.7),
    "gaussian_noise": ("sigma", 0.1),
    "motion_blur": ("length", 0.25),
    "occlusion": ("area", 0.25),
    "resolution": ("scale", 0.25),
}
few = settings(max_examples=15, deadline=None)
sides = st.integers(2, 13)
seeds = st.integers(0, 2**32 - 1)


def picture(seed: int, height: int, width: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


@pytest.mark.parametrize(("name", "param", "value"), [(name, *strength) for name, strength in STRENGTH.items()])
def test_a_corruption_is_as_strong_in_the_mixture_as_alone(name, param, value):
    assert find("perturb", name).params[param].default == value
    assert find("perturb", name).params["share"].default == 0.2
    corrupt_image = import_module(f"datapare.methods.perturb.{name}").corrupt_image
    image = picture(0, 9, 12)
    rng = [np.random.default_rng(3) for _ in range(2)]
    alone, told = (corrupt_image(image), corrupt_image(image, value)) if name == "resolution" else (
        corrupt_image(image, rng[0]), corrupt_image(image, rng[1], value)
    )  # fmt: skip
    assert np.array_equal(alone, told)
    assert find("perturb", "corruption").params["share"].default == 0.2


@few
@given(seeds, sides, sides, st.floats(0.01, 0.6))
def test_gaussian_noise_is_added_to_every_number_and_rounded(seed, height, width, sigma):
    image = picture(seed, height, width)
    noise = np.random.default_rng(seed).normal(0, 1, image.shape)
    expected = [
        [[min(255, max(0, round(int(x) + 255 * sigma * z))) for x, z in zip(a, b, strict=True)] for a, b in
         zip(row, noisy, strict=True)] for row, noisy in zip(image, noise, strict=True)
    ]  # fmt: skip
    assert gaussian_noise.corrupt_image(image, np.random.default_rng(seed), sigma).tolist() == expected


@few
@given(seeds, sides, sides)
def test_fog_is_value_noise_over_four_octaves(seed, height, width):
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width))
    for k in (1, 2, 3, 4):
        grid = rng.random((2**k + 1, 2**k + 1))
        for i in range(height):
            for j in range(width):
                y, x = i / (height - 1) * 2**k, j / (width - 1) * 2**k
                a, b = min(int(y), 2**k - 1), min(int(x), 2**k - 1)
                above = grid[a, b] + (x - b) * (grid[a, b + 1] - grid[a, b])
                below = grid[a + 1, b] + (x - b) * (grid[a + 1, b + 1] - grid[a + 1, b])
                total[i, j] += (above + (y - a) * (below - above)) / 2**k
    expected = (total - total.min()) / (total.max() - total.min())
    np.testing.assert_allclose(fog.cloud(height, width, np.random.default_rng(seed)), expected, atol=1e-9)


def test_fog_of_one_pixel_is_thin():
    assert fog.cloud(1, 1, np.random.default_rng(0)).tolist() == [[0.0]]
    assert fog.cloud(1, 5, np.random.default_rng(0)).max() == 1


@few
@given(seeds, st.floats(0.05, 1.0))
def test_fog_mixes_with_white_between_half_and_all_of_its_density(seed, density):
    image = picture(seed, 7, 11)
    cloud = fog.cloud(7, 11, np.random.default_rng(seed))
    foggy = fog.corrupt_image(image, np.random.default_rng(seed), density)
    for i, row in enumerate(cloud):
        for j, thick in enumerate(row):
            a = density * (0.5 + 0.5 * thick)
            for c in range(2):
                assert abs(int(foggy[i, j, c]) - ((1 - a) * int(image[i, j, c]) + a * 255)) <= 0.5 + 1e-9


@few
@given(seeds, sides, sides, st.floats(0.1, 1.0))
def test_motion_blur_is_the_mean_along_a_line(seed, height, width, length):
    image = picture(seed, height, width)
    angle = np.random.default_rng(seed).uniform(0, np.pi)
    reach = int(length * min(height, width) / 2)
    steps = range(-reach, reach + 1)
    line = {(round(s * math.sin(angle)), round(s * math.cos(angle))) for s in steps}
    smeared = motion_blur.corrupt_image(image, np.random.default_rng(seed), length)
    for i in range(height):
        for j in range(width):
            near = [(min(max(i - a, 0), height - 1), min(max(j - b, 0), width - 1)) for a, b in line]
            for c in range(2):
                mean = sum(int(image[y, x, c]) for y, x in near) / len(near)
                assert abs(int(smeared[i, j, c]) - mean) <= 0.5 + 1e-9


def test_motion_blur_takes_every_direction_of_half_a_turn():
    dot = np.zeros((21, 21, 1), np.uint8)
    dot[10, 10] = 255
    slopes = set()
    for seed in range(40):
        row, column = np.argwhere(motion_blur.corrupt_image(dot, np.random.default_rng(seed), 0.5)[..., 0])[0] - 10
        slopes.add(int(np.sign(row * column)))
    assert {-1, 1} <= slopes


@few
@given(seeds, sides, sides, st.floats(0.02, 1.0))
def test_occlusion_blackens_a_rectangle_of_its_share(seed, height, width, area):
    image = np.full((height, width, 2), 200, np.uint8)
    hidden = occlusion.corrupt_image(image, np.random.default_rng(seed), area)
    rows, columns = (np.flatnonzero((hidden[..., 0] == 0).any(axis=axis)) for axis in (1, 0))
    assert len(rows) == max(1, round(height * math.sqrt(area)))
    assert len(columns) == max(1, round(width * math.sqrt(area)))
    assert (hidden[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 0).all()
    assert (hidden == 0).sum() == 2 * len(rows) * len(columns)
    assert image.min() == 200


def test_occlusion_reaches_every_corner():
    image = np.full((4, 6, 1), 9, np.uint8)
    corners = set()
    for seed in range(120):
        hidden = occlusion.corrupt_image(image, np.random.default_rng(seed), 0.25)[..., 0] == 0
        corners.add(tuple(np.argwhere(hidden)[0].tolist()))
    assert corners == {(top, left) for top in range(3) for left in range(4)}  # 2 x 3 pixels


def test_resolution_is_a_mean_over_boxes_and_straight_lines_between_them():
    image = picture(1, 8, 12)
    low = resolution.corrupt_image(image, 0.25)  # 2 x 3 boxes of 4 x 4
    boxes = np.rint(image.reshape(2, 4, 3, 4, 2).mean(axis=(1, 3)))
    assert low.shape == image.shape
    for i in range(8):
        for j in range(12):
            y, x = min(max((i - 1.5) / 4, 0), 1), min(max((j - 1.5) / 4, 0), 2)
            a, b = min(int(y), 0), min(int(x), 1)
            above = boxes[a, b] + (x - b) * (boxes[a, b + 1] - boxes[a, b])
            below = boxes[a + 1, b] + (x - b) * (boxes[a + 1, b + 1] - boxes[a + 1, b])
            assert np.abs(low[i, j] - (above + (y - a) * (below - above))).max() <= 2  # bytes between the two axes


def test_resolution_keeps_one_pixel_at_least_and_each_channel_to_itself():
    image = picture(2, 3, 5, 3)
    gone = resolution.corrupt_image(image, 0.01)
    assert (gone == gone[0, 0]).all()
    assert np.abs(gone[0, 0] - image.mean(axis=(0, 1))).max() <= 1
    assert resolution.corrupt_image(np.full((1, 1, 1), 7, np.uint8), 0.5).tolist() == [[[7]]]
    assert np.array_equal(resolution.corrupt_image(image, 1.0), image)
    wide = resolution.corrupt_image(picture(3, 4, 8), 0.5)
    assert wide.shape == (4, 8, 2)


@pytest.mark.parametrize("sigma", [0.0, -0.1])
def test_gaussian_noise_without_strength_is_refused(sigma):
    with pytest.raises(InputError, match="above 0"):
        gaussian_noise.gaussian_noise(picture(0, 4, 4)[None], np.random.default_rng(0), sigma=sigma)
    assert gaussian_noise.gaussian_noise(picture(0, 4, 4)[None], np.random.default_rng(0), share=1.0, sigma=1e-3)


def test_two_classes_are_enough_for_asymmetric_noise_and_label_noise_and_one_for_long_tail():
    label = np.array([3, 3, 8, 8])
    for rule in (asymmetric_noise.asymmetric_noise, label_noise.label_noise):
        assert rule(label, np.random.default_rng(0), share=1.0).label.tolist() == [8, 8, 3, 3]
    assert long_tail.long_tail(np.zeros(7, dtype=np.int64), np.random.default_rng(0), factor=0.1).row.tolist() == [
        *range(7)
    ]  # one class is the largest
    few = np.repeat([0, 1], [10, 1])
    assert np.bincount(few[long_tail.long_tail(few, np.random.default_rng(0), factor=0.3).row]).tolist() == [10, 1]
    exact = np.repeat([0, 1], [10, 10])
    assert np.bincount(exact[long_tail.long_tail(exact, np.random.default_rng(0), factor=0.7).row])[1] == 7
