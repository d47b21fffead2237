"""Soft labels of a record and the loss that trains on them, against plain loops and torch's own criterion."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from trainings import PICTURES, one_thread, pictures, same_model

import datapare as dp
from datapare.training import SoftLabels, soft_labels, train

__all__ = ["one_thread"]


def record_of(logit):
    return dp.Dynamics({}, label=np.zeros(len(logit), dtype=int), arrays={"logit_mean": np.asarray(logit)})


def random_case(seed, count=7, classes=5):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, (count, classes)), rng.normal(0, 3, (count, classes)), rng.integers(0, classes, count)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), temperature=st.floats(0.25, 8))
def test_soft_labels_are_the_softmax_of_the_mean_logits(seed, temperature):
    logit, _, _ = random_case(seed)
    found = soft_labels(record_of(logit), temperature=temperature)
    for row, z in zip(found.dense(), logit.tolist(), strict=True):
        e = [math.exp((x - max(z)) / temperature) for x in z]
        np.testing.assert_allclose(row, [x / sum(e) for x in e], rtol=1e-3, atol=1e-7)
    assert found.probability.dtype == np.float16


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), top=st.integers(1, 5))
def test_the_largest_are_held_exactly_and_the_rest_is_spread(seed, top):
    logit, _, _ = random_case(seed)
    whole, few = soft_labels(record_of(logit)).dense(), soft_labels(record_of(logit), top=top)
    dense = few.dense()
    np.testing.assert_allclose(dense.sum(axis=1), 1, atol=2e-3)
    for i, row in enumerate(whole):
        largest = sorted(range(5), key=lambda k, row=row: -row[k])[:top]
        assert set(few.index[i].tolist()) == set(largest)
        np.testing.assert_allclose(dense[i, largest], row[largest])
        others = [k for k in range(5) if k not in largest]
        assert len(set(dense[i, others].tolist())) <= 1


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), weight=st.floats(0, 1), top=st.sampled_from([None, 1, 2, 5]))
def test_the_loss_is_torchs_criterion_for_both_targets(seed, weight, top):
    logit, z, label = random_case(seed)
    soft = soft_labels(record_of(logit), top=top)
    found = dp.online.soft_labels(soft, weight=weight)(range(7), torch.tensor(z), torch.tensor(label))
    q = torch.from_numpy(soft.dense())
    hard = cross_entropy(torch.tensor(z).float(), torch.tensor(label), reduction="none")
    expected = (1 - weight) * hard + weight * cross_entropy(torch.tensor(z).float(), q, reduction="none")
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_an_example_never_observed_is_trained_on_its_label():
    logit, z, label = random_case(0)
    logit[3] = np.nan
    for top in (None, 2):
        loss = dp.online.soft_labels(soft_labels(record_of(logit), top=top), weight=0.7)
        found = loss(range(7), torch.tensor(z), torch.tensor(label))
        hard = cross_entropy(torch.tensor(z).float(), torch.tensor(label), reduction="none")
        assert (found == hard).tolist() == [i == 3 for i in range(7)]


@pytest.mark.parametrize("top", [None, 2])
def test_a_masked_class_adds_nothing_to_loss_and_gradient(top):
    z = torch.tensor([[1.0, -torch.inf, 0.5]], requires_grad=True)
    loss = dp.online.soft_labels(soft_labels(record_of([[1.0, -np.inf, 0.0]]), top=top))
    loss([0], z, torch.tensor([0])).sum().backward()
    assert torch.isfinite(z.grad).all()
    assert z.grad[0, 1] == 0


def test_soft_labels_of_a_subset_are_its_rows():
    soft = soft_labels(record_of(random_case(1)[0]), top=3)
    part = soft.at(np.array([4, 0]))
    assert (len(part), part.classes) == (2, 5)
    np.testing.assert_array_equal(part.dense(), soft.dense()[[4, 0]])


def test_training_on_soft_labels_resumes_bit_identically_on_a_subset_and_in_a_pool(tmp_path):
    data, label = pictures()
    logit = np.random.default_rng(0).normal(size=(65, 3)) + 2 * np.eye(3)[label]
    loss = dp.online.soft_labels(soft_labels(record_of(logit)), weight=0.6)

    def call(**given):
        return train(data, label, 3, PICTURES, seed=0, loss=loss, **given)

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    for name, options in {
        "subset": lambda: {"index": np.arange(0, 65, 2)},
        "pool": lambda: {"sampler": dp.online.pool(label, 3, keep=30, index=np.arange(0, 65, 2))},
    }.items():
        whole = call(**options())
        with pytest.raises(KeyboardInterrupt):
            call(**options(), folder=tmp_path / name, progress=stop)
        assert same_model(whole, call(**options(), folder=tmp_path / name))
        assert not same_model(whole, train(data, label, 3, PICTURES, seed=0, **options()))


def test_another_soft_label_is_another_training(tmp_path):
    data, label = pictures()

    def stop(progress):
        if progress.epoch == 1:
            raise KeyboardInterrupt

    def call(logit, top, **given):
        loss = dp.online.soft_labels(soft_labels(record_of(logit), top=top))
        train(data, label, 3, PICTURES, seed=0, folder=tmp_path, loss=loss, **given)

    with pytest.raises(KeyboardInterrupt):
        call(np.zeros((65, 3)), 2, progress=stop)
    for logit, top in ((np.zeros((65, 3)), None), (np.eye(3)[label], 2), (np.zeros((65, 3)) - [1, 0, 0], 2)):
        with pytest.raises(dp.InputError, match="has other settings"):
            call(logit, top)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: soft_labels(dp.Dynamics({}, [0])), "datapare record PATH --channel logit_mean"),
        (lambda: soft_labels(record_of([[0.0, 1.0]]), temperature=0.0), "temperature"),
        (lambda: soft_labels(record_of([[0.0, 1.0]]), top=3), "1 to 2"),
        (lambda: SoftLabels(np.zeros(3)), "shape"),
        (lambda: SoftLabels(np.zeros((3, 2)), classes=3), "3 classes"),
        (lambda: SoftLabels(np.zeros((3, 2)), np.zeros((3, 1), dtype=int), 3), "class number per probability"),
        (lambda: SoftLabels(np.zeros((3, 1)), np.full((3, 1), 3), 3), "between 0 and 2"),
        (lambda: dp.online.soft_labels(SoftLabels(np.eye(2)), weight=1.5), "between 0 and 1"),
        (
            lambda: dp.online.soft_labels(SoftLabels(np.eye(2)))([0], torch.zeros(1, 3), torch.tensor([0])),
            "2 classes and the logits of 3",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(make, message):
    with pytest.raises(dp.InputError, match=message):
        make()
