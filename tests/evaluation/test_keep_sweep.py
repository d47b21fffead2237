"""How far to prune: what is tried, what is chosen by whom, and what is advised."""

import numpy as np
import pytest
from sources import write_points

import datapare as dp
from datapare.artifacts import Comparison
from datapare.evaluation.advice import advise, sizes
from datapare.evaluation.costs import Cost, CostModel, break_even, describe_break_even, pruned, saved
from datapare.evaluation.keep_sweep import parse_param
from datapare.training import TrainingConfig

SMALL = TrainingConfig(epochs=4, batch_size=16, lr=0.01, optimizer="adamw", model="mlp", width=16)
ONCE = Cost(60.0, 10.0)
RECORD = dp.Dynamics({"loss": np.ones((10, 1))}, [0], seconds=np.full(10, 6.0))  # which costs as much


@pytest.fixture
def scored(tmp_path):
    data = dp.open_dataset(write_points(tmp_path / "points.npz"))
    p = np.random.default_rng(0).uniform(size=(4, 120)).astype(np.float32)
    dynamics = dp.Dynamics({"target_prob": p, "loss": -np.log(p)}, data.label, key=data.key)
    return data, dynamics, dp.score(dynamics, "dual", window=3)


def tried(**accuracy):
    """A curve with these accuracies over seeds; random and full must be among them."""
    names = list(accuracy)
    values = np.array([accuracy[name] for name in names])
    kept = np.array([1000 if name == "full" else int(name.rpartition("_")[2]) for name in names])
    epochs = np.repeat(kept[:, None] / 100, values.shape[1], axis=1)
    words = ["full" if n == "full" else n.replace("_", " keep ") for n in names]
    roles = tuple("full" if n == "full" else "random" if n.startswith("random") else "subset" for n in names)
    seeds = tuple(range(values.shape[1]))
    return Comparison(tuple(words), seeds, values, kept, epochs, 60 * epochs, roles, held_out="split")


FULL = (0.900, 0.902, 0.898)
NEAR, FAR, LOW = (0.897, 0.899, 0.896), (0.80, 0.81, 0.80), (0.85, 0.86, 0.85)


def test_the_smallest_that_stays_near_and_beats_random_is_advised():
    curve = tried(dual_700=NEAR, dual_500=NEAR, dual_300=FAR, random_700=LOW, random_500=LOW, random_300=LOW, full=FULL)
    said = advise(curve, margin=0.01, dynamics=RECORD)
    assert said.outcome == "prune"
    assert said.size.arm.name == "dual keep 500"
    assert said.text.startswith("Keep 50 %: dual keep 500 is the smallest that is shown to stay within 1 point of full")
    # 10 full-dataset epochs per full training, 5 on the subset, 10 for scoring
    assert "−5.0 epochs of the full dataset (−50 %) for one training" in said.text
    assert "40.0 epochs of the full dataset (40 %) for ten" in said.text
    assert "which the scoring run has seen" in said.text
    assert "and to beat random (+" in said.text
    assert advise(curve, margin=0.2, dynamics=RECORD).size.arm.name == "dual keep 500", (
        "300 stays near, but is worse than random"
    )


def test_a_size_below_one_that_failed_is_not_advised():
    curve = tried(dual_700=NEAR, dual_500=FAR, dual_300=NEAR, random_700=LOW, random_500=LOW, random_300=LOW, full=FULL)
    assert advise(curve, margin=0.01, dynamics=RECORD).size.arm.name == "dual keep 700"


@pytest.mark.parametrize(
    ("arm", "random", "outcome", "words"),
    [
        (NEAR, NEAR, "no evidence", "No evidence that this beats random: dual keep 500"),
        (NEAR, (0.95, 0.84, 0.90), "no evidence", "and so may as many random examples, which cost nothing to choose"),
        (FAR, LOW, "not within", "No tried subset is shown to stay within 1 point of full; try larger ones"),
        ((0.93, 0.87, 0.90), LOW, "not within", "95 % interval"),
        (NEAR[:2], LOW[:2], "too few seeds", "at least 3 seeds, here are 2"),
    ],
)
def test_advice_claims_no_more_than_the_intervals_carry(arm, random, outcome, words):
    said = advise(tried(dual_500=arm, random_500=random, full=FULL[: len(arm)]), margin=0.01, dynamics=RECORD)
    assert said.outcome == outcome
    assert words in said.text


def test_what_saves_nothing_is_not_advised():
    curve = tried(dual_500=NEAR, random_500=LOW, full=FULL)
    assert (
        advise(curve, dynamics=dp.Dynamics({"loss": np.ones((10_000, 1))}, [0], seconds=np.full(10_000, 100.0))).outcome
        == "nothing saved"
    )


def test_shortened_trainings_are_scaled_to_the_full_schedule():
    from dataclasses import replace

    curve = tried(dual_500=NEAR, random_500=LOW, full=FULL)
    plain, short = sizes(curve, ONCE)[0], sizes(replace(curve, shortened=0.25), ONCE)[0]
    assert short.savings[0].full.epochs == 4 * plain.savings[0].full.epochs
    assert short.savings[1].saved.seconds == pytest.approx(10 * 4 * (600 - 300) - 60)
    assert (
        "Retrainings had 0.25 of the full schedule"
        in advise(replace(curve, shortened=0.25), margin=0.01, dynamics=RECORD).text
    )


def test_the_ledger_by_hand():
    book = CostModel(Cost(90, 30), Cost(10, 0), Cost(20, 60), Cost(70, 200))
    assert pruned(book, 3) == (160, 210)
    assert saved(book, 3) == (50, 390)
    assert (break_even(book), break_even(book, "epochs")) == (2, 1)
    assert saved(book, 2).seconds == 0, "even: 2 * 70 = 100 + 2 * 20"
    never = CostModel(Cost(90, 30), Cost(10, 0), Cost(70, 60), Cost(70, 200))
    assert break_even(never) is None
    assert "Pruning never pays in time" in describe_break_even(never)
    assert "is unknown" in describe_break_even(CostModel(Cost(np.nan, 30), Cost(0, 0), Cost(1, 1), Cost(2, 2)))
    assert break_even(CostModel(Cost(0, 0), Cost(0, 0), Cost(1, 1), Cost(2, 2))) == 1


def test_every_size_is_selected_anew_per_seed_outside_the_held_out_examples(scored):
    from datapare.evaluation.experiment import holdout

    data, dynamics, scores = scored
    seen = {}

    def train(train, test, *, seed, epochs):
        del epochs
        seen.setdefault(len(train), []).append((seed, tuple(train.row.tolist())))
        return np.arange(len(test)) % 2 == seed % 2

    made = dp.sweep(data, scores, [0.25, 0.5], dynamics=dynamics, train=train, training=SMALL)
    assert made.arms == ("dual+mixed keep 0.5", "dual+mixed keep 0.25", "random keep 0.5", "random keep 0.25", "full")
    assert made.count.tolist() == [48, 24, 48, 24, 96]
    assert made.held_out == "split"
    held = set(holdout(data.label).tolist())
    for rows in seen.values():
        assert not any(set(one) & held for _, one in rows)
    assert len({rows for _, rows in seen[48]}) == 6, "subsets and random draws differ from seed to seed"
    assert np.isfinite(made.select_seconds).all()
    page = dp.report(dp.Subset(np.arange(60), 120), dynamics=dynamics, scores=scores, sweep=made).html
    assert 'id="sweep"' in page
    assert "Sweep over keep fractions" in page


def test_a_knob_is_chosen_by_one_half_and_told_on_the_other(scored):
    data, dynamics, scores = scored

    def train(train, test, *, seed, epochs):
        del seed, epochs
        return np.arange(len(test)) % len(train.label[train.label == 0]) == 0

    made = dp.sweep(
        data, scores, [0.25], dynamics=dynamics, train=train, training=SMALL, param=("c_d", (2.0, 8.0)), seeds=3
    )
    (choice,) = made.provenance.params["chosen"].values()
    assert set(choice) == {"dual+mixed keep 0.25 c_d 2", "dual+mixed keep 0.25 c_d 8"}
    assert made.arms[0] == max(choice, key=choice.get)
    assert len(made.arms) == 3
    with pytest.raises(dp.InputError, match="one boolean per held-out example"):
        dp.sweep(
            data, scores, [0.25], dynamics=dynamics, train=lambda *_, **__: 0.5, training=SMALL, param=("c_d", (2.0,))
        )


@pytest.mark.parametrize("text", ["c_d", "c_d=", "c_d=two"])
def test_a_knob_that_says_nothing_is_refused(text):
    with pytest.raises(dp.InputError, match="such as c_d=2,4,6"):
        parse_param(text)


def test_an_unknown_knob_is_refused_before_anything_is_trained(scored):
    data, dynamics, scores = scored
    with pytest.raises(dp.InputError, match="c_e"):
        dp.sweep(data, scores, [0.5], dynamics=dynamics, training=SMALL, param=("c_e", (1.0,)))


def test_the_curve_from_the_command_line(tmp_path, monkeypatch, capsys):
    from datapare.cli import app

    monkeypatch.chdir(tmp_path)
    write_points(tmp_path / "points.npz")
    (tmp_path / "mine.py").write_text(
        "def train(train, test, *, seed, epochs):\n    return min(0.9, len(train) / 100) + seed / 1000\n"
    )
    flags = ["--epochs", "4", "--schedule-epochs", "8", "--model", "mlp"]

    def run(*argv):
        try:
            app.main(list(argv))
        except SystemExit as stop:
            return stop.code or 0
        return 0

    assert run("prune", "points.npz", "--keep", "0.5", "--out", "r", "--window", "3", *flags) == 0
    tries = ["sweep", "r", "--keep", "0.5", "--keep", "0.25", "--train", "mine.py:train", "--epochs", "2"]
    capsys.readouterr()
    assert run(*tries) == 0
    told = capsys.readouterr().out
    assert "No tried subset is shown to stay within 1 point of full" in " ".join(told.split())
    assert run("report", "r", "--keep", "0.5") == 0
    assert "Sweep over keep fractions" in (tmp_path / "r/keep-0.5/report.html").read_text()
