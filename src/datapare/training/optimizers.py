"""Torch's optimizers, without the import of its compiler that their first use makes: it takes two seconds.

Torch wraps these methods for the case that they are compiled; here only forward passes are.
"""

import inspect

import torch
from torch.optim import SGD, AdamW, Optimizer


class _Eager(Optimizer):
    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    load_state_dict = inspect.unwrap(Optimizer.load_state_dict)
    state_dict = inspect.unwrap(Optimizer.state_dict)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)


class EagerSGD(_Eager, SGD):
    """`torch.optim.SGD` whose step is not compiled."""

    step = torch.no_grad()(inspect.unwrap(SGD.step))


class EagerAdamW(_Eager, AdamW):
    """`torch.optim.AdamW` whose step is not compiled."""

    step = torch.no_grad()(inspect.unwrap(AdamW.step))
