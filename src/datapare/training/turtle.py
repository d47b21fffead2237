"""TURTLE: labels for examples without any, from features alone, and the dynamics of how they were found.

    tau = softmax(W h + b), W weight-normalised: the soft label;   C: a linear classifier, fitted anew in each update
    W and b descend on   cross-entropy(C h, tau)  -  gamma * entropy(mean of tau)

Source      arXiv:2506.09010, 2025, whose unsupervised paradigm clusters so; prasangadhungel's release.
Reads       embedding (N, d): features of a frozen pre-trained network, DINOv2 ViT-g/14 in the paper.
Published   CIFAR-10: 10 steps fit C, Adam 1e-3 for both, gamma 10, batches of 10,000, 400 epochs. The pseudo-label is
            the last epoch's most probable cluster; the score is dyn_unc of its probability (window=10, ddof=0,
            windows="official"). Accuracy: matched_accuracy.
Ours        Not described there: no gradient passes through the fit of C; both start as torch's linear layers do; an
            epoch is a shuffled pass, recorded after it. A cluster may end empty.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import linear, log_softmax

from datapare.artifacts import Dynamics, Floats, Provenance, library_versions
from datapare.errors import InputError
from datapare.numerics.embeddings import squared_norms
from datapare.numerics.threads import threads_for
from datapare.recording.logit_signals import measure
from datapare.training.device import compute_threads, device

ROWS = 65_536  # examples at a time where nothing is trained


@dataclass(frozen=True)
class Settings:
    """How to cluster: epochs, batch_size, learning rates of W and of C, steps that fit C, and gamma."""

    epochs: int = 400
    batch_size: int = 10_000
    lr: float = 1e-3
    fit_lr: float = 1e-3
    fit_steps: int = 10
    gamma: float = 10.0


@dataclass(frozen=True, eq=False)
class Clustering:
    """Pseudo-labels and how they were found: their dynamics (T, N), and the last W (C, d) and b (C,)."""

    dynamics: Dynamics
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def cluster(
    embedding: Floats,
    clusters: int,
    settings: Settings = Settings(),
    *,
    channels: Sequence[str] = ("target_prob",),
    seed: int = 0,
) -> Clustering:
    """Find `clusters` classes in features (N, d), and record what was predicted for each example after each epoch.

    The record's `label` is the pseudo-label (N,), and its `channels` (any of the Recorder's) are about that label, so
    every score reads it. Raises InputError for missing features, or fewer examples than clusters.
    """
    squared_norms(np.asarray(embedding, dtype=np.float32))  # refuses missing ones
    if not 2 <= clusters <= len(embedding):
        raise InputError(f"clusters are at least 2 and at most the {len(embedding):,} examples, not {clusters}.")
    with compute_threads(threads_for(embedding.size)):
        return _cluster(embedding, clusters, settings, channels, seed)


def _cluster(embedding: Floats, clusters: int, settings: Settings, channels: Sequence[str], seed: int) -> Clustering:
    rows = torch.from_numpy(np.array(embedding, dtype=np.float32)).to(device())
    epochs = list(_epochs(rows, clusters, settings, torch.Generator(rows.device.type).manual_seed(seed)))
    weight, bias = epochs[-1]
    label = assign(weight, bias, embedding)
    series = [_believed(rows, label, layer, channels) for layer in epochs]
    provenance = Provenance(
        "cluster", "turtle", {"clusters": clusters, **asdict(settings)}, seed, "", library_versions()
    )
    dynamics = Dynamics(
        {name: np.stack([epoch[i] for epoch in series]) for i, name in enumerate(channels)},
        label,
        {"embedding": np.asarray(embedding)},
        observed="eval-pass",
        provenance=provenance,
    )
    return Clustering(dynamics, weight, bias)


def assign(weight: NDArray[np.float32], bias: NDArray[np.float32], embedding: Floats) -> NDArray[np.int64]:
    """Return the most probable cluster (N,) of features (N, d), also of examples that nothing was found from."""
    parts = [embedding[start : start + ROWS] @ weight.T + bias for start in range(0, len(embedding), ROWS)]
    return np.concatenate([part.argmax(axis=1) for part in parts])


Layer = tuple[NDArray[np.float32], NDArray[np.float32]]


def _epochs(rows: Tensor, clusters: int, settings: Settings, generator: torch.Generator) -> Iterator[Layer]:
    """Yield W (C, d) and b (C,) after each epoch."""
    weight, bias = _start(rows.shape[1], clusters, generator)
    length = weight.norm(dim=1, keepdim=True)  # of each row: weight normalisation learns it apart from the direction
    parts = [part.requires_grad_() for part in (weight, bias, length)]
    optimizer = torch.optim.Adam(parts, lr=settings.lr)
    for _ in range(settings.epochs):
        order = torch.randperm(len(rows), generator=generator, device=rows.device)
        for index in torch.split(order, settings.batch_size):
            some = rows[index]
            soft = linear(some, _normalised(weight, length), bias).softmax(dim=1)  # (B, C)
            fitted = _fitted(some, soft.detach(), settings, generator)
            mean = soft.mean(dim=0)
            entropy = -torch.special.xlogy(mean, mean).sum()
            loss = -(soft * fitted).sum(dim=1).mean() - settings.gamma * entropy
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield _normalised(weight, length).detach().cpu().numpy(), bias.detach().cpu().numpy().copy()


def _fitted(rows: Tensor, soft: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """Fit a fresh linear classifier to the soft labels (B, C) and return its log-probabilities (B, C)."""
    weight, bias = (part.requires_grad_() for part in _start(rows.shape[1], soft.shape[1], generator))
    optimizer = torch.optim.Adam([weight, bias], lr=settings.fit_lr)
    for _ in range(settings.fit_steps):
        loss = -(soft * log_softmax(linear(rows, weight, bias), dim=1)).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return log_softmax(linear(rows, weight, bias), dim=1).detach()


def _start(width: int, clusters: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return weights and biases as torch's linear layers start: uniform within 1 / sqrt(width)."""
    reach = 1 / math.sqrt(width)
    drawn = torch.rand((clusters, width + 1), generator=generator, device=generator.device)
    drawn = reach * (2 * drawn - 1)
    return drawn[:, :-1].contiguous(), drawn[:, -1].contiguous()


def _normalised(weight: Tensor, length: Tensor) -> Tensor:
    rows: Tensor = length * torch.nn.functional.normalize(weight, dim=1)
    return rows


@torch.no_grad()
def _believed(rows: Tensor, label: NDArray[np.int64], layer: Layer, channels: Sequence[str]) -> NDArray[np.float32]:
    """Return the channels (len(channels), N) of one epoch, about the pseudo-labels."""
    weight, bias = (torch.from_numpy(part).to(rows.device) for part in layer)
    target = torch.from_numpy(label).to(rows.device)
    parts = [
        measure(linear(some, weight, bias), at, channels).T.cpu().numpy()
        for some, at in zip(torch.split(rows, ROWS), torch.split(target, ROWS), strict=True)
    ]
    return np.concatenate(parts, axis=1)


def matched(cluster: NDArray[np.integer], label: NDArray[np.integer]) -> NDArray[np.int64]:
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


def matched_accuracy(cluster: NDArray[np.integer], label: NDArray[np.integer]) -> float:
    """Return the share of examples whose cluster stands for their class.

    >>> matched_accuracy(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 1]))
    0.75
    """
    return float(np.mean(matched(cluster, label)[cluster] == label))
