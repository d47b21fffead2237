"""Comparisons: the same results however they run, nothing lost, nothing claimed that was not shown."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from forked import run
from sources import write_points

import datapare as dp
from datapare.errors import DatapareError, GateError
from datapare.evaluation import experiment
from datapare.evaluation.arms import arms
from datapare.evaluation.experiment import groups_of, holdout
from datapare.evaluation.jobs import Job, Result, Task, execute, fingerprint
from datapare.evaluation.runners import automatic
from datapare.evaluation.verdicts import Answer, Verdict, check_gate, verdict
from datapare.training import TrainingConfig

SMALL = TrainingConfig(epochs=4, batch_size=16, lr=0.01, optimizer="adamw", model="mlp", width=16)
ONE = TrainingConfig(epochs=1, model="mlp")


@pytest.fixture
def data(tmp_path):
    return dp.open_dataset(write_points(tmp_path / "points.npz"))


@pytest.fixture
def test(tmp_path):
    return dp.open_dataset(write_points(tmp_path / "test.npz", 80, seed=9))


@pytest.fixture
def subset():
    return dp.Subset(np.arange(0, 120, 3), 120)


def by_mean(train, test, *, seed, epochs):
    """A training of one's own: the nearer class mean."""
    del seed, epochs
    middle = np.stack([train.array[train.label == k].mean(0) for k in range(len(train.classes))])
    return ((test.array[:, None] - middle) ** 2).sum(-1).argmin(1) == test.label


def test_a_training_of_their_own_gets_only_its_examples_and_is_tabulated(data, test, subset):
    seen = []

    def train(train, test, *, seed, epochs):
        seen.append((tuple(train.row.tolist()), len(test), seed, epochs))
        return by_mean(train, test, seed=seed, epochs=epochs)

    made = dp.compare(data, {"mine": subset}, test=test, train=train, training=SMALL)
    assert made.arms == ("mine", "random keep 0.333333", "full")
    mine, random, full = seen[:3], seen[3:6], seen[6:]
    assert {rows for rows, *_ in mine} == {tuple(range(0, 120, 3))}
    assert len({rows for rows, *_ in random}) == 3, "random is drawn anew for every seed"
    assert {len(rows) for rows, *_ in random} == {40}
    assert {rows for rows, *_ in full} == {tuple(range(120))}
    assert {(count, epochs) for _, count, _, epochs in seen} == {(80, 4)}
    assert [seed for *_, seed, _ in seen] == [0, 1, 2] * 3
    right = by_mean(dp.data.take(data, subset.index), test, seed=0, epochs=4)
    assert np.allclose(made.accuracy[0], right.mean())
    assert np.allclose(made.class_accuracy[0, 0], [right[test.label == k].mean() for k in (0, 1)])
    assert np.allclose(made.epochs, [[4 / 3] * 3, [4 / 3] * 3, [4] * 3])


def test_an_accuracy_alone_will_do_but_knows_no_classes(data, test, subset):
    made = dp.compare(data, subset, test=test, train=lambda a, b, *, seed, epochs: 0.5 + seed / 10, training=SMALL)
    assert np.allclose(made.accuracy, [[0.5, 0.6, 0.7]] * 3)
    assert made.class_accuracy is None


@pytest.mark.parametrize(
    ("train", "error", "says"),
    [
        (lambda a, b: 0.5, dp.InputError, r"seed=…, epochs=…\), but got an unexpected keyword argument 'seed'"),
        (lambda a, b, *, seed, epochs: 1.5, dp.InputError, "0..1, or one boolean for each of the 80.*not 1.5"),
        (lambda a, b, *, seed, epochs: np.ones(80), dp.InputError, r"not float64 of shape \(80,\)"),
        (lambda a, b, *, seed, epochs: [True], dp.InputError, r"not bool of shape \(1,\)"),
        (lambda a, b, *, seed, epochs: 1 / 0, DatapareError, r"test_comparison.py, line \d+: ZeroDivisionError"),
        ("nowhere.py:train", dp.InputError, "there is no file nowhere.py"),
        ("nowhere:train", dp.InputError, "No module named 'nowhere'"),
        ("math:cosinus", dp.InputError, "no attribute 'cosinus'"),
    ],
)
def test_a_training_that_cannot_be_used_is_refused(data, test, subset, train, error, says):
    with pytest.raises(error, match=says):
        dp.compare(data, subset, test=test, train=train, training=SMALL)


@pytest.mark.parametrize("held_out", [True, False])
def test_a_subset_that_nothing_can_be_trained_on_is_refused_before_anything_is(data, test, subset, held_out):
    seen = []
    small = dp.Subset(np.array([7]), 120)
    with pytest.raises(dp.InputError, match=r"'small' leaves [01] of"):
        dp.compare(
            data, {"mine": subset, "small": small}, test=test if held_out else None, training=SMALL,
            train=lambda *_, **known: seen.append(known) or 0.5,
        )  # fmt: skip
    assert not seen


def test_a_changed_training_file_is_not_mistaken_for_a_finished_one(data, test, subset, tmp_path):
    made = []
    for value in (0.5, 0.25):
        file = tmp_path / f"{value}" / "mine.py"
        file.parent.mkdir()
        file.write_text(f"def train(train, test, *, seed, epochs):\n    return {value}\n")
        options = {"test": test, "training": SMALL, "folder": tmp_path / "jobs"}
        made.append(dp.compare(data, subset, train=f"{file}:train", **options).accuracy.mean())
    assert made == [0.5, 0.25]


def test_without_test_data_a_stratified_split_judges_and_nobody_trains_on_it(data, subset):
    held = holdout(data.label)
    assert np.bincount(data.label[held]).tolist() == [12, 12]
    assert np.array_equal(held, holdout(data.label))
    rows = []

    def train(train, test, *, seed, epochs):
        rows.append(set(train.row.tolist()))
        assert test.row.tolist() == held.tolist()
        return by_mean(train, test, seed=seed, epochs=epochs)

    made = dp.compare(data, subset, train=train, training=SMALL)
    assert made.held_out == "split"
    assert not any(one & set(held.tolist()) for one in rows)
    assert made.count[2] == 96
    assert made.count[0] == made.count[1] == len(set(subset.index.tolist()) - set(held.tolist()))
    assert verdict(made).text.count("which the scoring run has seen") == 1
    assert "which the scoring run has seen" in dp.report(subset, comparison=made).html, (
        "found by its digest, not its size"
    )


def test_a_class_never_gives_its_last_example():
    assert np.bincount(holdout(np.array([0] * 9 + [1])), minlength=10)[9] == 0


@pytest.mark.parametrize(("budget", "epochs"), [("epochs", [4 * 0.1, 4 * 0.1, 4]), ("iterations", [4, 4, 4])])
def test_budgets_are_what_they_say_and_random_has_the_same_batch_and_schedule(data, test, budget, epochs, monkeypatch):
    jobs = []

    def train(job, folder):
        del folder
        jobs.append(job)
        return Result(0.5, job.training.epochs * len(job.index), 1.0, None)

    monkeypatch.setattr(experiment, "train_user", lambda function, data, test, job, folder: train(job, folder))
    dp.compare(data, {"mine": dp.Subset(np.arange(12), 120)}, test=test, train=by_mean, training=SMALL, budget=budget)
    mine, random, full = jobs[0], jobs[3], jobs[6]
    assert mine.training == random.training
    assert full.training.batch_size == 16
    assert mine.training.batch_size == (4 if budget == "epochs" else 16)
    assert np.allclose([j.training.epochs * len(j.index) / 120 for j in (mine, random, full)], epochs)
    assert len({tuple(j.index.tolist()) for j in jobs[3:6]}) == 3
    monkeypatch.undo()
    made = dp.compare(data, dp.Subset(np.arange(12), 120), test=test, train=by_mean, training=SMALL, budget=budget)
    assert made.budget == budget
    assert f"under equal {budget}" in dp.report(dp.Subset(np.arange(12), 120), comparison=made).html


def test_fewer_epochs_are_named_in_the_result(data, test, subset):
    made = dp.compare(data, subset, test=test, train=by_mean, training=SMALL, epochs=2)
    assert made.shortened == 0.5
    assert made.epochs[2, 0] == 2
    assert "shortened to 0.5 of the full one" in dp.report(subset, comparison=made).html


def test_named_groups_are_told_beside_the_mean(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal() + i % 2:.3f},{'north' if i % 5 else 'south'},{i % 2}" for i in range(100)]
    (tmp_path / "people.csv").write_text("\n".join(["height,place,label", *rows]) + "\n")
    people = dp.open_dataset(tmp_path / "people.csv", kind="table")
    answer = np.arange(100) % 3 > 0
    subset = dp.Subset(np.arange(20), 100)
    made = dp.compare(people, subset, test=people, train=lambda *_, **__: answer, training=SMALL, group="place")
    south = np.arange(100) % 5 == 0
    assert made.groups == ("north", "south")
    assert made.group_count.tolist() == [80, 20]
    assert np.allclose(made.group_accuracy, [answer[~south].mean(), answer[south].mean()])
    assert arms(made)[0].worst_group == min(
        [("north", made.group_accuracy[0, 0, 0]), ("south", made.group_accuracy[0, 0, 1])], key=lambda pair: pair[1]
    )
    page = dp.report(subset, comparison=made).html
    assert 'id="groups"' in page
    back = dp.load(dp.save(made, tmp_path / "made"))
    assert (back.groups, back.held_out, back.budget) == (made.groups, "test", "epochs")
    assert np.array_equal(back.group_accuracy, made.group_accuracy)
    with pytest.raises(dp.InputError, match="columns are height, place, label"):
        groups_of(people, "street")
    with pytest.raises(dp.InputError, match="different values; name a column"):
        groups_of(people, "height")
    with pytest.raises(dp.InputError, match="groups need one boolean"):
        dp.compare(people, subset, test=people, train=lambda *_, **__: 0.5, training=SMALL, group="place")


def test_whatever_decides_a_result_is_in_its_fingerprint():
    job = Job("a", 0, np.arange(5), ONE)
    first = fingerprint(job, ["digest"])
    others = [
        fingerprint(Job("a", 1, np.arange(5), ONE), ["digest"]),
        fingerprint(Job("a", 0, np.arange(6), ONE), ["digest"]),
        fingerprint(Job("a", 0, np.arange(5), SMALL), ["digest"]),
        fingerprint(job, ["other"]),
    ]
    assert len({first, *others}) == 5
    assert fingerprint(Job("b", 0, np.arange(5), ONE), ["digest"]) == first, "the name decides nothing"


def test_a_gate_wants_every_subset_better_and_the_record_whole():
    none = Answer("unknown", "")
    better = Verdict("a", Answer("better", "Better."), none, none)
    tied = Verdict("b", Answer("no evidence", "No evidence that this beats random."), none, none)
    check_gate([better], 1.0)
    with pytest.raises(GateError, match="No evidence that this beats random"):
        check_gate([better, tied], 1.0)
    with pytest.raises(GateError, match="which the scoring run has seen"):
        check_gate([replace(better, held_out="split")], 1.0)
    with pytest.raises(GateError, match=r"saw only 80\.0 %"):
        check_gate([better], 0.8)
    assert GateError.exit_code == 3


def call(folder, *argv):
    """A process of the command line."""
    return run(folder, *argv, code="from datapare.cli.app import main\nmain()")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A run folder with a subset, and held-out data."""
    folder = tmp_path_factory.mktemp("run")
    write_points(folder / "points.npz")
    write_points(folder / "test.npz", 80, seed=9)
    flags = ("--keep", 0.3, "--epochs", 4, "--schedule-epochs", 60, "--model", "mlp", "--window", 3)
    done = call(folder, "prune", "points.npz", "--out", "r", *flags)
    assert done.returncode == 0, done.stderr
    return folder


def numbers(folder):
    made = dp.load(folder / "r/comparison")
    return np.array(made.accuracy), np.array(made.class_accuracy), np.array(made.epochs)


def forget(folder):
    for file in (folder / "r/trainings").iterdir():
        file.unlink()


COMPARE = ("compare", "r", "--keep", 0.3, "--epochs", 20, "--test", "test.npz")


@pytest.mark.slow
def test_two_processes_give_what_one_gives_and_a_killed_command_goes_on(prepared):
    done = call(prepared, *COMPARE)
    assert done.returncode == 0, done.stderr
    calm, trainings = numbers(prepared), len(list((prepared / "r/trainings").glob("*.json")))
    forget(prepared)
    command = [sys.executable, "-m", "datapare", *map(str, COMPARE), "--jobs", "2"]
    process = subprocess.Popen(command, cwd=prepared, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list((prepared / "r/trainings").glob("*.json"))) < 2 and process.poll() is None:
        time.sleep(0.005)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = sorted((prepared / "r/trainings").glob("*.json"))
    assert 2 <= len(finished) < trainings, "nothing was killed half-way: the test is too slow to see it"
    while [pid for pid in children if _trains(pid)]:  # a killed command leaves no training behind
        time.sleep(0.1)
    stamps = {file: file.stat().st_mtime_ns for file in finished}
    done = call(prepared, *COMPARE, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    for one, other in zip(numbers(prepared), calm, strict=True):
        assert np.array_equal(one, other)
    assert {file: file.stat().st_mtime_ns for file in finished} == stamps, "finished trainings are not repeated"
    assert "full" in done.stdout


def test_unless_told_trainings_run_in_processes_where_that_saves_time(monkeypatch):
    def trainer(job, folder):
        assert folder is None
        return Result(1.0, len(job.index), 1.0, None)

    def in_processes(tasks, at_once):
        moved.extend(task.number for task in tasks)
        assert at_once == 3
        return map(execute, tasks)

    tasks = [Task(n, trainer, Job("a", n, np.arange(3), ONE), None) for n in range(4)]
    monkeypatch.setattr(automatic, "run_processes", in_processes)
    for cores, starting, wanted in ((3, -1.0, [1, 2, 3]), (3, 1e9, []), (1, -1.0, [])):
        moved = []
        monkeypatch.setattr(automatic, "_cores", lambda cores=cores: cores)
        monkeypatch.setattr(automatic, "STARTING_SECONDS", starting)
        done = list(automatic.run_automatically(tasks))
        assert [number for number, _ in done] == [0, 1, 2, 3]
        assert moved == wanted


def _trains(pid):
    try:
        return b"loky" in Path(f"/proc/{pid}/cmdline").read_bytes() and "Z" not in _state(pid)
    except OSError:
        return False


def _state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_the_gate_is_exit_code_3_and_needs_test_data(prepared):
    (prepared / "mine.py").write_text("def train(train, test, *, seed, epochs):\n    return 0.5\n")
    own = (*COMPARE, "--train", "mine.py:train")
    done = call(prepared, *own, "--gate")
    assert done.returncode == 3
    assert "No evidence that this beats random" in done.stderr
    assert (prepared / "r/comparison/meta.json").exists()
    done = call(prepared, *own[:-4], "--gate", "--train", "mine.py:train")
    assert done.returncode == 2
    assert "--test" in done.stderr


def test_a_gate_is_met_by_a_subset_that_is_better(prepared):
    (prepared / "good.py").write_text(
        "def train(train, test, *, seed, epochs):\n"
        f"    chosen = {json.dumps(dp.load(prepared / 'r/keep-0.3/subset').index.tolist())}\n"
        "    return 0.9 + seed / 1000 if train.row.tolist() == chosen else 0.5\n"
    )
    done = call(prepared, *COMPARE, "--train", "good.py:train", "--gate", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert "Better than as many random examples" in done.stdout


def test_fewer_than_one_job_is_refused(data, test, subset):
    with pytest.raises(dp.InputError, match="at least 1, got 0"):
        dp.compare(data, subset, test=test, train=by_mean, training=SMALL, jobs=0)


def test_another_network_may_train_what_one_has_scored(data, test, subset):
    with pytest.raises(DatapareError, match="there is no model 'mlpp'"):
        dp.compare(data, subset, test=test, training=ONE, model="mlpp")
    with pytest.raises(DatapareError, match="--train brings its own"):
        dp.compare(data, subset, test=test, training=ONE, model="mlp", train=by_mean)
    made = dp.compare(data, subset, test=test, training=ONE, model="networks:linear", seeds=1)
    assert made.provenance.params["training"]["model"] == "networks:linear"
    assert not np.array_equal(made.accuracy, dp.compare(data, subset, test=test, training=ONE, seeds=1).accuracy)


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    label = np.arange(90) % 3
    array = rng.integers(0, 100, (90, 8, 8, 1), dtype=np.uint8)
    for image, third in zip(array, label, strict=True):
        image[:, 2 * third : 2 * third + 3] += 120
    np.savez(tmp_path / "images.npz", x=array, y=label)
    return dp.open_dataset(tmp_path / "images.npz")


def test_corrupted_copies_of_the_held_out_images_are_evaluated_beside_them(images, data, test):
    options = {"training": replace(SMALL, epochs=2, model="resnet8", width=4), "seeds": 1, "full": False}
    subset = dp.Subset(np.arange(0, 90, 2), 90)
    made = dp.compare(images, subset, test=images, corrupt=("fog", "occlusion"), **options)
    plain = dp.compare(images, subset, test=images, **options)
    assert np.array_equal(made.outcomes, plain.outcomes), "copies change nothing of what is measured on the images"
    assert made.groups == ("under fog", "under occlusion")
    assert made.group_count.tolist() == [90, 90]
    assert made.group_accuracy.shape == (2, 1, 2)
    assert np.all(made.group_accuracy[:, 0].min(axis=1) < made.accuracy[:, 0]), "dense fog hides what was learned"
    assert arms(made)[0].worst_group[0] in made.groups
    assert 'id="groups"' in dp.report(subset, comparison=made).html
    with pytest.raises(dp.InputError, match=r"--corrupt is one of .*fog.*, not 'label_noise'"):
        dp.compare(images, subset, test=images, corrupt=["label_noise"], **options)
    with pytest.raises(dp.InputError, match="corrupts images"):
        dp.compare(data, dp.Subset([0, 1, 2], 120), test=test, corrupt=["fog"], training=ONE)
    with pytest.raises(dp.InputError, match="--train brings its own"):
        dp.compare(images, subset, test=images, corrupt=["fog"], train=by_mean, **options)


def test_weights_of_a_subset_weigh_its_training(data, test):
    """A subset whose second half weighs nothing is trained on as its first half is, with a mean weight of 1."""
    index = np.arange(0, 120, 3)
    weight = np.where(np.arange(40) < 20, 2.0, 0.0)
    made = [
        dp.compare(data, dp.Subset(index, 120, weight=w), test=test, training=SMALL, seeds=1, full=False)
        for w in (None, np.ones(40), weight)
    ]
    assert np.array_equal(made[0].outcomes[0], made[1].outcomes[0]), "equal weights are none"
    assert np.array_equal(made[0].outcomes[1], made[2].outcomes[1]), "random has no weights"
    assert made[0].subset_digest != made[2].subset_digest

    seen = []

    def weighing(train, test, *, seed, epochs, weight=None):
        seen.append(None if weight is None else weight.tolist())
        return by_mean(train, test, seed=seed, epochs=epochs)

    weighted = dp.Subset(index, 120, weight=weight)
    dp.compare(data, weighted, test=test, train=weighing, training=SMALL, seeds=1)
    assert seen == [weight.tolist(), None, None]
    dp.compare(data, weighted, train=weighing, training=SMALL, seeds=1)
    held_in = np.isin(index, np.setdiff1d(np.arange(120), holdout(data.label)))
    assert seen[3] == weight[held_in].tolist(), "weights stay with their examples when some are held out"
    with pytest.raises(dp.InputError, match="accepts no weights"):
        dp.compare(data, weighted, test=test, train=by_mean, training=SMALL)


def test_held_out_labels_are_matched_by_name(tmp_path):
    rows = ["height,label", *(f"{i % 2 + i / 1000},{'abc'[i % 3]}" for i in range(40))]
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "test.csv").write_text("height,label\n1.0,c\n1.1,b\n0.1,b\n")
    (tmp_path / "other.csv").write_text("height,label\n1.0,d\n0.1,a\n1.1,d\n0.2,a\n")
    people, test, other = (dp.open_dataset(tmp_path / f"{n}.csv", kind="table") for n in ("train", "test", "other"))
    assert test.classes == ("b", "c")
    labels = []

    def train(train, test, *, seed, epochs):
        del train, seed, epochs
        labels.append((test.label.tolist(), test.classes))
        return test.label == 1

    made = dp.compare(people, dp.Subset(np.arange(10), 40), test=test, train=train, training=SMALL, seeds=1)
    assert labels[0] == ([2, 1, 1], ("a", "b", "c"))
    assert made.accuracy.tolist() == [[2 / 3]] * 3
    with pytest.raises(dp.InputError, match=r"classes that the training data lack \(d\)"):
        dp.compare(people, dp.Subset(np.arange(10), 40), test=other, train=train, training=SMALL, seeds=1)
