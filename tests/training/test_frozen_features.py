"""Features that are not learned: plain loops, laws, and recordings that take them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datapare as dp
from datapare.data import Encoding, Inputs, encode
from datapare.errors import InputError
from datapare.training import PRESETS, TrainingConfig, train
from datapare.training import frozen_features as ff


def images(count=6, height=11, width=10, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def rng():
    return np.random.default_rng(3)


def test_a_response_is_the_filter_on_the_patch_freed_of_brightness_and_contrast():
    some = images()
    kernel, offset = ff._filters(ff._planes(some), rng())
    got = ff._responses(ff._planes(some), kernel, offset)
    assert got.shape == (6, ff.FILTERS, 6, 5)
    for image, row, column in [(0, 0, 0), (3, 5, 4), (5, 2, 1)]:
        patch = some[image, row : row + 6, column : column + 6].transpose(2, 0, 1).astype(float)
        normal = (patch - patch.mean()) / np.sqrt(patch.var() + 10)
        expected = [
            (k * normal).sum() - o for k, o in zip(kernel.double().numpy(), offset.double().numpy(), strict=True)
        ]
        np.testing.assert_allclose(got[image, :, row, column].double().numpy(), expected, atol=1e-4)


def test_quadrants_hold_the_mean_of_what_passes_the_threshold():
    some = images(height=20, width=20)  # every second position: 8 by 8
    made = ff.patch_responses(some, np.random.default_rng(7))
    again = np.random.default_rng(7)
    chosen = np.sort(again.choice(6, 6, replace=False))
    kernel, offset = ff._filters(ff._planes(some[chosen]), again)
    found = ff._responses(ff._planes(some), kernel, offset).numpy()  # (6, K, 8, 8)
    upper_left = found[:, :, :4, :4]
    above, below = np.clip(upper_left - 0.25, 0, None), np.clip(-upper_left - 0.25, 0, None)
    expected = np.concatenate([above.mean((2, 3)), below.mean((2, 3))], axis=1)
    np.testing.assert_allclose(made[:, ::4], expected, atol=1e-5)


def test_brightness_does_not_change_the_features_and_contrast_hardly():
    plain = images() // 4 + 64
    drawn = [ff.patch_responses(one, rng()) for one in (plain, plain + 60)]
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-3)


def test_large_images_are_reduced_first():
    small = images(height=32, width=32)
    large = small.repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_allclose(ff.patch_responses(large, rng()), ff.patch_responses(small, rng()), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.booleans())
def test_images_of_any_size_have_finite_features(height, width, channels, flat):
    some = images(3, height, width, channels) * (not flat)
    made = ff.frozen(Inputs(some, Encoding("image", height, width, channels)), seed=0).array
    assert made.shape == (3, 8 * ff.FILTERS)
    assert np.isfinite(made).all()


def places(tokens):
    """The places of the words and pairs of one text, by a loop."""
    words = [int(one) for one in tokens if one]
    pairs = [(a * 1_000_003 + b) % 2**64 for a, b in pairwise(words)]
    return {int(ff._hashed(np.array([one], np.uint64))[0]) for one in words + pairs}


def test_a_text_has_the_places_of_its_words_and_pairs_weighted_by_rarity():
    tokens = np.array([[2, 3, 4, 0], [2, 5, 0, 0], [2, 0, 0, 0]], np.int32)
    made = ff.hashed_words(tokens, rng())
    sets = [places(one) for one in tokens]
    for row, mine in zip(made, sets, strict=True):
        weight = {place: np.log(4 / (1 + sum(place in other for other in sets))) for place in mine}
        length = np.sqrt(sum(value**2 for value in weight.values()))
        for place in range(ff.HASHED):
            expected = weight.get(place, 0) / length if length else 0
            assert row[place] == pytest.approx(expected, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=6), min_size=2, max_size=6))
def test_padding_and_the_order_of_texts_do_not_matter(texts):
    tokens = np.zeros((len(texts), 6), np.int32)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = text
    made = ff.hashed_words(tokens, rng())
    padded = np.pad(tokens, ((0, 0), (0, 3)))
    np.testing.assert_array_equal(ff.hashed_words(padded, rng()), made)
    np.testing.assert_allclose(ff.hashed_words(tokens[::-1], rng())[::-1], made, atol=1e-6)


def test_products_of_cosines_are_a_gaussian_kernel():
    rows = rng().standard_normal((20, 3)).astype(np.float32)
    made = ff.cosines(rows, rng())
    np.testing.assert_array_equal(made[:, :3], rows)
    gamma = 1 / (3 * rows.var())
    distance = np.square(rows[:, None] - rows[None]).sum(2)
    kernel = made[:, 3:] @ made[:, 3:].T / ff.COSINES
    np.testing.assert_allclose(kernel, np.exp(-gamma * distance), atol=5 / np.sqrt(ff.COSINES))


def test_another_seed_draws_other_patches_and_the_same_seed_the_same():
    given = Inputs(images(), Encoding("image", 11, 10, 3))
    one, same, other = (ff.frozen(given, seed=seed).array for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    varies = one.std(axis=0) > 0
    np.testing.assert_allclose(one[:, varies].mean(axis=0), 0, atol=1e-4)


def of_kind(kind, folder, count=60):
    label = np.arange(count) % 2
    if kind == "image":
        pixels = images(count, 8, 8, 1)
        pixels[label == 1, :, ::2] //= 8
        return dp.open_dataset((pixels, label))
    if kind == "text":
        return dp.open_dataset({"text": np.array(["a fine day", "no good at all"])[label], "label": label})
    numbers = np.random.default_rng(0).standard_normal((count, 4)).astype(np.float32) + label[:, None]
    if kind == "embedding":
        return dp.open_dataset((numbers, label))
    file = folder / "table.csv"
    lines = [",".join(map(str, [*row, one])) for row, one in zip(numbers.tolist(), "ab" * (count // 2), strict=True)]
    file.write_text("\n".join(["c0,c1,c2,c3,label", *lines]) + "\n")
    return dp.open_dataset(file)


@pytest.mark.parametrize("kind", ["image", "text", "table", "embedding"])
def test_a_recording_on_features_learns_and_goes_on_where_it_stands(kind, tmp_path):
    data = of_kind(kind, tmp_path)
    assert data.kind == kind
    made = dp.record(data, model="features", epochs=6, out=tmp_path / "dynamics")
    assert made.provenance.method == "features"
    assert made.provenance.params["lr"] == PRESETS["features"].lr
    assert (np.asarray(made.channels["margin"])[-1] > 0).mean() > 0.6
    again = dp.record(data, model="features", epochs=6, out=tmp_path / "dynamics")
    np.testing.assert_array_equal(again.channels["target_prob"], made.channels["target_prob"])
    first = np.asarray(made.channels["target_prob"])[0]
    assert first.max() - first.min() < 0.5  # the head begins at 0, so that all examples begin equal


def test_the_model_features_is_for_recording_only(tmp_path):
    data = of_kind("table", tmp_path)
    inputs = encode(data)
    with pytest.raises(InputError, match="for recording only"):
        train(inputs, data.label, 2, TrainingConfig(epochs=1, model="features"), seed=0)
