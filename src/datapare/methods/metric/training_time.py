"""Training time: how many updates a network needs to reach a loss, from its linearisation before the first.

    f(w) = f_0 + J (w - w_0),   dw = - rate J' dL/df dt,   rate = lr / (1 - momentum),   L = mean over examples
    updates = first t with L_t <= loss

Source      arXiv:2008.12478, 2020. No code was released.
Reads       ntk_feature (n, K, D): gradient of each logit in the weights w_0, or a random projection of it, whose inner
            products are the neural tangent kernel; logit (n, K) at w_0; label (n,). From a probe.
Parameters  loss: the training loss to reach; lr: learning rate; momentum: momentum of the gradient descent; batch:
            examples in an update, 0 = all; objective: the loss function of the training; at_most: updates after which
            it gives up; seed: seed of the noise of small batches.
Cost        A gradient of every example before the training.
Published   Full batches: an ordinary differential equation, by LSODA. Small ones (`batch`): a stochastic one, by
            Euler-Maruyama. The time is the first at which the loss is within eps of its last value: here `loss` is that
            value plus eps. Within 20 % of the truth for ResNets, 30-45 times as cheap.
Ours        The equation is solved in the weights, where it is the same and no larger than D. The noise of a batch of B
            is that of a mean of B gradients drawn with replacement. Steps of Euler-Maruyama are one update, or shorter
            where the largest curvature needs it. n examples stand for all: as many updates are predicted for the whole.
Measured    resnet8 on 1,797 digits, lr 0.01, momentum 0.9, to a loss of 0.1: 98, 168 and 258 updates from n = 100, 200
            and 300, where the training took 118; to a loss of 1: 10, 14 and 19, where it took 35. At lr 0.1 (beyond
            `stable_rate`) 10 instead of 157. Take it for the order of magnitude.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.methods.spec import Seed
from datapare.numerics.embeddings import prediction_error

CURVATURE = {"cross_entropy": 0.5, "squared": 1.0}  # largest second derivative of an example's loss in its logits


def training_time(
    ntk_feature: Float[np.ndarray, "n K D"],
    logit: Float[np.ndarray, "n K"],
    label: Int[np.ndarray, " n"],
    *,
    loss: float,
    lr: float = 0.1,
    momentum: float = 0.9,
    batch: int = 0,
    objective: Literal["cross_entropy", "squared"] = "cross_entropy",
    at_most: int = 100_000,
    seed: Seed = 0,
) -> float:
    """Count the updates until the linearised network has a training loss. arXiv:2008.12478.

    Args:
        ntk_feature: float (n, K, D), gradient of each of K logits in the weights, or a random projection of it.
        logit: float (n, K), logits before the training.
        label: int (n,), class of each example.
        loss: Training loss to reach, > 0, in the unit of `objective`.
        lr: Learning rate, > 0; default 0.1.
        momentum: Momentum of the gradient descent, in [0, 1); default 0.9.
        batch: Examples in an update; 0 (default) means all, without noise.
        objective: "cross_entropy" (default), or "squared", half the squared distance to the one-hot label.
        at_most: Updates after which it gives up, >= 1; default 100,000.
        seed: Seed of the noise of small batches, >= 0; default 0.

    Returns:
        Updates, a fraction where the flow is continuous; infinity when `at_most` do not suffice.

    Raises:
        InputError: If parameters are impossible, or gradients or logits are not finite.

    One example, one logit at 0 that should be 1, gradient 2: the distance to 1 falls as exp(-4 rate t), and the loss
    from 0.5 to 0.005 when that is 0.1: rate t = ln(10) / 4 = 0.5756.

    >>> J, f, y = np.array([[[2.0]]]), np.array([[0.0]]), np.array([0])
    >>> round(training_time(J, f, y, loss=0.005, lr=0.01, momentum=0.0, objective="squared"), 1)
    57.6
    """
    if not loss > 0 or not lr > 0 or not 0 <= momentum < 1 or batch < 0 or at_most < 1:
        raise InputError(
            f"a training time needs loss > 0, lr > 0, momentum in [0, 1), batch >= 0 and at_most >= 1, "
            f"not {loss:g}, {lr:g}, {momentum:g}, {batch} and {at_most}."
        )
    start = np.asarray(logit, dtype=np.float64)
    gradient = _shortened(ntk_feature.reshape(start.size, -1).astype(np.float64))  # (n K, r)
    if not np.isfinite(gradient).all() or not np.isfinite(start).all():
        raise InputError("some gradients or logits are NaN or infinite; linearise a network whose outputs are finite.")

    def at(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        return _loss(start + (gradient @ weights).reshape(start.shape), label, objective)

    if at(np.zeros(gradient.shape[1]))[0] <= loss:
        return 0.0
    rate = lr / (1 - momentum)
    if batch:
        largest = float(np.linalg.norm(gradient, ord=2)) ** 2 / len(start) * CURVATURE[objective]
        step = min(1.0, 1 / max(rate * largest, 1e-300))
        return _stochastic(gradient, at, loss, rate, step, batch, at_most, np.random.default_rng(seed))
    return _flow(gradient, at, loss, rate * at_most, objective) / rate


def stable_rate(
    ntk_feature: Float[np.ndarray, "n K D"], logit: Float[np.ndarray, "n K"], label: Int[np.ndarray, " n"]
) -> float:
    """Return the largest lr / (1 - momentum) at which gradient descent on the cross-entropy does not overshoot.

    Args:
        ntk_feature: float (n, K, D), gradient of each of K logits in the weights, or a random projection of it.
        logit: float (n, K), logits before the training.
        label: int (n,), class of each example.

    Returns:
        2 over the largest curvature of the mean loss in the weights at the start; infinity where that is 0. Above it
        the flow that `training_time` solves does not describe the training, which takes longer.

    Two classes at p = 1/2: curvature of the first logit 1/4, gradient 2 in it: 2 / (4 / 4) = 2.

    >>> stable_rate(np.array([[[2.0], [0.0]]]), np.array([[0.0, 0.0]]), np.array([0]))
    2.0
    """
    start = np.asarray(logit, dtype=np.float64)
    gradient = _shortened(ntk_feature.reshape(start.size, -1).astype(np.float64))
    _, error = _loss(start, label, "cross_entropy")
    largest = float(np.linalg.eigvalsh(_curvature(gradient, error, "cross_entropy"))[-1]) / len(start)
    return 2 / largest if largest > 0 else float("inf")


def _shortened(gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows with the same inner products and no more columns than rows."""
    if gradient.shape[1] <= gradient.shape[0]:
        return gradient
    triangle: NDArray[np.float64] = np.linalg.qr(gradient.T, mode="r")  # type: ignore[assignment]
    return np.ascontiguousarray(triangle.T)


def _loss(logit: NDArray[np.float64], label: NDArray[np.int64], objective: str) -> tuple[float, NDArray[np.float64]]:
    """Mean loss of logits (n, K), and each example's gradient in them (n, K)."""
    if objective == "squared":
        error = prediction_error(logit, label)
        return float(np.square(error).sum(axis=1).mean() / 2), error
    shifted = logit - logit.max(axis=1, keepdims=True)
    log_prob = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_prob[np.arange(len(label)), label].mean()), prediction_error(np.exp(log_prob), label)


At = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]


def _flow(gradient: NDArray[np.float64], at: At, loss: float, horizon: float, objective: str) -> float:
    """Time at which the gradient flow with rate 1 reaches the loss; infinity beyond the horizon."""
    from scipy.integrate import solve_ivp

    def velocity(_: float, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        error = at(weights)[1]
        return -(gradient.T @ error.ravel()) / len(error)

    def slope(_: float, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        error = at(weights)[1]
        return -_curvature(gradient, error, objective) / len(error)

    def above(_: float, weights: NDArray[np.float64]) -> float:
        return at(weights)[0] - loss

    above.terminal = True  # type: ignore[attr-defined]
    found = solve_ivp(
        velocity, (0.0, horizon), np.zeros(gradient.shape[1]), method="LSODA", jac=slope, events=above, rtol=1e-6,
        atol=1e-8,
    )  # fmt: skip
    return float(found.t_events[0][0]) if len(found.t_events[0]) else float("inf")


def _curvature(gradient: NDArray[np.float64], error: NDArray[np.float64], objective: str) -> NDArray[np.float64]:
    """J' H J (r, r), H the second derivative of the summed loss in the logits: the identity, or diag(p) - p p'."""
    if objective == "squared":
        return gradient.T @ gradient
    prob = error - np.floor(error)  # p - 1 at the label, p elsewhere: both are p modulo 1
    each = gradient.reshape(*error.shape, -1)  # (n, K, r)
    mean = np.einsum("nk,nkr->nr", prob, each)
    whole: NDArray[np.float64] = gradient.T @ (prob.ravel()[:, None] * gradient) - mean.T @ mean
    return whole


def _stochastic(
    gradient: NDArray[np.float64],
    at: At,
    loss: float,
    rate: float,
    step: float,
    batch: int,
    at_most: int,
    rng: np.random.Generator,
) -> float:
    """Updates until one path of the stochastic flow reaches the loss; infinity after `at_most`."""
    weights = np.zeros(gradient.shape[1])
    value, error = at(weights)
    drift, noise = rate * step / len(error), rate * np.sqrt(step / (batch * len(error)))
    for done in range(1, int(np.ceil(at_most / step)) + 1):
        draw = rng.normal(size=(len(error), 1))
        weights -= gradient.T @ (error * (drift + noise * (draw - draw.mean()))).ravel()
        value, error = at(weights)
        if value <= loss:
            return done * step
    return float("inf")
