"""TDDS: keep what the network, late in the record, still learns in fits and starts.

    d_t = sum_c | p_{t+1,c} (ln(p_{t+1,c} + 1e-8) - ln(p_{t,c} + 1e-8)) |
    R_k = sqrt( sum over the J - 1 changes d inside window k of (d - their mean)^2 ),   not divided by anything
    TDDS_i = sum over windows k = 0..T-J of decay (1 - decay)^(T-J-k) R_k

Source      arXiv:2311.13613, Zhang, Du, Li, Xie, Zhou, 2023 (temporal dual-depth scoring).
Reads       kl_step (T, N): row t is the change from epoch t - 1 to t; the row before the first change is ignored.
Parameters  window: epochs in each sliding window, at least 3; decay: weight of the latest window, each earlier one has
            1 - decay of the next; first: the first epoch that is read, from 0, or from the end when negative; count:
            how many epochs from there on, by default all.
Cost        10 to 90 epochs.
Not for     a record of fewer epochs than the window.
Published   window 10, decay 0.9; T by pruning ratio, see PRESETS. The last window has 90 % of the weight.
Released    The authors' code has T = 10 (count=10), their README T = 30 for CIFAR-100. The score-extrapolation code
            reads the last ten epochs, which is one window (first=-10). The DUAL authors' TDDS reads the first window
            again and again, on logits: not offered.
"""

import numpy as np
from jaxtyping import Float

from datapare.errors import InputError
from datapare.methods.epoch_range import chosen_epochs
from datapare.methods.spec import Fraction, MethodSpec, Presets
from datapare.numerics.windows import windows

# Fraction kept -> parameters. Unverified ones are the DUAL authors' settings: the fraction of each is inferred
# (cifar100) or recalled (cifar10). 0.1 of cifar100 is a replicator's; imagenet is for every fraction.
PRESETS: Presets = {
    "cifar10": {
        0.7: {"count": 70, "window": 10},  # unverified
        0.5: {"count": 90, "window": 10},  # unverified
        0.3: {"count": 80, "window": 10},  # unverified
        0.2: {"count": 30, "window": 10},  # unverified
        0.1: {"count": 10, "window": 5},  # unverified
    },
    "cifar100": {
        0.7: {"count": 90, "window": 10},
        0.5: {"count": 70, "window": 10},  # unverified
        0.3: {"count": 60, "window": 20},  # unverified
        0.2: {"count": 20, "window": 10},  # unverified
        0.1: {"count": 10, "window": 5},
    },
    "imagenet": {"count": 70, "window": 10},
}
UNVERIFIED = {("cifar10", keep) for keep in (0.7, 0.5, 0.3, 0.2, 0.1)} | {
    ("cifar100", keep) for keep in (0.5, 0.3, 0.2)
}


def tdds(
    kl_step: Float[np.ndarray, "T N"],
    *,
    window: int = 10,
    decay: Fraction = 0.9,
    first: int = 0,
    count: int | None = None,
) -> Float[np.ndarray, " N"]:
    """Weigh how uneven prediction changes are in each window of epochs, the latest most. arXiv:2311.13613.

    Args:
        kl_step: float (T, N), change of the prediction from epoch t - 1 to t in row t, in nats; the first row is not
            read.
        window: Epochs in each sliding window, at least 3, which hold window - 1 changes; default 10.
        decay: Weight of the latest window, in [0, 1]; each earlier one has 1 - decay of the next; default 0.9.
        first: First epoch that is read, from 0, or from the end when negative; default the first recorded.
        count: How many epochs from `first` on; None (default) means all that follow.

    Returns:
        float64 (N,) >= 0, larger = more uneven = keep first; changes all alike score 0.

    Raises:
        InputError: If windows have fewer than 3 epochs or more than the chosen ones, or these were not recorded.

    Changes 0, 1, 1 in windows of two changes: R = sqrt(1/4 + 1/4) = 0.7071, then 0; 0.9 * 0.1 * 0.7071 = 0.0636.

    >>> step = np.array([[np.nan], [0.0], [1.0], [1.0]])
    >>> tdds(step, window=3).round(4).tolist(), tdds(step, window=3, count=3).round(4).tolist()
    ([0.0636], [0.6364])
    """
    step = chosen_epochs(kl_step, first, count)[1:]  # (T - 1, N)
    if not 3 <= window <= len(step) + 1:
        raise InputError(
            f"a tdds window holds at least 3 and at most the {len(step) + 1} chosen epochs, but window is {window}; "
            "record more epochs or choose another window."
        )
    total = np.zeros(step.shape[1])
    for _, root in windows(step, window - 1):
        total *= 1 - decay
        total += np.multiply(root, decay, out=root)
    return total


SPEC = MethodSpec(presets=PRESETS, unverified=UNVERIFIED)
