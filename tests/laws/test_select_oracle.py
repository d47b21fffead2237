"""Every selection rule against plain loops written from its formula."""

from collections.abc import Callable
from functools import partial

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datapare.methods.select.boss import boss
from datapare.methods.select.both_ends import both_ends
from datapare.methods.select.ccs import ccs
from datapare.methods.select.craig import craig
from datapare.methods.select.craig import weights as craig_weights
from datapare.methods.select.d2 import d2
from datapare.methods.select.facility_location import facility_location
from datapare.methods.select.glister import glister
from datapare.methods.select.grad_match import grad_match
from datapare.methods.select.grad_match import weights as grad_match_weights
from datapare.methods.select.graph_cut import graph_cut
from datapare.methods.select.herding import herding
from datapare.methods.select.k_center import k_center
from datapare.methods.select.moderate import moderate
from datapare.methods.select.s2l import _clustered, s2l
from datapare.methods.select.semdedup import semdedup
from datapare.methods.select.two_ended import two_ended
from datapare.methods.select.window import window

Rule = Callable[[int], np.ndarray]
EPS = 1e-9

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 24)
few = settings(max_examples=40, deadline=None)


def order_of(rule: Rule, total: int) -> list[int]:
    """Return the order in which a nested rule adds examples."""
    before: set[int] = set()
    order = []
    for n in range(1, total + 1):
        chosen = rule(n).tolist()
        assert chosen == sorted(set(chosen))
        assert before < set(chosen)
        order += list(set(chosen) - before)
        before = set(chosen)
    assert len(order) == total
    return order


def assert_greedy(order: list[int], value: Callable[[list[int], int], float]) -> None:
    """Each pick is the largest value given the picks before it; of clearly equal ones, any."""
    left = set(range(len(order)))
    for step, pick in enumerate(order):
        best = max(value(order[:step], i) for i in left)
        assert value(order[:step], pick) >= best - EPS * max(1, abs(best))
        left.remove(pick)


def lattice(seed: int, total: int, width: int = 3) -> np.ndarray:
    """Whole numbers of mean exactly 0, so that arithmetic is exact and ties are true ties."""
    half = np.random.default_rng(seed).integers(-3, 4, size=(total, width)).astype(float)
    return np.concatenate([half, -half])


def cosine(h: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(h, axis=1)
    return np.array([[a @ b / (x * y) if x * y else 0.0 for b, y in zip(h, norm)] for a, x in zip(h, norm)])  # noqa: B905


@few
@given(seeds, sizes)
def test_k_center_is_the_plain_greedy(seed, total):
    h = lattice(seed, total)
    first = min(range(2 * total), key=lambda i: (h[i] @ h[i], i))
    chosen = [first]
    while len(chosen) < 2 * total:
        left = [i for i in range(2 * total) if i not in chosen]
        nearest = {i: min(((h[i] - h[j]) ** 2).sum() for j in chosen) for i in left}
        chosen.append(max(left, key=lambda i: (nearest[i], -i)))
    assert order_of(lambda n: k_center(h, n, np.random.default_rng(0)), 2 * total) == chosen


@few
@given(seeds, sizes)
def test_herding_is_the_plain_greedy(seed, total):
    h = lattice(seed, total)
    mu, chosen = h.mean(axis=0), []
    for step in range(2 * total):
        gap = (step + 1) * mu - h[chosen].sum(axis=0)
        left = [i for i in range(2 * total) if i not in chosen]
        chosen.append(min(left, key=lambda i: (((gap - h[i]) ** 2).sum(), i)))
    assert order_of(partial(herding, h), 2 * total) == chosen


@few
@given(seeds, sizes)
def test_herding_does_not_depend_on_where_the_mean_lies(seed, total):
    h = np.random.default_rng(seed).normal(size=(total, 3)) + 5
    mu = h.mean(axis=0)
    assert_greedy(
        order_of(partial(herding, h), total),
        lambda kept, i: -np.linalg.norm((len(kept) + 1) * mu - h[kept].sum(axis=0) - h[i]),
    )


@few
@given(seeds, sizes, st.floats(0.1, 3))
def test_graph_cut_is_the_plain_greedy(seed, total, lam):
    h = np.random.default_rng(seed).normal(size=(total, 3))
    s = 0.5 + 0.5 * cosine(h)
    order = order_of(lambda n: graph_cut(h, n, lam=lam), total)
    assert_greedy(order, lambda kept, e: lam * s[:, e].sum() - 2 * s[kept, e].sum())


@few
@given(seeds, sizes)
def test_facility_location_is_the_plain_greedy(seed, total):
    h = np.random.default_rng(seed).normal(size=(total, 3))
    h[::5] = h[0]
    s = 0.5 + 0.5 * cosine(h)

    def gain(kept, e):
        current = s[:, kept].max(axis=1, initial=0)
        return np.maximum(s[:, e] - current, 0).sum()

    assert_greedy(order_of(partial(facility_location, h), total), gain)


@few
@given(seeds, sizes, st.floats(1, 4), st.floats(1, 4), st.sampled_from([0.0, 0.3]))
def test_boss_is_the_plain_greedy(seed, total, c, a, cut):
    from scipy.stats import beta as density

    generator = np.random.default_rng(seed)
    h, score, margin = generator.normal(size=(total, 3)), generator.random(total), generator.normal(size=(4, total))
    rest = sorted(np.argsort(-margin.sum(axis=0), kind="stable")[: total - int(cut * total + EPS)].tolist())
    e = (score[rest] - score[rest].min()) / max(np.ptp(score[rest]), 1e-300)
    s = cosine(h[rest]) * (density.pdf(e, c, a) if len(rest) > 1 else 1.0)

    def gain(kept, j):
        current = s[:, kept].max(axis=1, initial=0)
        return np.maximum(s[:, j] - current, 0).sum()

    order = order_of(lambda n: boss(score, margin, h, n, c=c, a=a, cut=cut), len(rest))
    assert_greedy([rest.index(i) for i in order], gain)


def explicit(prob: np.ndarray, h: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Every gradient written out, K * (d + 1) numbers each: what the rules never build."""
    gradients = []
    for p, x, y in zip(prob, h, label, strict=True):
        error = [p[k] - (1.0 if k == y else 0.0) for k in range(len(p))]
        gradients.append([e * v for e in error for v in [*x, 1.0]])
    return np.array(gradients)


def classifier(seed: int, total: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    label, sure = generator.integers(0, 3, total), 0.97 * (seed % 2)  # every other classifier is nearly right
    prob = sure * np.eye(3)[label] + (1 - sure) * generator.dirichlet(np.ones(3), size=total)
    return prob, generator.normal(size=(total, 2)), label


@few
@given(seeds, sizes)
def test_craig_is_the_plain_greedy_for_any_offset_above_the_largest_distance(seed, total):
    prob, h, label = classifier(seed, total)
    g = explicit(prob, h, label)
    distance = np.array([[np.linalg.norm(a - b) for b in g] for a in g])
    order = order_of(partial(craig, prob, h, label), total)
    for offset in (distance.max() + 1e-3, 10 * distance.max()):
        s = offset - distance

        def gain(kept, j, s=s):
            return np.maximum(s[:, j] - s[:, kept].max(axis=1, initial=0), 0).sum()

        assert_greedy(order, gain)


@few
@given(seeds, sizes)
def test_craig_weights_count_the_nearest(seed, total):
    prob, h, label = classifier(seed, total)
    g = explicit(prob, h, label)
    index = craig(prob, h, label, max(1, total // 3))
    count = np.zeros(len(index))
    for one in g:
        count[int(np.argmin([np.linalg.norm(one - g[j]) for j in index]))] += 1
    assert craig_weights(prob, h, label, index).tolist() == count.tolist()


def fit_weights(g: np.ndarray, target: np.ndarray, lam: float) -> np.ndarray:
    from scipy.optimize import nnls

    stacked = np.vstack([g.T, np.sqrt(lam) * np.eye(len(g))])
    return nnls(stacked, np.concatenate([target, np.zeros(len(g))]))[0]


@few
@given(seeds, sizes, st.sampled_from([1.0, 0.1, 3.0, 1e-3]))
def test_grad_match_is_the_plain_pursuit(seed, total, lam):
    prob, h, label = classifier(seed, total)
    g = explicit(prob, h, label)
    target = g.mean(axis=0)
    order = order_of(lambda n: grad_match(prob, h, label, n, lam=lam), total)
    chosen, weight = [], np.empty(0)
    for pick in order:
        left = [i for i in range(total) if i not in chosen]
        aligned = {i: g[i] @ (target - weight @ g[chosen]) if chosen else g[i] @ target for i in left}
        assert aligned[pick] >= max(aligned.values()) - 1e-7
        chosen.append(pick)
        weight = fit_weights(g[chosen], target, lam)
    index = grad_match(prob, h, label, max(1, total // 2), lam=lam)
    expected = fit_weights(g[index], target, lam)
    np.testing.assert_allclose(grad_match_weights(prob, h, label, index, lam=lam), expected, atol=1e-7)


@few
@given(seeds, sizes, st.sampled_from([0.0, 0.1, 5.0]))
def test_glister_is_the_plain_greedy(seed, total, eta):
    prob, h, label = classifier(seed, total)
    n = max(1, total // 2)
    g = explicit(prob, h, label)
    rows = np.column_stack([h, np.ones(total)])
    weight = np.zeros((3, 3))  # how far the last layer has moved
    chosen = []
    for _ in range(n):
        logit = np.log(prob) + rows @ weight.T
        moved = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
        gradient = explicit(moved, h, label).mean(axis=0)
        left = [i for i in range(total) if i not in chosen]
        pick = max(left, key=lambda i: g[i] @ gradient)
        chosen.append(pick)
        weight -= eta / n * g[pick].reshape(3, 3)
    assert glister(prob, h, label, n, eta=eta).tolist() == sorted(chosen)


def plain_d2(score, h, n, k, gamma, gamma_forward, kernel, message, symmetric):
    """D2 from its formulas, with a full distance matrix and a scan per pick; gives every u on the way."""
    total = len(score)
    distance = np.array([[np.linalg.norm(a - b) for b in h] for a in h])
    near = {i: sorted((j for j in range(total) if j != i), key=lambda j: distance[i, j])[:k] for i in range(total)}
    edges = {i: set(near[i]) | ({j for j in range(total) if i in near[j]} if symmetric else set()) for i in near}
    length = distance**2 if kernel == "gaussian" else distance
    s = score - min(score.min(), 0)
    u = np.array([s[i] + sum(np.exp(-gamma_forward * length[i, j]) * s[j] for j in edges[i]) for i in range(total)])
    chosen: list[int] = []
    for _ in range(n):
        pick = max((i for i in range(total) if i not in chosen), key=lambda i: u[i])
        chosen.append(pick)
        for j in edges[pick]:
            u[j] -= (1.0 if message == "absolute" else np.exp(-gamma * length[pick, j])) * max(u[pick], 0)
    return chosen


@few
@given(
    seeds,
    sizes,
    st.integers(1, 6),
    st.sampled_from([0.1, 1.0]),
    st.sampled_from([1.0, 0.2]),
    st.sampled_from(["exponential", "gaussian"]),
    st.sampled_from(["weighted", "absolute"]),
    st.booleans(),
)
def test_d2_is_the_plain_message_passing(seed, total, k, gamma, gamma_forward, kernel, message, symmetric):
    generator = np.random.default_rng(seed)
    h, score = generator.normal(size=(total, 4)), generator.random(total) - 0.1
    params = {"k": k, "gamma": gamma, "gamma_forward": gamma_forward, "kernel": kernel, "message": message}
    expected = plain_d2(score, h, total, min(k, total - 1), gamma, gamma_forward, kernel, message, symmetric)
    rule = lambda n: d2(score, h, np.zeros((1, total)), n, symmetric=symmetric, **params)  # noqa: E731
    # float32 distances: two u within 1e-6 may swap, which continuous data make rare; compare prefixes as sets.
    for n in {1, total // 2, 3 * total // 4, total - 1, total}:
        assert rule(n).tolist() == sorted(expected[:n])


@few
@given(seeds, sizes, st.sampled_from([0.2, 0.5]))
def test_d2_cuts_before_it_builds_the_graph(seed, total, cut):
    generator = np.random.default_rng(seed)
    h, score, margin = generator.normal(size=(total, 4)), generator.random(total), generator.normal(size=(3, total))
    rest = np.sort(np.argsort(-margin.sum(axis=0), kind="stable")[: total - int(cut * total + EPS)])
    n = max(1, len(rest) // 2)
    expected = plain_d2(
        score[rest], h[rest], n, min(5, len(rest) - 1), 0.1, 1.0, "exponential", "weighted", symmetric=True
    )
    assert d2(score, h, margin, n, cut=cut).tolist() == sorted(rest[expected].tolist())


@few
@given(seeds, sizes)
def test_moderate_is_the_plain_window(seed, total):
    generator = np.random.default_rng(seed)
    h, label = generator.integers(-4, 5, size=(total, 2)).astype(float), generator.integers(0, 3, total)
    distance = []
    for i in range(total):
        own = [h[j] for j in range(total) if label[j] == label[i]]
        middle = [float(np.median([row[c] for row in own])) for c in range(2)]
        distance.append(float(np.sqrt(sum((h[i][c] - middle[c]) ** 2 for c in range(2)))))
    ranked = sorted(range(total), key=lambda i: (distance[i], i))
    for n in range(1, total + 1):
        start = (total - n) // 2
        assert moderate(h, label, n).tolist() == sorted(ranked[start : start + n])


@few
@given(seeds, st.integers(3, 24), st.sampled_from(["farthest", "nearest"]))  # two are equally far from their mean
def test_semdedup_is_the_plain_loop(seed, total, order):
    h = np.random.default_rng(seed).normal(size=(total, 3))
    unit = [row / np.linalg.norm(row) for row in h]
    centre = np.mean(unit, axis=0)
    visit = sorted(range(total), key=lambda i: unit[i] @ centre, reverse=order == "nearest")
    similar = {i: max([unit[i] @ unit[j] for j in visit[:place]], default=-1.0) for place, i in enumerate(visit)}
    for n in range(1, total + 1):
        expected = sorted(sorted(range(total), key=lambda i: (similar[i], i))[:n])
        assert semdedup(h, n, np.random.default_rng(0), order=order).tolist() == expected
        # The published rule with the eps of that size keeps the same.
        eps = 1 - similar[sorted(range(total), key=similar.__getitem__)[n - 1]]
        assert expected == [i for i in range(total) if similar[i] <= 1 - eps + 1e-12]


@few
@given(seeds, st.integers(1, 200), st.integers(1, 60), st.sampled_from([0.0, 0.1, 0.4]), st.booleans())
def test_ccs_shares_are_those_of_the_plain_loop(seed, total, strata, cut, negative):
    generator = np.random.default_rng(seed)
    score = generator.integers(-20, 0 if negative else 20, total) / 4.0
    margin = generator.normal(size=(3, total))
    dropped = int(cut * total + EPS)
    rest = sorted(sorted(range(total), key=lambda i: -margin[:, i].sum())[: total - dropped])
    n = int(generator.integers(1, len(rest) + 1))
    low, high = min(score[rest]), max(score[rest])
    member = {s: [] for s in range(strata)}
    for i in rest:
        place = int(np.floor((score[i] - low) / ((high - low) / strata))) if high > low else 0
        member[min(place, strata - 1)].append(i)
    share, left = {}, n
    for visited, s in enumerate(sorted(member, key=lambda s: len(member[s]))):
        share[s] = min(len(member[s]), left // (strata - visited))
        left -= share[s]
    chosen = ccs(score, margin, n, np.random.default_rng(0), cut=cut, strata=strata).tolist()
    assert len(chosen) == n == len(set(chosen))
    assert {s: len(set(chosen) & set(of)) for s, of in member.items()} == share


@few
@given(seeds, sizes, st.floats(0, 0.99))
def test_window_and_two_ended_are_slices_of_the_order(seed, total, skip):
    score = np.random.default_rng(seed).integers(0, 5, total).astype(float)
    ranked = sorted(range(total), key=lambda i: (-score[i], i))
    for n in range(1, total + 1):
        start = min(int(skip * total + EPS), total - n)
        assert window(score, n, skip=skip).tolist() == sorted(ranked[start : start + n])
        start = (total - n) // 2
        distinct = score + np.arange(total) / 100  # no ties
        hardest = sorted(range(total), key=lambda i: distinct[i])
        assert two_ended(distinct[None], n).tolist() == sorted(hardest[start : start + n])


@few
@given(seeds, sizes, st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
def test_both_ends_are_the_two_ends_of_the_order(seed, total, hard):
    score = np.random.default_rng(seed).integers(0, 5, total).astype(float)
    for n in range(1, total + 1):
        high = int(hard * n + EPS)
        highest = sorted(range(total), key=lambda i: (-score[i], i))[:high]
        lowest = sorted(set(range(total)) - set(highest), key=lambda i: (score[i], i))[: n - high]
        assert both_ends(score, n, hard=hard).tolist() == sorted(highest + lowest)


@few
@given(seed=seeds, data=st.data())
def test_s2l_shares_are_those_of_the_plain_loop(seed, data):
    size = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    group = np.repeat(np.arange(len(size)), size)
    trajectory = (50.0 * group + np.random.default_rng(seed).random((3, len(group)))).astype(np.float32)
    n = data.draw(st.integers(1, len(group)))
    cluster = _clustered(trajectory.T.astype(np.float64), len(size), 100, np.random.default_rng(seed))
    index = s2l(trajectory, n, np.random.default_rng(seed), clusters=len(size), iterations=100)
    assert len(set(index.tolist())) == n
    member = [np.flatnonzero(cluster == c).tolist() for c in range(cluster.max() + 1)]
    real = sorted((m for m in member if len(m) > 2), key=len)
    left = n
    for visited, own in enumerate(real):
        share = min(len(own), left // (len(real) - visited))
        assert len(set(own) & set(index.tolist())) == share
        left -= share
    assert len(set(index.tolist()) - {i for own in real for i in own}) == left
