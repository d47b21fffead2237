"""What a live network tells, beside plain loops, torch's own pruning and boundaries known by hand."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import datapare as dp
from datapare.training.networks.mlp import MLP
from datapare.training.networks.resnet import ResNet
from datapare.training.networks.textnet import TextNet
from datapare.training.signals import grad_norm as grad_norm_module
from datapare.training.signals.boundary_distance import boundary_distance
from datapare.training.signals.distorted_loss import distorted_loss
from datapare.training.signals.grad_norm import grad_norm

LABEL = np.arange(12) % 3


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def lived(network, x):
    """The network after it has seen the rows once, so that its norms are no longer those of its birth."""
    with torch.no_grad():
        network.train()(x)
    return network


@pytest.fixture
def images():
    return torch.randn(12, 3, 8, 8)


@pytest.fixture
def resnet(images):
    return lived(ResNet("resnet8", 3, channels=3, width=4), images)


def backward_norms(network, x, label):
    network = copy.deepcopy(network).eval()
    norms = []
    for row, target in zip(x, torch.from_numpy(label), strict=True):
        network.zero_grad()
        cross_entropy(network(row[None]), target[None]).backward()
        squares = [p.grad.square().sum() for p in network.parameters() if p.grad is not None]
        norms.append(torch.stack(squares).sum().sqrt().item())
    return np.array(norms)


@pytest.mark.parametrize("kind", ["image", "table", "text"])
def test_gradient_norms_are_those_of_a_loop_of_backward_passes(kind, images, resnet):
    network, x = {
        "image": (resnet, images),
        "table": (MLP(5, 3), torch.randn(12, 5)),
        "text": (TextNet(20, 3), torch.randint(0, 20, (12, 6))),
    }[kind]
    found = grad_norm(network, lambda i: x[i], LABEL)
    assert found.dtype == np.float32
    assert np.allclose(found, backward_norms(network, x, LABEL), rtol=1e-5)


def test_gradients_are_chunked_and_frozen_weights_do_not_count(monkeypatch, images, resnet):
    sizes = []

    def take(index):
        sizes.append(len(index))
        return images[index]

    monkeypatch.setattr(grad_norm_module, "MAX_NUMBERS", 5 * sum(p.numel() for p in resnet.head.parameters()))
    resnet.body.requires_grad_(requires_grad=False)
    found = grad_norm(resnet, take, LABEL)
    assert sizes[-3:] == [5, 5, 2]
    assert np.allclose(found, backward_norms(resnet, images, LABEL), rtol=1e-5)
    assert not any(p.requires_grad for p in resnet.body.parameters())
    assert all(p.requires_grad for p in resnet.head.parameters())


def test_the_last_layers_gradient_is_error_times_features(images, resnet):
    resnet.body.requires_grad_(requires_grad=False)
    found = grad_norm(resnet, lambda i: images[i], LABEL)
    with torch.no_grad():
        prob, feature = torch.softmax(resnet.eval()(images), 1), resnet.features(images)
    error = (prob - torch.eye(3)[LABEL]).norm(dim=1)
    assert np.allclose(found, error * (feature.square().sum(1) + 1).sqrt(), rtol=1e-5)


def losses_by_torch_prune(network, x, label, networks, share, kind):
    """The published procedure in plain steps, thinned by torch.nn.utils.prune."""
    from torch.nn.utils import prune

    network = copy.deepcopy(network).eval()
    layers = [(m, "weight") for m in network.modules() if isinstance(m, kind)]
    layers = layers if kind is nn.Conv2d else layers[:-1]
    with torch.no_grad():
        whole = network.features(x)
    centre = torch.stack([whole[torch.from_numpy(label == c)].mean(0) for c in range(3)])
    columns = []
    for step in range(networks):
        if step:
            prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=share)
        with torch.no_grad():
            distance = (network.features(x)[:, None] - centre).square().sum(-1).sqrt()
        columns.append(cross_entropy(1 / distance, torch.from_numpy(label), reduction="none").numpy())
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(("kind", "share"), [(nn.Conv2d, 0.02), (nn.Linear, 0.1)])
def test_thinned_losses_are_those_of_torchs_own_pruning(kind, share, images, resnet):
    network, x = (resnet, images) if kind is nn.Conv2d else (lived(MLP(5, 3), torch.randn(12, 5)), torch.randn(12, 5))
    found = distorted_loss(network, lambda i: x[i], LABEL, networks=8, share=share)
    expected = losses_by_torch_prune(network, x, LABEL, 8, share, kind)
    assert found.shape == (12, 8)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.ptp(expected, axis=1).min() > 1e-4, "thinning changes what is measured"


def test_an_example_that_is_its_own_class_mean_has_a_finite_loss():
    network, x = MLP(5, 2), torch.randn(3, 5)
    found = distorted_loss(network, lambda i: x[i], np.array([0, 2, 2]), networks=2)
    assert np.isfinite(found).all()
    assert found[0, 0] == 0


def test_a_network_with_nothing_to_thin_is_refused():
    ids = torch.randint(0, 20, (4, 6))
    with pytest.raises(dp.InputError, match="neither; record it with another --model"):
        distorted_loss(TextNet(20, 2), lambda i: ids[i], np.array([0, 1, 0, 1]))


def test_of_a_linear_network_the_boundary_is_one_step_away():
    network, x = nn.Linear(6, 12), torch.randn(40, 6)
    logits = network(x).detach()
    label = logits.argmax(1).numpy()
    found = boundary_distance(network, lambda i: x[i], label, rivals=11)
    weight = network.weight.detach()
    every = torch.arange(40)
    lead = logits[every, label][:, None] - logits
    gap = (lead / (weight[label][:, None] - weight).norm(dim=2)).scatter(1, torch.from_numpy(label)[:, None], torch.inf)
    assert np.allclose(found, gap.min(1).values, rtol=1e-4)


def test_wrong_examples_are_at_the_boundary_and_flat_ones_infinitely_far():
    network, x = nn.Linear(3, 2), torch.randn(6, 3)
    wrong = 1 - network(x).argmax(1).numpy()
    assert boundary_distance(network, lambda i: x[i], wrong).tolist() == [0] * 6
    flat = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    for parameter in flat[0].parameters():
        nn.init.constant_(parameter, -1.0)
    right = flat(x.abs()).argmax(1).numpy()
    assert np.isinf(boundary_distance(flat, lambda i: x[i].abs(), right)).all()


def test_a_random_change_of_a_third_of_the_distance_flips_nothing(images, resnet):
    resnet.eval()
    label = resnet(images).argmax(1).numpy()
    distance = boundary_distance(resnet, lambda i: images[i], label)
    assert (distance > 0).all()
    generator = torch.Generator().manual_seed(0)
    way = torch.randn(images.shape, generator=generator)
    way /= way.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    # DeepFool goes nearly the shortest way
    moved = resnet(images + torch.from_numpy(distance / 3).view(-1, 1, 1, 1) * way).argmax(1).numpy()
    assert (moved == label).all()


def test_distances_are_those_of_a_loop_over_single_examples(images, resnet):
    resnet.eval()
    label = resnet(images).argmax(1).numpy()
    together = boundary_distance(resnet, lambda i: images[i], label)
    for i in range(4):
        assert np.isclose(together[i], deepfool_of_one(resnet, images[i], int(label[i])), rtol=1e-3)


def deepfool_of_one(network, row, label):
    total = torch.zeros_like(row)
    for _ in range(50):
        x = (row + 1.02 * total).requires_grad_()
        logits = network(x[None])[0]
        if int(logits.argmax()) != label:
            break
        steps = []
        for k in range(len(logits)):
            if k != label:
                (gradient,) = torch.autograd.grad(logits[label] - logits[k], x, retain_graph=True)
                steps.append((float((logits[label] - logits[k]).detach() / gradient.norm()), gradient))
        size, gradient = min(steps, key=lambda step: step[0])
        total = (total - size * gradient / gradient.norm()).detach()
    return float(total.norm())


def test_words_cannot_be_moved():
    ids = torch.randint(1, 20, (4, 6))
    network = TextNet(20, 2)
    network.features = lambda x, features=network.features: features(x.long())
    with pytest.raises(dp.InputError, match="no numbers that can be moved"):
        boundary_distance(network, lambda i: ids[i], np.array([0, 1, 0, 1]))


@pytest.mark.parametrize("probe", [grad_norm, distorted_loss, boundary_distance])
def test_a_probe_leaves_the_network_as_it_was_and_counts_its_way(probe, images, resnet):
    resnet.train()
    before = {name: value.clone() for name, value in resnet.state_dict().items()}
    seen = []
    probe(resnet, lambda i: images[i], LABEL, seen=lambda *at: seen.append(at))
    assert resnet.training
    assert all(p.requires_grad and p.grad is None for p in resnet.parameters())
    assert all(torch.equal(before[name], value) for name, value in resnet.state_dict().items())
    assert seen[-1][0] == seen[-1][1]
