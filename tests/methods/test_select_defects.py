"""One test per defect of released selection code, showing ours right where theirs goes wrong."""

from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest

from datapare import Dynamics, Scores, select
from datapare.errors import InputError
from datapare.methods.registry import check_params, find, names
from datapare.methods.select.beta import beta
from datapare.methods.select.boss import boss
from datapare.methods.select.ccs import ccs
from datapare.methods.select.craig import craig
from datapare.methods.select.craig import weights as craig_weights
from datapare.methods.select.d2 import d2, neighbour_graph
from datapare.methods.select.glister import glister
from datapare.methods.select.grad_match import grad_match
from datapare.methods.select.grad_match import weights as grad_match_weights
from datapare.methods.select.herding import herding
from datapare.methods.select.k_center import k_center
from datapare.methods.select.moderate import moderate
from datapare.methods.select.random import random
from datapare.methods.select.two_ended import two_ended
from datapare.numerics.embeddings import prediction_error
from datapare.numerics.sampling import stratify, top_positions


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(total: int) -> np.ndarray:
    return np.zeros((1, total))


def test_a_ranking_cannot_be_passed_as_scores():
    order = np.argsort([0.3, 0.1, 0.2])
    with pytest.raises(InputError, match="one float per example"):
        Scores(order)


def test_beta_means_over_all_epochs_not_the_first():
    score = np.full(40, 0.5)
    prob = np.full((10, 40), 0.5)
    prob[1:, 20:] = 0.95
    prob[0, :] = 0.3
    chosen = np.concatenate([beta(score, prob, 4, rng(seed), c_d=11.0) for seed in range(50)])
    assert (chosen < 20).mean() > 0.7  # the first epoch alone cannot tell the halves apart


def test_beta_refuses_an_anchor_of_nobody():
    for anchor in (0, -1):
        with pytest.raises(InputError, match=f"at least 1, not {anchor}"):
            beta(np.ones(4), np.full((1, 4), 0.5), 2, rng(), anchor=anchor)


def test_a_beta_draw_repeats_under_its_seed_and_differs_under_another():
    score, prob = rng(0).random(200), rng(1).random((5, 200))
    assert beta(score, prob, 60, rng(7)).tolist() == beta(score, prob, 60, rng(7)).tolist()
    assert beta(score, prob, 60, rng(7)).tolist() != beta(score, prob, 60, rng(8)).tolist()


def test_beta_anchor_over_ten_is_the_released_variant():
    score = np.linspace(1, 0.1, 50)
    prob = np.tile(np.linspace(0.9, 0.1, 50), (3, 1))
    draws = {a: np.concatenate([beta(score, prob, 5, rng(s), anchor=a) for s in range(100)]) for a in (1, 50)}
    assert draws[1].mean() < draws[50].mean() - 2  # one top example at m = 0.9 against the mean of all at 0.5
    draws = {t: np.concatenate([beta(score, prob, 5, rng(s), total=t) for s in range(100)]) for t in (15.0, 30.0)}
    assert draws[30.0].mean() < draws[15.0].mean()  # a larger alpha favours the easier


def test_beta_is_defined_where_weights_vanish_or_all_scores_are_zero():
    prob = np.array([[0.0, 1.0, 0.5, 0.5]])
    assert beta(np.array([0.0, 0.0, 0.0, 0.0]), prob, 3, rng()).tolist() == sorted({*beta(np.zeros(4), prob, 3, rng())})
    assert beta(np.array([0.0, 1.0, 1.0, 1.0]), prob, 3, rng()).tolist() == [1, 2, 3]
    for bad in (np.array([0.1, -0.1, 0.1, 0.1]), np.array([0.1, np.inf, 0.1, 0.1])):
        with pytest.raises(InputError, match="negative or infinite"):
            beta(bad, prob, 2, rng())


def test_ccs_maps_positions_inside_strata_back_to_the_dataset():
    margin = np.array([[0.9, -0.9, 0.8, -0.8, 0.7, -0.7, 0.6, 0.5, 0.4, 0.3]])
    for seed in range(20):
        chosen = ccs(np.arange(10.0), margin, 5, rng(seed), cut=0.3, strata=3)
        assert not set(chosen.tolist()) & {1, 3, 5}
    assert ccs(np.arange(10.0), margin, 7, rng(), cut=0.3).tolist() == [0, 2, 4, 6, 7, 8, 9]


def test_ccs_cuts_by_margin_whatever_the_score_says():
    score, margin = np.array([9.0, 1.0, 2.0, 3.0]), np.array([[0.9, -0.9, 0.1, 0.2], [0.9, 0.9, -0.5, 0.2]])
    # Sums: 1.8, 0.0, -0.4, 0.4: the third is hardest by margin, and no epoch alone would say so.
    assert ccs(score, margin, 3, rng(), cut=0.25).tolist() == [0, 1, 3]


def test_ccs_keeps_the_top_examples_of_negative_scores():
    score = -np.arange(1.0, 101.0)  # 1.0001 * max lies below the largest score
    assert all(ccs(score, flat(100), 100, rng())[i] == i for i in range(100))
    assert stratify(score, 50)[0] == 49
    picked = [0 in ccs(score, flat(100), 50, rng(seed)) for seed in range(60)]
    assert 15 < sum(picked) < 45  # one of two in its stratum


def test_ccs_takes_constant_scores_as_one_stratum_and_infinite_ones_as_outermost():
    chosen = np.concatenate([ccs(np.ones(10), flat(10), 5, rng(seed)) for seed in range(100)])
    assert np.bincount(chosen, minlength=10).min() > 25
    score = np.array([0.0, 0.5, 1.0, np.inf, -np.inf])
    assert stratify(score, 2).tolist() == [0, 1, 1, 1, 0]
    assert stratify(np.array([np.inf, np.inf]), 3).tolist() == [0, 0]


def test_the_budget_comes_before_the_cut_in_ccs_two_ended_d2_and_boss():
    margin = np.arange(10.0)[None]
    assert ccs(np.arange(10.0), margin, 8, rng(), cut=0.3).tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert two_ended(margin, 8, cut=0.3).tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert d2(np.arange(10.0), np.eye(10), margin, 8, cut=0.3).tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert boss(np.arange(10.0), margin, np.eye(10), 8, cut=0.3).tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    with pytest.raises(InputError, match="strata"):
        ccs(np.arange(10.0), flat(10), 8, rng(), strata=0)


@pytest.mark.parametrize("balance", ["proportional", "uniform"])
def test_balance_uses_each_class_own_size(balance):
    label = np.repeat([0, 1, 2], [60, 30, 10])
    d = Dynamics(channels={"target_prob": rng(0).random((3, 100))}, label=label)
    subset = select(Scores(rng(1).random(100)), "top", keep=40, dynamics=d, balance=balance)
    assert np.bincount(label[subset.index]).tolist() == {"proportional": [24, 12, 4], "uniform": [15, 15, 10]}[balance]


def test_d2_messages_never_raise_a_neighbour():
    # A picked example of u <= 0 sends no message; the released minus would add its absolute value to the neighbours.
    h = np.zeros((6, 1))
    score = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5])
    order = [next(iter(set(b) - set(a))) for a, b in _prefixes(lambda n: d2(score, h, flat(6), n, k=5, gamma=0.0))]
    # All are neighbours at distance 0: every u starts at 4.5, the first sends 4.5, all fall to 0, ties by place.
    assert order == [0, 1, 2, 3, 4, 5]
    h = np.array([[0.0], [0.0], [0.0], [90.0]])
    # Starts: 2.1 (three alike) and 0.4 for the loner; after the first pick the twins stand at 0 < 0.4.
    assert d2(np.array([0.7, 0.7, 0.7, 0.4]), h, flat(4), 2, k=3).tolist() == [0, 3]


def test_d2_an_example_below_zero_sends_no_message_at_all():
    h = np.array([[0.0], [1.0], [-1.0], [1000.0], [1001.0]])
    score = np.array([1.0, 0.5, 0.3, 0.8, 0.1])
    # Starts 1.294, 0.908, 0.736 | 0.837, 0.394; the first and the fourth leave -0.262, -0.435 | -0.363. Were the second
    # to send its -0.262, the third would rise to -0.220, above the fifth.
    picks = [d2(score, h, flat(5), n, k=2, symmetric=False).tolist() for n in (1, 2, 3, 4)]
    assert picks == [[0], [0, 3], [0, 1, 3], [0, 1, 3, 4]]


def test_d2_starts_margins_at_zero_and_keeps_their_order():
    h = np.arange(5.0)[:, None] * 100  # far apart: messages vanish
    aum = np.array([3.0, -1.0, 2.0, 5.0, 0.0])
    chosen = [d2(-aum, h, flat(5), n, k=1, gamma=1.0).tolist() for n in (1, 2, 3)]
    assert chosen == [[1], [1, 4], [1, 2, 4]]  # the hardest are those of least margin
    np.testing.assert_array_equal(d2(-aum, h, flat(5), 3), d2(aum.max() - aum, h, flat(5), 3))


def test_d2_kernels_messages_and_graphs_are_variants():
    h = np.array([[0.0], [2.0], [2.5], [7.0]])
    score = np.array([1.0, 0.8, 0.1, 0.85])
    # exp(-2) and exp(-0.5) forward; with the Gaussian exp(-4) and exp(-0.25).
    run = lambda n, **params: d2(score, h, flat(4), n, k=1, symmetric=False, **params).tolist()  # noqa: E731
    assert run(2) == [0, 3]  # u = 1.108, 0.861, 0.585, 0.851: the second loses exp(-0.2) * 1.108 of 0.861
    assert run(2, gamma=50.0) == [0, 1]  # messages vanish
    assert run(2, gamma=50.0, message="absolute") == [0, 3]
    assert run(2, gamma=50.0, gamma_forward=50.0) == [0, 3]  # u = score
    assert run(1, kernel="gaussian") == [0]
    assert run(2, gamma=50.0, gamma_forward=0.1, kernel="gaussian") == [0, 1]
    end, target, _ = neighbour_graph(h, 1, symmetric=False)
    assert (end.tolist(), target.tolist()) == ([0, 1, 2, 3, 4], [1, 2, 1, 2])
    end, target, length = neighbour_graph(h, 1, symmetric=True)
    assert (end.tolist(), target.tolist()) == ([0, 1, 3, 5, 6], [1, 0, 2, 1, 3, 2])
    assert length.tolist() == [2.0, 2.0, 0.5, 0.5, 4.5, 4.5]


def test_d2_refuses_what_is_no_difficulty():
    for bad in ({"k": 0}, {"gamma": -0.1}, {"gamma_forward": -1.0}):
        with pytest.raises(InputError, match="at least"):
            d2(np.ones(3), np.eye(3), flat(3), 1, **bad)
    with pytest.raises(InputError, match="finite"):
        d2(np.array([1.0, np.inf, 0.0]), np.eye(3), flat(3), 1)


def test_d2_makes_no_self_loops_among_more_duplicates_than_neighbours():
    end, target, _ = neighbour_graph(np.zeros((9, 2)), 3, symmetric=False)
    assert np.diff(end).tolist() == [3] * 9
    assert (target != np.repeat(np.arange(9), 3)).all()


def test_d2_takes_fewer_edges_where_the_search_found_fewer(monkeypatch):
    found = np.array([[0.0, 1.0, np.inf], [0.0, 1.0, 2.0], [0.0, 2.0, np.inf]])
    target = np.array([[0, 1, -1], [1, 0, 2], [2, 1, -1]])
    monkeypatch.setattr(import_module("datapare.methods.select.d2"), "neighbours", lambda *_: (found, target))
    end, target, length = neighbour_graph(np.zeros((3, 1)), 2, symmetric=False)
    assert (end.tolist(), target.tolist(), length.tolist()) == ([0, 1, 3, 4], [1, 0, 2, 1], [1, 1, 2, 2])


def test_moderate_keeps_the_middle_and_exactly_n():
    h, label = np.arange(10.0)[:, None] ** 2, np.zeros(10, dtype=int)
    # The released window at keep 0.5 of ten rounds 2.5 and 7.5 half to even and keeps 6.
    distance = np.abs(h[:, 0] - 20.5)  # the median of 16 and 25
    middle = np.argsort(distance, kind="stable")[2:7]
    assert moderate(h, label, 5).tolist() == sorted(middle[::1].tolist())
    assert len(moderate(h, label, 7)) == 7
    tails = {int(distance.argmin()), int(distance.argmax())}
    assert not tails & set(moderate(h, label, 5).tolist())  # D2's copy returns the tails


def test_moderate_gives_a_class_of_one_its_own_prototype():
    h = np.array([[0.0], [1.0], [3.0], [1000.0]])
    # Distances: class 0 (median 1): 1, 0, 2; the single member of class 1: 0. Ranks: 2nd is 0 at position 3.
    assert moderate(h, np.array([0, 0, 0, 1]), 2).tolist() == [0, 3]


def test_herding_takes_the_smallest_distance():
    h = rng(0).normal(size=(60, 5))
    h[0] += 40  # an outlier, which the released arg-max takes first
    chosen = herding(h, 12)
    assert 0 not in chosen[:1] or chosen[0] != 0
    error = np.linalg.norm(h[chosen].mean(axis=0) - h.mean(axis=0))
    others = [np.linalg.norm(h[random(h[:, 0], 12, rng(s))].mean(axis=0) - h.mean(axis=0)) for s in range(50)]
    assert error < min(others)


def test_glister_updates_the_gradient_after_each_pick():
    prob, h, label = rng(0).dirichlet(np.ones(3), size=40), rng(1).normal(size=(40, 4)), rng(2).integers(0, 3, 40)
    still, moving = glister(prob, h, label, 12, eta=0.0), glister(prob, h, label, 12, eta=20.0)
    assert still.tolist() != moving.tolist()
    error = prediction_error(prob, label)
    rows = np.column_stack([h, np.ones(40)])
    alignment = np.einsum("nk,nk->n", error, rows @ (error.T @ rows).T)
    assert still.tolist() == top_positions(alignment, 12).tolist()
    with pytest.raises(InputError, match="eta"):
        glister(prob, h, label, 3, eta=-1.0)


def test_glister_survives_large_steps():
    prob, h, label = rng(0).dirichlet(np.ones(3), size=30), 300 * rng(1).normal(size=(30, 4)), rng(2).integers(0, 3, 30)
    for width in (np.float32, np.float64):
        assert len(glister(prob.astype(width), h.astype(width), label, 20, eta=100.0)) == 20


def test_craig_weights_count_each_example_once():
    prob, h, label = rng(0).dirichlet(np.ones(3), size=30), rng(1).normal(size=(30, 4)), rng(2).integers(0, 3, 30)
    index = craig(prob, h, label, 6)
    weight = craig_weights(prob, h, label, index)
    assert weight.sum() == 30  # released weights start at 1, so theirs sum to 36
    assert weight.min() >= 1
    assert craig_weights(prob, h, label, np.arange(30)).tolist() == [1.0] * 30
    twins = craig_weights(np.tile(prob[:1], (4, 1)), np.tile(h[:1], (4, 1)), np.tile(label[:1], 4), np.array([1, 3]))
    assert twins.tolist() == [3.0, 1.0]  # each stands for itself, the rest go to the first


def test_grad_match_fills_the_budget_when_the_pursuit_ends_early():
    # One direction only: after the first pick the others add nothing, and the released pursuit stops there.
    prob = np.array([[0.1, 0.9], [0.5, 0.5], [0.1, 0.9], [0.6, 0.4], [0.9, 0.1]])
    label = np.array([0, 0, 0, 0, 1])
    h = np.zeros((5, 1))
    for n in range(1, 6):
        chosen = grad_match(prob, h, label, n, lam=1e-6)
        assert len(np.unique(chosen)) == n
    assert grad_match(prob, h, label, 2, lam=1e-6).tolist() == [0, 2]
    perfect = np.eye(2)[[0, 1, 0]]
    assert grad_match(perfect, np.ones((3, 1)), np.array([0, 1, 0]), 2).tolist() == [0, 1]  # all gradients vanish
    assert grad_match_weights(perfect, np.ones((3, 1)), np.array([0, 1, 0]), np.array([0, 1])).tolist() == [0.0, 0.0]
    with pytest.raises(InputError, match="lam"):
        grad_match(prob, h, label, 2, lam=0.0)


def test_grad_match_solves_again_only_where_a_weight_meets_zero(monkeypatch):
    import scipy.optimize

    asked, solve = [], scipy.optimize.nnls
    monkeypatch.setattr(scipy.optimize, "nnls", lambda *a, **k: asked.append(a[1]) or solve(*a, **k))
    prob, h, label = rng(0).dirichlet(np.ones(3), size=60), rng(1).normal(size=(60, 4)), rng(2).integers(0, 3, 60)
    index = grad_match(prob, h, label, 20, lam=10.0)
    assert grad_match_weights(prob, h, label, index, lam=10.0).min() > 0
    assert asked == []  # a strong penalty keeps every weight above 0, and one solve proves it
    grad_match(prob, h, label, 40, lam=1e-3)
    assert len(asked) == 5  # a weight met zero five times; what is at zero is not guessed to rise again
    asked.clear()
    perfect = np.eye(3)[label]
    asked.clear()
    grad_match(perfect, h, label, 40)
    assert asked == []  # nothing is left to match


def test_boss_cuts_what_it_is_told_and_favours_the_density():
    h = np.eye(6)
    margin = np.array([[0.5, -0.5, 0.4, 0.3, 0.2, 0.1]])
    score = np.array([0.0, 0.2, 0.4, 0.5, 0.6, 1.0])
    assert 1 not in boss(score, margin, h, 5, cut=0.2)
    assert 1 in boss(score, margin, h, 5)
    assert boss(score, margin, h, 1).tolist() == [3]  # Beta(2, 2) peaks at 0.5
    assert boss(score, margin, h, 1, a=1.0).tolist() == [5]  # Beta(2, 1) at 1
    assert boss(score, margin, h, 1, c=1.0).tolist() == [0]  # Beta(1, 2) at 0
    assert boss(np.ones(6), margin, h, 3).tolist() == [0, 1, 2]
    assert boss(np.ones(6), margin, h[[0, 0, 0, 1, 1, 2]], 3).tolist() == [0, 3, 5]  # equal weights, not none
    for bad in ({"c": 0.5}, {"a": 0.5}):
        with pytest.raises(InputError, match="at least 1"):
            boss(score, margin, h, 3, **bad)
    with pytest.raises(InputError, match="finite"):
        boss(np.array([np.inf, 0, 0, 0, 0, 0]), margin, h, 3)


def test_random_is_no_prefix_and_k_center_is_not_random():
    h = rng(0).normal(size=(50, 3))
    assert random(h[:, 0], 10, rng()).tolist() != list(range(10))
    assert k_center(h, 10, rng(0)).tolist() != random(h[:, 0], 10, rng(0)).tolist()


def test_unknown_parameters_are_refused_not_ignored():
    for name in names("select"):
        with pytest.raises(InputError, match="has no parameter"):
            check_params(find("select", name), {"fraction": 0.3})


def _prefixes(rule):
    chosen = [[]] + [rule(n).tolist() for n in range(1, 7)]
    return list(pairwise(chosen))
