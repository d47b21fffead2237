"""Clusters against classes: which cluster is which class, and how often that is right."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.errors import InputError


def matched(cluster: NDArray[np.integer[Any]], label: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return the class (C,) that each cluster stands for, so that most examples agree; each class is taken once.

    The Hungarian method on the counts of (N,) clusters and labels. Clusters beyond the number of classes stand for
    none: -1. Raises InputError unless there is one label for each cluster number.

    Two examples of class 1 lie in cluster 0, one of class 0 in cluster 1: cluster 0 is class 1.

    >>> matched(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 1])).tolist()
    [1, 0]
    """
    from scipy.optimize import linear_sum_assignment

    if cluster.shape != label.shape or cluster.ndim != 1 or not len(label):
        raise InputError(f"every example has one cluster and one label, not {cluster.shape} and {label.shape}.")
    count = np.zeros((int(cluster.max()) + 1, int(label.max()) + 1), dtype=np.int64)
    np.add.at(count, (cluster, label), 1)
    found, standing = linear_sum_assignment(count, maximize=True)
    result = np.full(len(count), -1, dtype=np.int64)
    result[found] = standing
    return result


def matched_accuracy(cluster: NDArray[np.integer[Any]], label: NDArray[np.integer[Any]]) -> float:
    """Return the share of examples whose cluster stands for their class.

    >>> matched_accuracy(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 1]))
    0.75
    """
    return float(np.mean(matched(cluster, label)[cluster] == label))
