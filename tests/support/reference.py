"""The small record of the methods' reference, and how the tests call a score."""

import numpy as np

from datapare.methods.registry import find

# Three examples (columns), five epochs, and all that follows when they are completed to two classes, p = (P, 1 - P).
P = np.array([[0.1, 0.9, 0.2], [0.2, 0.95, 0.7], [0.4, 0.97, 0.1], [0.5, 0.99, 0.8], [0.8, 0.99, 0.3]])
BOTH = np.stack([P, 1 - P], axis=-1)  # (T, N, K)
CORRECT = P > 0.5
ERROR = np.sqrt(2) * (1 - P)
MARGIN = np.log(P) - np.log(1 - P)
ENTROPY = -(BOTH * np.log(BOTH)).sum(axis=-1)
STEP = np.full_like(P, np.nan)
STEP[1:] = np.abs(BOTH[1:] * (np.log(BOTH[1:] + 1e-8) - np.log(BOTH[:-1] + 1e-8))).sum(axis=-1)
LOGIT_MEAN = np.log(BOTH).mean(axis=0)


def score(name, *arrays, **params):
    return find("score", name).function(*arrays, **params)
