"""Scores of training dynamics: identities, variants of released codes, and their defects on a case each."""

import math

import numpy as np
import pytest
from records import softmax
from reference import BOTH, ERROR, STEP, P, score

from datapare.errors import InputError

# -- TDDS


def test_tdds_worked_through_step_by_step():
    assert np.allclose(STEP[1:, 0], [0.23285585, 0.44986810, 0.20273255, 0.55926104], atol=1e-8)
    windows = [score("tdds", STEP[k : k + 3], window=3, decay=1.0)[0] for k in range(3)]
    assert np.allclose(windows, [0.15345083, 0.17475123, 0.25210371], atol=1e-8)
    weighted = 0.9 * (windows[2] + 0.1 * windows[1] + 0.01 * windows[0])
    assert score("tdds", STEP, window=3)[0] == pytest.approx(weighted, abs=1e-12)


def test_tdds_windows_move_and_the_last_one_weighs_most():
    step = np.zeros((13, 3))
    step[2, 0] = step[6, 1] = step[12, 2] = 1.0  # an early, a middle and a late change
    scores = score("tdds", step, window=4)
    assert 0 < scores[0] < scores[1] < scores[2]


def test_tdds_never_reads_the_row_before_the_first_change():
    other = STEP.copy()
    other[0] = 7.0
    assert np.array_equal(score("tdds", STEP, window=3), score("tdds", other, window=3))
    tail = score("tdds", STEP, window=3, first=1)
    assert np.array_equal(tail, score("tdds", np.concatenate([other[:1], STEP[2:]]), window=3))


def test_tdds_first_minus_ten_is_the_single_window_of_the_extrapolation_code():
    step = np.random.default_rng(0).random((30, 6))
    last = step[-9:]
    expected = 0.9 * np.sqrt(((last - last.mean(axis=0)) ** 2).sum(axis=0))
    assert np.allclose(score("tdds", step, first=-10), expected)


def test_tdds_of_equal_changes_is_zero():
    assert score("tdds", np.full((12, 2), 0.3)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("window", [2, 6, 0, -1])
def test_tdds_refuses_windows_without_a_spread_or_longer_than_the_record(window):
    with pytest.raises(InputError, match=rf"at least 3 and at most the 5 chosen epochs, but window is {window}"):
        score("tdds", STEP, window=window)


def test_tdds_takes_a_window_as_long_as_the_record_and_as_short_as_three():
    assert score("tdds", STEP, window=5).shape == score("tdds", STEP, window=3).shape == (3,)


def test_tdds_of_a_long_record_does_not_mind_weights_that_vanish():
    step = np.random.default_rng(0).random((400, 2))
    assert np.allclose(score("tdds", step), score("tdds", step, first=-40), rtol=1e-9)


# -- DUAL and Dyn-Unc


def train_two_points(x1, x2, *, exponential, rate, steps):
    """Full-batch gradient descent from zero on two points labelled +1; predictions before each step, (steps, 2)."""
    x = np.array([x1, x2])
    w = np.zeros(2)
    seen = np.empty((steps, 2))
    for t in range(steps):
        f = x @ w
        seen[t] = 1 / (1 + np.exp(-f))
        w += rate * ((np.exp(-f) if exponential else 1 - seen[t]) @ x)
    return seen


THEOREM = [
    ((0.1, 0.1), (0.13, 0.12), False, 0.1, 10, 457, 1038),
    ((0.1, 0.1), (0.13, 0.12), False, 0.01, 10, 4609, 10425),
    ((0.1, 0.1), (0.13, 0.12), True, 0.1, 10, 281, 730),
    ((1.0, 0.0), (1.5, 0.5), False, 0.01, 10, 69, 161),
    ((1.0, 0.0), (1.5, 0.5), False, 0.1, 2, 7, 16),
    ((0.5, 0.5), (1.0, 0.8), False, 0.01, 10, 120, 282),
    ((1.0, 0.0), (1.5, 0.5), True, 0.5, 2, 1, 1),
]


@pytest.mark.parametrize(("x1", "x2", "exponential", "rate", "window", "t_dual", "t_std"), THEOREM)
def test_dual_finds_the_harder_point_earlier_than_dyn_unc(x1, x2, exponential, rate, window, t_dual, t_std):
    seen = train_two_points(x1, x2, exponential=exponential, rate=rate, steps=t_std + window + 1)

    def first_time(name):
        alone = np.lib.stride_tricks.sliding_window_view(seen, window, axis=0)  # (W, 2, window)
        std = alone.std(axis=-1, ddof=1)
        value = std * (1 - alone.mean(axis=-1)) if name == "dual" else std
        return int(np.flatnonzero(value[:, 0] > value[:, 1])[0])

    assert (first_time("dual"), first_time("dyn_unc")) == (t_dual, t_std)
    for name, t in (("dual", t_dual), ("dyn_unc", t_std)):
        before, after = (score(name, seen[s : s + window], window=window) for s in (t - 1, t))
        assert before[0] <= before[1]
        assert after[0] > after[1]


def test_dual_with_one_window_is_difficulty_times_deviation():
    expected = (1 - P.mean(axis=0)) * P.std(axis=0, ddof=1)
    assert np.allclose(score("dual", P, window=5), expected)


def test_dual_does_not_keep_the_scale_of_the_released_code():
    released = [
        np.mean([(1 - P[k : k + 3, i].mean()) * P[k : k + 3, i].std(ddof=1) * 10 for k in range(3)]) for i in range(3)
    ]
    assert np.allclose(score("dual", P, window=3) * 10, released)


def test_dyn_unc_takes_a_probability_of_zero_for_what_it_is():
    p = np.array([[0.5], [0.0], [0.5]])  # the released code would skip the 0 as missing, and see no spread at all
    assert score("dyn_unc", p, window=2)[0] == pytest.approx(0.5 / math.sqrt(2))


def test_dyn_unc_variants_choose_their_windows():
    std = np.array([P[k : k + 2].std(axis=0, ddof=1) for k in range(len(P) - 1)])
    assert np.allclose(score("dyn_unc", P, window=2, windows="official"), std[:-1].mean(axis=0))
    assert np.allclose(score("dyn_unc", P, window=2, windows="skip-two"), std[2:].mean(axis=0))


@pytest.mark.parametrize(("windows", "window"), [("official", 5), ("skip-two", 4), ("skip-two", 5)])
def test_dyn_unc_refuses_when_no_window_is_left(windows, window):
    with pytest.raises(InputError, match=f"windows='{windows}' of {window} epochs leave none of 5 epochs"):
        score("dyn_unc", P, window=window, windows=windows)


# -- EL2N and GraNd


def test_el2n_is_what_the_sums_of_squares_say():
    square = (BOTH**2).sum(axis=-1)
    assert np.allclose(ERROR, np.sqrt(np.maximum(square - 2 * P + 1, 0)))


@pytest.mark.parametrize(
    ("params", "rows"),
    [
        ({"first": 20, "count": 1}, slice(20, 21)),  # Data Diet, and the DUAL authors' code
        ({"count": 10, "reduce": "sum"}, slice(10)),  # CCS and D2
        ({"first": 1, "count": 10, "reduce": "sum"}, slice(1, 11)),  # the DUAL authors' code on ImageNet
        ({"count": 5}, slice(5)),  # BOSS
    ],
)
def test_el2n_variants_of_released_codes(params, rows):
    error = np.random.default_rng(0).random((25, 4))
    expected = error[rows].sum(axis=0) if params.get("reduce") == "sum" else error[rows].mean(axis=0)
    assert np.allclose(score("el2n", error, **params), expected)


def test_el2n_says_what_to_do_when_the_record_is_too_short():
    with pytest.raises(InputError, match="1 epochs from epoch 20 on were requested, but epochs 0 to 4 were recorded"):
        score("el2n", ERROR, first=20, count=1)


def test_grand_last_equals_the_gradient_of_a_linear_layer():
    import torch

    torch.manual_seed(0)
    feature, label = torch.randn(8, 5, dtype=torch.float64), torch.arange(8) % 3
    layer = torch.nn.Linear(5, 3, dtype=torch.float64)
    expected = []
    for h, y in zip(feature, label, strict=True):
        layer.zero_grad()
        torch.nn.functional.cross_entropy(layer(h)[None], y[None]).backward()
        expected.append(math.hypot(layer.weight.grad.norm().item(), layer.bias.grad.norm().item()))
    prob = torch.softmax(layer(feature), dim=1).detach().numpy()
    error = np.linalg.norm(prob - np.eye(3)[label.numpy()], axis=1)
    assert np.allclose(score("grand_last", error[None], feature.numpy()), expected, rtol=1e-12)


def test_grand_last_takes_the_error_of_the_epoch_of_the_embedding():
    error = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    embedding = np.array([[2.0, 2.0], [0.0, 0.0]], dtype=np.float32)
    assert np.allclose(score("grand_last", error, embedding), [1.5, 0.6])
    assert np.allclose(score("grand_last", error, embedding, first=1, count=1), [0.9, 0.4])
    assert np.allclose(score("grand_last", error, embedding, first=0), [0.9, 0.4])


def test_grand_averages_over_networks():
    assert score("grand", np.array([[1.0, 2.0], [3.0, 6.0]], dtype=np.float32)).tolist() == [2.0, 4.0]


# -- AUM


def test_aum_counts_every_epoch_and_puts_the_hardest_first():
    margin = np.array([[-9.0, 1.0], [1.0, 1.0]])  # hard at first; the last epoch alone says they are alike
    hard, easy = score("aum", margin)
    assert (hard, easy) == (4.0, -1.0)


def test_aum_of_log_probabilities_is_the_same():
    logits = np.random.default_rng(0).normal(0, 3, (6, 5, 4))
    log_prob = np.log(softmax(logits))
    margins = [x[..., 0] - x[..., 1:].max(axis=-1) for x in (logits, log_prob)]
    assert np.allclose(*(score("aum", m) for m in margins))


def test_prob_aum_variants_of_released_codes():
    m = 2 * P - 1
    assert np.allclose(score("prob_aum", m, reduce="sum"), 5 * score("prob_aum", m))
    assert np.allclose(score("prob_aum", m, first=-1), -m[-1])


# -- forgetting, correctness, H-score

SEEN = np.array([[0, 1, 0, 1, 0], [1, 0, 0, 1, 0], [0, 1, 0, 1, 0], [1, 0, 1, 1, 0], [0, 0, 1, 1, 0]], dtype=bool)


def test_forgetting_counts_every_loss_and_keeps_the_never_learned():
    assert score("forgetting", SEEN).tolist() == [2, 2, 0, 0, 5]


@pytest.mark.parametrize(("never", "expected"), [(None, 5.0), (math.inf, math.inf), (1000.0, 1000.0), (0.0, 0.0)])
def test_forgetting_of_the_never_learned_is_each_published_rule(never, expected):
    assert score("forgetting", SEEN, never_learned=never).tolist() == [2, 2, 0, 0, expected]


def test_forgetting_of_one_epoch_loses_nothing():
    assert score("forgetting", np.array([[True, False]])).tolist() == [0, 1]


def test_correctness_is_negated():
    assert score("correctness", SEEN).tolist() == [-2, -2, -2, -5, 0]


def test_h_score_is_positive_in_the_published_band_and_harder_first():
    runs = np.arange(7)[:, None] > np.arange(6)  # right in 0, 1, … 6 of six runs
    assert score("h_score", runs).tolist() == [0, 5, 4, 3, 2, 1, 0]


def test_h_score_of_one_run_is_refused_because_the_band_is_empty():
    with pytest.raises(InputError, match="needs two columns or more, not 1"):
        score("h_score", np.ones((4, 1), dtype=bool))
    assert score("h_score", np.array([[True, False]])).tolist() == [1]


# -- Data Maps


def test_variability_variants():
    assert np.allclose(score("variability", P, ddof=1), P.std(axis=0, ddof=1))
    variance = P.var(axis=0)
    assert np.allclose(score("variability", P, corrected=True), np.sqrt(variance + variance**2 / 4))


def test_variability_of_a_constant_is_exactly_zero():
    assert (np.full((10, 2), 0.1).mean(axis=0) != 0.1).all()  # deviations from the rounded mean would not vanish
    assert score("variability", np.full((10, 2), 0.1)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("epochs", "ddof"), [(1, 0), (2, 2), (3, -1), (3, 3)])
def test_variability_needs_two_epochs_and_more_than_ddof(epochs, ddof):
    with pytest.raises(InputError, match=f"more than ddof={ddof}, not {epochs}"):
        score("variability", np.zeros((epochs, 1)), ddof=ddof)


def test_variability_takes_two_epochs_and_ddof_one():
    assert score("variability", np.array([[0.0], [1.0]]), ddof=1)[0] == pytest.approx(math.sqrt(0.5))


def test_threshold_closeness_is_largest_at_one_half():
    assert np.allclose(score("threshold_closeness", P), [0.24, 0.96 * 0.04, 0.42 * 0.58])


# -- CLD


def test_cld_is_the_correlation_of_the_changes():
    rng = np.random.default_rng(0)
    own, other = rng.random((2, 9, 4))
    expected = [np.corrcoef(np.diff(own[:, i]), np.diff(other[:, i]))[0, 1] for i in range(4)]
    assert np.allclose(score("cld", own, other), expected)
    assert np.allclose(score("cld", own.astype(np.float32), other), expected, atol=1e-6)


def test_cld_without_any_change_is_the_least_score():
    wavering = np.array([1.0, 0.3, 0.9, 0.1])
    constant = np.full(4, 0.1)
    own = np.stack([constant, wavering, wavering], axis=1)
    other = np.stack([wavering, constant, wavering], axis=1)
    assert score("cld", own, other).tolist() == pytest.approx([-1.0, -1.0, 1.0])
    steady = np.array([4.0, 3.0, 2.0, 1.0])
    assert score("cld", steady[:, None], wavering[:, None]).tolist() == [-1.0]


def test_cld_of_losses_that_are_exactly_zero_is_the_least_score():
    zero, moving = np.zeros((4, 2)), np.array([[1.0, 2.0], [0.5, 3.0], [0.4, 1.0], [0.1, 0.0]])
    assert score("cld", zero, moving).tolist() == [-1.0, -1.0]
    assert score("cld", moving, zero).tolist() == [-1.0, -1.0]


def test_cld_counts_changes_far_below_the_loss_but_above_its_rounding():
    change = np.array([0.0, 1.0, 3.0, 3.5])[:, None]
    assert score("cld", 1 + 1e-10 * change, 2 + change) == pytest.approx(1, abs=1e-4)
    assert score("cld", 1 + 1e-10 * change, 2 - change) == pytest.approx(-1, abs=1e-4)


def test_cld_needs_three_epochs():
    with pytest.raises(InputError, match="three epochs or more, not 2"):
        score("cld", np.zeros((2, 1)), np.zeros((2, 1)))
    assert score("cld", np.array([[3.0], [1.0], [0.0]]), np.array([[1.0], [0.0], [5.0]])) == pytest.approx([1.0])


def test_cld_takes_equal_changes_for_what_they_are_though_rounding_makes_them_differ():
    steady = np.linspace(2.0, 0.1, 12)  # the differences of these floats are not all the same float
    assert len(set(np.diff(steady))) > 1
    wavering = np.random.default_rng(0).random(12)
    for width in (np.float32, np.float64):
        own = np.stack([steady, wavering], axis=1).astype(width)
        other = np.stack([wavering, steady], axis=1).astype(width)
        assert score("cld", own, other).tolist() == [-1.0, -1.0]


# -- FATB

FALLING = np.array([[3.0, 0.0, 2.0, 3.0], [1.0, 0.0, 1.0, 3.0], [3.0, 3.0, 2.0, 3.0], [2.0, 1.0, 1.0, 3.0]])


def test_fatb_counts_falls_from_above_and_the_mean_itself_is_not_above():
    assert score("fatb", FALLING, np.full((4, 4), 2.0)).tolist() == [2, 1, 0, 0]
    moving = np.array([2.0, 5.0, 2.0, 5.0])[:, None] * np.ones(4)
    assert score("fatb", FALLING, moving).tolist() == [2, 1, 0, 2]  # the last is above 2 and below 5


def test_fatb_counts_up_to_a_cut_off_epoch():
    mean = np.full((4, 4), 2.0)
    assert score("fatb", FALLING, mean, count=2).tolist() == [1, 0, 0, 0]
    assert score("fatb", FALLING, mean, first=2).tolist() == [1, 1, 0, 0]


def test_fatb_of_a_missing_loss_is_unknown_and_no_fall():
    holed = FALLING.copy()
    holed[1, 0] = np.nan
    assert np.array_equal(score("fatb", holed, np.full((4, 4), 2.0)), [np.nan, 1, 0, 0], equal_nan=True)
