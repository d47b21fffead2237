"""The factor that a sampler gives to the learning rate of an epoch, applied inside the optimizer's own steps."""

import torch

from datapare.training.online.sampler import Sampler


def scale_steps(optimizer: torch.optim.Optimizer, sampler: Sampler) -> None:
    """Multiply the learning rate by the sampler's `lr_factor` during each step; schedules see the rate itself.

    >>> from datapare.training.online import Plan, Rule
    >>> sampler = Sampler([0, 1], 1, Rule("half", {}, (), lambda past, _: past, lambda *_: Plan([0, 1], lr_factor=0.5)))
    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = torch.optim.SGD([weight], lr=1.0)
    >>> scale_steps(optimizer, sampler)
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> weight.item(), optimizer.param_groups[0]["lr"]
    (-0.5, 1.0)
    """
    kept: list[float | torch.Tensor] = []

    def before(optimizer: torch.optim.Optimizer, *_: object) -> None:
        kept[:] = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * sampler.lr_factor

    def after(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for group, rate in zip(optimizer.param_groups, kept, strict=True):
            group["lr"] = rate

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)
