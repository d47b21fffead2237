"""The whole line on small input: exact, repeatable, resumable, and nothing lost."""

import os
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from forked import run
from PIL import Image

import datapare as dp
from datapare.cli import app
from datapare.errors import BusyError
from datapare.storage import folder_lock
from datapare.training.scoring_run import planned
from kills import child

SHORT = {"epochs": 4, "schedule_epochs": 8, "model": "mlp"}


@pytest.fixture
def points(tmp_path):
    """Two classes of 60 points each, as a file of embeddings."""
    return write_points(tmp_path / "points.npz")


def write_points(path, count=120, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    x = rng.normal(size=(count, 6)).astype(np.float32) + y[:, None]
    np.savez(path, x=x, y=y)
    return path


def prune(path, out, **more):
    options = {"keep": 0.3, "score_params": {"window": 3}, "record_options": SHORT, **more}
    return dp.prune(path, out=out, **options)


def test_one_call_makes_the_smaller_dataset_the_table_and_the_report(points, tmp_path):
    before = points.read_bytes()
    said = []
    made = prune(points, tmp_path / "run", on_message=said.append)
    assert said[1] == "keep 36, drop 84 of 120 examples"
    assert points.read_bytes() == before
    full = np.load(points)
    small = np.load(made.dataset / "points.npz")
    assert np.array_equal(small["x"], full["x"][made.subset.index])
    assert np.array_equal(small["y"], full["y"][made.subset.index])
    table = pq.read_table(made.examples)
    assert table.num_rows == 120
    assert table["kept"].to_pylist() == made.subset.mask.tolist()
    assert "<html" in made.report.read_text()
    assert len(dp.open_dataset(made.dataset / "points.npz")) == 36


def test_a_finished_command_does_no_work_and_says_so(points, tmp_path):
    first = prune(points, tmp_path / "run")
    stamps = {f: f.stat().st_mtime_ns for f in (tmp_path / "run").rglob("*") if f.is_file() and f.name != ".lock"}
    said = []
    again = prune(points, tmp_path / "run", on_message=said.append)
    assert first.fresh
    assert not again.fresh
    assert any("not training again" in line for line in said)
    assert {
        f: f.stat().st_mtime_ns for f in (tmp_path / "run").rglob("*") if f.is_file() and f.name != ".lock"
    } == stamps


def test_another_keep_uses_the_same_record(points, tmp_path):
    prune(points, tmp_path / "run")
    said = []
    made = prune(points, tmp_path / "run", keep=0.5, on_message=said.append)
    assert len(made.subset) == 60
    assert any("not training again" in line for line in said)


def test_the_same_seed_makes_the_same_subset(points, tmp_path):
    one, other = (prune(points, tmp_path / name) for name in "ab")
    assert np.array_equal(one.subset.index, other.subset.index)
    third = prune(points, tmp_path / "c", seed=1)
    assert not np.array_equal(one.subset.index, third.subset.index)


def test_another_seed_in_the_same_place_is_refused(points, tmp_path):
    prune(points, tmp_path / "run", rule="random", record_options={**SHORT, "seed": 0})
    with pytest.raises(dp.InputError, match="seed 0"):
        prune(points, tmp_path / "run", rule="random", seed=3, record_options={**SHORT, "seed": 0})


def test_a_changed_dataset_is_refused(points, tmp_path):
    prune(points, tmp_path / "run")
    write_points(points, count=130)
    with pytest.raises(dp.InputError, match="10 of 130 examples are not in the record"):
        prune(points, tmp_path / "run")


def test_a_folder_with_something_else_is_refused_untouched(points, tmp_path):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter1.txt").write_text("years of work")
    with pytest.raises(dp.InputError, match="already holds something else"):
        prune(points, thesis)
    assert [f.name for f in thesis.iterdir()] == ["chapter1.txt"]


def test_a_window_longer_than_the_record_is_refused_with_the_way_out(points, tmp_path):
    with pytest.raises(dp.InputError, match=r"windows of 10 epochs, but 4 .*--window 2"):
        prune(points, tmp_path / "run", score_params={})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_window_longer_than_the_preset_that_the_data_choose_is_refused_before_the_training(
    points, tmp_path, capsys, dry
):
    out = tmp_path / "run"
    call = ["prune", points, "--keep", "0.3", "--window", "60", "--out", out, *dry]
    with pytest.raises(SystemExit) as stopped:
        app.main([str(part) for part in call])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert "windows of 60 epochs, but 15 make the record" in said.err
    assert "recording" not in said.out
    assert not out.exists()


def test_the_epochs_of_a_record_are_known_from_the_sizes_of_the_images(tmp_path):
    for side, epochs in ((40, 12), (200, 15)):  # encoded as 64 and 128 px: the recipes small and large
        for name in ("ant", "bee"):
            (tmp_path / str(side) / name).mkdir(parents=True)
            for i in range(2):
                Image.new("RGB", (side, side), (i, 0, side)).save(tmp_path / str(side) / name / f"{i}.png")
        data = dp.open_dataset(tmp_path / str(side))
        assert planned(data) == epochs
        assert planned(data, image_size=16) == 15  # the recipe tiny
        assert planned(data, epochs=50) == 50
        assert planned(data, preset="cifar10", schedule_epochs=20) == 20


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("el2n", {"first": 20, "count": 1}),  # as published for CIFAR
        ("tdds", {"window": 3, "count": 90}),
        ("dyn_unc", {"window": 4, "windows": "official"}),
        ("forgetting", {}),
        ("fatb", {"first": 3}),
    ],
)
def test_epochs_that_will_not_be_recorded_are_missed_before_the_training(points, tmp_path, method, params):
    if method in {"forgetting", "fatb"}:
        assert len(prune(points, tmp_path / "run", score=method, rule="top", score_params=params).subset) == 36
        return
    with pytest.raises(dp.InputError, match=f"a record of 4 epochs is too short for {method}: "):
        prune(points, tmp_path / "run", score=method, score_params=params)
    assert not (tmp_path / "run").exists()


def test_a_second_process_is_refused(points, tmp_path):
    with folder_lock(tmp_path / "run", "working"), pytest.raises(BusyError, match="another process"):
        prune(points, tmp_path / "run")


@pytest.mark.parametrize("keep", [0, -1, 1.5, 0.001, 121])
def test_an_impossible_keep_is_refused_before_anything_is_written(points, tmp_path, keep):
    with pytest.raises(dp.InputError, match="keep"):
        prune(points, tmp_path / "run", keep=keep)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", ["dual", "dyn_unc"])
@pytest.mark.parametrize("balance", [None, "proportional", "uniform"])
def test_every_combination_keeps_the_exact_count(points, tmp_path, method, balance):
    params = {"window": 3}
    made = prune(points, tmp_path / "run", score=method, score_params=params, balance=balance, keep=0.25)
    assert len(made.subset) == 30
    if balance:
        assert np.bincount(np.load(made.dataset / "points.npz")["y"]).tolist() == [15, 15]


SCRIPT = """
import sys, datapare as dp
short = {"record_options": {"epochs": 2, "model": "mlp"}, "score_params": {"window": 2}}
dp.prune(sys.argv[1], out=sys.argv[2], keep=0.3, **short)
assert not {"torch._dynamo", "scipy.stats"} & {*sys.modules}  # three seconds of imports that nothing here needs
"""


@pytest.mark.slow
def test_it_imports_nothing_that_it_does_not_need(points, tmp_path):
    subprocess.run([sys.executable, "-c", SCRIPT, points, tmp_path / "run"], check=True)


def test_killed_anywhere_the_same_call_ends_in_the_same_subset(points, tmp_path):
    call = partial(dp.prune, points, keep=0.3, record_options={"epochs": 30, "schedule_epochs": 40, "model": "mlp"})
    calm = call(out=tmp_path / "calm")
    ends = [child(lambda: call(out=tmp_path / "run"), deadly) for deadly in (10, 25, 40, 10_000)]
    assert ends == [-signal.SIGKILL] * 3 + [0]
    resumed = dp.load(tmp_path / "run/keep-0.3/subset")
    assert np.array_equal(resumed.index, calm.subset.index)
    for name in dp.load(tmp_path / "calm/dynamics").channels:
        one, other = (np.load(tmp_path / run / f"dynamics/channels.{name}.npy") for run in ("calm", "run"))
        assert np.array_equal(one, other, equal_nan=True), name


def test_comparison_is_paired_redraws_random_and_goes_on_where_it_stopped(points, tmp_path):
    from datapare.training import TrainingConfig

    made = prune(points, tmp_path / "run")
    data = dp.open_dataset(points)
    test = dp.open_dataset(write_points(tmp_path / "test.npz", 80, seed=9))
    training = TrainingConfig(epochs=6, batch_size=16, lr=0.01, optimizer="adamw", model="mlp", width=16)
    steps = []
    options = {"test": test, "training": training, "seeds": 3, "folder": tmp_path / "jobs"}
    one = dp.compare(data, made.subset, **options, progress=lambda *a: steps.append(a))
    assert one.arms == ("dual+mixed keep 0.3", "random keep 0.3", "full")
    assert one.count.tolist() == [36, 36, 120]
    assert steps[-1][:2] == (9, 9)
    assert np.all((one.accuracy > 0.5) & (one.accuracy <= 1))
    assert np.allclose(one.epochs, [[1.8] * 3, [1.8] * 3, [6] * 3])
    assert one.class_accuracy.shape == (3, 3, 2)
    assert np.allclose(np.nanmean(one.class_accuracy, axis=2), one.accuracy)
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "jobs").iterdir()}
    again = dp.compare(data, made.subset, **options)
    assert np.array_equal(one.accuracy, again.accuracy)
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "jobs").iterdir()} == before
    other = dp.compare(data, {"mine": dp.Subset(np.arange(36), 120)}, **{**options, "folder": None}, full=False)
    assert np.array_equal(other.accuracy[1], one.accuracy[1]), "the random arm depends on the seed alone"


def test_a_comparison_refuses_what_does_not_fit(points, tmp_path):
    data = dp.open_dataset(points)
    with pytest.raises(dp.InputError, match="holds 120"):
        dp.compare(data, dp.Subset([0, 1], 7), test=data)
    with pytest.raises(dp.InputError, match="cannot be called"):
        dp.compare(data, {"random": dp.Subset([0, 1], 120)}, test=data)
    with pytest.raises(dp.InputError, match="at least one subset"):
        dp.compare(data, {}, test=data)
    three = tmp_path / "three.npz"
    np.savez(three, x=np.zeros((6, 6), dtype=np.float32), y=np.arange(6) % 3)
    with pytest.raises(dp.InputError, match="training data lack"):
        dp.compare(data, dp.Subset([0, 1], 120), test=dp.open_dataset(three))


def test_a_record_serves_the_same_examples_in_another_order(points, tmp_path):
    made = prune(points, tmp_path / "run")
    scores = dp.load(tmp_path / "run/scores-dual")
    full = np.load(points)
    order = np.random.default_rng(3).permutation(120)
    shuffled = dp.open_dataset((full["x"][order], full["y"][order]))
    moved = dp.reorder(scores, shuffled.key)
    assert np.array_equal(moved.score, scores.score[order])
    dynamics = dp.reorder(dp.load(tmp_path / "run/dynamics"), shuffled.key)
    assert np.array_equal(dynamics.label, shuffled.label)
    other = dp.open_dataset((full["x"] + 1, full["y"]))
    with pytest.raises(dp.InputError, match="120 of the 120 examples are not in"):
        dp.reorder(scores, other.key)
    assert len(made.subset) == 36


@pytest.mark.parametrize(("method", "params"), [("rmd", {}), ("tdds", {"window": 3})])
def test_what_the_score_reads_is_recorded_without_being_asked_for(points, tmp_path, method, params):
    made = prune(points, tmp_path / "run", score=method, score_params=params, rule="top")
    assert len(made.subset) == 36
    wanted = {"rmd": "embedding", "tdds": "kl_step"}[method]
    recorded = dp.load(tmp_path / "run/dynamics")
    assert wanted in {**recorded.channels, **recorded.arrays}


def test_what_no_training_records_is_refused_before_any_training(points, tmp_path):
    with pytest.raises(dp.InputError, match="h_score reads 'runs_correct', which no training of ours records"):
        prune(points, tmp_path / "run", score="h_score", score_params={}, rule="top")
    assert not (tmp_path / "run").exists()


def test_a_record_of_nothing_but_embeddings_is_scored_selected_and_reported():
    rng = np.random.default_rng(0)
    bare = dp.Dynamics({}, np.arange(60) % 3, {"embedding": rng.normal(size=(60, 4))})
    scores = dp.score(bare, "rmd")
    subset = dp.select(scores, "top", keep=0.5, dynamics=bare)
    assert "<html" in dp.report(subset, scores=scores, dynamics=bare).html
    for method, missing in (("dlc", "distorted_loss"), ("puma", "boundary_distance"), ("dual", "target_prob")):
        with pytest.raises(dp.InputError, match=f"{method} reads '{missing}'.*--channel {missing}"):
            dp.score(bare, method)


# Everything is imported once; each child is killed just before its n-th renaming, until one of them has none left.
EVERY_RENAMING = """
import os, signal, sys
import datapare as dp
import datapare.data, datapare.reporting, datapare.pipeline.pruning, datapare.training, pyarrow.parquet, torch
torch.set_num_threads(1)
def dying(real, left):
    def call(*args, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    return call
def child(out, deadly):
    if not os.fork():
        left = [deadly]
        os.rename, os.replace = dying(os.rename, left), dying(os.replace, left)
        how = {"epochs": 3, "schedule_epochs": 6, "model": "mlp"}
        dp.prune(sys.argv[1], out=out, keep=0.3, score_params={"window": 3}, record_options=how)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.wait()[1])
assert child("calm", deadly=-1) == 0
deaths = 0
while status := child("run", deadly=deaths + 1):
    assert status == -signal.SIGKILL, status
    deaths += 1
print("deaths", deaths)
"""


@pytest.mark.slow
def test_killed_before_any_renaming_the_same_call_ends_in_the_same_files(points, tmp_path):
    done = run(tmp_path, points, code=EVERY_RENAMING)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split("deaths ")[1]) >= 5, done.stdout
    calm, made = (tmp_path / run / "keep-0.3" for run in ("calm", "run"))
    for name in ("subset/index.npy", "dataset/points.npz", "examples.parquet"):
        assert (made / name).read_bytes() == (calm / name).read_bytes(), name
    assert "</html>" in (made / "report.html").read_text()


FULL_DISK = """
import contextlib, os, sys
from pathlib import Path
from datapare.cli import app
import datapare.data, datapare.reporting, datapare.pipeline.pruning, datapare.training, pyarrow.parquet, torch
torch.set_num_threads(1)
call = ["prune", sys.argv[1], "--keep", "0.3", "--window", "3", "--epochs", "3", "--schedule-epochs", "6",
        "--model", "mlp", "--out"]
def child(out, told):
    if not os.fork():
        with open(told, "w") as sink, contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            try:
                app.main([*call, out])
            except SystemExit as stop:
                sink.flush()
                os._exit(stop.code or 0)
            except BaseException:
                os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.wait()[1])
print("calm", child("calm", "calm.txt"))
pages = sum(-(-file.stat().st_size // 4096) for file in Path("calm").rglob("*") if file.is_file())
for k in sorted([16, 48, 64, 96, 4 * pages // 2, 4 * pages - 32]):  # the last misses room for the report alone
    os.system(f"mount -o remount,size={k}k small")
    print(k, child("small/run", f"{k}.txt"))
os.system("mount -o remount,size=64m small")
print("room", child("small/run", "room.txt"))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_disk_that_fills_at_any_moment_is_one_sentence_and_with_room_the_same_call_goes_on(points, tmp_path):
    (tmp_path / "small").mkdir()
    if os.system(f"mount -t tmpfs -o size=16k tmpfs {tmp_path}/small 2>/dev/null") != 0:  # noqa: S605
        pytest.skip("mounting is not allowed here")
    try:
        done = run(tmp_path, points, code=FULL_DISK)
        assert done.returncode == 0, done.stderr
        codes = dict(line.split() for line in done.stdout.splitlines())
        assert codes.pop("calm") == codes.pop("room") == "0", done.stdout
        assert set(codes.values()) == {"2"}, codes
        for size in codes:
            last = (tmp_path / f"{size}.txt").read_text().rpartition("datapare: ")[2].strip()
            assert "make room" in last or "free some space" in last, last
        for name in ("subset/index.npy", "dataset/points.npz", "examples.parquet"):
            made = (tmp_path / "small/run/keep-0.3" / name).read_bytes()
            assert made == (tmp_path / "calm/keep-0.3" / name).read_bytes(), name
    finally:
        os.system(f"umount {tmp_path}/small")  # noqa: S605


def test_two_subsets_of_one_rule_are_distinguished_by_their_scores(points, tmp_path):
    prune(points, tmp_path / "run")
    with pytest.raises(dp.InputError, match=r"made with mixed by dual \(window 3\), .* mixed by dual \(window 2\), "):
        prune(points, tmp_path / "run", score_params={"window": 2}, seed=0)


def test_whether_the_ranking_converged_is_said(points, tmp_path):
    said = []
    record_options = {**SHORT, "until_stable": True}  # four epochs are too few to know
    prune(points, tmp_path / "run", record_options=record_options, on_message=said.append)
    assert "the ranking did not converge in 4 epochs" in said


def test_the_demonstration_brings_its_own_digits_and_writes_them_once(tmp_path):
    from datapare.pipeline.demo import write_digits

    train, test = write_digits(tmp_path)
    stamps = [place.stat().st_mtime_ns for place in (train, test)]
    data, held_out = dp.open_dataset(train), dp.open_dataset(test)
    assert (data.kind, len(data) + len(held_out), len(data.classes)) == ("image", 1797, 10)
    assert held_out.classes == data.classes
    assert write_digits(tmp_path) == (train, test)
    assert [place.stat().st_mtime_ns for place in (train, test)] == stamps
