"""The papers' tables: a cell from end to end in pieces, the papers' settings, and what the reduced table shows."""

import itertools
import json
import statistics
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import papers
import pytest
from papers import BENCHMARKS

import datapare as dp
from datapare.training import loop, retraining


@pytest.fixture(scope="module")
def paper():
    return papers.module()


@pytest.fixture
def tiny(paper, monkeypatch, tmp_path):
    """A table of three classes that takes a second, and the folder of its data."""
    monkeypatch.setattr(paper, "REDUCED", papers.tiny(paper, tmp_path))
    return tmp_path


def call(paper, folder, out, *more, rules=("random", "dual_beta"), pruned=(50,)):
    words = ["cifar10", "--data", str(folder), "--reduced", "--seed", "1", "--pruned", *map(str, pruned)]
    return paper.main([*words, "--rule", *rules, "--work", f"{out}.work", "--out", str(out), *more])


def read(out):
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_a_table_goes_on_where_it_stopped_and_comes_out_the_same(paper, tiny, capsys, tmp_path):
    whole, pieces = tmp_path / "whole.jsonl", tmp_path / "pieces.jsonl"
    assert call(paper, tiny, whole) == 0
    ticks = itertools.count()  # one for every batch: a piece ends in the second epoch
    rounds = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
        patch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
        while call(paper, tiny, pieces, "--budget-seconds", "6") == paper.PAUSED:
            rounds += 1
            assert rounds < 60
    assert rounds > 2
    keys = ("rule", "pruned", "seed", "accuracy", "examples", "batch", "epochs", "iterations")
    assert [[row[k] for k in keys] for row in read(whole)] == [[row[k] for k in keys] for row in read(pieces)]
    assert [(row["rule"], row["examples"], row["base"]) for row in read(whole)] == [
        ("random", 30, "AVIF"), ("dual_beta", 30, "AVIF"),
    ]  # fmt: skip
    before = whole.read_text()
    assert call(paper, tiny, whole) == 0
    assert whole.read_text() == before
    assert "93.18 figure  [reduced, no match expected]" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:builtin type .* has no __module__ attribute:DeprecationWarning")  # of faiss
def test_every_rule_runs(paper, tiny, tmp_path):
    out = tmp_path / "all.jsonl"
    assert call(paper, tiny, out, rules=tuple(paper.RULES), pruned=(70,)) == 0
    rows = read(out)
    assert {row["rule"] for row in rows} == set(paper.RULES)
    assert {row["rule"]: row["examples"] for row in rows} == dict.fromkeys(paper.RULES, 18) | {"full": 60}


def test_a_line_that_was_cut_short_is_run_again(paper, tiny, tmp_path):
    out = tmp_path / "cut.jsonl"
    assert call(paper, tiny, out) == 0
    before = read(out)
    text = out.read_text()
    out.write_text(text[: len(text) - 40])
    assert call(paper, tiny, out) == 0
    assert [row["accuracy"] for row in read(out)] == [row["accuracy"] for row in before]


def test_another_network_may_train_what_one_has_scored(paper, tiny, tmp_path):
    out = tmp_path / "cross.jsonl"
    assert call(paper, tiny, out, "--model", "resnet18", rules=("dual",)) == 0
    (row,) = read(out)
    assert (row["score_model"], row["model"]) == ("resnet8", "resnet18")
    assert "[resnet8 scored, resnet18 trained]" in paper.table("cifar10", out, list(paper.RULES))


def test_a_short_scoring_run_is_the_beginning_of_the_long_one(paper, tiny, tmp_path):
    args = paper.arguments(["cifar10", "--data", str(tiny), "--reduced", "--work", str(tmp_path / "work")])
    bench = paper.opened(args, paper.REDUCED, float("inf"))
    short = paper.record_of(bench, 1, 3)
    long = paper.record_of(bench, 1, 5)
    again = paper.record_of(bench, 1, 3)
    for name, values in short.channels.items():
        np.testing.assert_array_equal(values, long.channels[name][:3])
        np.testing.assert_array_equal(values, again.channels[name])
    assert "embedding" in again.arrays


def settings_of(paper, dataset, rule, pruned):
    bench = paper.ExperimentSetup(dataset, None, None, paper.paper(dataset), "resnet18", "resnet18", Path(), None)
    return paper.params(bench, paper.RULES[rule], paper.Cell(rule, pruned, 0).keep)


def test_the_settings_are_the_papers(paper):
    assert settings_of(paper, "cifar100", "dual_beta", 90)[:2] == ({"window": 10}, {"c_d": 4.0})
    assert settings_of(paper, "cifar100", "el2n", 90)[0] == {"first": 20, "count": 1}
    assert settings_of(paper, "cifar100", "tdds", 30)[0] == {"count": 90, "window": 10}
    assert settings_of(paper, "cifar100", "ccs", 80)[1] == {"cut": 0.4}
    assert settings_of(paper, "cifar100", "d2", 90)[1:] == ({"k": 5, "gamma": 0.1, "cut": 0.4}, "uniform")
    assert settings_of(paper, "cifar100", "d2", 50)[1]["cut"] == 0.2
    assert paper.RULES["dual"].epochs == 30
    training = paper.paper("cifar100").training
    assert (training.model, training.width, training.schedule, training.lr) == ("resnet18", 64, 200, 0.1)
    batches = [retraining(training, paper.Cell("dual", pruned, 0).keep).batch_size for pruned in (30, 50, 70, 80, 90)]
    assert batches == [128, 128, 128, 64, 32]


def test_the_published_table_is_whole_and_says_what_to_trust(paper):
    for dataset in ("cifar10", "cifar100"):
        for rule, values in paper.PUBLISHED[dataset].items():
            assert rule in paper.RULES or rule == "tdds (DUAL authors)"
            assert {mark for _, mark in values.values()} <= set(paper.PUBLISHED["marks"])
    ours = paper.PUBLISHED["cifar100"]["dual_beta"]
    assert [round(ours[p][0], 1) for p in ("30", "50", "70", "80", "90")] == [77.9, 74.7, 69.2, 64.8, 54.5]


def test_the_reduced_table_ranks_as_the_papers_do():
    rows = read(BENCHMARKS / "results" / "paper_reduced.jsonl")
    values = {}
    for row in rows:
        values.setdefault((row["rule"], row["pruned"]), []).append(row["accuracy"])
    assert {len(of_seeds) for of_seeds in values.values()} == {3}
    mean = {cell: statistics.mean(of_seeds) for cell, of_seeds in values.items()}
    for good in ("dual_beta", "ccs"):
        for collapsing in ("dual", "el2n"):
            assert mean[good, 90] > mean[collapsing, 90] + 2
    assert mean["el2n", 90] < mean["random", 90] - 10
    assert mean["dual_beta", 90] > mean["random", 90]
    assert mean["dual_beta", 30] > mean["random", 30] - 5
    assert all(mean[cell] > mean["random", 30] - 12 for cell in mean if cell[1] == 30)
    assert mean["full", 0] == max(mean.values())
    assert {row["base"] for row in rows} == {"AVIF"}


def test_a_selection_is_the_same_for_the_same_seed(paper, tiny, tmp_path):
    args = paper.arguments(["cifar10", "--data", str(tiny), "--reduced", "--work", str(tmp_path / "work")])
    bench = paper.opened(args, paper.REDUCED, float("inf"))
    one, two, other = (paper.chosen(bench, paper.Cell("random", 50, seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    assert isinstance(bench.data, dp.Dataset)
