"""Budgets, strata and draws: which positions are taken, and how many."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from datapare.errors import InputError

FRACTION_STREAM = 5  # keeps the draw of a fraction apart from other draws with the same seed


def check_keep(keep: object) -> int | float:
    """Return how much to keep: a whole number is a count of examples, a float in (0, 1] a fraction of them.

    Raises:
        InputError: For anything else, such as 30.0, True, NaN or text.

    >>> check_keep(1), check_keep(1.0), check_keep(np.float32(0.5))
    (1, 1.0, 0.5)
    """
    if isinstance(keep, int | np.integer) and not isinstance(keep, bool) and int(keep) > 0:
        return int(keep)
    if isinstance(keep, float | np.floating) and 0 < float(keep) <= 1:
        return float(keep)
    raise InputError(
        f"keep is a fraction in (0, 1] such as 0.3, or a whole number of examples such as 15000, not {keep!r}."
    )


def parse_keep(text: str) -> int | float:
    """Return how much to keep from text: digits alone are a count, a number with a point is a fraction.

    Raises:
        InputError: For anything else.

    >>> parse_keep("0.3"), parse_keep("15000"), parse_keep("1"), parse_keep("1.0")
    (0.3, 15000, 1, 1.0)
    """
    try:
        return check_keep(int(text) if text.strip().isdecimal() else float(text))
    except ValueError:
        return check_keep(text)


def budget(total: int, keep: float) -> int:
    """Return the number of examples to keep, the only place that rounds; `keep` as in check_keep.

    Fractions are floored after adding 1e-9, so that 0.1 of 50,000 is 5,000 and not 4,999.

    Raises:
        InputError: For a `keep` that is neither, a fraction that keeps nothing, or a count that exceeds the dataset.

    >>> budget(50_000, 0.1), budget(45_000, 0.7), budget(100, 1.0), budget(100, 30), budget(100, 1)
    (5000, 31500, 100, 30, 1)
    """
    keep = check_keep(keep)
    count = keep if isinstance(keep, int) else int(np.floor(keep * total + 1e-9))
    if count == 0:
        raise InputError(f"keep {keep:g} of {total:,} examples keeps none; choose at least {1 / total:.2g}.")
    if count > total:
        raise InputError(f"keep {count:,} is more than the {total:,} examples; choose a smaller count or a fraction.")
    return count


def pool_size(total: int, keep: float) -> int:
    """Return how many examples a pool holds from which each epoch draws `keep`: n + (1.8 - keep) * 0.1 * N, at most N.

    The rule of ESPS (IEEE Access 14, 74912, 2026); `keep` as in check_keep, a count taken as its fraction of N.

    Raises:
        InputError: As budget does.

    >>> pool_size(50_000, 0.1), pool_size(50_000, 0.3), pool_size(50_000, 5_000), pool_size(100, 1.0)
    (13500, 22500, 13500, 100)
    """
    n = budget(total, keep)
    return min(total, n + int(np.floor((1.8 - n / total) * 0.1 * total + 1e-9)))


def weighted_draw(log_weight: Float[np.ndarray, " N"], n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Draw n distinct positions with probability proportional to exp(log_weight), successively, without replacement.

    Gumbel top-k: adding Gumbel noise and keeping the n largest has the same distribution as successive draws with
    renormalised weights, and stays exact when weights underflow. Zero weights (-inf) are drawn only once all others
    are, uniformly among themselves. Returns sorted positions.

    >>> weighted_draw(np.array([0.0, -np.inf, 0.0]), 2, np.random.default_rng(0)).tolist()
    [0, 2]
    """
    noise = rng.gumbel(size=len(log_weight))
    possible = np.isfinite(log_weight)
    count = int(np.count_nonzero(possible))
    if n <= count:
        noise += log_weight  # in place: a hundred million weights take 0.8 GB
        noise[~possible] = -np.inf
        return top_positions(noise, n)
    rest = np.flatnonzero(~possible)
    more = rest[top_positions(noise[rest], n - count)]
    return np.sort(np.concatenate([np.flatnonzero(possible), more]))


def top_positions(score: Float[np.ndarray, " N"], n: int) -> Int[np.ndarray, " n"]:
    """Sorted positions of the n largest scores; ties go to the earlier position, so larger n only adds.

    >>> top_positions(np.array([1.0, 3.0, 3.0, 3.0]), 2).tolist()
    [1, 2]
    """
    total = len(score)
    if n >= total:
        return np.arange(total)
    if n <= 0:
        return np.arange(0)
    threshold = np.partition(score, total - n)[total - n]
    above = np.flatnonzero(score > threshold)
    tied = np.flatnonzero(score == threshold)[: n - len(above)]
    return np.sort(np.concatenate([above, tied]))


def next_positions(score: Float[np.ndarray, " N"], start: int, n: int) -> Int[np.ndarray, " n"]:
    """Sorted positions of the n largest scores after the `start` largest, in linear time.

    >>> next_positions(np.array([1.0, 3.0, 2.0, 3.0]), 1, 2).tolist()
    [2, 3]
    """
    there = np.zeros(len(score), dtype=bool)
    there[top_positions(score, start + n)] = True
    there[top_positions(score, start)] = False
    return np.flatnonzero(there)


def allot(size: Int[np.ndarray, " G"], n: int, *, uniform: bool = False) -> Int[np.ndarray, " G"]:
    """Share a budget of n among groups of the given sizes; the shares sum to n and never exceed a group.

    Proportional shares are rounded by largest remainder (ties to the earlier group). Uniform shares are filled like
    water: every group gets the same, and groups too small give all they have (METHODS: D2's class budgets).

    >>> allot(np.array([6, 3, 1]), 5).tolist(), allot(np.array([6, 3, 1]), 7, uniform=True).tolist()
    ([3, 2, 0], [3, 3, 1])
    """
    if uniform:
        return _fill_evenly(size, n)
    exact = size * (n / max(int(size.sum()), 1))
    share = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - share), kind="stable")
    share[order[: n - int(share.sum())]] += 1
    return share


def allot_by_recall(size: Int[np.ndarray, " G"], n: int, recall: Float[np.ndarray, " G"]) -> Int[np.ndarray, " G"]:
    """Share a budget of n among classes so that what a network recalls badly is kept more densely (DRoP).

    The density of a class, kept of all, is proportional to 1 - recall; classes that reach 1 are kept whole, and their
    surplus goes to the others in the same proportion. Classes of recall 1 get what nothing else can take, in proportion
    to their sizes. Rounded by largest remainder (ties to the earlier class). arXiv:2404.05579, Algorithm 1.

    Densities 1/10 and 3/10 of ten each; of twelve, the second would need 18/2 = 9; of 16 it is whole:

    >>> sizes, recall = np.array([10, 10]), np.array([0.75, 0.25])
    >>> allot_by_recall(sizes, 4, recall).tolist(), allot_by_recall(sizes, 16, recall).tolist()
    ([1, 3], [6, 10])
    """
    weight = np.clip(1 - recall, 0, 1) * (size > 0)
    whole = np.zeros(len(size), dtype=bool)
    while True:
        left, open_ = n - int(size[whole].sum()), ~whole & (weight > 0)
        mass = float((weight * size)[open_].sum())
        density = weight * (left / mass) if mass > 0 else np.zeros(len(size))
        full = open_ & (density >= 1)
        if not full.any():
            break
        whole |= full
    share: NDArray[np.int64] = np.where(whole, size, 0)
    rest = n - int(share.sum())
    if mass == 0:
        spread: Int[np.ndarray, " G"] = share + allot(np.where(whole, 0, size), rest)
        return spread
    exact = np.where(open_, density * size, 0.0)
    part = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - part), kind="stable")
    part[order[: rest - int(part.sum())]] += 1
    return share + part


def _fill_evenly(size: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    share = np.zeros_like(size)
    left = n
    order = np.argsort(size, kind="stable")
    for visited, group in enumerate(order):
        share[group] = min(int(size[group]), left // (len(order) - visited))
        left -= int(share[group])
    return share


def stratify(
    values: Float[np.ndarray, " N"], strata: int, *, low: float | None = None, high: float | None = None
) -> Int[np.ndarray, " N"]:
    """Number of the equal-width stratum each value falls in, 0..strata-1; the last edge is inclusive.

    Constant values all fall into stratum 0; any sign is allowed; infinite values fall into the outermost strata.

    >>> stratify(np.array([-2.0, -1.0, 0.0]), 2).tolist()
    [0, 1, 1]
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros(len(values), dtype=np.int64)
    low = float(finite.min()) if low is None else low
    high = float(finite.max()) if high is None else high
    width = (high - low) / strata
    if width <= 0:
        return np.zeros(len(values), dtype=np.int64)
    place = np.floor(np.subtract(values, low, dtype=np.float64) / width)
    stratum: NDArray[np.int64] = np.clip(place, 0, strata - 1).astype(np.int64)
    return stratum


def group_order(group: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Positions ordered by group, those of one group in their order; in linear time for up to 65,536 groups.

    >>> group_order(np.array([1, 0, 1, 0])).tolist()
    [1, 3, 0, 2]
    """
    small = len(group) == 0 or int(group.max()) < 65_536  # numpy sorts 16 bits by radix, more by merging
    return np.argsort(group.astype(np.uint16 if small else np.int64), kind="stable")


def draw_within(
    group: Int[np.ndarray, " N"], share: Int[np.ndarray, " G"], rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """Draw share[g] positions uniformly, without replacement, among those of group g; sorted, n = sum of the shares.

    >>> draw_within(np.array([0, 1, 0, 1]), np.array([2, 1]), np.random.default_rng(0)).tolist()
    [0, 2, 3]
    """
    order = group_order(group)
    end = np.cumsum(np.bincount(group, minlength=len(share)))
    drawn = [
        rng.choice(order[stop - size : stop], size=int(some), replace=False)
        for size, stop, some in zip(np.diff(end, prepend=0), end, share, strict=True)
        if some
    ]
    return np.sort(np.concatenate([np.arange(0), *drawn]))


def draw_fraction(label: Int[np.ndarray, " N"], fraction: float, seed: int) -> Int[np.ndarray, " m"]:
    """Positions of the examples to score: the fraction of every class, at least one of each, drawn with the seed.

    Random inside each class, so that the run on the fraction sees the classes as the run on everything does.

    Raises InputError when the fraction is not in (0, 1] or too small for one example of each class.

    >>> np.array([0, 0, 0, 0, 1, 1])[draw_fraction(np.array([0, 0, 0, 0, 1, 1]), 0.5, seed=0)].tolist()
    [0, 0, 1]
    """
    if not 0 < fraction <= 1:
        raise InputError(f"the fraction to score is in (0, 1], such as 0.2, not {fraction:g}.")
    size = np.bincount(label)
    one = (size > 0).astype(np.int64)
    count = int(np.floor(fraction * len(label) + 1e-9))
    if count < one.sum():
        raise InputError(
            f"a fraction of {fraction:g} scores {count:,} of {len(label):,} examples, which is not one of each of the "
            f"{one.sum()} classes; score at least {one.sum() / len(label):.2g}."
        )
    share = one + allot(size - one, count - int(one.sum()))
    return draw_within(label, share, np.random.default_rng([seed, FRACTION_STREAM]))


def summed_margin(prob_margin: Float[np.ndarray, "T N"]) -> Float[np.ndarray, " N"]:
    """Margins accumulated over epochs, in float64.

    >>> summed_margin(np.array([[0.5, -1.0], [0.25, 0.0]])).tolist()
    [0.75, -1.0]
    """
    total: NDArray[np.float64] = prob_margin.sum(axis=0, dtype=np.float64)
    return total


def hard_cut(prob_margin: Float[np.ndarray, "T N"], cut: float, n: int) -> Int[np.ndarray, " M"]:
    """Positions left when the floor(cut * N) examples of lowest accumulated margin are dropped: the hardest.

    These are where wrong labels gather. The budget comes first: at least n are left, so that a small class can give
    all it has. Of equal sums over the epochs the earlier example stays. Raises InputError for a cut outside [0, 1).

    >>> hard_cut(np.array([[1.0, -0.5, 0.8, 0.4], [0.0, 0.0, 1.0, -0.5]]), 0.5, 2).tolist()
    [0, 2]
    """
    if not 0 <= cut < 1:
        raise InputError(f"cut is the share of examples dropped as too hard, in [0, 1), not {cut:g}.")
    total = prob_margin.shape[1]
    left = max(n, total - int(np.floor(cut * total + 1e-9)))
    if left == total:
        return np.arange(total)
    return top_positions(summed_margin(prob_margin), left)


def ranks_of(order: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Rank of each position in an order: the inverse permutation.

    >>> ranks_of(np.array([2, 0, 1])).tolist()
    [1, 2, 0]
    """
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank
