"""Selection rules: worked examples, published vectors, presets, and the law of their draws."""

from importlib import import_module

import numpy as np
import pytest
from draws import inclusion

from datapare.artifacts import Dynamics, Scores
from datapare.errors import InputError
from datapare.methods.registry import check_params, find, names
from datapare.methods.select.beta import beta, beta_parameters, fitted_c_d
from datapare.methods.select.boss import boss
from datapare.methods.select.both_ends import both_ends
from datapare.methods.select.ccs import ccs
from datapare.methods.select.craig import craig
from datapare.methods.select.d2 import d2
from datapare.methods.select.facility_location import facility_location
from datapare.methods.select.flex_rand import flex_rand
from datapare.methods.select.glister import glister
from datapare.methods.select.grad_match import grad_match
from datapare.methods.select.graph_cut import graph_cut
from datapare.methods.select.herding import herding
from datapare.methods.select.k_center import k_center
from datapare.methods.select.moderate import moderate
from datapare.methods.select.semdedup import semdedup
from datapare.methods.select.top import top
from datapare.methods.select.two_ended import GRID, two_ended
from datapare.methods.select.window import window
from datapare.methods.selection import select
from datapare.numerics import greedy
from datapare.numerics.embeddings import unit_rows
from datapare.numerics.missing import last_observed
from datapare.numerics.sampling import allot, stratify


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(total: int) -> np.ndarray:
    return np.zeros((1, total))


# --- published vectors -------------------------------------------------------------------------------------------

TABLE = """
0.2 4   3.0972/4.0972/11.9028 3.7500/4.7500/11.2500 5.8812/6.8812/9.1188 7.9152/8.9152/7.0848 10.8732/11.8732/4.1268
0.3 4   4.5851/5.5851/10.4149 5.1562/6.1562/9.8438 7.0210/8.0210/7.9790 8.8008/9.8008/6.1992 11.3891/12.3891/3.6109
0.3 5.5 4.5140/5.5140/10.4860 4.7320/5.7320/10.2680 5.9765/6.9765/9.0235 7.5774/8.5774/7.4226 10.3820/11.3820/4.6180
0.3 11  4.5000/5.5000/10.5000 4.5051/5.5051/10.4949 4.7076/5.7076/10.2924 5.4019/6.4019/9.5981 7.7950/8.7950/7.2050
0.5 4   7.5607/8.5607/7.4393 7.9688/8.9688/7.0312 9.3008/10.3008/5.6993 10.5720/11.5720/4.4280 12.4207/13.4207/2.5793
"""  # METHODS 4.4: mu, c_d, then alpha(15)/alpha(16)/beta at r = 0.3, 0.5, 0.7, 0.8, 0.9


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_beta_parameters_are_those_of_the_published_table(line):
    mu, c_d, *cells = line.split()
    for r, cell in zip((0.3, 0.5, 0.7, 0.8, 0.9), cells, strict=True):
        alpha_15, alpha_16, b = map(float, cell.split("/"))
        got = beta_parameters(float(mu), r, c_d=float(c_d))
        assert got == pytest.approx((alpha_15, b), abs=6e-5)
        got = beta_parameters(float(mu), r, c_d=float(c_d), total=16.0)
        assert got == pytest.approx((alpha_16, b), abs=6e-5)


def test_beta_parameters_stay_at_least_one_where_the_density_would_diverge():
    assert beta_parameters(0.99, 0.999)[1] == 1.0
    assert beta_parameters(0.0, 0.0) == (1.0, 15.0)


def test_ccs_strata_of_0_1_4_and_10_share_a_budget_of_8_as_0_1_3_and_4():
    assert allot(np.array([0, 1, 4, 10]), 8, uniform=True).tolist() == [0, 1, 3, 4]
    score = np.repeat([0.0, 0.3, 0.6, 1.0], [1, 4, 0, 10])  # widths of 0.25: strata 0, 1, (2 empty), 3
    chosen = ccs(score, flat(15), 8, rng(), strata=4)
    assert np.bincount(stratify(score, 4)[chosen], minlength=4).tolist() == [1, 3, 0, 4]


@pytest.mark.parametrize(
    ("split", "easy", "hard"),
    [
        (0.1, 10, 20),
        (0.2, 15, 15),
        (0.05, 5, 25),
        (0.5, 15, 15),
        (0.8, 15, 15),
        (0.9, 20, 10),
        (0.0, 0, 30),
        (1, 30, 0),
    ],
)
def test_flex_rand_shares_at_keep_30_percent(split, easy, hard):
    score = rng(1).permutation(100).astype(float)
    chosen = flex_rand(score, 30, rng(), split=split)
    assert len(np.unique(chosen)) == 30
    assert ((score[chosen] < 100 * split).sum(), (score[chosen] >= 100 * split).sum()) == (easy, hard)


def test_flex_rand_draws_the_odd_one_from_the_larger_part():
    score = np.arange(10.0)
    assert (flex_rand(score, 5, rng(), split=0.4) < 4).sum() == 2
    assert (flex_rand(score, 5, rng(), split=0.6) < 6).sum() == 3
    assert flex_rand(score, 10, rng(), split=0.3).tolist() == list(range(10))


def published(name):
    return vars(import_module(f"datapare.methods.select.{name}"))


def cuts(name):
    """Return the published cuts of each dataset, from the largest keep to the smallest."""
    tables = published(name)["PRESETS"].items()
    return {data: {keep: params["cut"] for keep, params in row.items()} for data, row in tables}


def test_presets_of_beta():
    c_d = {"cifar10": 5.5, "cifar100": 4, "imagenet": 11, "sun397": 4, "caltech101": 4, "tiny-imagenet-c": 3}
    assert {dataset: params["c_d"] for dataset, params in published("beta")["PRESETS"].items()} == c_d
    assert published("beta")["UNVERIFIED"] == {"cifar10"}


def test_presets_of_ccs():
    keeps = (0.7, 0.5, 0.3, 0.2, 0.1)
    assert cuts("ccs") == {
        "cifar10": dict(zip(keeps, (0, 0, 0.1, 0.1, 0.3), strict=True)),
        "cifar100": dict(zip(keeps, (0.1, 0.2, 0.2, 0.4, 0.5), strict=True)),
        "imagenet": dict(zip(keeps, (0, 0.1, 0.2, 0.2, 0.3), strict=True)),
    }
    assert published("ccs")["UNVERIFIED"] == {("imagenet", 0.7), ("imagenet", 0.5), ("imagenet", 0.3)}


def test_presets_of_boss():
    svhn = {0.7: 0, 0.5: 0, 0.3: 0.1, 0.2: 0.1, 0.16: 0.1, 0.12: 0.1, 0.1: 0.1}
    svhn |= {0.08: 0.2, 0.05: 0.2, 0.04: 0.3, 0.03: 0.3, 0.02: 0.5, 0.01: 0.8}
    assert cuts("boss") == {"svhn": svhn, "tiny-imagenet": {0.5: 0.4, 0.3: 0.5, 0.2: 0.6, 0.1: 0.7}}


def test_presets_of_two_ended():
    assert cuts("two_ended") == {"cifar10": {0.1: 0.4}, "imagenet": {0.1: 0.3}}
    assert GRID == {0.7: (0.0, 0.3), 0.5: (0.1, 0.4), 0.3: (0.2, 0.6), 0.2: (0.3, 0.7), 0.1: (0.4, 0.8)}


def test_presets_of_d2():
    params = {"k": 5, "gamma": 0.1, "cut": 0.4}
    presets = {"cifar10": {0.1: params}, "cifar100": {0.1: params}, "datacomp": {"k": 1, "gamma": 1.0}}
    assert published("d2")["PRESETS"] == presets


@pytest.mark.parametrize("name", [name for name in names("select") if "PRESETS" in published(name)])
def test_every_preset_is_a_set_of_knobs_the_method_has(name):
    for row in published(name)["PRESETS"].values():
        for params in row.values() if all(isinstance(keep, float) for keep in row) else [row]:
            assert check_params(find("select", name), params)


DEFAULTS = {
    "beta": {"c_d": None, "total": 15.0, "anchor": 1},
    "boss": {"c": 2.0, "a": 2.0, "cut": 0.0},
    "both_ends": {"hard": 0.7},
    "ccs": {"cut": 0.0, "strata": 50},
    "craig": {},
    "d2": {"k": 5, "gamma": 0.1, "gamma_forward": 1.0, "cut": 0.0}
    | {"kernel": "exponential", "message": "weighted", "symmetric": True},
    "facility_location": {},
    "flex_rand": {"split": 0.5},
    "glister": {"eta": 0.1},
    "grad_match": {"lam": 1.0},
    "graph_cut": {"lam": 1.0},
    "herding": {},
    "k_center": {"random_first": False},
    "moderate": {},
    "mixed": {"share": 0.5, "c_d": None, "total": 15.0, "anchor": 1},
    "random": {},
    "s2l": {"clusters": 100, "iterations": 20},
    "semdedup": {"clusters": None, "order": "farthest"},
    "top": {},
    "two_ended": {"cut": None},
    "window": {"skip": 0.05},
    "zcore": {"samples": None, "neighbours": 1000, "power": 4.0},
}


@pytest.mark.parametrize("name", names("select"))
def test_default_knobs(name):
    epochs = {"first": 0, "count": None} if find("select", name).reads_epochs else {}
    assert check_params(find("select", name), {}) == {**epochs, **DEFAULTS[name]}


def test_beta_parameters_default_to_total_15_and_c_d_4():
    assert beta_parameters(0.3, 0.5) == beta_parameters(0.3, 0.5, c_d=4.0, total=15.0)


# --- the law of the draws ----------------------------------------------------------------------------------------


def test_beta_draws_with_its_stated_weights():
    from scipy.stats import beta as density
    from scipy.stats import chi2

    m = np.array([0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
    score = np.array([0.2, 0.9, 1.0, 0.7, 0.5, 0.3, 0.1])
    a, b = 15 - 15 * 0.65 * (1 - (1 - 3 / 7) ** 4), 15 * 0.65 * (1 - (1 - 3 / 7) ** 4)
    expected = inclusion(density.pdf(m, a, b) * score, 3)
    generator, trials = rng(11), 2_000
    prob = np.stack([m - 0.03, m + 0.03])
    drawn = [beta(score, prob, 3, generator, c_d=4.0) for _ in range(trials)]
    count = np.bincount(np.concatenate(drawn), minlength=7)
    assert ((count - trials * expected) ** 2 / (trials * expected * (1 - expected))).sum() < chi2.ppf(0.999, 7)


# --- what each rule is for ----------------------------------------------------------------------------------------


def test_top_takes_ties_from_the_front():
    assert top(np.array([0.5, 1.0, 0.5, 0.5]), 3).tolist() == [0, 1, 2]


def test_window_skips_shares_and_counts_and_stays_inside():
    score = np.arange(20.0)[::-1].copy()
    assert window(score, 5).tolist() == [1, 2, 3, 4, 5]  # 5 % of 20
    assert window(score, 5, skip=3).tolist() == [3, 4, 5, 6, 7]
    assert window(score, 5, skip=0.9).tolist() == [15, 16, 17, 18, 19]
    assert window(score, 20, skip=500).tolist() == list(range(20))
    assert window(score, 5, skip=0).tolist() == [0, 1, 2, 3, 4]
    assert window(score, 2, skip=1).tolist() == [1, 2]
    assert window(np.arange(10.0), 1, skip=0.7).tolist() == [2]
    assert window(np.zeros(6), 2, skip=1).tolist() == [1, 2]
    for bad in (-0.1, 1.5, 2.5):
        with pytest.raises(InputError, match="skip"):
            window(score, 5, skip=bad)


def test_two_ended_drops_the_hardest_then_the_easiest():
    margin = np.array([[0.9, -0.5, 0.1, 0.7, 0.4], [0.9, 0.1, 0.1, 0.7, -0.3]])  # sums 1.8, -0.4, 0.2, 1.4, 0.1
    assert two_ended(margin, 2, cut=0.0).tolist() == [1, 4]
    assert two_ended(margin, 2, cut=0.2).tolist() == [2, 4]
    assert two_ended(margin, 2, cut=0.6).tolist() == [0, 3]
    assert two_ended(margin, 1).tolist() == [2]
    assert two_ended(margin, 2).tolist() == [2, 4]
    assert two_ended(margin, 5).tolist() == [0, 1, 2, 3, 4]


def test_both_ends_takes_seven_of_ten_from_the_top_and_three_from_the_bottom():
    score = rng(1).permutation(100).astype(float)
    assert sorted(score[both_ends(score, 10)]) == [0, 1, 2, *range(93, 100)]
    assert sorted(score[both_ends(score, 5)]) == [0, 1, 97, 98, 99]  # 3.5 rounds down
    assert sorted(score[both_ends(score, 10, hard=0.5)]) == [0, 1, 2, 3, 4, 95, 96, 97, 98, 99]
    assert both_ends(score, 10, hard=1.0).tolist() == top(score, 10).tolist()
    assert both_ends(score, 10, hard=0.0).tolist() == top(-score, 10).tolist()
    assert both_ends(score, 100).tolist() == list(range(100))
    assert sum(score[both_ends(score, 50, hard=0.58)] >= 50) == 29  # 0.58 * 50 in floats is below 29


def test_both_ends_takes_ties_from_the_front_and_refuses_what_is_no_share():
    assert both_ends(np.zeros(6), 3).tolist() == [0, 1, 2]
    assert both_ends(np.array([5.0, 1.0, 5.0, 1.0, 5.0]), 2, hard=0.5).tolist() == [0, 1]
    for bad in (-0.1, 1.1):
        with pytest.raises(InputError, match="hard is the share"):
            both_ends(np.zeros(6), 3, hard=bad)


def test_flex_rand_counts_the_middle_one_of_an_odd_number_as_hard():
    drawn = {int(flex_rand(np.arange(5.0), 1, rng(seed), split=0.5)[0]) for seed in range(60)}
    assert drawn == {2, 3, 4}


def test_flex_rand_refuses_a_split_outside_the_dataset():
    for split in (-0.1, 1.1):
        with pytest.raises(InputError, match="split"):
            flex_rand(np.arange(4.0), 2, rng(), split=split)


def test_k_center_starts_at_the_centre_or_anywhere():
    h = np.array([[0.0], [1.0], [2.0], [3.0], [30.0]])  # mean 7.2
    assert k_center(h, 1, rng()).tolist() == [3]
    assert k_center(h, 2, rng()).tolist() == [3, 4]
    assert {k_center(h, 1, rng(s), random_first=True).tolist()[0] for s in range(60)} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("name", ["k_center", "graph_cut"])
def test_pools_and_blocks_do_not_change_what_is_picked(name, monkeypatch):
    h = rng(4).normal(size=(150, 3))
    rule = {"k_center": lambda n: k_center(h, n, rng()), "graph_cut": lambda n: graph_cut(h, n)}[name]
    whole = [rule(n).tolist() for n in (10, 60, 140)]
    monkeypatch.setattr(greedy, "POOL", 20)
    monkeypatch.setattr(greedy, "BLOCK", 40)
    assert [rule(n).tolist() for n in (10, 60, 140)] == whole


def test_k_center_leaves_duplicates_for_last():
    h = np.repeat([[0.0, 0.0], [5.0, 0.0], [0.0, 7.0]], [4, 3, 2], axis=0)
    first = k_center(h, 3, rng())
    assert len(np.unique(h[first], axis=0)) == 3
    assert k_center(h, 9, rng()).tolist() == list(range(9))


def test_graph_cut_weighs_resemblance_by_lam():
    h = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    # Starts lam * 3.5 and lam * 2.5; after the first, twins lose 2 and the other 1.
    assert graph_cut(h, 2, lam=0.5).tolist() == [0, 3]
    assert graph_cut(h, 2, lam=2.0).tolist() == [0, 1]


def test_facility_location_and_graph_cut_give_rows_of_zeros_a_cosine_of_zero():
    h = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    assert unit_rows(h)[0].tolist() == [0.0, 0.0]
    assert facility_location(h, 1).tolist() == [1]  # 0.5 + 1 + 0 + 1, the row of zeros has 4 * 0.5
    assert graph_cut(h, 1).tolist() == [1]


def test_boss_of_equal_scores_is_facility_location_by_the_cosine():
    h = rng(5).normal(size=(12, 3))
    cosine = unit_rows(h) @ unit_rows(h).T
    chosen: list[int] = []
    for _ in range(3):
        covered = cosine[:, chosen].max(axis=1, initial=0)
        gain = np.maximum(cosine - covered[:, None], 0).sum(axis=0)
        chosen.append(int(gain.argmax()))
        assert boss(np.full(12, 0.3), flat(12), h, len(chosen)).tolist() == sorted(chosen)


def test_semdedup_drops_the_most_similar_to_an_earlier_one():
    angle = np.array([0.0, 0.01, 1.0, 1.02, 2.5])
    h = np.column_stack([np.cos(angle), np.sin(angle)])
    # Farthest from the mean direction (about 0.96) first: 2.5, 0.0, 0.01, 1.02, 1.0; then m: -1, cos 2.5, cos 0.01, …
    assert semdedup(h, 4, rng()).tolist() == [0, 2, 3, 4] or semdedup(h, 4, rng()).tolist() == [0, 1, 3, 4]
    assert 1 not in semdedup(h, 4, rng())
    assert 0 not in semdedup(h, 4, rng(), order="nearest")
    dropped = {next(iter(set(range(5)) - set(semdedup(h, 4, rng(s), order="random").tolist()))) for s in range(40)}
    assert dropped == {0, 1}


def test_semdedup_counts_the_first_of_a_cluster_like_one_opposite_to_all_earlier():
    h = np.array([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])  # the nearest to the mean is the second, and so visited first
    assert semdedup(h, 1, rng(), order="nearest").tolist() == [0]  # at -1 like the second, and earlier
    assert semdedup(h, 2, rng(), order="nearest").tolist() == [0, 1]


def test_semdedup_is_the_same_in_blocks_of_rows(monkeypatch):
    h = rng(6).normal(size=(70, 3))
    module = import_module("datapare.methods.select.semdedup")
    assert (module.PER_CLUSTER, module.ROWS) == (5000, 1024)
    whole = [semdedup(h, n, rng()).tolist() for n in (5, 30, 60)]
    monkeypatch.setattr(module, "ROWS", 16)
    assert [semdedup(h, n, rng()).tolist() for n in (5, 30, 60)] == whole


def test_semdedup_makes_a_cluster_of_so_many_examples(monkeypatch):
    # Twins on both ends of a line: in one cluster the far ones see each other, in clusters of one nobody does.
    h = np.column_stack([np.cos(np.arange(8.0) / 8), np.sin(np.arange(8.0) / 8)])
    module = import_module("datapare.methods.select.semdedup")
    seen = []
    monkeypatch.setattr(module, "_cluster", lambda rows, count, _: seen.append(count) or np.zeros(len(rows), dtype=int))
    for per in (8, 7, 4, 3):
        monkeypatch.setattr(module, "PER_CLUSTER", per)
        semdedup(h, 3, rng())
    assert seen == [1, 2, 2, 3]


def test_semdedup_runs_no_k_means_for_one_cluster(monkeypatch):
    monkeypatch.setattr("sklearn.cluster.MiniBatchKMeans", None)
    assert len(semdedup(rng().normal(size=(9, 2)), 4, rng())) == 4


def test_semdedup_compares_inside_clusters_only():
    h = np.concatenate([rng(0).normal(size=(30, 4)) * 0.01 + np.eye(4)[i] for i in range(3)])
    alone = semdedup(h, 3, rng(0), clusters=3)
    assert sorted(alone // 30) == [0, 1, 2]  # the first of each cluster has no earlier one
    assert semdedup(h[:4], 4, rng(), clusters=4).tolist() == [0, 1, 2, 3]
    assert len(semdedup(np.ones((20, 2)), 7, rng(), clusters=5)) == 7  # fewer distinct rows than clusters
    for bad in (0, 91):
        with pytest.raises(InputError, match="clusters"):
            semdedup(h, 3, rng(), clusters=bad)


REFUSING = {
    "k_center": lambda h: k_center(h, 2, rng()),
    "herding": lambda h: herding(h, 2),
    "facility_location": lambda h: facility_location(h, 2),
    "graph_cut": lambda h: graph_cut(h, 2),
    "moderate": lambda h: moderate(h, np.zeros(4, dtype=int), 2),
    "semdedup": lambda h: semdedup(h, 2, rng()),
    "d2": lambda h: d2(np.ones(4), h, flat(4), 2),
    "boss": lambda h: boss(np.ones(4), flat(4), h, 2),
    "craig": lambda h: craig(np.full((4, 2), 0.5), h, np.zeros(4, dtype=int), 2),
    "glister": lambda h: glister(np.full((4, 2), 0.5), h, np.zeros(4, dtype=int), 2),
    "grad_match": lambda h: grad_match(np.full((4, 2), 0.5), h, np.zeros(4, dtype=int), 2),
}


@pytest.mark.parametrize("rule", REFUSING.values(), ids=REFUSING)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_embeddings_are_refused(rule, bad):
    h = np.arange(8.0).reshape(4, 2)
    h[2, 1] = bad
    with pytest.raises(InputError, match=r"of 4 embeddings are missing"):
        rule(h)


@pytest.mark.parametrize("rule", [craig, glister, grad_match])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_craig_glister_and_grad_match_refuse_missing_predictions(rule, bad):
    prob = np.full((4, 2), 0.5)
    prob[2, 1] = bad
    with pytest.raises(InputError, match=r"1 of 4 predictions are missing"):
        rule(prob, np.ones((4, 1)), np.zeros(4, dtype=int), 2)


# --- the fitted c_d ----------------------------------------------------------------------------------------------


def uneven(count=4000, seed=0):
    prob = rng(seed).beta(6, 1, size=count)
    return rng(seed + 1).random(count) * (1 - prob) + 0.01, prob


@pytest.mark.parametrize("keep", [0.5, 0.3, 0.1])
def test_a_fitted_beta_keeps_examples_no_harder_than_all(keep):
    score, prob = uneven()
    kept = beta(score, prob[None], int(keep * 4000), rng(3))
    assert prob[kept].mean() >= prob.mean() - 0.01
    c_d = fitted_c_d(score, prob, float(prob[score.argmax()]), int(keep * 4000))
    assert c_d == pytest.approx(4, abs=0.01) or prob[kept].mean() == pytest.approx(prob.mean(), abs=0.01)
    hard = beta(score, prob[None], int(keep * 4000), rng(3), c_d=11.0)
    assert prob[hard].mean() < prob.mean() - 0.03


def test_a_fitted_c_d_is_the_one_that_a_search_by_hand_finds():
    score, prob = uneven(600)
    mu, noise = float(prob[score.argmax()]), rng(0).gumbel(size=600)

    def kept_mean(c_d):
        a, b = beta_parameters(mu, 0.7, c_d=c_d)
        weight = [np.log(s) + (a - 1) * np.log(p) + (b - 1) * np.log(1 - p) for s, p in zip(score, prob, strict=True)]
        return prob[np.argsort(-(np.array(weight) + noise))[:180]].mean()

    tried = np.geomspace(0.05, 4, 400)
    best = tried[np.argmin([abs(kept_mean(c_d) - prob.mean()) for c_d in tried])]
    fitted = fitted_c_d(score, prob, mu, 180)
    assert abs(kept_mean(fitted) - prob.mean()) <= abs(kept_mean(best) - prob.mean()) + 0.002
    assert fitted == fitted_c_d(score, prob, mu, 180)


def test_a_fitted_c_d_looks_at_evenly_spaced_examples_of_a_large_dataset():
    score, prob = uneven(50_000)
    mu = float(prob[score.argmax()])
    assert np.isclose(fitted_c_d(score, prob, mu, 15_000), fitted_c_d(score[::3], prob[::3], mu, 5_000), rtol=0.05)
    assert prob[beta(score, prob[None], 15_000, rng(0))].mean() == pytest.approx(prob.mean(), abs=0.01)


def test_a_fitted_c_d_stays_at_the_nearer_end_where_none_balances():
    easy = np.r_[np.full(10, 0.99), np.full(90, 0.5)]
    assert fitted_c_d(np.r_[np.ones(10), np.zeros(90)], easy, 0.5, 10) > 3.99  # only the easy have a weight
    assert fitted_c_d(np.r_[np.zeros(10), np.ones(90)], easy, 0.5, 10) < 0.06


def test_a_c_d_that_was_not_given_is_fitted_once_for_all_classes_and_can_be_read_in_the_artefact():
    import datapare as dp

    score, prob = uneven(3000)
    dynamics = dp.Dynamics({"target_prob": prob[None]}, rng(5).integers(0, 3, 3000))
    chosen = dp.select(dp.Scores(score), "beta", keep=0.3, dynamics=dynamics, balance="proportional")
    assert chosen.provenance.params["c_d"] == fitted_c_d(score, prob, float(prob[score.argmax()]), 900)
    c_d = chosen.provenance.params["c_d"]
    again = dp.select(dp.Scores(score), "beta", keep=0.3, dynamics=dynamics, balance="proportional", c_d=c_d)
    assert np.array_equal(chosen.index, again.index)


@pytest.mark.parametrize(
    ("augment", "observed", "published"),
    [(("flip",), "train-pass", True), (("flip",), "eval-pass", False), ((), "train-pass", False)],
)
def test_a_record_of_augmented_inputs_has_the_published_c_d(augment, observed, published):
    import datapare as dp

    score, prob = uneven(3000)
    provenance = dp.Provenance("record", "resnet8", {"augment": augment})
    dynamics = dp.Dynamics({"target_prob": prob[None]}, np.zeros(3000, int), observed=observed, provenance=provenance)
    c_d = dp.select(dp.Scores(score), "beta", keep=0.5, dynamics=dynamics, balance=None).provenance.params["c_d"]
    assert (c_d == 4) == published
    assert 0 < c_d <= 4


@pytest.mark.parametrize("name", [name for name in names("select") if find("select", name).spec.over_epochs])
def test_rules_that_read_a_number_over_epochs_choose_the_same_from_that_number(name):
    """The record need not fit in memory: 12 GB a channel for 100 million examples of 30 epochs."""
    draw, (read, reduce) = rng(1), next(iter(find("select", name).spec.over_epochs.items()))
    scores = Scores(draw.random(300))
    channel = draw.random((7, 300), dtype=np.float32)
    channel[2, :50] = np.nan
    arrays = {"embedding": draw.random((300, 4))}
    record = Dynamics({read: channel}, np.arange(300) % 3, arrays)
    once = Dynamics({read: reduce(last_observed(channel))[None].astype(np.float64)}, record.label, arrays)
    for balance in (None, "proportional"):
        chosen = [select(scores, name, keep=0.3, dynamics=one, balance=balance).index for one in (record, once)]
        np.testing.assert_array_equal(*chosen)
    part = Dynamics({read: channel[:, :90]}, record.label[:90])
    whole = reduce(last_observed(channel))
    np.testing.assert_array_equal(reduce(last_observed(part.channels[read])), whole[:90])
