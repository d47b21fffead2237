"""No labels: clusters from features, their dynamics, and how well they match the classes."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import run
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import datapare as dp
from datapare.errors import InputError
from datapare.training import assign, cluster
from datapare.training.turtle import Settings, _epochs, _fitted, _start, matched, matched_accuracy

ROOT = Path(__file__).parents[2]
QUICK = Settings(epochs=20, lr=1e-2, fit_lr=1e-1)


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 4))
def test_the_matching_is_the_best_of_all(seed, clusters, classes):
    rng = np.random.default_rng(seed)
    found, label = rng.integers(0, clusters, 30), rng.integers(0, classes, 30)
    found[:clusters], label[:classes] = np.arange(clusters), np.arange(classes)
    names = [*range(classes), *[-1] * clusters]
    best = max(np.mean(np.array(choice)[found] == label) for choice in itertools.permutations(names, clusters))
    assert matched_accuracy(found, label) == pytest.approx(best)


def test_clusters_too_many_stand_for_nothing_and_names_do_not_matter():
    label = np.array([0, 0, 1, 1, 1])
    assert matched(np.array([2, 2, 0, 0, 1]), label).tolist() == [1, -1, 0]
    assert matched_accuracy(1 - label, label) == 1


@pytest.mark.parametrize(("found", "label"), [([0, 1], [0]), ([], []), ([[0]], [[0]])])
def test_labels_that_do_not_fit_are_refused(found, label):
    with pytest.raises(InputError, match="one cluster and one label"):
        matched(np.array(found, dtype=np.int64), np.array(label, dtype=np.int64))


def islands(count=240, seed=0):
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    return (rng.normal(size=(count, 8)) * 0.3 + 2 * np.eye(8)[label]).astype(np.float32), label


def test_islands_are_found_and_new_examples_assigned():
    x, y = islands()
    found = cluster(x, 3, QUICK)
    assert matched_accuracy(found.dynamics.label, y) > 0.95
    other, label = islands(seed=1)
    assert matched_accuracy(assign(found.weight, found.bias, other), label) > 0.95


def test_the_dynamics_are_of_the_pseudo_label_and_end_with_it():
    x, _ = islands()
    found = cluster(x, 3, QUICK, channels=("target_prob", "margin", "entropy"))
    d = found.dynamics
    assert d.observed == "eval-pass"
    assert d.epochs == QUICK.epochs
    assert (d.channels["margin"][-1] >= 0).all()
    logits = x @ found.weight.T + found.bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    prob = odds / odds.sum(axis=1, keepdims=True)
    assert np.array_equal(prob.argmax(axis=1), d.label)
    assert np.allclose(d.channels["target_prob"][-1], prob.max(axis=1), atol=1e-5)
    scores = dp.score(d, "dyn_unc", ddof=0, windows="official")
    assert not np.isnan(scores.score).any()
    assert len(dp.select(scores, "top", keep=0.5, dynamics=d)) == 120


def test_the_same_seed_finds_the_same():
    x, _ = islands()
    one, two, other = (cluster(x, 3, Settings(epochs=5), seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.dynamics.channels["target_prob"], two.dynamics.channels["target_prob"])
    assert not np.array_equal(one.weight, other.weight)
    before = torch.random.get_rng_state()
    cluster(x, 3, Settings(epochs=1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_first_update_is_the_formula_written_out():
    """Cross-entropy to the fitted classifier minus gamma times the entropy of the mean, one Adam step on each part."""
    x, _ = islands(30)
    rows, settings = torch.from_numpy(x), Settings(epochs=1, lr=0.01)
    weight, _ = next(_epochs(rows, 3, settings, torch.Generator().manual_seed(4)))

    generator = torch.Generator().manual_seed(4)
    start, bias = _start(8, 3, generator)
    order = torch.randperm(30, generator=generator)
    direction = start.double().requires_grad_()
    length = start.double().norm(dim=1, keepdim=True).requires_grad_()
    some = rows[order].double()
    soft = (some @ (length * direction / direction.norm(dim=1, keepdim=True)).T + bias).softmax(dim=1)
    told = _fitted(rows[order], soft.detach().float(), settings, generator).double()
    mean = soft.mean(dim=0)
    loss = -(soft * told).sum() / 30 + 10 * (mean * mean.log()).sum()
    for part, slope in zip((direction, length), torch.autograd.grad(loss, (direction, length)), strict=True):
        part.data -= 0.01 * slope.sign()  # what Adam's first step is
    expected = (length * direction / direction.norm(dim=1, keepdim=True)).detach().numpy()
    assert np.allclose(weight, expected, atol=1e-4)


def test_the_entropy_keeps_clusters_from_collapsing():
    x, _ = islands()
    sizes = {gamma: cluster(x, 3, Settings(epochs=30, lr=1e-2, fit_lr=1e-1, gamma=gamma)) for gamma in (0.0, 10.0)}
    smallest = {gamma: np.bincount(found.dynamics.label, minlength=3).min() for gamma, found in sizes.items()}
    assert smallest[10.0] > smallest[0.0]


@pytest.mark.parametrize("count", [1, 241])
def test_impossible_numbers_of_clusters_are_refused(count):
    with pytest.raises(InputError, match="clusters are at least 2"):
        cluster(islands()[0], count, QUICK)


def test_missing_features_are_refused():
    x, _ = islands()
    x[5, 2] = np.nan
    with pytest.raises(InputError, match="missing or not finite"):
        cluster(x, 3, QUICK)


def test_a_record_of_pseudo_labels_is_saved_and_loaded(tmp_path):
    d = cluster(load_digits().data[:200] / 16, 10, Settings(epochs=12)).dynamics
    dp.save(d, tmp_path / "dynamics")
    again = dp.load(tmp_path / "dynamics")
    assert np.array_equal(again.label, d.label)
    assert np.array_equal(dp.score(again, "dual").score, dp.score(d, "dual").score)


def test_the_example_runs(tmp_path):
    x, y = islands(160)
    for name, part in (("train", slice(0, 100)), ("test", slice(100, 160))):
        np.savez(tmp_path / f"{name}.npz", x=x[part], y=y[part])
    argv = ("--data", "train.npz", "--test", "test.npz", "--classes", "3", "--epochs", "20", "--seeds", "1")
    done = run(tmp_path, ROOT / "examples/unsupervised.py", *argv)
    assert done.returncode == 0, done.stderr
    assert " 50%  random             50  1.000" in done.stdout
    assert " 50%  dyn_unc+knn        50  " in done.stdout
