"""Nearest neighbours; of many rows approximate: search where it is cheap, measure where it counts.

Many rows are divided into lists by k-means on a sample of them, and a query is compared with the rows of the lists that
are nearest to it. Rows are read in blocks, so that those of a mapped file need not fit in memory; what is held of them
are codes of a few bytes, unless these find too few of the neighbours of trial queries. Queries are searched in blocks
of a fixed size, each on one thread, so that the number of cores changes neither the shape of a matrix product nor the
order of a sum, and so no bit of a distance.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError
from datapare.numerics.embeddings import centred
from datapare.numerics.threads import cores, fixed_threads

Index = Any  # of faiss, which has no types
Found = tuple[NDArray[np.float32], NDArray[np.int64]]  # distances (n, k) and positions (n, k)
Search = Callable[[NDArray[np.floating]], Found]

EXACT_PAIRS = 20_000**2  # rows x queries up to which the exact search is as quick as the approximate one
RECALL = 0.99  # share of the true neighbours of TRIAL queries that a way of searching must find to be used
# principal directions searched, and candidates per neighbour, cheapest first; more rows need more candidates
WAYS = ((64, 4), (64, 8), (64, 16), (64, 24), (64, 32), (128, 8), (128, 32))
SPARE = 4  # candidates per neighbour where all directions are searched
TRIAL = 200
LISTS = 2  # times the square root of the number of rows: fewer rows are then compared than with 1, and more are found
PROBES = (16, 64)  # lists that are looked into, the fewer first
EXACT_SHARE = 8  # to look into an eighth of the lists takes as long as the exact search
SAMPLE = 50_000  # rows from which the directions are learnt
BLOCK = 1024  # queries searched at a time
ROWS = 65_536  # read at a time, 32 MB of 128 dimensions
CACHED = 1 << 18  # numbers of rows that all queries of a block are compared with before the next rows, 1 MB
MEASURED = 1 << 19  # numbers of candidates measured at a time, 2 MB


@fixed_threads()
def neighbours(
    reference: Float[np.ndarray, "M d"], query: Float[np.ndarray, "N d"], k: int, *, exact: bool | None = None
) -> tuple[Float[np.ndarray, "N k"], Int[np.ndarray, "N k"]]:
    """Euclidean distances to, and positions of, the k nearest reference rows of each query row, nearest first.

    Exact up to EXACT_PAIRS pairs of a row and a query, and above that `approximate`, unless `exact` is given.
    A row that is in both sets finds itself. Adding one vector to all rows changes nothing.

    Raises:
        InputError: For more neighbours than reference rows.
    """
    if k > len(reference):
        raise InputError(f"{k} neighbours were requested, but there are only {len(reference)} examples to choose from.")
    if not (exact if exact is not None else len(reference) * len(query) <= EXACT_PAIRS):
        return approximate(reference, query, k)
    return _exact(reference, query, k, _centre(reference))


def approximate(
    reference: Float[np.ndarray, "M d"], query: Float[np.ndarray, "N d"], k: int
) -> tuple[Float[np.ndarray, "N k"], Int[np.ndarray, "N k"]]:
    """Euclidean distances to, and positions of, about the k nearest reference rows of each query, nearest first.

    Inverted lists over the first principal directions, four bits each, propose candidates, whose distances are then
    exact. The cheapest of WAYS and PROBES is taken that finds RECALL of the true neighbours of TRIAL queries. Where
    none does, all directions are searched as they are, in more and more lists, and where that would take longer, the
    search is exact.
    Where a query finds fewer than k, the rest has distance infinity and position -1.
    """
    trial, centre = query[:: max(1, len(query) // TRIAL)][:TRIAL], _centre(reference)
    truth = _exact(reference, trial, k, centre)[1]
    directions = _principal(_some(reference, SAMPLE, centre))
    built = 0
    for wide, spare in (way for way in WAYS if way[0] < reference.shape[1]):
        if wide != built:
            built, axes = wide, directions[:, :wide]
            index = _coded_lists(reference, centre, axes)
        search = _searcher(index, axes, centre, reference, k, spare)
        for probes in _probes(index):
            index.nprobe = probes
            if _recall(search, trial, truth) >= RECALL:
                return in_blocks(search, query, k)
    index = _lists(reference, centre, directions)
    index.nprobe = _probes(index)[-1]
    search = _searcher(index, directions, centre, reference, k, SPARE)
    while _recall(search, trial, truth) < RECALL:
        index.nprobe *= 2
        if EXACT_SHARE * index.nprobe > index.nlist:
            return _exact(reference, query, k, centre)
    return in_blocks(search, query, k)


def in_blocks(search: Search, query: Float[np.ndarray, "N d"], k: int) -> Found:
    """Search BLOCK queries at a time, each block on one thread, as many blocks at once as there are cores."""
    import faiss

    distance, position = np.empty((len(query), k), dtype=np.float32), np.empty((len(query), k), dtype=np.int64)

    def run(start: int) -> None:
        faiss.omp_set_num_threads(1)  # of this thread of the pool alone
        part = slice(start, start + BLOCK)
        distance[part], position[part] = search(query[part])

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(run, range(0, len(query), BLOCK)))
    return distance, position


def _recall(search: Search, query: NDArray[np.floating], truth: NDArray[np.int64]) -> float:
    found = in_blocks(search, query, truth.shape[1])[1]
    return sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)) / truth.size


def _exact(reference: NDArray[np.floating], query: NDArray[np.floating], k: int, centre: NDArray[np.float64]) -> Found:
    best: Found | None = None
    for start, rows in _blocks(reference, centre):
        squared, position = in_blocks(_flat_search(rows, centre, k), query, min(k, len(rows)))
        position += start
        if best is not None:
            squared, position = _nearest(np.hstack([best[0], squared]), np.hstack([best[1], position]), k)
        best = squared, position
    assert best is not None  # noqa: S101 - there are k rows at least
    return np.sqrt(np.maximum(best[0], 0.0)), best[1]


def _flat_search(rows: NDArray[np.float32], centre: NDArray[np.float64], k: int) -> Search:
    """Return the search of all rows for a block of queries, which stay beside some rows in the processor's cache."""
    import faiss

    size = max(CACHED // rows.shape[1], 16 * k)  # of fewer, little would be left out
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]

    def search(query: NDArray[np.floating]) -> Found:
        around = centred(query, centre, dtype=np.float32)
        found = [faiss.knn(around, part, min(k, len(part))) for part in parts]
        position = np.hstack([one[1] + size * number for number, one in enumerate(found)])
        return _nearest(np.hstack([one[0] for one in found]), position, min(k, len(rows)))

    return search


def _nearest(squared: NDArray[np.float32], position: NDArray[np.int64], k: int) -> Found:
    """Keep the k nearest of each row's candidates (n, c), nearest first."""
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squared, order, axis=1), np.take_along_axis(position, order, axis=1)


def _centre(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = rows.mean(axis=0, dtype=np.float64)
    return mean


def _blocks(rows: NDArray[np.floating], centre: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the place of the first row of each block, and the block around the centre."""
    for start in range(0, len(rows), ROWS):
        yield start, centred(rows[start : start + ROWS], centre, dtype=np.float32)


def _some(rows: NDArray[np.floating], count: int, centre: NDArray[np.float64]) -> NDArray[np.float32]:
    """About so many rows, from all over, around the centre."""
    return centred(rows[:: max(1, len(rows) // count)], centre, dtype=np.float32)


def _principal(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    _, axes = np.linalg.eigh(np.cov(sample, rowvar=False).reshape(sample.shape[1], -1))
    return np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)


def _lists(reference: NDArray[np.floating], centre: NDArray[np.float64], axes: NDArray[np.float32]) -> Index:
    import faiss

    width = axes.shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, _list_count(len(reference)))
    return _filled(index, reference, centre, axes)


def _coded_lists(reference: NDArray[np.floating], centre: NDArray[np.float64], axes: NDArray[np.float32]) -> Index:
    """Lists of codes that vector instructions compare 32 at a time: four bits for each direction."""
    import faiss

    width = axes.shape[1]
    index = faiss.IndexIVFPQFastScan(faiss.IndexFlatL2(width), width, _list_count(len(reference)), width, 4)
    index.by_residual = False  # one table of distances per query instead of one per list
    index.pq.cp.niter = 10
    return _filled(index, reference, centre, axes)


def _list_count(rows: int) -> int:
    return max(1, min(int(LISTS * np.sqrt(rows)), rows // 40))  # k-means wants 40 rows per list


def _probes(index: Index) -> list[int]:
    """How many lists are looked into, at most half of them: the fewer first."""
    return sorted({min(count, max(1, index.nlist // 2)) for count in PROBES})


def _filled(
    index: Index, reference: NDArray[np.floating], centre: NDArray[np.float64], axes: NDArray[np.float32]
) -> Index:
    import faiss

    index.cp.niter = 10  # 25 are the default; the lists need not be optimal
    callers = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # two wait for each other where the cores are busy
    try:
        index.train(np.ascontiguousarray(_some(reference, 40 * index.nlist, centre) @ axes))
        for _, rows in _blocks(reference, centre):
            index.add(rows @ axes)
    finally:
        faiss.omp_set_num_threads(callers)
    return index


def _searcher(
    index: Index,
    axes: NDArray[np.float32],
    centre: NDArray[np.float64],
    reference: NDArray[np.floating],
    k: int,
    spare: int,
) -> Search:
    """Return the search of a block of queries: spare * k candidates by the index, of which the nearest k are kept."""

    def search(query: NDArray[np.floating]) -> Found:
        low = centred(query, centre, dtype=np.float32) @ axes
        _, candidate = index.search(low, min(spare * k, len(reference)))
        squared, position = _nearest(_measured(reference, query, candidate), candidate, k)
        return np.sqrt(squared), position

    return search


def _measured(
    reference: NDArray[np.floating], query: NDArray[np.floating], candidate: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Squared distances (n, c) of queries to their candidates (n, c) at full width; infinite for position -1."""
    import faiss

    squared = np.empty(candidate.shape, dtype=np.float32)
    if reference.dtype == query.dtype == np.float32 and reference.flags.c_contiguous:
        rows = np.ascontiguousarray(query)
        pointers = (faiss.swig_ptr(array) for array in (squared, rows, reference, candidate))
        faiss.fvec_L2sqr_by_idx(*pointers, rows.shape[1], *candidate.shape)  # type: ignore[attr-defined]
        return squared
    step = max(1, MEASURED // (candidate.shape[1] * reference.shape[1]))
    wide = np.promote_types(np.promote_types(reference.dtype, query.dtype), np.float32)
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        near = reference[candidate[part]]  # (n, c, d)
        if near.dtype == query.dtype == np.float16:
            apart = _float32(near)
            apart -= query[part, None].astype(np.float32)
        else:
            apart = np.subtract(near, query[part, None], dtype=wide)
        squared[part] = np.einsum("ncd,ncd->nc", apart, apart)
    squared[candidate < 0] = np.inf
    return squared


def _float32(half: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return the same numbers as float32, twice as quickly as numpy does; infinities become 65,536.

    The sign, exponent and fraction of a float16 are moved to where those of a float32 are, whose exponents count from
    112 less.

    >>> _float32(np.array([1.5, -0.1, 6e-8], np.float16)).tolist() == [1.5, -0.0999755859375, 2.0**-24]
    True
    """
    bits = half.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= ~0x70000000  # the copies of the sign between it and the exponent
    made: NDArray[np.float32] = bits.view(np.float32)
    made *= np.float32(2.0**112)
    return made
