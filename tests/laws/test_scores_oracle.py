"""Every score of a record against plain loops written from its formula, one example and one epoch at a time."""

import math
from itertools import pairwise
from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from records import record_of

from datapare.methods.registry import find, names


def slide(values, window):
    return [values[k : k + window] for k in range(len(values) - window + 1)]


def epochs(values, first, count):
    start = first % len(values)
    return values[start:] if count is None else values[start : start + count]


def deviation(inside, ddof):
    """The standard deviation in a window; numerics says that it takes 1e-14 per epoch off the sum of squares."""
    squares = pstdev(inside) ** 2 * len(inside)
    return math.sqrt(max(squares - 1e-14 * len(inside), 0.0) / (len(inside) - ddof))


def dual(p, *, window):
    return fmean((1 - fmean(w)) * deviation(w, 1) for w in slide(p, window))


def dyn_unc(p, *, window, windows="all", ddof=1):
    spread = [deviation(w, ddof) for w in slide(p, window)]
    return fmean({"all": spread, "official": spread[:-1], "skip-two": spread[2:]}[windows])


def tdds(step, *, window, decay=0.9, first=0, count=None):
    changes = epochs(step, first, count)[1:]
    total = 0.0
    for back, inside in enumerate(reversed(slide(changes, window - 1))):
        middle = fmean(inside)
        total += decay * (1 - decay) ** back * math.sqrt(sum((d - middle) ** 2 for d in inside))
    return total


def el2n(error, *, first=0, count=None, reduce="mean"):
    return {"mean": fmean, "sum": math.fsum}[reduce](epochs(error, first, count))


def grand(norm):
    return fmean(norm)


def grand_last(error, embedding, *, first=-1, count=None):
    return fmean(e * math.sqrt(sum(h * h for h in embedding) + 1) for e in epochs(error, first, count))


def aum(margin):
    return -fmean(margin)


def prob_aum(margin, *, first=0, count=None, reduce="mean"):
    return -el2n(margin, first=first, count=count, reduce=reduce)


def forgetting(correct, *, never_learned=None):
    if not any(correct):
        return len(correct) if never_learned is None else never_learned
    return sum(correct[t] and not correct[t + 1] for t in range(len(correct) - 1))


def entropy(values, *, first=-1, count=None):
    return fmean(epochs(values, first, count))


def loss(values, *, first=-1, count=None):
    return fmean(epochs(values, first, count))


def least_confidence(p, gap, *, first=-1, count=None):
    largest = [max(p_y, p_y - gap_y) for p_y, gap_y in zip(p, gap, strict=True)]
    return -fmean(epochs(largest, first, count))


def confidence(p):
    return -fmean(p)


def variability(p, *, ddof=0, corrected=False):
    variance = pstdev(p) ** 2 * len(p) / (len(p) - ddof)
    return math.sqrt(variance + variance**2 / (len(p) - 1)) if corrected else math.sqrt(variance)


def threshold_closeness(p):
    return fmean(p) * (1 - fmean(p))


def correctness(correct):
    return -sum(correct)


def h_score(right):
    return len(right) - sum(right) if 0 < sum(right) < len(right) else 0


def margin(prob):
    largest, second = sorted(prob, reverse=True)[:2]
    return second - largest


def soft_label(logits):
    odds = [math.exp(z - max(logits)) for z in logits]
    soft = [o / sum(odds) for o in odds]
    return -sum(s * math.log(s) for s in soft if s > 0)


def cld(loss, other):
    own, other = (np.diff(np.asarray(values)).tolist() for values in (loss, other))
    a, b = ([x - fmean(values) for x in values] for values in (own, other))
    scale = math.sqrt(sum(x * x for x in a) * sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / scale if scale > 1e-9 else None


def fatb(loss, mean, *, first=0, count=None):
    above = [own > of_all for own, of_all in zip(epochs(loss, first, count), epochs(mean, first, count), strict=True)]
    return sum(before and not after for before, after in pairwise(above))


def esps(turn):
    return fmean(turn[1:])


def tov(loss):
    return (loss[0] - loss[-1]) / loss[0] if loss[0] > 0 else 0.0


def puma(distance):
    return -distance


def dlc(losses):
    return fmean(losses)


ORACLES = [
    (dual, {"window": 2}),
    (dual, {"window": 4}),
    (dyn_unc, {"window": 3}),
    (dyn_unc, {"window": 2, "windows": "official", "ddof": 0}),
    (dyn_unc, {"window": 2, "windows": "skip-two"}),
    (tdds, {"window": 3}),
    (tdds, {"window": 4, "decay": 0.3}),
    (tdds, {"window": 3, "decay": 0.5, "first": -4}),
    (tdds, {"window": 3, "first": 0, "count": 3}),
    (el2n, {}),
    (el2n, {"first": 1, "count": 2, "reduce": "sum"}),
    (grand, {}),
    (grand_last, {}),
    (grand_last, {"first": 1, "count": 2}),
    (aum, {}),
    (prob_aum, {}),
    (prob_aum, {"reduce": "sum"}),
    (prob_aum, {"first": -2, "count": 1}),
    (forgetting, {}),
    (forgetting, {"never_learned": 1000.0}),
    (entropy, {}),
    (entropy, {"first": 0}),
    (loss, {"first": -3, "count": 2}),
    (least_confidence, {}),
    (least_confidence, {"first": 0, "count": 3}),
    (confidence, {}),
    (variability, {}),
    (variability, {"ddof": 1}),
    (variability, {"corrected": True}),
    (threshold_closeness, {}),
    (correctness, {}),
    (h_score, {}),
    (margin, {}),
    (soft_label, {}),
    (cld, {}),
    (fatb, {}),
    (fatb, {"first": 1, "count": 2}),
    (puma, {}),
    (tov, {}),
    (esps, {}),
    (dlc, {}),
]
# The running sums of rolling windows: numerics promises 1e-8 for values in [0, 1]; changes of belief reach 12.
TOLERANCE = {"dual": 2e-8, "dyn_unc": 2e-8, "tdds": 1e-6, "cld": 1e-6}
BY_OTHER_MEANS = {"rmd", "ssp"}  # need all examples at once: tests/test_scores.py
POSSIBLE = st.integers(4, 6).flatmap(
    lambda epochs: st.tuples(st.integers(1, 3), st.integers(2, 3)).flatmap(
        lambda shape: arrays(np.float32, (epochs, *shape), elements=st.floats(-6, 6, width=32))
    )
)


def test_every_method_has_an_oracle():
    assert {oracle.__name__ for oracle, _ in ORACLES} | BY_OTHER_MEANS == set(names("score"))


@pytest.mark.parametrize(("oracle", "params"), ORACLES)
@example(logits=np.array([[[9.1949767e-07, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]], np.float32), seed=0)
@settings(max_examples=25, deadline=None)
@example(
    logits=np.float32([[[0, 0, 0]], [[0, 0, 0]], [[0, -1, 0]], [[0, 0, 0]]]), seed=1
)  # 1 - p in float32 is too coarse
@given(logits=POSSIBLE, seed=st.integers(0, 99))
def test_a_score_is_what_plain_loops_say(oracle, params, logits, seed):
    name = oracle.__name__
    rng = np.random.default_rng(seed)
    record = record_of(logits, rng.integers(0, logits.shape[2], logits.shape[1]), rng)
    columns = {**record.channels, "correct": record.channels["margin"] > 0}
    reads = find("score", name).reads
    given = [columns[read] if read in columns else record.arrays[read] for read in reads]
    result = find("score", name).function(*given, **params)
    each = [columns[read].T if read in columns else record.arrays[read] for read in reads]
    assert result.dtype == np.float64
    for i, value in enumerate(result):
        expected = oracle(*(values[i].tolist() for values in each), **params)
        assert expected is None or value == pytest.approx(expected, rel=1e-9, abs=TOLERANCE.get(name, 1e-9))
