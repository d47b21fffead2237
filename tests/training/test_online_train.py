"""Samplers and losses in our own loop: what is trained on, at which rate, at what cost, and going on after a crash."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import run
from trainings import PICTURES, one_thread, pictures, same_model

import datapare as dp
from datapare.recording import Recorder
from datapare.training import epoch as epoch_module
from datapare.training import train
from datapare.training.online import Plan, Rule, Sampler

__all__ = ["one_thread"]
TRAINING = replace(PICTURES, epochs=6, schedule_epochs=6, lr=0.1)
EXAMPLE = Path(__file__).parents[2] / "examples" / "online.py"
SAMPLERS = {
    "infobatch": lambda y: dp.online.infobatch(y, 6, seed=1),
    "kakurenbo": lambda y: dp.online.kakurenbo(y, 6, fraction=0.6, confidence=0.5, seed=1),
    "dual_switch": lambda y: dp.online.dual_switch(y, 6, keep=0.4, after=3, window=2, seed=1),
}
each_sampler = pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)


class Interrupt:
    """Stops a training in the middle of an epoch."""

    def __init__(self, epoch) -> None:
        self.epoch = epoch

    def __call__(self, progress):
        if progress.epoch == self.epoch and progress.examples_done > 20:
            raise KeyboardInterrupt


@each_sampler
def test_what_is_trained_on_is_what_the_sampler_planned_and_the_cost_is_counted(make, tmp_path):
    data, label = pictures(150)
    with Recorder(tmp_path / "record", label, 6, channels=["loss"]) as recorder:
        trained = train(data, label, 3, TRAINING, seed=0, sampler=make(label), recorder=recorder)
        seen = ~np.isnan(recorder.dynamics().channels["loss"])  # (T, N)
    again = make(label)
    train(data, label, 3, TRAINING, seed=0, sampler=again)
    assert trained.examples_seen == seen.sum() < 6 * 150
    assert seen[0].all()
    assert again.epoch == 6
    if make is SAMPLERS["kakurenbo"]:
        assert trained.examples_revisited == 6 * 150 - trained.examples_seen > 0
    else:
        assert trained.examples_revisited == 0
    if make is SAMPLERS["dual_switch"]:
        assert (seen.sum(1) == [150, 150, 150, 60, 60, 60]).all()
        assert trained.iterations == 3 * 10 + 3 * 4


@each_sampler
@pytest.mark.parametrize("stop", [1, 4])
def test_an_interrupted_training_with_a_sampler_resumes_bit_identically(make, stop, tmp_path):
    data, label = pictures()
    whole = train(data, label, 3, TRAINING, seed=0, sampler=make(label))
    with pytest.raises(KeyboardInterrupt):
        train(data, label, 3, TRAINING, seed=0, sampler=make(label), folder=tmp_path, progress=Interrupt(stop))
    resumed = train(data, label, 3, TRAINING, seed=0, sampler=make(label), folder=tmp_path)
    assert same_model(whole, resumed)
    assert whole.loss == resumed.loss
    for cost in ("examples_seen", "examples_revisited", "iterations"):
        assert getattr(whole, cost) == getattr(resumed, cost)


def test_an_interrupted_training_with_another_sampler_or_loss_is_not_continued(tmp_path):
    data, label = pictures()

    def call(**given):
        return train(data, label, 3, TRAINING, seed=0, folder=tmp_path, **given)

    with pytest.raises(KeyboardInterrupt):
        call(sampler=dp.online.infobatch(label, 6), progress=Interrupt(2))
    for given in (
        {},
        {"sampler": dp.online.infobatch(label, 6, drop=0.4)},
        {"sampler": dp.online.infobatch(label, 6), "loss": dp.online.tdds_weighting(np.arange(len(label)))},
    ):
        with pytest.raises(dp.InputError, match="has other settings"):
            call(**given)


def everything(label, **given):
    """Return a sampler that plans the whole dataset, as a training without one does."""
    plan = Plan(np.arange(len(label)), **given)
    return Sampler(label, 6, Rule("everything", {}, ("loss",), lambda _, __: {}, lambda *_: plan))


def spied_rates(monkeypatch, **given):
    """Train and return by epoch which learning rates the recipe was asked for."""
    data, label = pictures(96)
    asked = []

    def spy(training, iteration, per_epoch):
        asked.append(iteration / per_epoch)
        return original(training, iteration, per_epoch)

    original = epoch_module.learning_rate
    monkeypatch.setattr(epoch_module, "learning_rate", spy)
    train(data, label, 3, TRAINING, seed=0, **{name: make(label) for name, make in given.items()})
    return asked


def test_the_schedule_is_fitted_to_epochs_that_become_shorter(monkeypatch):
    asked = spied_rates(monkeypatch, sampler=lambda y: dp.online.dual_switch(y, 6, keep=32, after=3, window=2))
    long = [e + s / 6 for e in range(3) for s in range(6)]
    short = [e + s / 2 for e in range(3, 6) for s in range(2)]
    assert asked == pytest.approx(long + short)


def test_the_learning_rate_takes_the_samplers_factor():
    data, label = pictures()
    twice = train(data, label, 3, replace(TRAINING, lr=0.2), seed=0, sampler=everything(label))
    factor = train(data, label, 3, TRAINING, seed=0, sampler=everything(label, lr_factor=2.0))
    once = train(data, label, 3, TRAINING, seed=0, sampler=everything(label))
    assert same_model(twice, factor)
    assert not same_model(once, factor)


def test_the_loss_takes_the_samplers_weights():
    data, label = pictures()
    training = replace(TRAINING, weight_decay=0.0)
    none = everything(label, weight=np.zeros(len(label), dtype=np.float32))
    still = train(data, label, 3, training, seed=0, sampler=none)
    start = train(data, label, 3, replace(training, lr=1e-30), seed=0)
    weights = dict(start.model.named_parameters())
    for name, value in still.model.named_parameters():
        torch.testing.assert_close(value, weights[name])
    assert set(still.loss) == {0.0}


def test_hidden_examples_are_looked_at_in_eval_mode_and_not_learned_from():
    data, label = pictures()
    index, hidden = np.arange(0, 65, 2), np.arange(1, 65, 2)
    states = []
    for out in (hidden, hidden[:0]):
        one = everything(label)
        one._plan = plan = Plan(index, hidden=out)
        one.rule = replace(one.rule, plan=lambda *_, plan=plan: plan)
        states.append(train(data, label, 3, TRAINING, seed=0, sampler=one))
    assert same_model(*states)  # batch norm's averages are in the state, too
    assert [one.examples_revisited for one in states] == [6 * 32, 0]


def test_a_loss_replaces_cross_entropy_and_resumes(tmp_path):
    data, label = pictures()
    ones = dp.online.tdds_weighting(np.ones(len(label)))
    plain, same = train(data, label, 3, TRAINING, seed=0), train(data, label, 3, TRAINING, seed=0, loss=ones)
    np.testing.assert_allclose(same.loss, plain.loss, rtol=1e-3)
    bonus = dp.online.entropy_bonus(np.linspace(-1, 1, len(label)), strength=0.3)
    whole = train(data, label, 3, TRAINING, seed=0, loss=bonus)
    assert not same_model(plain, whole)
    with pytest.raises(KeyboardInterrupt):
        train(data, label, 3, TRAINING, seed=0, loss=bonus, folder=tmp_path, progress=Interrupt(3))
    assert same_model(whole, train(data, label, 3, TRAINING, seed=0, loss=bonus, folder=tmp_path))


def test_a_loss_of_the_whole_dataset_serves_a_subset():
    data, label = pictures()
    index = np.arange(0, 65, 3)
    score = np.where(np.isin(np.arange(65), index), 5.0, 1.0)  # at the maximum inside: the loss is unchanged
    plain = train(data, label, 3, TRAINING, seed=0, index=index)
    weighted = train(data, label, 3, TRAINING, seed=0, index=index, loss=dp.online.tdds_weighting(score))
    np.testing.assert_allclose(weighted.loss, plain.loss, rtol=1e-3)


def test_samplers_and_losses_that_do_not_fit_are_refused():
    data, label = pictures()
    used = dp.online.infobatch(label, 6)
    used.observe(range(65), np.zeros((65, 3)))
    used.end_epoch()
    for given in (
        {"sampler": used},
        {"sampler": dp.online.infobatch(label, 7)},
        {"sampler": dp.online.infobatch(label[:60], 6)},
        {"sampler": dp.online.infobatch(label, 6), "index": np.arange(30)},
        {"loss": dp.online.tdds_weighting([1.0, 2.0])},
    ):
        with pytest.raises(dp.InputError):
            train(data, label, 3, TRAINING, seed=0, **given)


@pytest.mark.slow
def test_the_example_runs_and_every_sampler_learns_from_less(tmp_path):
    done = run(tmp_path, EXAMPLE)
    assert done.returncode == 0, done.stderr
    words = [line.replace(",", "").split() for line in done.stdout.splitlines()]
    found = {line[0]: (float(line[2]), int(line[-2])) for line in words}
    assert set(found) == {"everything", "infobatch", "kakurenbo", "dual_switch"}
    assert all(accuracy > 0.93 for accuracy, _ in found.values())
    full = found.pop("everything")[1]
    assert all(seen < 0.9 * full for _, seen in found.values())
