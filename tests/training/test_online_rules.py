"""Which examples an epoch trains on: the decisions, against plain loops and against what they promise."""

import itertools
import math
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import datapare as dp
from datapare.training.online.samplers.dual_switch import switch
from datapare.training.online.samplers.infobatch import thin
from datapare.training.online.samplers.kakurenbo import fraction_at, hide

LOSS = arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 20, width=32))


def hidden_by_loops(loss, margin, prob, fraction, confidence):
    """KAKURENBO as the paper tells it."""
    ranked = sorted(range(len(loss)), key=lambda i: loss[i])
    candidates = ranked[: math.floor(fraction * len(loss) + 1e-9)]
    return sorted(i for i in candidates if margin[i] > 0 and prob[i] >= confidence)


def belief(rng, count):
    logits = rng.normal(0, 2, (count, 3))
    prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return -np.log(prob[:, 0]), logits[:, 0] - logits[:, 1:].max(1), prob[:, 0]


@pytest.mark.parametrize("fraction", [0.0, 0.12, 0.3, 0.9])
@pytest.mark.parametrize("confidence", [0.0, 0.4, 0.7])
@pytest.mark.parametrize("count", [1, 7, 200])
def test_kakurenbo_hides_what_plain_loops_hide(fraction, confidence, count):
    loss, margin, prob = belief(np.random.default_rng(count), count)
    found = hide(loss, margin, prob, fraction=fraction, confidence=confidence)
    assert found.tolist() == hidden_by_loops(loss, margin, prob, fraction, confidence)


@settings(deadline=None)
@given(LOSS, st.floats(0, 0.99))
def test_kakurenbo_hides_at_most_the_fraction_and_all_of_it_when_sure(loss, fraction):
    everyone = np.ones(len(loss))
    found = hide(loss, everyone, everyone, fraction=fraction, confidence=0.7)
    assert len(found) == math.floor(fraction * len(loss) + 1e-9)
    assert (np.diff(found) > 0).all()
    assert not len(hide(loss, -everyone, everyone, fraction=fraction, confidence=0.0))  # wrong: all move back
    assert not len(hide(loss, everyone, 0.69 * everyone, fraction=fraction, confidence=0.7))  # unsure: likewise


def test_kakurenbo_never_hides_what_it_never_saw():
    nan = np.nan
    loss, margin, prob = np.array([nan, 0.1, nan]), np.array([nan, 2.0, nan]), np.array([nan, 0.9, nan])
    assert hide(loss, margin, prob, fraction=0.99, confidence=0.7).tolist() == [1]


def test_kakurenbo_judges_each_example_by_its_own_classes():
    """Over the batch, as in the released code, a confidence would change with who else is in it."""
    logits = np.array([[5.0, 0.0], [5.0, 0.0], [5.0, 0.0], [5.0, 0.0]])
    sampler = dp.online.kakurenbo([0, 0, 0, 0], epochs=10, fraction=0.5)
    sampler.observe([0, 1, 2, 3], logits)
    sampler.end_epoch()
    assert sampler.hidden.tolist() == [0, 1]


def test_kakurenbos_schedule_is_the_papers():
    told = [fraction_at(epoch, 200, 0.3) for epoch in range(200)]
    expected = [0.3] * 60 + [0.24] * 60 + [0.18] * 40 + [0.12] * 40
    np.testing.assert_allclose(told, expected)


def test_kakurenbo_speeds_up_by_the_nominal_fraction_and_not_in_its_first_epoch():
    sampler = dp.online.kakurenbo([0] * 10, epochs=10, fraction=0.3)
    factors = []
    for _ in range(10):
        factors.append(sampler.lr_factor)
        everyone = np.concatenate([sampler.index, sampler.hidden])
        sampler.observe(everyone, np.tile([0.0, 1.0], (10, 1)))  # all wrong: nothing is hidden in fact
        sampler.end_epoch()
        assert len(sampler.index) == 10
    nominal = [0.3, 0.3, 0.24, 0.24, 0.24, 0.18, 0.18, 0.12, 0.12]
    np.testing.assert_allclose(factors, [1, *(1 / (1 - f) for f in nominal)])


class Told:
    """A source of the uniform numbers it was told, to go through every draw there is."""

    def __init__(self, values) -> None:
        self.values = np.asarray(values, dtype=float)

    def random(self, count):
        assert count == len(self.values)
        return self.values


@settings(deadline=None)
@given(arrays(np.float32, st.integers(1, 7), elements=st.floats(0, 20, width=32)), st.floats(0, 0.95), st.integers(0))
def test_infobatchs_expected_gradient_is_the_full_gradient_by_algebra(loss, drop, seed):
    """Every pattern of draws, each with its probability: the weighted sums average to the sum over everything."""
    gradient = np.random.default_rng(seed).normal(size=(len(loss), 4))
    expected = np.zeros(4)
    for dropped in itertools.product([False, True], repeat=len(loss)):
        index, weight = thin(loss, Told(np.where(dropped, -1.0, 1.0)), drop=drop)
        chance = np.prod(np.where(dropped, drop, 1 - drop))
        expected += chance * (weight[index, None] * gradient[index]).sum(0)
    np.testing.assert_allclose(expected, gradient.sum(0), atol=1e-4)


def test_infobatchs_expected_gradient_is_the_full_gradient_by_simulation():
    """Softmax regression; the plain mean over what is left is biased, so that this can fail."""
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(60, 5)), rng.integers(0, 3, 60), rng.normal(size=(5, 3))
    prob = np.exp(x @ w) / np.exp(x @ w).sum(1, keepdims=True)
    gradient = np.einsum("nd,nk->ndk", x, prob - np.eye(3)[y]).reshape(60, -1)
    loss = -np.log(prob[np.arange(60), y])
    draws, plain = [], []
    for _ in range(4000):
        index, weight = thin(loss, rng, drop=0.5)
        draws.append((weight[index, None] * gradient[index]).sum(0))
        plain.append(gradient[index].sum(0))
    z = [(np.mean(found, 0) - gradient.sum(0)) / (np.std(found, 0) / math.sqrt(4000)) for found in (draws, plain)]
    assert np.abs(z[0]).max() < 4.5
    assert np.abs(z[1]).max() > 20


@settings(deadline=None)
@given(LOSS, st.floats(0, 0.95), st.integers(0, 2**32))
def test_infobatch_keeps_all_that_is_not_below_the_mean(loss, drop, seed):
    index, weight = thin(loss, np.random.default_rng(seed), drop=drop)
    mean = sum(float(x) for x in loss) / len(loss)
    clearly = [i for i, x in enumerate(loss) if x < mean * (1 - 1e-5)]
    certain = [i for i, x in enumerate(loss) if x >= mean]
    assert set(certain) <= set(index.tolist())
    np.testing.assert_allclose(weight[certain], 1)
    np.testing.assert_allclose(weight[clearly], 1 / (1 - drop), rtol=1e-6)
    assert (np.diff(index) > 0).all()


@settings(deadline=None)
@given(st.floats(0, 1e6, width=32), st.integers(1, 50))
def test_infobatch_drops_nothing_where_all_losses_are_equal(loss, count):
    """The released code's first epoch has equal scores, and where their mean rounds up it drops them all."""
    index, weight = thin(np.full(count, loss, dtype=np.float32), Told(-np.ones(count)), drop=0.5)
    assert index.tolist() == list(range(count))
    assert set(weight.tolist()) == {1.0}


def test_infobatch_keeps_what_it_never_saw():
    index, weight = thin(np.array([np.nan, 0.0, 0.0, 9.0]), Told([-1, -1, -1, -1]), drop=0.5)
    assert index.tolist() == [0, 3]
    assert weight.tolist() == [1, 2, 2, 1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), drop=st.floats(0, 0.95))
def test_the_released_count_of_infobatch_is_exact(seed, drop):
    loss = np.random.default_rng(seed).random(101)
    below = loss < loss.mean() - 1e-6
    index, weight = thin(loss, np.random.default_rng(seed), drop=drop, exact=True)
    kept = np.isin(np.arange(101), index)
    assert kept[~below].all()
    assert kept[below].sum() == int((1 - drop) * below.sum() + 1e-9)
    np.testing.assert_allclose(weight, np.where(below, 1 / (1 - drop), 1), rtol=1e-6)


def test_the_floor_of_infobatch_bounds_what_is_dropped():
    sampler = dp.online.infobatch(range(1000), epochs=8, drop=0.99, floor=0.1, exact=True)
    sampler.observe(range(1000), np.zeros((1000, 1000), dtype=np.float32) + np.diag(np.arange(1000) < 900) * 5.0)
    sampler.end_epoch()
    assert len(sampler.index) == 90 + 100
    assert sampler.weight([0]).item() == pytest.approx(10)


def test_infobatch_ends_on_everything():
    sampler = dp.online.infobatch(range(4), epochs=16, drop=0.9)
    sizes = []
    for _ in range(16):
        sizes.append(len(sampler.index))
        sampler.observe(sampler.index, np.eye(4)[sampler.index] * [9, 9, 9, 0])
        sampler.end_epoch()
        ones = sampler.weight(range(4)).tolist() == [1] * 4
        assert ones == (sampler.epoch in {14, 15, 16})
    assert sizes[0] == sizes[14] == sizes[15] == 4  # delta 0.875 of 16 epochs: the last two
    assert min(sizes[1:14]) < 4


@pytest.mark.parametrize("params", [{}, {"c_d": None, "balance": "proportional"}])
def test_dual_switch_chooses_what_the_offline_line_chooses_from_the_same_record(params, tmp_path):
    rng = np.random.default_rng(3)
    label = rng.integers(0, 4, 80)
    sampler = dp.online.dual_switch(label, epochs=9, keep=0.3, after=6, window=4, **params, seed=7)
    with dp.Recorder(tmp_path / "record", label, epochs=6) as recorder:
        for _ in range(6):
            assert sampler.index.tolist() == list(range(80))
            parts = np.array_split(sampler.order(), 3)[: rng.integers(2, 4)]  # a loader may drop batches
            for part in parts:
                logits = rng.normal(0, 2, (len(part), 4))
                for observer in (sampler, recorder):
                    observer.observe(part, logits, label[part])
            skipped = (
                pytest.warns(UserWarning, match=r"of the 80 examples planned") if len(parts) < 3 else nullcontext()
            )
            with skipped:
                sampler.end_epoch()
            recorder.end_epoch()
        dynamics = recorder.dynamics()
    scores = dp.score(dynamics, "dual", window=4)
    subset = dp.select(scores, "beta", keep=0.3, seed=7, dynamics=dynamics, **{"c_d": 4.0, "balance": None, **params})
    for _ in range(6, 9):
        assert sampler.index.tolist() == subset.index.tolist()
        sampler.observe(sampler.index, rng.normal(size=(24, 4)))
        sampler.end_epoch()


def test_dual_switch_remembers_no_record_after_the_switch():
    sampler = dp.online.dual_switch([0, 1, 0, 1], epochs=4, keep=0.5, after=2, window=2)
    for _ in range(2):
        sampler.observe(range(4), np.random.default_rng(0).normal(size=(4, 2)))
        sampler.end_epoch()
    assert {name: len(value) for name, value in sampler.state_dict()["past"].items()} == {"kept": 2}
    assert sampler.index.tolist() == sampler.state_dict()["past"]["kept"].tolist()


def test_the_switch_is_a_function_of_the_record_and_the_seed():
    prob = np.random.default_rng(0).random((5, 50)).astype(np.float32)
    label = np.zeros(50, dtype=np.int64)
    params = {"keep": 20, "window": 3, "c_d": 4.0, "balance": None}
    one, same, other = (switch(prob, label, **params, seed=seed) for seed in (1, 1, 2))
    assert len(one) == 20
    assert one.tolist() == same.tolist() != other.tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda: dp.online.infobatch([0, 1], 5, drop=1.0),
        lambda: dp.online.infobatch([0, 1], 5, delta=1.5),
        lambda: dp.online.kakurenbo([0, 1], 5, fraction=1.0),
        lambda: dp.online.kakurenbo([0, 1], 5, confidence=70),
        lambda: dp.online.dual_switch([0, 1], 5, keep=0.5, after=5, window=2),
        lambda: dp.online.dual_switch([0, 1], 5, keep=0.5, after=3),
        lambda: dp.online.dual_switch([0, 1], 5, keep=0.1, after=3, window=3),
        lambda: dp.online.infobatch([0, -1], 5),
        lambda: dp.online.infobatch([], 5),
        lambda: dp.online.infobatch([0, 1], 0),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_trained(call):
    with pytest.raises(dp.InputError, match=r"[a-z]+.*\.$"):
        call()
