"""Strategies: what is drawn, with which targets, for how long; counted, found again, refused where it cannot be."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import write_points

import datapare as dp
from datapare.artifacts import Comparison
from datapare.errors import InputError
from datapare.evaluation.arms import arms, describe_redrawn
from datapare.evaluation.costs import Cost, once_cost, total_cost
from datapare.evaluation.drawing import SEEN, distinct, within
from datapare.evaluation.experiment import holdout
from datapare.evaluation.frontier import frontier
from datapare.evaluation.goals import advise_goals
from datapare.evaluation.jobs import Job, fingerprint
from datapare.evaluation.strategies import (
    Draw,
    parse_strategies,
    parse_strategy,
    rule_names,
    rule_schedule,
    short_epochs,
    strategy_names,
)
from datapare.numerics.sampling import pool_size
from datapare.training import TrainingConfig
from datapare.training.online import Sampler

SMALL = TrainingConfig(epochs=10, batch_size=16, lr=0.01, optimizer="adamw", model="mlp", width=16)
# of a training on a subset, before there were strategies: finished trainings of then are found again
BEFORE = "4f19cdda0c20f620b8f01b83d7bd107cac376281827d970a1594ea50d1f149bf"
RULES = ("infobatch", "kakurenbo+soft", "dual_switch")
NAMES = ("random+soft", "random-redrawn", "short", "subset+soft", "subset-pool+soft", "random-pool", *RULES)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A dataset, held-out examples, a record with mean logits, scores and a subset."""
    place = tmp_path_factory.mktemp("points")
    data = dp.open_dataset(write_points(place / "points.npz"))
    test = dp.open_dataset(write_points(place / "test.npz", 80, seed=9))
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(4, 120)).astype(np.float32)
    logits = (2 * np.eye(2)[data.label] + rng.normal(size=(120, 2))).astype(np.float32)
    dynamics = dp.Dynamics(
        {"target_prob": p, "loss": -np.log(p)}, data.label, key=data.key, arrays={"logit_mean": logits},
        seconds=np.ones(4),
    )  # fmt: skip
    scores = dp.score(dynamics, "dual", window=3)
    return data, test, dynamics, scores, dp.select(scores, "beta", keep=0.4, dynamics=dynamics)


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    data, test, dynamics, scores, subset = run
    options = {"test": test, "training": SMALL, "dynamics": dynamics, "scores": scores, "seeds": 3, "strategies": NAMES}
    folder = tmp_path_factory.mktemp("trainings")
    return dp.compare(data, subset, **options, folder=folder), options, folder


def arm(comparison, strategy):
    return comparison.strategies.index(strategy)


@pytest.mark.parametrize("name", [*strategy_names(), *(f"{name}+soft" for name in strategy_names())])
def test_a_name_is_what_it_was_parsed_from(name):
    assert parse_strategy(name).name == name


def test_every_rule_of_online_is_a_strategy():
    assert {"infobatch", "kakurenbo", "orderdp", "seta", "dual_switch", "dual_redraw"} <= {*rule_names()}
    assert "pool" not in rule_names()


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["shrot"], "did you mean short"),
        (["short+hard"], "there is no strategy"),
        (["none", "short"], "no other is trained"),
    ],
)
def test_names_that_are_none_are_refused(names, says):
    with pytest.raises(InputError, match=says):
        parse_strategies(names, soft=True)


def test_baselines_hold_soft_labels_where_there_are_any_and_nothing_twice():
    assert [one.name for one in parse_strategies(["short", "baselines", "random"], soft=True)] == [
        "short", "random+soft", "subset+soft", "random-redrawn",
    ]  # fmt: skip
    weighted = parse_strategies(["baselines"], soft=True, weighted=True)
    assert [one.name for one in weighted] == ["random+soft", "random-redrawn", "short"]
    assert [one.name for one in parse_strategies(["baselines"], soft=False)] == ["random-redrawn", "short"]
    assert parse_strategies(["none"], soft=True) == []


@given(st.integers(1, 400), st.integers(2, 5000), st.floats(0.01, 1))
def test_the_short_schedule_is_the_nearest_number_of_whole_epochs(epochs, total, keep):
    count = max(1, int(keep * total))
    short = short_epochs(epochs, count, total)
    assert short == 1 or abs(short * total - epochs * count) <= total / 2


@given(st.integers(1, 400), st.integers(2, 5000), st.floats(0.01, 1), st.sampled_from(("dual_switch", "dual_redraw")))
def test_a_rule_that_scores_first_spends_its_budget_and_no_more(epochs, total, keep, name):
    count = max(1, int(keep * total))
    try:
        made, params = rule_schedule(name, epochs, count, total)
    except InputError:
        assert epochs * count < 4 * total, "only a budget that is too small is refused"
        return
    assert 2 <= params["window"] <= params["after"] < made
    seen = params["after"] * total + (made - params["after"]) * count
    assert abs(seen - epochs * count) <= count
    assert params["after"] * total <= epochs * count / 2 + 1e-6


def test_every_arm_makes_as_many_updates_and_its_examples_are_counted(made, run):
    compared, *_ = made
    subset = len(run[4])
    assert compared.strategies == ("subset", "random", "full", *NAMES)
    assert compared.roles == ("subset", "random", "full", *["strategy"] * len(NAMES))
    assert compared.baseline == (1, None, None, *[1] * len(NAMES))
    steps = compared.updates[0, 0]
    for name in ("random", "random+soft", "subset+soft", "random-redrawn", "subset-pool+soft", "random-pool"):
        assert np.all(compared.updates[arm(compared, name)] == steps), "the same batches, as many epochs"
        assert np.allclose(compared.epochs[arm(compared, name)], compared.epochs[0])
    for name in ("subset", "random", "subset+soft", "random+soft"):
        assert np.all(compared.distinct[arm(compared, name)] == subset)
    assert np.all(compared.distinct[arm(compared, "short")] == 120)
    assert compared.epochs[arm(compared, "short")].tolist() == [4.0] * 3  # 10 epochs of 48 are 4 of 120
    pool = pool_size(120, subset)
    for name in ("subset-pool+soft", "random-pool"):
        seen = compared.distinct[arm(compared, name)]
        assert np.all((seen > subset) & (seen <= pool))
        assert compared.count[arm(compared, name)] == pool
    for name in RULES:
        assert np.all(np.abs(compared.epochs[arm(compared, name)] - 4) < 1), name


def test_what_is_redrawn_is_counted_as_a_plain_loop_counts_it(made):
    compared, *_ = made
    for seed, seen in zip(compared.seeds, compared.distinct[arm(compared, "random-redrawn")], strict=True):
        sampler = dp.online.pool(np.zeros(120, dtype=int), 10, keep=48, seed=seed)
        found = set()
        for epoch in range(10):
            sampler.set_epoch(epoch)
            found |= set(sampler.index.tolist())
        assert len(found) == seen


def test_finished_trainings_are_found_again_and_elsewhere_are_the_same(made, run):
    compared, options, folder = made
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    again = dp.compare(run[0], run[4], **options, folder=folder)
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    for name in ("accuracy", "distinct", "updates", "outcomes"):
        assert np.array_equal(getattr(again, name), getattr(compared, name)), name
    few = {**options, "strategies": ("random-redrawn", "kakurenbo+soft"), "seeds": 1}
    apart = dp.compare(run[0], run[4], **few, jobs=2)
    for name in few["strategies"]:
        assert apart.accuracy[arm(apart, name), 0] == compared.accuracy[arm(compared, name), 0]
        assert apart.distinct[arm(apart, name), 0] == compared.distinct[arm(compared, name), 0]


def test_the_fingerprint_covers_draw_and_targets_and_is_that_of_before_without_them():
    job = Job("a", 0, np.arange(5), TrainingConfig(epochs=1, model="mlp"))
    others = [replace(job, draw=Draw("pool", {"keep": 3})), replace(job, draw=Draw("pool", {"keep": 4}))]
    others += [replace(job, soft="a"), replace(job, soft="b"), replace(job, draw=Draw("infobatch"), soft="a")]
    assert len({fingerprint(one, ["digest"]) for one in [job, *others]}) == 6
    assert fingerprint(job, ["digest"]) == BEFORE


def test_soft_labels_of_certainty_train_as_labels_do_and_others_do_not(run):
    data, test, dynamics, _, subset = run
    certain = replace(dynamics, arrays={"logit_mean": 60000 * (np.eye(2, dtype=np.float32)[data.label] - 0.5)})
    options = {"test": test, "training": SMALL, "seeds": 2, "full": False, "strategies": ["subset+soft"]}
    same = dp.compare(data, subset, dynamics=certain, **options)
    assert np.array_equal(same.outcomes[0], same.outcomes[2])
    other = dp.compare(data, subset, dynamics=dynamics, **options)
    assert not np.array_equal(other.outcomes[0], other.outcomes[2])


def test_nothing_that_is_held_out_is_drawn(run, monkeypatch):
    from datapare.evaluation import experiment, jobs

    data, _, dynamics, scores, subset = run
    seen = []

    def train(inputs, label, n_classes, held_out, soft, job, folder):
        del inputs, n_classes, soft, folder
        seen.append(job.index)
        right = np.ones(len(held_out[1]), dtype=bool)
        return jobs.Result(1.0, len(job.index), 1.0, right, len(job.index), len(label))

    monkeypatch.setattr(experiment, "train_builtin", train)
    compared = dp.compare(data, subset, training=SMALL, dynamics=dynamics, scores=scores, strategies=NAMES, seeds=1)
    assert not set(np.concatenate(seen).tolist()) & set(holdout(data.label).tolist())
    assert compared.count[arm(compared, "random-pool")] == pool_size(96, int(compared.count[0]))
    assert compared.count[arm(compared, "short")] == 96


def test_without_names_the_baselines_are_trained_where_the_record_is_known(run, made):
    data, test, dynamics, _, subset = run
    options = {"test": test, "training": SMALL, "seeds": 1, "folder": made[2]}
    assert dp.compare(data, subset, dynamics=dynamics, **options).strategies[3:] == (
        "random+soft", "subset+soft", "random-redrawn", "short",
    )  # fmt: skip
    weighted = replace(subset, weight=np.ones(len(subset)))
    assert dp.compare(data, weighted, dynamics=dynamics, **options).strategies[3:] == (
        "random+soft", "random-redrawn", "short",
    )  # fmt: skip
    assert len(dp.compare(data, subset, **options)) == 3
    assert len(dp.compare(data, subset, dynamics=dynamics, strategies=["none"], **options)) == 3
    silent = replace(dynamics, arrays={})
    assert dp.compare(data, subset, dynamics=silent, **options).strategies[3:] == ("random-redrawn", "short")
    equal = dp.compare(data, subset, strategies=["short", "random"], budget="iterations", **options)
    assert len(equal) == 3, "everything for as many iterations is the full arm"


def test_a_training_of_ones_own_is_given_examples_and_epochs_and_refuses_what_it_cannot_do(run):
    data, test, dynamics, _, subset = run
    called = []

    def train(train, test, *, seed, epochs):
        called.append((len(train), epochs))
        return np.ones(len(test), dtype=bool) if seed else np.zeros(len(test), dtype=bool)

    options = {"test": test, "training": SMALL, "train": train, "seeds": 1, "dynamics": dynamics}
    assert len(dp.compare(data, subset, **options)) == 3
    dp.compare(data, subset, strategies=["short"], **options)
    assert called[-1] == (120, 4)
    with pytest.raises(InputError, match=r"not random-redrawn, random\+soft: .* leave these strategies out"):
        dp.compare(data, subset, strategies=["random-redrawn", "short", "random+soft"], **options)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["subset+soft"], "need the record"),
        (["subset-pool"], "scores= and dynamics="),
        (["dual_switch"], "train for more epochs, keep more"),
    ],
)
def test_what_a_strategy_lacks_is_named(run, names, says):
    data, test, *_, subset = run
    with pytest.raises(InputError, match=says):
        dp.compare(data, subset, test=test, training=replace(SMALL, epochs=4), strategies=names, seeds=1)


def test_weights_and_soft_labels_exclude_each_other(run):
    data, test, dynamics, *_ = run
    weighted = dp.Subset(np.arange(9), 120, weight=np.arange(1.0, 10.0))
    with pytest.raises(InputError, match="weighs its examples, which soft labels do not"):
        dp.compare(data, weighted, test=test, training=SMALL, dynamics=dynamics, strategies=["subset+soft"], seeds=1)


def test_arms_of_one_name_are_refused(run):
    data, test, *_, subset = run
    with pytest.raises(InputError, match=r"two arms are called 'short keep 0\.4'"):
        dp.compare(data, {"short keep 0.4": subset}, test=test, training=SMALL, strategies=["short"], seeds=1)


def test_a_sweep_trains_strategies_at_each_size(run):
    data, _, dynamics, scores, subset = run
    options = {"dynamics": dynamics, "training": SMALL, "seeds": 1}
    made = dp.sweep(data, scores, [0.6, 0.3], rule="beta", strategies=["random-redrawn", "subset-pool"], **options)
    found = [made.arms[i] for i, role in enumerate(made.roles) if role == "strategy"]
    pools = ["dual+beta keep 0.6 pool", "dual+beta keep 0.3 pool"]
    assert found == ["random-redrawn keep 0.6", "random-redrawn keep 0.3", *pools]
    assert [made.count[made.arms.index(name)] for name in pools] == [pool_size(96, int(n)) for n in made.count[:2]]
    assert [made.arms[made.baseline[made.arms.index(name)]] for name in pools] == ["random keep 0.6", "random keep 0.3"]
    page = dp.report(subset, sweep=made).html
    table = re.search(r'<table id="strategies">.*?</table>', page, re.DOTALL)[0]
    rows = re.findall(r'<tr><th scope="row" class="name">(.*?)</th><td>(.*?)</td><td>([\d,]+)</td>', table)
    seen = {name: f"{made.distinct[made.arms.index(name)].mean():,.0f}" for name in found}
    first, second = (f"{made.count[i] / 96:.1%} kept".replace("%", " %") for i in (0, 1))
    assert rows == [
        ("1 random-redrawn", first, seen[found[0]]), ("1 random-redrawn", second, seen[found[1]]),
        ("2 subset-pool", first, seen[pools[0]]), ("2 subset-pool", second, seen[pools[1]]),
    ]  # fmt: skip
    drawn = re.search(
        r'<div class="chart"[^>]*kept fraction: subsets, random, strategies.*?</figure>', page, re.DOTALL
    )[0]
    assert "".join(re.findall(r'dots quiet seed" d="(.*?)"', drawn)).count("h0") == len(found)
    with pytest.raises(InputError, match="while a parameter of it is chosen"):
        dp.sweep(data, scores, [0.3], rule="beta", strategies=["subset-pool"], param=("c_d", (2.0, 4.0)), **options)


@pytest.mark.parametrize(("name", "params"), [("orderdp", {"share": 0.5, "top": 0.5, "delta": 1.0}), ("infobatch", {})])
def test_a_rule_plans_a_part_as_if_it_were_alone_and_counts_across_a_crash(name, params):
    label, part, drawn = np.arange(80) % 2, np.arange(1, 80, 2), set()
    alone = getattr(dp.online, name)(label[part], 4, seed=3, **params)

    def new():
        inner = getattr(dp.online, name)(label[part], 4, seed=3, **params)
        return Sampler(label, 4, within(inner.rule, part, 80), seed=3)

    def epoch(sampler):
        logits = np.random.default_rng(sampler.epoch).normal(size=(80, 2))
        assert np.array_equal(sampler.index, part[alone.index])
        assert np.array_equal(sampler.weight(sampler.index), alone.weight(alone.index))
        assert np.array_equal(sampler.hidden, part[alone.hidden])
        for one, places in ((sampler, sampler.index), (alone, alone.index)):
            rows = places if one is sampler else part[places]
            one.observe(places, logits[rows], label[rows])
        drawn.update(sampler.index.tolist())
        sampler.end_epoch()
        alone.end_epoch()

    first = new()
    for _ in range(2):
        epoch(first)
    resumed = new()
    resumed.load_state_dict(first.state_dict())
    for _ in range(2):
        epoch(resumed)
    assert distinct(resumed) == len(drawn)
    assert 10 < len(drawn) <= 40
    assert SEEN not in alone.state_dict()["past"]


def test_stored_comparisons_hold_their_strategies_and_those_of_before_load(made, tmp_path):
    compared, *_ = made
    place = dp.save(compared, tmp_path / "new")
    loaded = dp.load(place)
    assert loaded.strategies == compared.strategies
    for name in ("distinct", "updates", "once"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(compared, name))
    meta = json.loads((place / "meta.json").read_text())
    del meta["digest"], meta["fields"]["strategies"]  # files of before had neither
    for name in ("distinct", "updates", "once"):
        del meta["arrays"][name]
        (place / f"{name}.npy").unlink()
    (place / "meta.json").write_text(json.dumps(meta))
    old = dp.load(place)
    assert old.strategies == old.roles
    assert np.array_equal(old.distinct, np.repeat(old.count[:, None], 3, axis=1))
    assert (old.updates, old.once) == (None, None)
    assert {"strategy", "distinct_examples"} <= {*compared.to_pandas().columns}


def synthetic(**known):
    """Arms (accuracy, examples, epochs, epochs spent once), three seeds with little noise."""
    noise = np.array([-0.001, 0.0, 0.001])
    values = list(known.values())
    roles = tuple("full" if n == "full" else "random" if n == "random" else "strategy" for n in known)
    accuracy = np.array([value[0] + noise * (1 + i) for i, value in enumerate(values)])
    epochs = np.repeat([[value[2]] for value in values], 3, axis=1)
    count = [value[1] for value in values]
    baseline = tuple(roles.index("random") if role == "strategy" else None for role in roles)
    return Comparison(
        tuple(known), (0, 1, 2), accuracy, count, epochs, 60 * epochs, roles, baseline, strategies=tuple(known),
        once=np.array([[value[3], 60 * value[3]] for value in values]),
    )  # fmt: skip


def chosen(comparison, **options):
    return [comparison.arms[one.arm] for one in advise_goals(comparison, **options)]


def test_each_goal_gets_what_is_cheapest_for_it():
    compared = synthetic(
        random=(0.60, 10, 1, 0), soft=(0.66, 10, 1, 6), redrawn=(0.64, 100, 1, 0), short=(0.65, 100, 1.1, 0),
        full=(0.90, 100, 10, 0),
    )  # fmt: skip
    # every step up in cost, 1 epoch to 1.1 to 7 of the 10 of everything, is shown to be worth it
    assert chosen(compared) == ["soft", "soft", "soft"]
    assert chosen(replace(compared, once=compared.once * 2)) == ["soft", "short", "soft"], "scoring alone costs more"
    near = synthetic(
        random=(0.60, 10, 1, 0), short=(0.895, 100, 1.1, 0), soft=(0.90, 10, 1, 6), full=(0.90, 100, 10, 0)
    )
    assert chosen(near, margin=0.02) == ["soft", "short", "short"], "the cheapest that is as good as everything"
    texts = [one.text for one in advise_goals(near, margin=0.02)]
    assert texts[0].startswith("To store or label less: soft, with 10 % of the examples; as good as all data: ")
    assert texts[1].startswith("To train once: short, at 11 % of the cost; as good as all data: −0.50 points (")
    assert "random, which saw 10 distinct examples and not 100." not in texts[0]
    assert texts[1].endswith("which saw 10 distinct examples and not 100.")


def test_advice_needs_intervals_and_names_what_it_cannot_count():
    compared = synthetic(random=(0.6, 10, 1, 0), soft=(0.7, 10, 1, np.nan), full=(0.9, 100, 10, 0))
    assert advise_goals(replace(compared, seeds=(0,), accuracy=compared.accuracy[:, :1], epochs=compared.epochs[:, :1],
                                seconds=compared.seconds[:, :1], distinct=compared.distinct[:, :1])) == []  # fmt: skip
    _, once, _ = advise_goals(compared)
    assert compared.arms[once.arm] == "random"
    assert once.text.endswith("arms whose scoring cost is unknown are left out.")
    assert chosen(compared, scoring=Cost(1.0, 2.0)) == ["soft", "soft", "soft"]


@pytest.mark.parametrize("trainings", [1, 3, 10])
@pytest.mark.parametrize("seed", range(5))
def test_the_frontier_holds_what_nothing_beats(seed, trainings):
    values = np.random.default_rng(seed).integers(0, 6, (8, 2)).tolist()  # so few that there are ties
    known = {"random": (0.5, 10, 3, 0)} | {f"arm {i}": (a / 10, 10, c + 1, c) for i, (a, c) in enumerate(values)}
    compared = replace(synthetic(**known), accuracy=np.repeat([[v[0]] for v in known.values()], 3, axis=1))
    offers = frontier(compared, trainings)
    pairs = [(offer.cost.epochs, offer.arm.accuracy.mean) for offer in offers]
    assert [cost for cost, _ in pairs] == [v[3] + trainings * v[2] for v in known.values()]
    for offer, (cost, reached) in zip(offers, pairs, strict=True):
        beaten = any((c < cost and r >= reached) or (c <= cost and r > reached) for c, r in pairs)
        assert offer.unbeaten != beaten


def test_once_is_paid_once_and_comparisons_of_before_take_what_they_are_given():
    compared = synthetic(random=(0.6, 10, 1, 0), soft=(0.7, 10, 2, 6), full=(0.9, 100, 10, 0))
    assert total_cost(compared, 1, 10) == Cost(60 * 26, 26)
    old = replace(compared, once=None, roles=("random", "subset", "full"))
    assert once_cost(old, 1, Cost(5.0, 4.0)) == Cost(5.0, 4.0)
    assert once_cost(old, 0, Cost(5.0, 4.0)) == Cost(0.0, 0.0)


def test_what_saw_more_is_said_beside_what_it_is_compared_with(made, run):
    compared, *_ = made
    text = describe_redrawn(compared)
    assert "random keep 0.4 saw 48 distinct examples, " in text
    assert "short keep 0.4 120" in text
    assert "random+soft" not in text
    page = str(dp.report(run[4], comparison=compared, dynamics=run[2], scores=run[3]))
    assert text in page
    assert all(one.text in page for one in advise_goals(compared))
    assert [row.distinct for row in arms(compared)] == compared.distinct.mean(axis=1).tolist()
