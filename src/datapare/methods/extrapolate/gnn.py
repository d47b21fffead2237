"""Graph network: scores spread over the nearest-neighbour graph of all examples, as a small network learns to.

    edges     from each example to its k nearest, weight exp(-d / 2), d Euclidean; every node also sees itself
    A_ij      w_ij / sqrt(D_i * D_j),   w_ii = 1,   D_i = sum over j of w_ij
    s         A relu(A relu(A X W1) W2) W3,   X = embedding and one-hot label, widths 512, 256, 1, biases, dropout 0.5

Source      arXiv:2506.09010 (score extrapolation); graph convolution of Kipf and Welling, arXiv:1609.02907.
Reads       score (N,), NaN where unscored; embedding (N, d); label (N,).
Parameters  k: nearest neighbours of each example in the graph; epochs: epochs of the network's training.
Cost        A training on the scored fraction, a forward pass over all examples, and a small graph network.
Published   k in 10, 20 on CIFAR-10, up to 50 elsewhere; mean squared error on scored nodes, a tenth of them held out;
            the epoch with the best validation correlation counts; Adam 1e-3, batches of 128 scored nodes; 35 epochs on
            CIFAR-10, 50 on ImageNet-1k, 25 on larger sets.
Released    Ten neighbours are sampled per hop, two hops for three layers, and one hop at the end, so that both see
            less than the graph; the options for widths and attention are never read.
Ours        All k neighbours and three hops, in training and at the end. Scores are standardised while the network
            learns, features divided by their common deviation: scores of 0.01 would be lost among first outputs.
            Learning stops when PATIENCE epochs were no better. Predictions stay within the range of the known scores.
Cost        A million examples of width 512, a tenth scored, k = 10: 7.1 GB, 500 s on one core for the graph, which has
            94 % of the true neighbours, and 134 s an epoch (benchmarks/results/extrapolation_growth.json).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.artifacts import Array
from datapare.errors import InputError
from datapare.methods.extrapolate.knn import without_self
from datapare.numerics.embeddings import check_finite
from datapare.numerics.neighbors import neighbours
from datapare.numerics.threads import threads_for

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

MIN_SEEDS = 10  # scored examples: nine to learn from, one to stop by
WIDTHS = (512, 256)
VALIDATION = 0.1
PATIENCE = 10
BATCH = 128
RATE = 1e-3
BLOCK = 4096  # rows at a time where the whole graph is passed through


Layer = Any  # torch.nn.Linear, which is imported inside the functions
Layers = Any  # a torch.nn.ModuleList of three


class Graph(NamedTuple):
    """The k nearest of each node and the node itself, and their normalised weights: (N, k + 1) each."""

    target: NDArray[np.int64]
    weight: NDArray[np.float32]


def gnn(
    score: Float[np.ndarray, " N"],
    embedding: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    rng: np.random.Generator,
    *,
    k: int = 10,
    epochs: int = 35,
) -> Float[np.ndarray, " N"]:
    """Fill in unscored examples by a three-layer graph network trained on the scored ones. arXiv:2506.09010.

    A constant score is predicted as that constant.

    Args:
        score: float (N,), NaN where unscored.
        embedding: float (N, d), one feature vector per example, all finite.
        label: int (N,), class of each example, from 0.
        rng: Generator of the initial weights, batches and dropout.
        k: Nearest neighbours of each example in the graph, at least 1; default 10.
        epochs: Most epochs of the network's training, at least 1; default 35, as published for CIFAR-10.

    Returns:
        float64 (N,), in the unit of the scores; scored examples keep theirs, predictions stay within their range.

    Raises:
        InputError: If fewer than 10 examples are scored, embeddings are missing, or k or epochs is less than 1.

    >>> s, e = np.array([0.5] * 10 + [np.nan]), np.arange(11.0)[:, None]
    >>> float(gnn(s, e, np.zeros(11, int), np.random.default_rng(0))[10])
    0.5
    """
    known = np.flatnonzero(~np.isnan(score))
    if len(known) < MIN_SEEDS:
        raise InputError(
            f"gnn learns from at least {MIN_SEEDS} scored examples, not {len(known)}; score more, or use knn."
        )
    if k < 1 or epochs < 1:
        raise InputError(f"gnn needs at least 1 neighbour and 1 epoch, not {k} and {epochs}.")
    check_finite(embedding)
    low, high = float(score[known].min()), float(score[known].max())
    result = score.astype(np.float64)
    if low == high:
        result[:] = low
        return result
    graph = neighbour_graph(embedding, min(k, len(score) - 1))
    with _compute_threads(threads_for(embedding.size)):
        predicted = _learnt(score, known, graph, spread(graph, embedding, label), rng, epochs)
    unscored = np.isnan(score)
    result[unscored] = np.clip(predicted[unscored], low, high)
    return result


@contextmanager
def _compute_threads(count: int) -> Iterator[None]:
    """Compute on so many threads on every machine: the order of additions, and so the last bits, follow from it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def neighbour_graph(embedding: Float[np.ndarray, "N d"], k: int) -> Graph:
    """Build the graph of the k nearest of each example and itself, with normalised weights exp(-d / 2).

    Args:
        embedding: float (N, d), one feature vector per example, all finite.
        k: Nearest neighbours of each example, at most N - 1.

    Returns:
        The graph: each row's neighbours and, last, itself; weights divided by the root of both ends' sums.

    Two copies and a single row ln 4 away, k = 1: the copies weigh 1 and 1 of 2; the single one's
    edge exp(-ln 2) = 0.5 becomes 0.5 / sqrt(1.5 * 2), itself 1 / 1.5.

    >>> graph = neighbour_graph(np.array([[0.0], [0.0], [np.log(4)]]), 1)
    >>> graph.target[:2].tolist(), graph.weight.astype(float).round(4).tolist()
    ([[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5], [0.2887, 0.6667]])
    """
    total = len(embedding)
    own = np.arange(total)
    distance, target = neighbours(embedding, embedding, k + 1)
    others = without_self(own, target)
    distance, target = (a[others].reshape(total, k) for a in (distance, target))
    weight = np.where(target < 0, 0.0, np.exp(-distance / 2))
    target = np.column_stack([np.where(target < 0, own[:, None], target), own])
    weight = np.column_stack([weight, np.ones(total)])
    degree = weight.sum(axis=1)
    weight /= np.sqrt(degree[:, None] * degree[target])
    return Graph(target, weight.astype(np.float32))


def spread(graph: Graph, embedding: Array, label: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weigh the features A X, embedding and one-hot label, over neighbours; constant, so computed once.

    Args:
        graph: The neighbours and their weights, (N, k + 1).
        embedding: float (N, d), one feature vector per example.
        label: int (N,), class of each example, K classes.

    Returns:
        float32 (N, d + K); the embedding is divided by its standard deviation.
    """
    import torch
    from torch.nn.functional import embedding_bag

    rows = torch.from_numpy(np.array(embedding, dtype=np.float32))
    scale = float(rows.std()) or 1.0
    width, classes = rows.shape[1], int(label.max()) + 1
    result = np.zeros((len(label), width + classes), dtype=np.float32)
    for part in _blocks(len(label)):
        target, weight = torch.from_numpy(graph.target[part]), torch.from_numpy(graph.weight[part])
        result[part, :width] = (embedding_bag(target, rows, per_sample_weights=weight, mode="sum") / scale).numpy()
        votes = torch.zeros(len(target), classes)
        votes.scatter_add_(1, torch.from_numpy(label[graph.target[part]].astype(np.int64)), weight)
        result[part, width:] = votes.numpy()
    return result


def _learnt(
    score: Array,
    known: NDArray[np.int64],
    graph: Graph,
    features: NDArray[np.float32],
    rng: np.random.Generator,
    epochs: int,
) -> NDArray[np.float64]:
    """Train, and return the predictions (N,) of the epoch that fits the held-out scored nodes best."""
    import torch

    shuffled = rng.permutation(known)
    held = max(1, round(VALIDATION * len(known)))
    check, root = shuffled[:held], shuffled[held:]
    mean, deviation = float(score[root].mean()), float(score[root].std()) or 1.0
    target = ((score - mean) / deviation).astype(np.float32)
    best, fit, waited = np.zeros(len(score)), -np.inf, 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**63)))
        network = _network(features.shape[1])
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        for _ in range(epochs):
            _epoch(network, optimizer, graph, features, target, rng.permutation(root), rng)
            guess = _through(network, graph, features)
            now = agreement(guess[check], target[check])
            waited += 1
            if now > fit:
                best, fit, waited = guess, now, 0
            elif waited == PATIENCE:
                break
    return best * deviation + mean


def _network(width: int) -> Layers:
    from torch import nn

    first, second = WIDTHS
    return nn.ModuleList([nn.Linear(width, first), nn.Linear(first, second), nn.Linear(second, 1)])


def _epoch(
    network: Layers,
    optimizer: "Optimizer",
    graph: Graph,
    features: NDArray[np.float32],
    target: NDArray[np.float32],
    order: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    """One pass over the scored nodes in batches, each with the two hops of neighbours that its layers look at."""
    import torch
    from torch.nn.functional import mse_loss

    for start in range(0, len(order), BATCH):
        root = order[start : start + BATCH]
        near, at = np.unique(graph.target[root], return_inverse=True)
        far, via = np.unique(graph.target[near], return_inverse=True)
        hidden = half_dropped(torch.relu(network[0](torch.from_numpy(features[far]))), rng)
        hidden = _gathered(network[1], hidden, via, graph.weight[near])
        hidden = half_dropped(torch.relu(hidden), rng)
        guess = _gathered(network[2], hidden, at, graph.weight[root])[:, 0]
        optimizer.zero_grad(set_to_none=True)
        mse_loss(guess, torch.from_numpy(target[root])).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _gathered(layer: Layer, hidden: "Tensor", place: NDArray[np.int64], weight: NDArray[np.float32]) -> "Tensor":
    """A H W + b for the rows whose neighbours stand at `place` (B, k + 1) of H; (A H) W, since A H has fewer rows."""
    import torch
    from torch.nn.functional import embedding_bag

    place_, weight_ = torch.from_numpy(place.reshape(weight.shape)), torch.from_numpy(weight)
    made: Tensor = layer(embedding_bag(place_, hidden, per_sample_weights=weight_, mode="sum"))
    return made


def half_dropped(hidden: "Tensor", rng: np.random.Generator) -> "Tensor":
    """Drop out half of the numbers by one random bit each: torch's own dropout took a third of the training.

    Args:
        hidden: Tensor of any shape.
        rng: Generator of the bits.

    Returns:
        The tensor with each number either 0 or doubled.

    >>> import torch
    >>> half_dropped(torch.ones(2, 4), np.random.default_rng(0)).tolist()
    [[0.0, 2.0, 0.0, 2.0], [2.0, 2.0, 2.0, 2.0]]
    """
    import torch

    count = hidden.numel()
    bits = np.unpackbits(np.frombuffer(rng.bytes(-(-count // 8)), dtype=np.uint8), count=count)
    return hidden * torch.from_numpy(2 * bits).reshape(hidden.shape)


def _through(network: Layers, graph: Graph, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """The network's output (N,) on the whole graph, layer by layer, a block of nodes at a time."""
    import torch

    first, second, third = network

    def passed(call: Callable[[slice], "Tensor"], width: int) -> "Tensor":
        result = torch.empty(len(features), width)
        for part in _blocks(len(features)):
            result[part] = call(part)
        return result

    def gather(rows: "Tensor", part: slice) -> "Tensor":
        from torch.nn.functional import embedding_bag

        target, weight = torch.from_numpy(graph.target[part]), torch.from_numpy(graph.weight[part])
        return embedding_bag(target, rows, per_sample_weights=weight, mode="sum")

    with torch.inference_mode():
        inner = passed(lambda p: torch.relu(first(torch.from_numpy(features[p]))) @ second.weight.T, WIDTHS[1])
        outer = passed(lambda p: torch.relu(gather(inner, p) + second.bias) @ third.weight.T, 1)
        return np.asarray(passed(lambda p: gather(outer, p) + third.bias, 1)[:, 0].numpy(), dtype=np.float64)


def agreement(one: Array, other: Array) -> float:
    """Return the Pearson correlation; -1 where one of the two is constant.

    Args:
        one: float (N,).
        other: float (N,).

    Returns:
        A number in [-1, 1].

    >>> agreement(np.array([1.0, 2.0]), np.array([3.0, 3.0])), round(agreement(np.arange(3.0), np.arange(3.0)), 4)
    (-1.0, 1.0)
    """
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return -1.0
    return float(np.corrcoef(one, other)[0, 1])


def _blocks(total: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, total)) for start in range(0, total, BLOCK))
