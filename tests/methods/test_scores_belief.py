"""Scores of one epoch's belief and of other networks: entropy to SSP, against identities and plain loops."""

import math

import numpy as np
import pytest
from records import softmax
from reference import BOTH, ENTROPY, LOGIT_MEAN, score

from datapare.errors import InputError

# -- belief without labels


def test_entropy_differs_from_the_guarded_one_by_less_than_anyone_sees():
    guarded = -(BOTH[-1] * np.log(BOTH[-1] + 1e-10)).sum(axis=-1)
    assert np.allclose(score("entropy", ENTROPY), guarded, atol=2e-10)


def test_least_confidence_is_a_probability_and_no_logit():
    logits = np.array([[[3.0, 0.0, 0.0], [30.0, 28.0, 0.0]]])  # the larger logit is the less confident
    prob = softmax(logits)
    rival = np.sort(prob, axis=-1)[..., -2]
    sure, unsure = score("least_confidence", prob[..., 0], prob[..., 0] - rival)
    assert sure < unsure
    assert np.allclose([sure, unsure], -prob.max(axis=-1)[0])


def test_margin_is_the_gap_whatever_the_order_of_the_classes():
    prob = np.array([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.5, 0.0, 0.5]])
    assert np.allclose(score("margin", prob), [-0.5, -0.5, -0.05, 0.0])
    assert np.allclose(score("margin", prob.astype(np.float32)), [-0.5, -0.5, -0.05, 0.0])
    many = softmax(np.random.default_rng(0).normal(0, 1, (40, 200)))
    assert np.array_equal(score("margin", many), np.sort(many, axis=1)[:, -2] - np.sort(many, axis=1)[:, -1])


def test_soft_label_gives_the_reference_probabilities():
    from datapare.numerics.embeddings import softmax

    assert np.allclose(softmax(LOGIT_MEAN)[:, 0], [0.37272645, 0.97239058, 0.39187324], atol=1e-8)


def test_soft_label_of_logits_and_of_log_probabilities_is_the_same_but_not_of_probabilities():
    logits = np.random.default_rng(0).normal(0, 2, (6, 5, 4))
    of_logits = score("soft_label", logits.mean(axis=0))
    assert np.allclose(of_logits, score("soft_label", np.log(softmax(logits)).mean(axis=0)))
    assert not np.allclose(of_logits, score("soft_label", softmax(logits).mean(axis=0)), atol=0.05)


def test_soft_label_sees_each_row_alone_and_bears_any_logit():
    huge = np.array([[1e4, 0.0, 0.0], [0.0, 0.0, 0.0], [-1e4, -1e4, 0.0]], dtype=np.float32)
    assert score("soft_label", huge) == pytest.approx([0.0, math.log(3), 0.0], abs=1e-12)
    assert score("soft_label", huge[1:2]) == pytest.approx([math.log(3)])


# -- scores of other networks


def test_puma_keeps_what_is_near():
    assert score("puma", np.array([0.5, 2.0], dtype=np.float32)).tolist() == [-0.5, -2.0]


def test_puma_of_a_linear_classifier_is_its_distance_to_the_nearest_rival():
    weight, x = np.array([[1.0, 0.0], [0.0, 1.0], [-2.0, 0.0]]), np.array([2.0, 1.0])
    value = weight @ x
    distance = min(abs(value[0] - value[j]) / np.linalg.norm(weight[0] - weight[j]) for j in (1, 2))
    assert score("puma", np.array([distance]))[0] == pytest.approx(-1 / math.sqrt(2))


def test_dlc_averages_over_thinned_networks():
    assert score("dlc", np.array([[1.0, 3.0, 5.0]], dtype=np.float32)).tolist() == [3.0]


def rmd_by_loops(embedding, label):
    total = np.zeros(len(label))
    for sign, group in ((1, label), (-1, np.zeros_like(label))):
        means = {g: np.mean([h for h, k in zip(embedding, group, strict=True) if k == g], axis=0) for g in set(group)}
        away = [h - means[g] for h, g in zip(embedding, group, strict=True)]
        inverse = np.linalg.inv(sum(np.outer(a, a) for a in away) / len(away))
        total += sign * np.array([a @ inverse @ a for a in away])
    return total


def embedded(count=30, width=4, classes=3):
    rng = np.random.default_rng(0)
    label = rng.integers(0, classes, count)
    return rng.normal(0, 1, (count, width)) + 3 * label[:, None], label


@pytest.mark.parametrize("block", [7, 30, 8192])
def test_rmd_is_what_plain_loops_say(block, monkeypatch):
    embedding, label = embedded()
    monkeypatch.setattr("datapare.methods.score.rmd.BLOCK", block)
    assert np.allclose(score("rmd", embedding, label), rmd_by_loops(embedding, label))
    assert np.allclose(score("rmd", embedding, 5 * label - 3), rmd_by_loops(embedding, label))  # numbers are only names


def test_rmd_bears_features_without_spread_and_twins():
    embedding, label = embedded()
    more = np.concatenate([embedding, embedding[:, :1], np.full((30, 1), 0.1)], axis=1)
    assert np.allclose(score("rmd", more, label), score("rmd", embedding, label), rtol=1e-6)


def test_rmd_bears_more_features_than_examples_and_classes_of_one():
    embedding = np.random.default_rng(0).normal(0, 1, (6, 40)).astype(np.float32)
    scores = score("rmd", embedding, np.array([0, 0, 0, 1, 1, 2]))
    assert np.isfinite(scores).all()
    whole = 5.0  # in the span of six centred points each lies at squared distance N - 1
    assert scores[5] == pytest.approx(-whole, abs=1e-6)


def test_rmd_keeps_directions_of_little_spread():
    embedding, label = embedded()
    scaled = embedding * np.array([1.0, 1e-2, 1.0, 1e2])
    assert np.allclose(score("rmd", scaled, label), score("rmd", embedding, label), atol=1e-6)


def two_bundles(rng):
    """Two bundles of directions, of any length."""
    angle = np.concatenate([rng.normal(0.3, 0.05, 12), rng.normal(2.5, 0.05, 9)])
    length = rng.uniform(0.5, 4, 21)[:, None]
    return length * np.stack([np.cos(angle), np.sin(angle)], axis=1), angle


def test_ssp_is_the_cosine_distance_to_the_own_bundle(monkeypatch):
    monkeypatch.setattr("datapare.methods.score.ssp.BLOCK", 5)
    embedding, angle = two_bundles(np.random.default_rng(0))
    centre = [np.stack([np.cos(a), np.sin(a)]).mean(axis=1) for a in (angle[:12], angle[12:])]
    direction = [np.arctan2(c[1], c[0]) for c in centre]
    expected = 1 - np.cos(angle - np.repeat(direction, [12, 9]))
    assert np.allclose(score("ssp", embedding, clusters=2), expected)
    assert np.allclose(score("ssp", embedding, clusters=2, prefer="near"), -expected)
    assert np.allclose(score("ssp", embedding.astype(np.float32), clusters=2), expected, atol=1e-6)


def test_ssp_does_not_depend_on_the_order_of_the_examples():
    rng = np.random.default_rng(0)
    embedding, order = rng.normal(0, 1, (80, 3)), rng.permutation(80)
    assert np.allclose(score("ssp", embedding[order], clusters=7), score("ssp", embedding, clusters=7)[order])
    seeds = [score("ssp", embedding, clusters=7, seed=seed) for seed in (0, 0, 1)]
    assert np.array_equal(seeds[0], seeds[1])
    assert not np.allclose(seeds[0], seeds[2])


def test_ssp_bears_an_embedding_without_direction():
    embedding = np.array([[0.0, -0.0], [1.0, 0.0], [1.0, 0.1], [-0.0, 0.0]])
    scores = score("ssp", embedding, clusters=1)
    assert scores[[0, 3]].tolist() == [1.0, 1.0]
    assert max(scores[1:3]) < 0.1


def test_ssp_with_a_cluster_for_each_example_is_zero():
    embedding = np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    assert np.allclose(score("ssp", embedding, clusters=3), 0)


@pytest.mark.parametrize("clusters", [0, 4, -1])
def test_ssp_refuses_more_clusters_than_examples(clusters):
    with pytest.raises(InputError, match=f"between 1 and the 3 examples, not {clusters}"):
        score("ssp", np.eye(3), clusters=clusters)


@pytest.mark.parametrize(
    ("name", "rest", "params"), [("rmd", [np.zeros(4, dtype=int)], {}), ("ssp", [], {"clusters": 1})]
)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rmd_and_ssp_refuse_a_missing_embedding_and_take_half_precision(name, rest, params, bad):
    embedding = np.array([[300.0, 0.0], [0.0, 1.0], [1.0, 2.0], [400.0, 2.0]], dtype=np.float16)  # squares overflow
    assert np.isfinite(score(name, embedding, *rest, **params)).all()
    embedding[1, 0] = bad
    with pytest.raises(InputError, match="1 of 4 embeddings are missing"):
        score(name, embedding, *rest, **params)
