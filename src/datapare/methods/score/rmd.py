"""RMD: keep what is far from its class, given how far it is from everything.

    RMD_i = (h - mu_y)' S^-1 (h - mu_y)  -  (h - mu_0)' S_0^-1 (h - mu_0)
    mu_y class means, S the covariance they share; mu_0, S_0 those of all examples

Source      arXiv:2304.10127, 2023 (difficulty from relative Mahalanobis distance).
Reads       embedding (N, d): features of a pre-trained network; label (N,).
Cost        A forward pass of a pre-trained network.
Not for     an embedding with more dimensions than examples, or classes of a few examples: covariances are then
            poorly known.
Published   Features of CLIP or MAE. No code was released.
Ours        Covariances divide by N. Directions without any spread (d > N, constant features) are left out: the inverse
            is a pseudo-inverse. The only member of a class is its own mean, and so at distance 0 from it.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.numerics.embeddings import check_finite

BLOCK = 8192  # rows in float64 at a time: 512 features of 1.28 million examples would take 5 GB
SPREAD = 1e-12  # variances below this share of the largest are rounding, not spread


def rmd(embedding: Float[np.ndarray, "N d"], label: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Subtract the squared Mahalanobis distance to the dataset from that to the own class. arXiv:2304.10127.

    Args:
        embedding: float (N, d), one feature vector per example, all finite.
        label: int (N,), class of each example, from 0.

    Returns:
        float64 (N,), larger = harder = keep first; negative for the typical example of a class.

    Raises:
        InputError: If some embeddings are missing.

    Classes {0, 2} and {8, 10}: shared variance 1, so 1 from the own mean each; overall mean 5, variance 17, so 25/17
    for the outer two and 9/17 for the inner two.

    >>> rmd(np.array([[0.0], [2.0], [8.0], [10.0]]), np.array([0, 0, 1, 1])).round(4).tolist()
    [-0.4706, 0.4706, 0.4706, -0.4706]
    """
    check_finite(embedding)
    relative: Float[np.ndarray, " N"] = _distance(embedding, label) - _distance(embedding, np.zeros_like(label))
    return relative


def _distance(embedding: Float[np.ndarray, "N d"], group: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    _, member = np.unique(group, return_inverse=True)
    parts = [slice(start, start + BLOCK) for start in range(0, len(group), BLOCK)]
    mean = np.zeros((member.max() + 1, embedding.shape[1]))
    for part in parts:
        np.add.at(mean, member[part], embedding[part])
    mean /= np.bincount(member)[:, None]
    scatter = np.zeros((embedding.shape[1],) * 2)
    for part in parts:
        deviation = embedding[part] - mean[member[part]]
        scatter += deviation.T @ deviation
    precision = np.linalg.pinv(scatter / len(group), rcond=SPREAD, hermitian=True)
    distance = np.empty(len(group))
    for part in parts:
        deviation = embedding[part] - mean[member[part]]
        distance[part] = np.einsum("nd,nd->n", deviation @ precision, deviation)
    return distance
