"""S2L: equally many examples from each cluster of loss trajectories.

    clusters    k-means of the trajectories loss_i (T,); those of at most 2 members are set aside
    share       the smallest cluster first: min(size, budget left / clusters left), drawn uniformly
    the rest    is drawn uniformly from those set aside

Source      arXiv:2403.07384, Yang, Mishra, Chiang, Mirzasoleiman, 2024 (SmallToLarge), and BigML-CS-UCLA/S2L.
Reads       loss (T, N) of a small network's training. No score is used, and no label: language-model data have none.
Parameters  clusters: number of clusters of k-means; iterations: most iterations of k-means.
Cost        The training of a small network, whose record serves for a large one.
Not for     few epochs: trajectories then hardly differ.
Published   100 clusters, 20 iterations. Where the data come from several sources, each gets a budget of its own.
Ours        One source; balance=None and exclude do what sources would. With fewer examples than clusters, each is its
            own cluster, and so all are set aside: a uniform draw.
"""

import warnings

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.methods.spec import Count
from datapare.numerics.sampling import allot, draw_within

SET_ASIDE = 2  # members of a cluster that is too small to be one


def s2l(
    loss: Float[np.ndarray, "T N"], n: int, rng: np.random.Generator, *, clusters: Count = 100, iterations: Count = 20
) -> Int[np.ndarray, " n"]:
    """Draw evenly from clusters of loss trajectories, small clusters first.

    arXiv:2403.07384.

    Args:
        loss: float (T, N), loss of each example per epoch.
        n: How many examples to keep, at most N.
        rng: Source of the draws; the same state gives the same subset.
        clusters: Clusters of k-means, at least 1; with fewer examples each is its own cluster.
        iterations: Iterations of k-means, at most.

    Returns:
        Sorted positions, int64 (n,).

    Three trajectories fall, four stay: of each cluster two are drawn.

    >>> fall, stay = [2.0, 0.5], [2.0, 2.0]
    >>> index = s2l(np.array([fall] * 3 + [stay] * 4).T, 4, np.random.default_rng(0), clusters=2)
    >>> int((index < 3).sum())
    2
    """
    cluster = _clustered(np.ascontiguousarray(loss.T, dtype=np.float64), min(clusters, loss.shape[1]), iterations, rng)
    size = np.bincount(cluster)
    grouped = np.where(size > SET_ASIDE, size, 0)
    share = allot(grouped, min(n, int(grouped.sum())), uniform=True)
    index = draw_within(cluster, share, rng)
    aside = np.flatnonzero(size[cluster] <= SET_ASIDE)
    rest = rng.choice(aside, n - len(index), replace=False) if n > len(index) else aside[:0]
    return np.sort(np.concatenate([index, rest]))


def _clustered(
    rows: NDArray[np.float64], clusters: int, iterations: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans

    state = np.random.RandomState(rng.bit_generator)
    with warnings.catch_warnings():  # fewer different trajectories than clusters leave some clusters empty
        warnings.simplefilter("ignore")
        fit = KMeans(clusters, n_init=1, max_iter=iterations, random_state=state).fit(rows)
    return np.asarray(fit.labels_, dtype=np.int64)
