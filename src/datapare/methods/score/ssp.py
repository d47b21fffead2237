"""SSP: keep what is far from every cluster of a self-supervised embedding.

    score_i = 1 - max over clusters c of cos(h_i, m_c),   m the centroids of k-means on the normalised embedding

Source      arXiv:2206.14486, Sorscher, Geirhos, Shekhar, Ganguli, Morcos, 2022 (self-supervised prototypes).
Reads       embedding (N, d): features of a self-supervised network, SwAV in the paper. No label is used.
Parameters  clusters: number of clusters of k-means; prefer: keep what is far from its centroid, or near; seed: seed
            of the clustering.
Cost        A forward pass of a self-supervised network, and k-means.
Not for     an embedding that does not separate what the labels separate; it does not read the label.
Published   Far examples are kept where data are plentiful, near ones (prefer="near") where they are scarce. How many
            clusters is not known for certain (about the number of classes), and so a required parameter.
Ours        Rows are put in an order of their own before the clustering, so that the dataset's order changes nothing. A
            zero embedding has no direction, and is at distance 1 from all.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from datapare.errors import InputError
from datapare.methods.spec import Seed
from datapare.numerics.embeddings import unit_rows

BLOCK = 8192  # rows at a time: all cosines of 1.28 million examples with 1,000 centroids would take 10 GB


def ssp(
    embedding: Float[np.ndarray, "N d"], *, clusters: int, prefer: Literal["far", "near"] = "far", seed: Seed = 0
) -> Float[np.ndarray, " N"]:
    """Return the cosine distance to the nearest cluster centroid. arXiv:2206.14486.

    Args:
        embedding: float (N, d), one feature vector per example, all finite.
        clusters: Number of clusters of k-means, between 1 and N; required, since none is published.
        prefer: "far" (default) keeps examples far from their centroid first, "near" those near it.
        seed: Seed of the clustering, >= 0; default 0.

    Returns:
        float64 (N,) in [0, 2], negated for prefer="near"; larger = keep first.

    Raises:
        InputError: If there are more clusters than examples, or some embeddings are missing.

    One cluster of (1, 0) and (0, 2): its centroid points along (1, 1), so both are at 1 - cos 45 deg = 0.2929.

    >>> ssp(np.array([[1.0, 0.0], [0.0, 2.0]]), clusters=1).round(4).tolist()
    [0.2929, 0.2929]
    """
    if not 1 <= clusters <= len(embedding):
        raise InputError(f"clusters is between 1 and the {len(embedding)} examples, not {clusters}.")
    unit = unit_rows(embedding)
    centroid = unit_rows(_centroids(unit, clusters, seed))
    distance = np.empty(len(unit))
    for start in range(0, len(unit), BLOCK):
        distance[start : start + BLOCK] = 1 - (unit[start : start + BLOCK] @ centroid.T).max(axis=1)
    return distance if prefer == "far" else -distance


def _centroids(unit: Float[np.ndarray, "N d"], clusters: int, seed: int) -> Float[np.ndarray, "C d"]:
    from sklearn.cluster import KMeans

    row = np.dtype((np.void, unit.itemsize * unit.shape[1]))
    order = np.argsort(unit.view(row).ravel())
    means: Float[np.ndarray, "C d"] = KMeans(clusters, n_init=1, random_state=seed).fit(unit[order]).cluster_centers_
    return means
