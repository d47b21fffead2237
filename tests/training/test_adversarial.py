"""Adversarial training: attacks stay within their distance, do harm, and what is recorded is believed of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import run
from torch.nn.functional import cross_entropy

import datapare as dp
from datapare.data import Encoding, Inputs
from datapare.errors import InputError
from datapare.training import predict, predict_attacked, record, robust_accuracy, train
from datapare.training.adversarial import attack
from datapare.training.config import TrainingConfig
from datapare.training.loop import initial

ROOT = Path(__file__).parents[2]
SETTINGS = TrainingConfig(
    epochs=3, batch_size=16, lr=0.05, model="resnet8", width=4, precision="fp32", epsilon=0.1, attack_step=0.04,
    attack_steps=3,
)  # fmt: skip
PLAIN = replace(SETTINGS, epsilon=0.0)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(count=64, seed=0):
    """Two classes of 8x8 pictures, the upper or the lower half brighter."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 2
    array = rng.integers(0, 90, (count, 8, 8, 1), dtype=np.uint8)
    for image, half in zip(array, label, strict=True):
        image[4 * half : 4 * half + 4] += 60
    return Inputs(array, Encoding("image")), label


def attacked(training, seed=0):
    inputs, label = pictures()
    network = initial(inputs, 2, training, 0)
    batch, target = torch.from_numpy(inputs.array), torch.from_numpy(label)
    return network, batch, target, attack(network, batch, target, training, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("epsilon", [0.02, 0.1, 0.5])
def test_an_attack_stays_within_its_distance_and_the_range_of_pixels(epsilon):
    _, batch, _, moved = attacked(replace(SETTINGS, epsilon=epsilon))
    assert (moved - batch).abs().max() <= 255 * epsilon + 1e-3
    assert moved.min() >= 0
    assert moved.max() <= 255


def test_an_attack_raises_the_loss_and_more_steps_raise_it_more():
    losses = []
    for steps in (1, 10):
        network, batch, target, moved = attacked(replace(SETTINGS, attack_steps=steps))
        with torch.no_grad():
            before, after = (cross_entropy(network.eval()(x), target) for x in (batch, moved))
        losses.append(float(after))
        assert after > before
    assert losses[1] > losses[0]


def test_one_step_is_the_sign_of_the_gradient_written_out():
    settings = replace(SETTINGS, attack_steps=1)
    network, batch, target, moved = attacked(settings, seed=7)
    clean = batch.float()
    start = torch.rand(clean.shape, generator=torch.Generator().manual_seed(7)) * 2 - 1
    x = (clean + 25.5 * start).clamp(0, 255).requires_grad_()
    slope = torch.autograd.grad(cross_entropy(network.eval()(x), target), x)[0]
    expected = x.detach() + 255 * 0.04 * slope.sign()
    expected = torch.minimum(torch.maximum(expected, clean - 25.5), clean + 25.5).clamp(0, 255)
    assert torch.allclose(moved, expected, atol=1e-2)


def test_an_attack_leaves_the_network_as_it_was():
    inputs, label = pictures()
    network = initial(inputs, 2, SETTINGS, 0).train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    attack(network, torch.from_numpy(inputs.array), torch.from_numpy(label), SETTINGS, torch.Generator())
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_adversarial_training_withstands_attacks_better():
    inputs, label = pictures(128)
    hard = replace(SETTINGS, epochs=8, epsilon=0.15, attack_step=0.06)
    robust, plain = (train(inputs, label, 2, settings, seed=0).model for settings in (hard, replace(hard, epsilon=0.0)))
    test, truth = pictures(128, seed=1)
    assert robust_accuracy(robust, test, truth, hard) > robust_accuracy(plain, test, truth, hard)


def test_robust_accuracy_without_distance_is_accuracy():
    inputs, label = pictures()
    model = train(inputs, label, 2, PLAIN, seed=0).model
    assert np.allclose(predict_attacked(model, inputs, label, PLAIN), predict(model, inputs), atol=1e-4)


def test_what_is_recorded_is_believed_of_attacked_images_after_each_epoch(tmp_path):
    inputs, label = pictures()
    data = dp.open_dataset((inputs.array[..., 0], label))
    d = record(data, preset=SETTINGS, observed="eval-pass", out=tmp_path / "attacked")
    clean = record(data, preset=PLAIN, observed="eval-pass", out=tmp_path / "clean")
    assert d.provenance.params["epsilon"] == 0.1
    assert not np.isnan(d.channels["target_prob"]).any()
    model = train(inputs, label, 2, SETTINGS, seed=0).model
    logits = predict_attacked(model, inputs, label, SETTINGS, seed=5)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    prob = (odds / odds.sum(axis=1, keepdims=True))[np.arange(64), label]
    assert d.channels["loss"][-1].mean() > clean.channels["loss"][-1].mean()
    assert np.abs(d.channels["target_prob"][-1] - prob).mean() < 0.05  # the starts of the attacks differ


def test_a_killed_adversarial_training_goes_on_to_the_same_record(tmp_path):
    inputs, label = pictures()
    data = dp.open_dataset((inputs.array[..., 0], label))
    whole = record(data, preset=SETTINGS, observed="eval-pass", out=tmp_path / "whole")

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(data, preset=SETTINGS, observed="eval-pass", out=tmp_path / "killed", progress=stop)
    again = record(data, preset=SETTINGS, observed="eval-pass", out=tmp_path / "killed")
    for name, values in whole.channels.items():
        assert np.array_equal(again.channels[name], values), name


def test_a_record_made_before_there_were_attacks_is_still_found(tmp_path):
    import json

    inputs, label = pictures()
    data = dp.open_dataset((inputs.array[..., 0], label))
    record(data, preset=PLAIN, out=tmp_path / "dynamics")
    meta = tmp_path / "dynamics/meta.json"
    told = json.loads(meta.read_text())
    del told["digest"]  # which is as new
    for name in ("epsilon", "attack_step", "attack_steps"):
        del told["fields"]["provenance"]["params"][name]
    meta.write_text(json.dumps(told))
    settings = replace(PLAIN, attack_step=2 / 255, attack_steps=10)
    assert record(data, preset=settings, out=tmp_path / "dynamics").epochs == 3
    with pytest.raises(InputError, match=r"epsilon 0\.0 there, 0\.1 here"):
        record(data, preset=SETTINGS, out=tmp_path / "dynamics")


def test_only_images_are_attacked():
    vectors = Inputs(np.eye(8, dtype=np.float32), Encoding("embedding"))
    with pytest.raises(InputError, match="not embedding data"):
        train(vectors, np.arange(8) % 2, 2, replace(SETTINGS, model="mlp"), seed=0)


@pytest.mark.parametrize("wrong", [{"epsilon": -0.1}, {"epsilon": 1.0}, {"attack_step": 0.0}, {"attack_steps": 0}])
def test_impossible_attacks_are_refused(wrong):
    with pytest.raises(InputError, match="an attack needs"):
        replace(SETTINGS, **wrong)


def test_the_example_runs(tmp_path):
    for name, count in (("train", 60), ("test", 30)):
        inputs, label = pictures(count)
        np.savez(tmp_path / f"{name}.npz", x=inputs.array[..., 0], y=label)
    argv = ("--data", "train.npz", "--test", "test.npz", "--epochs", "4")
    done = run(tmp_path, ROOT / "examples/adversarial.py", *argv)
    assert done.returncode == 0, done.stderr
    assert "dyn_unc            30" in done.stdout
    assert "dyn_unc+knn        30" in done.stdout
    assert "under attack" in done.stdout
