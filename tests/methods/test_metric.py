"""Gauges: one number about a dataset. Worked by hand, against plain loops, against real trainings, from the shell."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax
from shell import run
from sklearn.datasets import load_digits

import datapare as dp
from datapare.artifacts import Dynamics
from datapare.data import Encoding, Inputs
from datapare.errors import InputError
from datapare.methods.metric.spread import coverage, spread
from datapare.methods.metric.training_time import _curvature, _loss, stable_rate, training_time
from datapare.methods.registry import find, names
from datapare.training.batches import BatchSource
from datapare.training.config import TrainingConfig
from datapare.training.linearization import linearise
from datapare.training.loop import initial, train
from datapare.training.signals.ntk_feature import freeze, ntk_feature

KNOBS = {"spread": {"shots": 2}, "training_time": {"loss": 0.5}}
SMALL = TrainingConfig(
    epochs=1, batch_size=16, lr=0.02, momentum=0.0, nesterov=False, model="resnet8", width=4, precision="fp32"
)


def record(seed=0, count=24, classes=3, width=5):
    rng = np.random.default_rng(seed)
    label = np.arange(count) % classes
    arrays = {
        "embedding": rng.normal(size=(count, width)) + label[:, None],
        "ntk_feature": rng.normal(size=(count, classes, 100)),
        "logit": rng.normal(size=(count, classes)),
    }
    return Dynamics({}, label, arrays)


# Laws: one finite number, whatever the order of the examples.


@pytest.mark.parametrize("name", names("metric"))
def test_the_order_of_the_examples_changes_nothing(name):
    d = record()
    order = np.random.default_rng(1).permutation(len(d))
    other = Dynamics({}, d.label[order], {k: v[order] for k, v in d.arrays.items()})
    value = dp.measure(d, name, **KNOBS[name])
    assert np.isfinite(value)
    assert dp.measure(other, name, **KNOBS[name]) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("name", names("metric"))
def test_missing_arrays_are_named(name):
    with pytest.raises(InputError, match=find("metric", name).reads[0]):
        dp.measure(Dynamics({}, [0, 1]), name, **KNOBS[name])


# Spread.


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_spread_is_the_plain_loop(metric):
    rng = np.random.default_rng(0)
    few, rest = rng.normal(size=(7, 4)), rng.normal(size=(31, 4))

    def apart(a, b):
        if metric == "cosine":
            return 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        return np.linalg.norm(a - b)

    nearest = np.array([min(apart(a, b) for b in few) for a in rest])
    assert coverage(few, rest, metric=metric) == pytest.approx(-nearest.mean(), rel=1e-4)
    tail = nearest[nearest >= np.percentile(nearest, 99.9)]
    assert coverage(few, rest, metric=metric, aggregate="tail") == pytest.approx(-np.mean(10**tail), rel=1e-3)


@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_spread_grows_with_the_data_and_never_is_positive(seed, scale):
    embedding = record(seed).arrays["embedding"]
    near = coverage(embedding[:6], embedding[6:])
    assert near <= 0
    assert coverage(embedding[:6] * scale, embedding[6:] * scale) == pytest.approx(near * scale, rel=1e-3)


def test_spread_takes_as_many_of_each_class_and_all_of_a_small_one():
    embedding = np.array([[0.0], [0.0], [0.0], [5.0]])
    assert spread(embedding, np.array([0, 0, 0, 1]), shots=2) == 0  # the only example of class 1 is among the few


def test_spread_of_more_shots_covers_real_digits_better():
    x, y = load_digits(return_X_y=True)
    values = [spread(x, y, shots=shots) for shots in (1, 4, 16, 64)]
    assert values == sorted(values)


def test_spread_of_duplicates_is_nought():
    few = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
    assert abs(coverage(few, np.tile(few, (3, 1)))) < 1e-2  # faiss: |a|^2 + |b|^2 - 2 ab in float32


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"shots": 0}, "between 1 and 7 here, not 0"),
        ({"shots": 8}, "between 1 and 7 here, not 8"),
    ],
)
def test_spread_refuses_impossible_shots(what, said):
    with pytest.raises(InputError, match=said):
        dp.measure(record(), "spread", **what)


def test_spread_refuses_missing_embeddings_and_an_overflowing_tail():
    d = record()
    holed = d.arrays["embedding"].copy()
    holed[3] = np.nan
    with pytest.raises(InputError, match="missing or not finite"):
        spread(holed, d.label, shots=2)
    with pytest.raises(InputError, match="which no number holds"):
        spread(d.arrays["embedding"] * 1e4, d.label, shots=2, aggregate="tail")


# Training time.


def test_training_time_of_linear_least_squares_has_the_closed_form():
    d = record()
    grad, f, y = d.arrays["ntk_feature"], d.arrays["logit"], d.label
    kernel = np.einsum("nkd,mjd->nkmj", grad, grad).reshape(72, 72) / len(y)
    size, basis = np.linalg.eigh(kernel)
    start = basis.T @ (f - np.eye(3)[y]).ravel()

    def loss(t):
        return np.square(np.exp(-size * t) * start).sum() / 2 / len(y)

    goal = 0.3 * loss(0)
    exact = brentq(lambda t: loss(t) - goal, 0, 1e3)
    found = training_time(grad, f, y, loss=goal, lr=0.02, momentum=0.5, objective="squared")
    assert found == pytest.approx(exact / (0.02 / 0.5), rel=1e-3)


def descend(grad, f, y, goal, rate):
    """Plain gradient descent on the cross-entropy of the linear model, in function space."""
    n, k, _ = grad.shape
    kernel = np.einsum("nkd,mjd->nkmj", grad, grad).reshape(n * k, n * k) / n
    logit, done = f.ravel().copy(), 0
    while -log_softmax(logit.reshape(n, k), axis=1)[np.arange(n), y].mean() > goal:
        logit -= rate * kernel @ (softmax(logit.reshape(n, k), axis=1) - np.eye(k)[y]).ravel()
        done += 1
    return done


@pytest.mark.parametrize("goal", [0.5, 0.1])
def test_training_time_is_that_of_plain_gradient_descent_in_small_steps(goal):
    d = record()
    grad, f, y = d.arrays["ntk_feature"], d.arrays["logit"], d.label
    steps = descend(grad, f, y, goal, rate=1e-3)
    assert training_time(grad, f, y, loss=goal, lr=1e-3, momentum=0.0) == pytest.approx(steps, rel=0.01)
    assert training_time(grad, f, y, loss=goal, lr=5e-4, momentum=0.5) == pytest.approx(steps, rel=0.01)


def test_noise_of_training_time_vanishes_with_the_batch_and_is_of_its_seed():
    d = record()
    grad, f, y = d.arrays["ntk_feature"], d.arrays["logit"], d.label
    smooth = training_time(grad, f, y, loss=0.3, lr=1e-3)
    assert training_time(grad, f, y, loss=0.3, lr=1e-3, batch=10**9) == pytest.approx(smooth, rel=0.02)
    noisy = [training_time(grad, f, y, loss=0.3, lr=2e-2, batch=1, seed=seed) for seed in (0, 0, 1)]
    assert noisy[0] == noisy[1] != noisy[2]


def test_noise_of_training_time_has_the_covariance_of_a_batch():
    rng = np.random.default_rng(0)
    each = rng.normal(size=(50, 3))  # gradients of 50 examples
    draw = rng.normal(size=(40_000, 50, 1))
    noise = ((draw - draw.mean(axis=1, keepdims=True)) * each).sum(axis=1) / np.sqrt(4 * 50)
    batches = each[rng.integers(0, 50, (40_000, 4))].mean(axis=1)
    assert np.allclose(np.cov(noise.T), np.cov(batches.T), atol=0.02)


def test_training_time_of_what_cannot_be_reached_is_infinite_and_of_what_stands_nothing():
    grad, f, y = np.ones((2, 2, 3)), np.zeros((2, 2)), np.array([0, 1])  # both examples move alike: nothing is learnt
    assert training_time(grad, f, y, loss=0.1) == np.inf
    assert training_time(grad, f, y, loss=0.1, batch=2, at_most=50) == np.inf
    assert training_time(grad, f, y, loss=0.7) == 0


def test_training_time_knows_the_second_derivative():
    d = record()
    grad, f, y = d.arrays["ntk_feature"], d.arrays["logit"], d.label
    flat = grad.reshape(72, -1)

    def slope(w):
        return flat.T @ _loss(f + (flat @ w).reshape(f.shape), y, "cross_entropy")[1].ravel()

    step, origin = 1e-5, np.zeros(100)
    numeric = np.stack([(slope(origin + step * e) - slope(origin - step * e)) / (2 * step) for e in np.eye(100)])
    assert np.allclose(_curvature(flat, _loss(f, y, "cross_entropy")[1], "cross_entropy"), numeric, atol=1e-4)


def test_training_time_knows_the_rate_above_which_descent_overshoots():
    d = record()
    grad, f, y = d.arrays["ntk_feature"], np.zeros((24, 3)), d.label
    flat, rate = grad.reshape(72, -1), stable_rate(grad, np.zeros((24, 3)), y)

    def after(share):
        error = _loss(f, y, "cross_entropy")[1]
        top = np.linalg.eigh(_curvature(flat, error, "cross_entropy"))[1][:, -1] * 1e-3

        def along(w):
            return float(top @ flat.T @ _loss(f + (flat @ w).reshape(f.shape), y, "cross_entropy")[1].ravel())

        return abs(1 - share * rate * (along(top) - along(0 * top)) / (top @ top) / len(y))

    assert after(0.9) < 1 < after(1.1)


@pytest.mark.parametrize(
    "params", [{"loss": 0}, {"loss": 1, "lr": 0}, {"loss": 1, "momentum": 1.0}, {"loss": 1, "batch": -1}]
)
def test_training_time_refuses_impossible_settings_in_a_sentence(params):
    with pytest.raises(InputError, match="a training time needs"):
        dp.measure(record(), "training_time", **{k: float(v) if k != "batch" else v for k, v in params.items()})


def test_training_time_refuses_gradients_that_are_no_numbers():
    d = record()
    with pytest.raises(InputError, match="NaN or infinite"):
        training_time(np.full((24, 3, 4), np.nan), d.arrays["logit"], d.label, loss=0.1)


# The probe.


def digits(count=120):
    d = load_digits()
    return Inputs((d.images[:count] * 15).astype(np.uint8)[..., None], Encoding("image")), d.target[:count]


def test_the_probe_is_the_derivative_of_the_network_a_training_starts_from():
    inputs, label = digits(30)
    probed = linearise(inputs, label, 10, SMALL, examples=4, seed=3)
    network, rows = initial(inputs, 10, SMALL, 3), BatchSource(inputs.array, "image")
    freeze(network, rows.take(torch.from_numpy(np.random.default_rng(3).permutation(30))))
    weights = [p for p in network.parameters() if p.requires_grad]
    change = [1e-4 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)) for p in weights]
    chosen = torch.from_numpy(np.sort(np.random.default_rng(3).permutation(30)[:4]))
    grad = ntk_feature(network, rows.take, chosen.numpy(), width=10**9)
    with torch.no_grad():
        assert np.allclose(network(rows.take(chosen)).numpy(), probed.arrays["logit"], atol=1e-5)
        for p, c in zip(weights, change, strict=True):
            p.add_(c)
        up = network(rows.take(chosen)).numpy()
        for p, c in zip(weights, change, strict=True):
            p.sub_(2 * c)
        down = network(rows.take(chosen)).numpy()
    told = grad @ torch.cat([c.reshape(-1) for c in change]).numpy()
    assert np.allclose((up - down) / 2, told, rtol=0.05, atol=2e-4)


def test_a_sketch_keeps_the_kernel():
    inputs, _ = digits(30)
    network, rows = initial(inputs, 10, SMALL, 0), BatchSource(inputs.array, "image")
    kernels = []
    for width in (10**9, 2048):
        grad = ntk_feature(network, rows.take, np.arange(5), width=width).reshape(50, -1)
        assert grad.shape[1] <= width
        kernels.append(grad @ grad.T)
    norm = np.sqrt(np.diag(kernels[0]))
    assert np.abs((kernels[1] - kernels[0]) / np.outer(norm, norm)).max() < 0.15


@pytest.mark.slow
def test_the_prediction_is_of_the_order_of_a_real_training():
    inputs, label = digits(300)
    settings = replace(SMALL, epochs=12, schedule_epochs=10_000, width=8)
    real = train(inputs, label, 10, settings, seed=0)
    per_epoch = -(-300 // settings.batch_size)
    goal = 1.0
    took = float(np.interp(-goal, -np.asarray(real.loss), (np.arange(12) + 0.5) * per_epoch))
    assert real.loss[-1] < goal < real.loss[0]
    probed = linearise(inputs, label, 10, settings, examples=60)
    predicted = dp.measure(probed, "training_time", loss=goal, lr=0.02, momentum=0.0)
    assert took / 4 < predicted < took * 4


# From the shell.


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inputs, label = digits(200)
    np.savez(tmp_path / "digits.npz", x=inputs.array[..., 0], y=label)
    return tmp_path / "digits.npz"


def test_vectors_are_gauged_as_they_are(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    d = record()
    d = Dynamics({}, d.label, {"embedding": d.arrays["embedding"].astype(np.float32)})
    np.savez("points.npz", x=d.arrays["embedding"], y=d.label)
    code, out, _ = run(capsys, "measure", "points.npz", "--shots", 2)
    assert code == 0
    read, measured, *_ = out.splitlines()
    assert read == "read 24 embeddings of 3 classes (arrays): input x, label y"
    assert float(measured.split()[1].rstrip(":")) == pytest.approx(dp.measure(d, "spread", shots=2), rel=1e-3)
    assert "5 numbers of 24 examples" in out


def test_pictures_need_an_embedding_and_the_sentence_says_how(capsys, pictures):
    code, _, err = run(capsys, "measure", pictures)
    assert code == 2
    assert "datapare record PATH --channel embedding" in err
    code, _, _ = run(capsys, "record", pictures, "--epochs", 1, "--schedule-epochs", 2, "--channel", "embedding")
    assert code == 0
    code, out, _ = run(capsys, "measure", "digits.npz.datapare", "--shots", 4)
    assert code == 0
    assert "of 200 examples" in out


def test_training_time_is_told_with_its_doubts(capsys, pictures):
    line = ("measure", pictures, "--method", "training_time", "--loss", "0.5", "--examples", 8)
    code, out, _ = run(capsys, *line)
    assert code == 0
    assert "updates" in out
    assert "overshoot" in out
    _, out, _ = run(capsys, *line, "--lr", "0.001", "--momentum", 0)
    assert "overshoot" not in out
    assert "the recipe itself trains by sgd with lr 0.1 and momentum 0.9" in out
    code, out, complaint = run(capsys, *line, "--preset", "tiny")
    assert (code, "linearising resnet8" in out) == (0, True), complaint
    code, _, complaint = run(capsys, *line, "--preset", "tinny")
    assert (code, "there is no preset 'tinny'" in complaint) == (2, True)
    code, _, _ = run(capsys, "measure", pictures, "--method", "training_time")
    assert code == 2  # nothing is published for --loss
