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
from datapare.numerics.threads import fixed_threads

Index = Any  # of faiss, which has no types
Found = tuple[NDArray[np.float32], NDArray[np.int64]]  # distances (n, k) and positions (n, k)
Search = Callable[[NDArray[np.float32]], Found]

EXACT_PAIRS = 20_000**2  # rows x queries up to which the exact search is as quick as the approximate one
RECALL = 0.99  # share of the true neighbours of TRIAL queries that a way of searching must find to be used
WAYS = ((64, 4), (64, 8), (128, 8))  # principal directions searched, and candidates per neighbour, cheapest first
SPARE = 4  # candidates per neighbour where all directions are searched
TRIAL = 200
PROBES = 32  # lists that are looked into
EXACT_SHARE = 8  # to look into an eighth of the lists takes as long as the exact search
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
        import faiss  # noqa: F401 (one sentence where it is missing)
    except ImportError as error:
        raise MissingExtraError("faiss", "neighbours", "nearest-neighbour search") from error
    if k > len(reference):
        raise InputError(f"{k} neighbours were requested, but there are only {len(reference)} examples to choose from.")
    centre = reference.mean(axis=0, dtype=np.float64)
    rows = centred(reference, centre, dtype=np.float32)
    query = rows if query is reference else centred(query, centre, dtype=np.float32)
    if not (exact if exact is not None else len(reference) * len(query) <= EXACT_PAIRS):
        return approximate(rows, query, k)
    return _exact(rows, query, k)


def approximate(
    reference: Float[np.ndarray, "M d"], query: Float[np.ndarray, "N d"], k: int
) -> tuple[Float[np.ndarray, "N k"], Int[np.ndarray, "N k"]]:
    """Euclidean distances to, and positions of, about the k nearest reference rows of each query, nearest first.

    Inverted lists over the first principal directions, four bits each, propose candidates, whose distances are then
    exact. The cheapest of WAYS is taken that finds RECALL of the true neighbours of TRIAL queries. Where none does, all
    directions are searched as they are, in more and more lists, and where that would take longer, the search is exact.
    Where a query finds fewer than k, the rest has distance infinity and position -1.
    """
    trial = query[:: max(1, len(query) // TRIAL)][:TRIAL]
    truth = _exact(reference, trial, k)[1]
    directions = _principal(reference[:: max(1, len(reference) // SAMPLE)])
    built = 0
    for wide, spare in (way for way in WAYS if way[0] < reference.shape[1]):
        if wide != built:
            built, axes = wide, directions[:, :wide]
            index = _coded_lists(reference @ axes)
        search = _searcher(index, axes, reference, k, spare)
        if _recall(search, trial, truth) >= RECALL:
            return in_blocks(search, query, k)
    index = _lists(reference @ directions)
    search = _searcher(index, directions, reference, k, SPARE)
    while _recall(search, trial, truth) < RECALL:
        index.nprobe *= 2
        if EXACT_SHARE * index.nprobe > index.nlist:
            return _exact(reference, query, k)
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


def _recall(search: Search, query: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    found = in_blocks(search, query, truth.shape[1])[1]
    return sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)) / truth.size


def _exact(reference: NDArray[np.float32], query: NDArray[np.float32], k: int) -> Found:
    import faiss

    index: Index = faiss.IndexFlatL2(reference.shape[1])
    index.add(reference)
    squared, position = in_blocks(lambda part: index.search(part, k), query, k)
    return np.sqrt(np.maximum(squared, 0.0)), position


def _principal(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    _, axes = np.linalg.eigh(np.cov(sample, rowvar=False).reshape(sample.shape[1], -1))
    return np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)


def _lists(low: NDArray[np.float32]) -> Index:
    import faiss

    width = low.shape[1]
    return _filled(faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, _list_count(low)), low)


def _coded_lists(low: NDArray[np.float32]) -> Index:
    """Lists of codes that vector instructions compare 32 at a time: four bits for each direction."""
    import faiss

    width = low.shape[1]
    index = faiss.IndexIVFPQFastScan(faiss.IndexFlatL2(width), width, _list_count(low), width, 4)
    index.by_residual = False  # one table of distances per query instead of one per list
    index.pq.cp.niter = 10
    return _filled(index, low)


def _list_count(low: NDArray[np.float32]) -> int:
    return max(1, min(int(np.sqrt(len(low))), len(low) // 40))  # k-means wants 40 rows per list


def _filled(index: Index, low: NDArray[np.float32]) -> Index:
    import faiss

    index.cp.niter = 10  # 25 are the default; the lists need not be optimal
    callers = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # two wait for each other where the cores are busy
    try:
        index.train(np.ascontiguousarray(low[:: max(1, len(low) // (40 * index.nlist))]))
        index.add(low)
    finally:
        faiss.omp_set_num_threads(callers)
    index.nprobe = min(PROBES, index.nlist)
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
