"""Predicted scores: against plain loops, with honest estimates, and refused where nothing can be known."""

import numpy as np
import pytest
import torch
from records import make_record

import datapare as dp
from datapare.artifacts import Dynamics, Provenance
from datapare.methods.extrapolate import gnn as graphs
from datapare.methods.extrapolate.gnn import gnn, neighbour_graph, spread
from datapare.methods.extrapolate.knn import knn, tune
from datapare.methods.extrapolation import channel_means, describe_reliability, held_out
from datapare.numerics.sampling import draw_fraction


def scene(count=80, seed=0, share=0.5):
    """Embeddings, labels, and a score that is smooth in the embedding, NaN where unscored."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    embedding = rng.normal(size=(count, 4)).astype(np.float32) + label[:, None]
    truth = np.tanh(embedding[:, 0]) + 0.1 * label
    score = np.where(rng.random(count) < share, truth, np.nan)
    score[:3] = truth[:3]
    return score, embedding, label, truth


def plain_knn(score, embedding, label, k, weight, metric, same_class):
    """The formula, one example and one neighbour at a time, in float64."""
    filled = score.copy()
    e = embedding.astype(np.float64)
    unit = e / np.linalg.norm(e, axis=1, keepdims=True)
    space = unit if metric == "cosine" else e
    for i in np.flatnonzero(np.isnan(score)):
        pool = [j for j in np.flatnonzero(~np.isnan(score)) if not same_class or label[i] == label[j]]
        best = sorted(pool, key=lambda j: np.linalg.norm(space[i] - space[j]))[:k]
        w = [np.exp(-np.linalg.norm(e[i] - e[j])) if weight == "exponential" else 1.0 for j in best]
        filled[i] = sum(a * score[j] for a, j in zip(w, best, strict=True)) / sum(w)
    return filled


@pytest.mark.parametrize("same_class", [False, True])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("weight", ["uniform", "exponential"])
@pytest.mark.parametrize("k", [1, 4, 500])
def test_knn_is_the_formula(k, weight, metric, same_class):
    score, embedding, label, _ = scene()
    params = {"weight": weight, "metric": metric, "same_class": same_class}
    expected = plain_knn(score, embedding, label, k, **params)
    assert np.allclose(knn(score, embedding, label, k=k, **params), expected, rtol=1e-5)


def test_knn_with_one_neighbour_copies_the_nearest_score():
    score = np.array([1.0, 3.0, np.nan])
    assert knn(score, np.array([[0.0], [5.0], [4.0]]), np.zeros(3, int), k=1)[2] == 3.0


def test_knn_does_not_underflow_for_far_neighbours():
    # exp(-1000) is 0 in any float, and 0 / 0 in released code
    score = np.array([1.0, 3.0, np.nan])
    embedding = np.array([[1000.0], [1000.0 + np.log(3)], [0.0]])
    assert np.isclose(knn(score, embedding, np.zeros(3, int), k=2, weight="exponential")[2], 1.5, rtol=1e-3)


def test_knn_chooses_k_by_the_scored_examples_alone():
    score, embedding, label, truth = scene(300)
    params = {"weight": "uniform", "metric": "euclidean", "same_class": False}
    chosen = tune(score, embedding, label, k=None, **params)["k"]
    known = np.flatnonzero(~np.isnan(score))
    fit = {}
    for k in (5, 10, 20, 50, 100):
        guess = []
        for i in known:
            others = known[known != i]
            near = others[np.argsort(np.linalg.norm(embedding[others] - embedding[i], axis=1), kind="stable")[:k]]
            guess.append(score[near].mean())
        fit[k] = np.corrcoef(guess, score[known])[0, 1]
    assert chosen == max(fit, key=fit.get)
    assert np.array_equal(knn(score, embedding, label), knn(score, embedding, label, k=chosen))
    assert np.corrcoef(knn(score, embedding, label), truth)[0, 1] > 0.8


def test_knn_by_an_approximate_search_predicts_the_same_but_for_a_few(monkeypatch):
    from datapare.numerics import neighbors

    score, embedding, label, _ = scene(6000)
    exact = knn(score, embedding, label, k=10)
    monkeypatch.setattr(neighbors, "EXACT_PAIRS", 0)
    approximate = knn(score, embedding, label, k=10)
    unscored = np.isnan(score)
    assert np.mean(np.isclose(exact[unscored], approximate[unscored])) > 0.5
    assert np.corrcoef(exact[unscored], approximate[unscored])[0, 1] > 0.99


def dense(embedding, k):
    """The graph as a matrix, edge by edge."""
    total = len(embedding)
    w = np.eye(total)
    for i in range(total):
        d = np.linalg.norm(embedding.astype(np.float64) - embedding[i], axis=1)
        d[i] = np.inf
        for j in np.argsort(d, kind="stable")[:k]:
            w[i, j] = np.exp(-d[j] / 2)
    degree = w.sum(axis=1)
    return w / np.sqrt(np.outer(degree, degree))


def test_gnn_and_what_spreads_over_its_graph_are_the_formula():
    _, embedding, label, _ = scene(40)
    graph = neighbour_graph(embedding, 3)
    a = np.zeros((40, 40))
    for i in range(40):
        a[i, graph.target[i]] = graph.weight[i]
    assert np.allclose(a, dense(embedding, 3), atol=1e-6)
    features = spread(graph, embedding, label)
    x = np.concatenate([embedding / embedding.std(ddof=1), np.eye(3)[label]], axis=1)
    assert np.allclose(features, a @ x, atol=1e-5)


def test_gnn_gives_batches_and_the_whole_graph_the_same(monkeypatch):
    import torch

    score, embedding, label, _ = scene(40)
    graph = neighbour_graph(embedding, 3)
    features = spread(graph, embedding, label)
    torch.manual_seed(0)
    network = graphs._network(features.shape[1])
    a = dense(embedding, 3)
    (w1, b1), (w2, b2), (w3, b3) = (
        (layer.weight.detach().numpy().astype(float), layer.bias.detach().numpy()) for layer in network
    )
    x = np.concatenate([embedding / embedding.std(ddof=1), np.eye(3)[label]], axis=1)
    hidden = np.maximum(a @ x @ w1.T + b1, 0)
    expected = (a @ np.maximum(a @ hidden @ w2.T + b2, 0) @ w3.T + b3)[:, 0]
    assert np.allclose(graphs._through(network, graph, features), expected, atol=1e-5)

    # without dropout and with a step of nothing, the loss of an epoch is the error of the whole graph's output
    seen = []
    monkeypatch.setattr(graphs, "half_dropped", lambda hidden, _: hidden)
    real = torch.nn.functional.mse_loss
    monkeypatch.setattr(
        torch.nn.functional, "mse_loss", lambda guess, true: seen.append(guess.detach().numpy()) or real(guess, true)
    )
    still = torch.optim.SGD(network.parameters(), lr=0.0)
    root = np.array([3, 17, 5, 39])
    target, rng = np.nan_to_num(score).astype(np.float32), np.random.default_rng(0)
    graphs._epoch(network, still, graph, features, target, root, rng)
    assert np.allclose(np.concatenate(seen), expected[root], atol=1e-5)


def test_gnn_drops_about_half_and_doubles_the_rest():
    import torch

    kept = graphs.half_dropped(torch.ones(97, 101), np.random.default_rng(0))
    assert kept.unique().tolist() == [0.0, 2.0]
    assert abs(float(kept.mean()) - 1) < 0.05
    assert abs(np.corrcoef(kept[:, 0], kept[:, 1])[0, 1]) < 0.4


def test_gnn_learns_what_its_neighbours_know():
    score, embedding, label, truth = scene(300)
    done = gnn(score, embedding, label, np.random.default_rng(0))
    unscored = np.isnan(score)
    assert np.corrcoef(done[unscored], truth[unscored])[0, 1] > 0.8
    assert not np.array_equal(done, gnn(score, embedding, label, np.random.default_rng(1)))


def test_gnn_leaves_torch_as_it_was():
    import torch

    before = torch.get_rng_state()
    score, embedding, label, _ = scene(30)
    gnn(score, embedding, label, np.random.default_rng(0), epochs=2)
    assert torch.equal(before, torch.get_rng_state())


def test_gnn_does_not_mind_the_scale_of_scores_or_features():
    score, embedding, label, truth = scene(200)
    done = gnn(score * 1e-4, embedding * 0.01, label, np.random.default_rng(0))
    unscored = np.isnan(score)
    assert np.corrcoef(done[unscored], truth[unscored])[0, 1] > 0.8


def test_the_estimate_is_made_of_hidden_scores_only():
    score = np.where(np.arange(200) < 150, np.random.default_rng(0).random(200), np.nan)
    seen = []

    def predict(hidden, _):
        seen.append(hidden)
        return np.where(np.isnan(hidden), 0.5 + np.arange(200) * 1e-3, hidden), {}

    told = held_out(predict, score, seed=0)
    assert told["examples"] == 150
    assert abs(told["pearson"]) < 0.3, "a prediction of nothing must look like one"
    gone = [np.flatnonzero(np.isnan(h[:150])) for h in seen]
    assert np.array_equal(np.sort(np.concatenate(gone)), np.arange(150))
    assert all(np.isnan(h[150:]).all() for h in seen)


def test_the_estimate_is_about_right():
    score, embedding, label, truth = scene(2000, share=0.3)
    done = dp.extrapolate(dp.Scores(score), Dynamics({}, label, arrays={"embedding": embedding}))
    told = done.provenance.params["held_out"]
    really = np.corrcoef(done.score[done.predicted], truth[done.predicted])[0, 1]
    assert abs(told["pearson"] - really) < 0.05
    assert done.provenance.params["chosen"]["k"] in (5, 10, 20, 50, 100)
    assert f"Pearson {told['pearson']:.2f}" in describe_reliability(done.provenance)


def test_the_estimate_knows_nothing_of_what_a_run_on_everything_would_say_and_admits_it():
    score, embedding, label, truth = scene(2000, share=0.3)
    otherwise = np.sin(3 * embedding[:, 1])  # what the fraction's run ranks otherwise, as smoothly
    done = dp.extrapolate(dp.Scores(score + otherwise), Dynamics({}, label, arrays={"embedding": embedding}))
    really = np.corrcoef(done.score[done.predicted], truth[done.predicted])[0, 1]
    assert done.provenance.params["held_out"]["pearson"] > really + 0.05
    assert describe_reliability(done.provenance).endswith("expect less against scoring everything")


def test_knn_means_of_unobserved_examples_are_those_of_their_own_class():
    channel = np.array([[0.2, 0.4, np.nan, 0.9], [0.4, 0.4, np.nan, 0.9]])
    record = Dynamics({"target_prob": channel}, [0, 0, 0, 1], arrays={"embedding": [[0.0], [1.0], [5.0], [5.0]]})
    known = np.array([True, True, False, True])
    means = channel_means(record, known, record.arrays["embedding"])
    assert np.allclose(means["target_prob"], [0.3, 0.4, 0.35, 0.9])


def test_beta_draws_by_predicted_means():
    record = make_record()
    hidden = np.arange(120) % 4 == 3
    scores = dp.Scores(np.where(hidden, np.nan, 1.0))
    holed = Dynamics(
        {name: np.where(hidden, np.nan, values) for name, values in record.channels.items()},
        record.label, arrays={"embedding": record.arrays["embedding"]},
    )  # fmt: skip
    done = dp.extrapolate(scores, holed)
    filled = np.where(hidden, done.means["target_prob"], holed.channels["target_prob"])
    whole = Dynamics({"target_prob": filled}, record.label)
    one = dp.select(done, "beta", keep=0.4, dynamics=holed)
    other = dp.select(dp.Scores(done.score), "beta", keep=0.4, dynamics=whole)
    assert np.array_equal(one.index, other.index)
    assert hidden[one.index].any()


def test_extrapolated_scores_travel(tmp_path):
    score, embedding, label, _ = scene()
    key = np.arange(80, dtype=np.uint64)
    prob = np.where(np.isnan(score), np.nan, 0.5)[None]
    record = Dynamics({"target_prob": prob}, label, arrays={"embedding": embedding}, key=key)
    done = dp.extrapolate(dp.Scores(score, key=key), record)
    back = dp.load(dp.save(done, tmp_path / "scores"))
    assert back.provenance == done.provenance
    assert np.array_equal(back.means["target_prob"], done.means["target_prob"])
    turned = dp.reorder(back, key[::-1].copy())
    assert np.array_equal(turned.means["target_prob"], done.means["target_prob"][::-1])


def refused(score, embedding, label=None, **more):
    label = np.zeros(len(score), int) if label is None else label
    arrays = {} if embedding is None else {"embedding": np.asarray(embedding, dtype=np.float32)}
    with pytest.raises(dp.InputError) as caught:
        dp.extrapolate(dp.Scores(np.asarray(score, dtype=float)), Dynamics({}, label, arrays=arrays), **more)
    return str(caught.value)


def test_what_cannot_be_predicted_is_refused_in_a_sentence():
    nan = np.nan
    assert "reads 'embedding', which was not recorded" in refused([1, nan], None)
    assert "no example is scored" in refused([nan, nan], [[0], [1]])
    assert "1 scores are infinite" in refused([np.inf, 1, nan], [[0], [1], [2]])
    assert "all embeddings are the same" in refused([1, nan], [[3], [3]])
    assert "1 of 2 embeddings are missing" in refused([1, nan], [[3], [nan]])
    told = refused([1, nan, nan], [[0], [1], [2]], np.array([0, 0, 1]))
    assert "class 1 has no scored example" in told
    assert "at least 10 scored examples, not 1" in refused([1, nan], [[0], [1]], method="gnn")
    assert "k is the number of neighbours" in refused([1, 2, nan], [[0], [1], [2]], k=0)
    assert "did you mean knn" in refused([1, nan], [[0], [1]], method="kn")


def test_unscored_examples_are_not_selected_silently():
    with pytest.raises(dp.InputError, match="predict their scores with extrapolate"):
        dp.select(dp.Scores([0.5, np.nan]), "top", keep=1)


def test_what_was_never_observed_is_not_weighted_silently():
    record = Dynamics({"target_prob": np.array([[0.5, np.nan, 0.5]])}, [0, 0, 0])
    with pytest.raises(dp.InputError, match="1 examples were never observed"):
        dp.select(dp.Scores([0.1, 0.2, 0.3]), "beta", keep=2, dynamics=record)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 1.0])
def test_a_fraction_is_drawn_from_every_class(fraction):
    label = np.repeat([0, 1, 2, 4], [60, 30, 9, 1])
    drawn = draw_fraction(label, fraction, seed=0)
    assert len(drawn) == int(fraction * 100)
    count = np.bincount(label[drawn], minlength=5)
    assert (count[[0, 1, 2, 4]] >= 1).all()
    assert np.all(np.abs(count - fraction * np.bincount(label)) <= 2)
    assert np.array_equal(drawn, draw_fraction(label, fraction, seed=0))
    assert fraction == 1 or not np.array_equal(drawn, draw_fraction(label, fraction, seed=1))


@pytest.mark.parametrize(("fraction", "says"), [(0.03, "4 classes; score at least 0.04"), (0, "0, 1"), (1.5, "0, 1")])
def test_an_impossible_fraction_is_refused(fraction, says):
    with pytest.raises(dp.InputError, match=says):
        draw_fraction(np.repeat([0, 1, 2, 4], 25), fraction, seed=0)


def test_scores_that_were_not_extrapolated_need_no_trust():
    assert describe_reliability(Provenance("score", "dual")) == ""


@pytest.mark.parametrize(("method", "count"), [("knn", 1), ("knn", 2), ("knn", 19), ("gnn", 10), ("gnn", 20)])
def test_few_scored_examples_are_enough_but_nothing_is_held_out(method, count):
    score = np.where(np.arange(40) < count, np.arange(40) / 40, np.nan)
    record = Dynamics({}, np.zeros(40, int), arrays={"embedding": np.arange(40.0)[:, None]})
    done = dp.extrapolate(dp.Scores(score), record, method)
    assert np.isfinite(done.score).all()
    assert (done.provenance.params["held_out"] is None) == (count < 20)
    assert ("nothing was held out" in describe_reliability(done.provenance)) == (count < 20)


def test_the_graph_network_does_not_depend_on_the_number_of_threads():
    score, embedding, label, _ = scene(count=900)
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            found.append(gnn(score, embedding, label, np.random.default_rng(0), epochs=2))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
