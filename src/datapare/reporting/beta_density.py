"""The Beta density that a subset was drawn with: one curve, or the mean of its classes' curves."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Floats, Params
from datapare.methods.registry import find
from datapare.methods.select.beta import beta_parameters, start_from
from datapare.methods.select.mixed import by_scores


class Weighting(NamedTuple):
    """The c_d; means over the groups, by the number kept, of alpha, beta, and mu, where they start from; the curve."""

    c_d: float
    alpha: float
    beta: float
    mu: float
    groups: int
    curve: tuple[NDArray[np.float64], NDArray[np.float64]]


def weighting(
    mean: Floats,
    score: Floats,
    mask: NDArray[np.bool_],
    params: Params,
    groups: Sequence[NDArray[np.int64]],
) -> Weighting | None:
    """The density over mean probability `mean` (N,), 0..1, that Beta sampling used within `groups` of positions.

    Of the rule mixed it is that of the part which is not drawn at random.

    None when no group kept some examples and dropped others: then nothing was drawn.
    """
    from scipy.special import betaln, xlog1py, xlogy

    given = {name: param.default for name, param in find("select", "beta").params.items()} | dict(params)
    drawn = [group for group in groups if 0 < mask[group].sum() < len(group)]
    if not drawn:
        return None
    x = np.linspace(0.005, 0.995, 199)
    size = np.array([mask[group].sum() for group in drawn], dtype=np.float64)
    found = np.array([_of(mean[g], score[g], int(n), given) for g, n in zip(drawn, size, strict=True)])  # (G, 3)
    curves = np.array([np.exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b)) for a, b, _ in found])
    a, b, mu = np.average(found, axis=0, weights=size)
    return Weighting(given["c_d"], a, b, mu, len(drawn), (x, np.average(curves, axis=0, weights=size)))


def _of(mean: Floats, score: Floats, n: int, params: Params) -> tuple[float, float, float]:
    """Alpha, beta and mu of one group."""
    _, mu = start_from(score, mean, int(params["anchor"]))
    n = by_scores(n, float(params.get("share", 0)))
    a, b = beta_parameters(mu, 1 - n / len(mean), c_d=params["c_d"], total=params["total"])
    return a, b, mu
