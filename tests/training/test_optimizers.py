"""The optimizers are torch's own, to the bit, also when their state is stored and loaded."""

import copy

import pytest
import torch

from datapare.training.optimizers import EagerAdamW, EagerSGD

SETTINGS = {
    "SGD": (torch.optim.SGD, EagerSGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "AdamW": (torch.optim.AdamW, EagerAdamW, {"lr": 0.01, "weight_decay": 0.1}),
}


def trained(network, optimizer, steps):
    for step in range(steps):
        optimizer.zero_grad()
        batch = torch.rand(8, 5, generator=torch.Generator().manual_seed(step))
        network(batch).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_steps_and_states_are_those_of_torch(name, fused):
    theirs, ours, settings = SETTINGS[name]
    torch.manual_seed(0)
    first = torch.nn.Linear(5, 3)
    second = copy.deepcopy(first)
    reference = theirs(first.parameters(), fused=fused, **settings)
    optimizer = ours(second.parameters(), fused=fused, **settings)
    trained(first, reference, 3)
    trained(second, optimizer, 3)
    loaded = ours(second.parameters(), fused=fused, **settings)
    loaded.load_state_dict(optimizer.state_dict())
    trained(first, reference, 3)
    trained(second, loaded, 3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert loaded.state_dict()["param_groups"] == reference.state_dict()["param_groups"]
    for a, b in zip(loaded.state_dict()["state"].values(), reference.state_dict()["state"].values(), strict=True):
        assert a.keys() == b.keys()
        assert all(torch.equal(torch.as_tensor(a[key]), torch.as_tensor(b[key])) for key in a if a[key] is not None)


def test_a_step_asks_for_no_gradient():
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    EagerSGD([weight], lr=0.5).step()
    assert weight.tolist() == [0.5, 0.5]
    assert weight.grad_fn is None
