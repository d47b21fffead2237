"""Nearest neighbours; of many rows approximate: search where it is cheap, measure where it counts.

Queries are searched in blocks of a fixed size, each on one thread, so that the number of cores changes neither the
shape of a matrix product nor the order of a sum, and so no bit of a distance.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError, MissingExtraError
from datapare.numerics.embeddings import centred
from datapare.numerics.threads import FIXED_THREADS, fixed_threads

Index = Any  # of faiss, which has no types
Found = tuple[NDArray[np.float32], NDArray[np.int64]]  # distances (n, k) and positions (n, k)
Search = Callable[[NDArray[np.float32]], Found]

EXACT_PAIRS = 20_000**2  # rows x queries up to which the exact search is as quick as the approximate one
RECALL = 0.99  # share of the true neighbours of TRIAL queries that a way of searching must find to be used
WAYS = ((64, 2), (64, 4), (256, 4))  # principal directions searched, and candidates per neighbour, cheapest first
TRIAL = 200
PROBES = 32
SAMPLE = 50_000  # rows from which the directions are learnt
BLOCK = 1024  # queries searched at a time


@fixed_threads()
def neighbours(
    reference: Float[np.ndarray, "M d"], query: Float[np.ndarray, "N d"], k: int, *, exact: bool | None = None
) -> tuple[Float[np.ndarray, "N k"], Int[np.ndarray, "N k"]]:
    """Euclidean distances to, and positions of, the k nearest reference rows of each query row, nearest first.

    Exact up to EXACT_PAIRS pairs of a row and a query, and above that `approximate`, unless `exact` is given.
    A row that is in both sets finds itself. Adding one vector to all rows changes nothing.

    Raises:
        InputError: For more neighbours than reference rows.
        MissingExtraError: Without faiss.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("faiss", "neighbours", "nearest-neighbour search") from error
    if k > len(reference):
        raise InputError(f"{k} neighbours were requested, but there are only {len(reference)} examples to choose from.")
    centre = reference.mean(axis=0, dtype=np.float64)
    rows = centred(reference, centre, dtype=np.float32)
    query = rows if query is reference else centred(query, centre, dtype=np.float32)
    if not (exact if exact is not None else len(reference) * len(query) <= EXACT_PAIRS):
        return approximate(rows, query, k)
    index: Index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    squared, position = in_blocks(lambda part: index.search(part, k), query, k)
    return np.sqrt(np.maximum(squared, 0.0)), position


def approximate(
    reference: Float[np.ndarray, "M d"], query: Float[np.ndarray, "N d"], k: int
) -> tuple[Float[np.ndarray, "N k"], Int[np.ndarray, "N k"]]:
    """Euclidean distances to, and positions of, about the k nearest reference rows of each query, nearest first.

    Inverted lists over the first principal directions propose candidates, whose distances are then exact. The cheapest
    of WAYS is taken that finds RECALL of the true neighbours of TRIAL queries. Where none does, all directions are
    searched, and more lists are looked into, in the end all. Where a query finds fewer than k, the rest has distance
    infinity and position -1.
    """
    trial = query[:: max(1, len(query) // TRIAL)][:TRIAL]
    truth = _exact(reference, trial, k)
    directions = _principal(reference[:: max(1, len(reference) // SAMPLE)])
    width, built, most = reference.shape[1], 0, WAYS[-1][1]
    for wide, spare in (*(way for way in WAYS if way[0] < width), (width, most)):
        if wide != built:
            index, axes, built = _lists(reference @ directions[:, :wide]), directions[:, :wide], wide
        search = _searcher(index, axes, reference, k, spare)
        if _recall(search(trial)[1], truth) >= RECALL:
            break
    else:
        while index.nprobe < index.nlist and _recall(search(trial)[1], truth) < RECALL:
            index.nprobe = min(2 * index.nprobe, index.nlist)
    return in_blocks(search, query, k)


def in_blocks(search: Search, query: Float[np.ndarray, "N d"], k: int) -> Found:
    """Search BLOCK queries at a time, each block on one thread, as many blocks at once as there are cores."""
    import faiss

    distance, position = np.empty((len(query), k), dtype=np.float32), np.empty((len(query), k), dtype=np.int64)

    def run(start: int) -> None:
        faiss.omp_set_num_threads(1)  # of this thread of the pool alone
        part = slice(start, start + BLOCK)
        distance[part], position[part] = search(query[part])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, range(0, len(query), BLOCK)))
    return distance, position


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    return sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)) / truth.size


def _exact(reference: NDArray[np.float32], query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    import faiss

    position: NDArray[np.int64] = faiss.knn(query, reference, k)[1]
    return position


def _principal(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    _, axes = np.linalg.eigh(np.cov(sample, rowvar=False).reshape(sample.shape[1], -1))
    return np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)


def _lists(low: NDArray[np.float32]) -> Index:
    import faiss

    lists = max(1, min(int(4 * np.sqrt(len(low))), len(low) // 40))  # k-means wants 40 rows per list
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(low.shape[1]), low.shape[1], lists)
    index.cp.niter = 10  # 25 are the default; the lists need not be optimal
    callers = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(FIXED_THREADS)
    try:
        index.train(np.ascontiguousarray(low[:: max(1, len(low) // (40 * lists))]))
        index.add(low)
    finally:
        faiss.omp_set_num_threads(callers)
    index.nprobe = min(PROBES, lists)
    return index


def _searcher(index: Index, axes: NDArray[np.float32], reference: NDArray[np.float32], k: int, spare: int) -> Search:
    """Return the search of a block of queries: spare * k candidates by the index, of which the nearest k are kept."""

    def search(query: NDArray[np.float32]) -> Found:
        _, candidate = index.search(query @ axes, min(spare * k, len(reference)))
        squared = _measured(reference, query, candidate)
        order = np.argsort(squared, axis=1, kind="stable")[:, :k]
        return np.sqrt(np.take_along_axis(squared, order, axis=1)), np.take_along_axis(candidate, order, axis=1)

    return search


def _measured(
    reference: NDArray[np.float32], query: NDArray[np.float32], candidate: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Squared distances (n, c) of queries to their candidates (n, c) at full width; infinite for position -1."""
    import faiss

    rows, squared = np.ascontiguousarray(query), np.empty(candidate.shape, dtype=np.float32)
    pointers = (faiss.swig_ptr(array) for array in (squared, rows, reference, candidate))
    faiss.fvec_L2sqr_by_idx(*pointers, rows.shape[1], *candidate.shape)  # type: ignore[attr-defined]
    return squared
