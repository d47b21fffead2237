"""Approximate neighbours against exact ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datapare as dp
from datapare.numerics import neighbors
from datapare.numerics.neighbors import approximate, neighbours


def rows(total, width, *, even):
    rng = np.random.default_rng(0)
    scale = 1.0 if even else np.arange(1, width + 1) ** -0.5
    centre = rng.normal(size=(50, width))
    own = centre[rng.integers(0, 50, total)] + (0.02 if even else 0.5) * rng.normal(size=(total, width))
    return (own * scale).astype(np.float32)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("width", [3, 96])
def test_most_of_the_true_neighbours_are_found_and_distances_are_exact(width, even):
    h = rows(3000, width, even=even)
    distance, position = approximate(h, h[:400], 6)
    true_distance, true_position = neighbours(h, h[:400], 6, exact=True)
    hits = [len(np.intersect1d(a, b)) for a, b in zip(position, true_position, strict=True)]
    assert np.mean(hits) >= 0.9 * 6
    assert (position[:, 0] == np.arange(400)).all()
    assert (np.diff(distance, axis=1) >= 0).all()
    np.testing.assert_allclose(distance, np.linalg.norm(h[position] - h[:400, None], axis=2), atol=1e-4)
    assert np.median(distance / np.maximum(true_distance, 1e-3)) == pytest.approx(1, abs=0.2)


def test_rows_of_a_mapped_file_in_half_precision_have_the_neighbours_of_rows_in_memory(tmp_path):
    h = rows(3000, 96, even=False).astype(np.float16)
    np.save(tmp_path / "rows.npy", h)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    found = [neighbours(one, one, 6, exact=False) for one in (h, mapped)]
    assert all(np.array_equal(*both) for both in zip(*found, strict=True))
    wide = h.astype(np.float64)
    plain = np.linalg.norm(wide[found[0][1]] - wide[:, None], axis=2)
    np.testing.assert_allclose(found[0][0], plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("block", [7, 1000])
def test_exact_trial_neighbours_come_from_all_blocks(monkeypatch, block):
    monkeypatch.setattr(neighbors, "ROWS", block)
    h = rows(300, 5, even=False)
    truth = neighbors._exact(h, h[:40], 9, h.mean(axis=0, dtype=np.float64))[1]
    plain = np.linalg.norm(h[:40, None].astype(np.float64) - h, axis=2)
    assert np.array_equal(truth, np.argsort(plain, axis=1)[:, :9])


def test_a_search_that_finds_too_few_says_so(monkeypatch):
    monkeypatch.setattr(neighbors, "PROBES", (1,))
    monkeypatch.setattr(neighbors, "RECALL", 0.0)
    h = rows(400, 3, even=True)
    distance, position = approximate(h, h, 300)
    assert (position < 0).any()
    assert np.isinf(distance[position < 0]).all()
    assert np.isfinite(distance[position >= 0]).all()


def test_lists_are_added_until_most_neighbours_are_found(monkeypatch):
    monkeypatch.setattr(neighbors, "PROBES", (1,))
    monkeypatch.setattr(neighbors, "EXACT_SHARE", 1)
    h = np.random.default_rng(0).normal(size=(6000, 8)).astype(np.float32)  # in one list of 150, few of 20 are found
    _, position = approximate(h, h[:400], 20)
    _, truth = neighbours(h, h[:400], 20, exact=True)
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(position, truth, strict=True)]) >= 0.85 * 20


def test_rows_without_principal_directions_are_searched_exactly():
    h = np.random.default_rng(0).normal(size=(3000, 96)).astype(np.float32)
    assert np.array_equal(approximate(h, h[:400], 6)[1], neighbours(h, h[:400], 6, exact=True)[1])


def test_neighbours_choose_the_approximate_search_only_when_told_or_large():
    h = rows(600, 4, even=False)
    exact = neighbours(h, h, 3)[1]
    assert np.array_equal(exact, neighbours(h, h, 3, exact=True)[1])
    assert (neighbours(h, h, 3, exact=False)[1] == exact).mean() > 0.9


def test_neighbours_are_the_nearest_by_brute_force():
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    reference, query = rng.normal(size=(40, 5)), rng.normal(size=(7, 5))
    distance, position = neighbours(reference, query, 3)
    plain = np.linalg.norm(query[:, None] - reference[None], axis=-1)
    assert np.array_equal(position, np.argsort(plain, axis=1)[:, :3])
    assert np.allclose(distance, np.sort(plain, axis=1)[:, :3], atol=1e-4)
    with pytest.raises(dp.InputError, match="only 40"):
        neighbours(reference, query, 41)


def test_every_number_of_half_precision_is_widened_exactly():
    half = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    half = half[np.isfinite(half)]
    assert neighbors._float32(half).tobytes() == half.astype(np.float32).tobytes()


@settings(max_examples=25)
@given(st.integers(2, 200), st.integers(1, 90), st.integers(0, 2**32))
def test_an_exact_search_does_not_depend_on_how_many_rows_the_cache_holds(total, cached, seed):
    """Neither do the neighbours among duplicates."""
    rows = np.random.default_rng(seed).integers(0, 3, (total, 2)).astype(np.float32)
    whole = neighbors.neighbours(rows, rows, 2, exact=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbors, "CACHED", cached)
        parts = neighbors.neighbours(rows, rows, 2, exact=True)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)
