"""Trainings on a Ray cluster: the same files and numbers as here, also when a node is lost; Ray Train as a launcher."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import papers
import pytest
from sources import write_points

import datapare as dp
from datapare.errors import DatapareError
from datapare.evaluation.runners.ray import check_versions, versions
from datapare.training import TrainingConfig

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # ray's own
EXAMPLE = papers.BENCHMARKS.parent / "examples" / "with_ray_train.py"
SMALL = TrainingConfig(epochs=3, batch_size=16, lr=0.01, optimizer="adamw", model="mlp", width=16)


@pytest.fixture(scope="module", autouse=True)
def own_address():
    """`auto` finds the cluster of this test process, and not one that another started meanwhile."""
    short = tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)  # names of sockets have few letters
    with short as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        yield


@pytest.fixture
def options(tmp_path):
    data = dp.open_dataset(write_points(tmp_path / "points.npz"))
    test = dp.open_dataset(write_points(tmp_path / "test.npz", 80, seed=9))
    return {"data": data, "subsets": dp.Subset(np.arange(0, 120, 3), 120), "test": test, "training": SMALL}


@pytest.fixture(scope="module")
def cluster():
    """One node of one core that says it has a GPU.

    Skipped where Ray gives up, as it does when its agents are not up within 15 seconds.
    """
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # 15 by default: on a busy machine a worker would hardly run
        try:
            head = {"num_cpus": 1, "num_gpus": 1, "include_dashboard": False, "no_monitor": True}
            head["include_log_monitor"] = False
            made = Cluster(initialize_head=True, head_node_args=head)
        except Exception as error:  # noqa: BLE001 - Ray raises nothing more specific
            pytest.skip(f"Ray cannot start a cluster here: {error}")
        patch.setenv("RAY_ADDRESS", made.address)
        yield made
        made.shutdown()


def files_of(folder):
    return {file.name: file.read_bytes() for file in folder.glob("*.npy")}


@pytest.mark.slow
def test_a_cluster_that_loses_a_node_gives_what_one_process_gives(options, cluster, tmp_path):
    here = dp.compare(**options, folder=tmp_path / "here")
    node = cluster.add_node(num_cpus=1)
    lost, counts = [], []

    def progress(done, total, arm):
        del arm
        counts.append((done, total))
        if not lost:
            lost.append(cluster.remove_node(node, allow_graceful=False))

    there = dp.compare(**options, folder=tmp_path / "there", on="auto", progress=progress)
    assert np.array_equal(there.outcomes, here.outcomes)
    assert np.array_equal(there.accuracy, here.accuracy)
    assert np.array_equal(there.epochs, here.epochs)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
    assert [done for done, _ in counts] == list(range(1, 10)), "each is trained once"
    assert len(lost) == 1
    assert not ray.is_initialized(), "nothing is left behind"
    again = dp.compare(**options, folder=tmp_path / "there", on="ray", progress=lambda *_: None)
    assert np.array_equal(again.outcomes, here.outcomes), "finished trainings start no cluster"


def test_a_node_with_other_versions_is_refused():
    check_versions(versions())
    with pytest.raises(DatapareError, match=r"the node .* has numpy .* instead of 0\.1, .*install the same versions"):
        check_versions({**versions(), "numpy": "0.1"})


def test_places_that_are_none_are_refused(options, monkeypatch):
    for place in ("mars", "127.0.0.1:6379", "ray://", "ray://head", "ray://:10001", "ray://head:x", "ray://head:99999"):
        with pytest.raises(dp.InputError, match=rf"--on is here, ray \(this machine\), ray://HOST:PORT.*not '{place}'"):
            dp.compare(**options, on=place)
    with pytest.raises(dp.InputError, match="give it with --on ray"):
        dp.compare(**options, gpus=0.5)
    with pytest.raises(dp.InputError, match=r"a fraction of one GPU or whole GPUs, not 1\.5"):
        dp.compare(**options, on="ray", gpus=1.5)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(dp.InputError, match=r"needs ray, which is not installed: pip install 'datapare\[ray\]'"):
        dp.compare(**options, on="ray")


NO_CLUSTER = """
import numpy as np, datapare as dp
from datapare.errors import DatapareError
data, test = dp.open_dataset("points.npz"), dp.open_dataset("test.npz")
try:
    dp.compare(data, dp.Subset(np.arange(0, 120, 3), 120), test=test, on="auto", seeds=1)
except DatapareError as error:
    print(error)
"""


@pytest.mark.usefixtures("options")
def test_a_cluster_that_is_not_there_is_named(tmp_path):
    """In a process that sees no other, since Ray joins whatever cluster runs on the machine."""
    alone = ["unshare", "--fork", "--pid", "--mount-proc"]
    allowed = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"RAY_TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*(alone if allowed else []), sys.executable, "-c", NO_CLUSTER],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "no Ray cluster at 'auto'" in done.stdout, done.stderr


def test_an_address_where_nothing_answers_is_named_at_once(options, monkeypatch):
    with pytest.raises(DatapareError, match=r"no Ray cluster at 'ray://127.0.0.1:1'.*ray start --head"):
        dp.compare(**options, on="ray://127.0.0.1:1", seeds=1)
    for address in ("127.0.0.1:1", "127.0.0.1:x"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(DatapareError, match=rf"no Ray cluster at '{address}'"):
            dp.compare(**options, on="auto", seeds=1)


@pytest.fixture(scope="module")
def connected(cluster):
    """A connection of the caller's own: one worker serves all tests, and those after them would be connected."""
    ray.init(address=cluster.address, log_to_driver=False, logging_level="warning")
    yield
    ray.shutdown()


@pytest.mark.usefixtures("connected")
def test_what_a_training_raises_is_raised_here(options):
    def train(train, test, *, seed, epochs):
        del train, test, seed, epochs
        return 1.5

    with pytest.raises(dp.InputError, match=r"one boolean for each of the 80 held-out examples, not 1\.5"):
        dp.compare(**options, train=train, on="auto", seeds=1)
    assert ray.is_initialized(), "whoever connected before stays so"


@pytest.mark.usefixtures("connected")
def test_gpus_are_asked_for_by_fraction(options):
    def train(train, test, *, seed, epochs):
        del train, seed, epochs
        given = ray.get_runtime_context().get_assigned_resources()
        return np.full(len(test), given == {"CPU": 1.0, "GPU": 0.25})

    compared = dp.compare(**options, train=train, on="auto", gpus=0.25, seeds=1, full=False)
    assert (compared.accuracy == 1).all()
    with pytest.raises(dp.InputError, match=r"takes a core and 2 GPUs.* none has more than 1; give fewer with --gpus"):
        dp.compare(**options, train=train, on="auto", gpus=2, seeds=1)


@pytest.mark.usefixtures("connected")
def test_a_check_of_label_issues_finds_there_what_it_finds_here(options, tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "cancel", lambda *_, **__: pytest.fail("what has returned is cancelled"))
    data = options["data"]
    dynamics = dp.record(data, preset=SMALL)
    here = dp.check_label_issues(data, dynamics, training=SMALL, folder=tmp_path / "here")
    there = dp.check_label_issues(data, dynamics, training=SMALL, folder=tmp_path / "there", on="auto")
    assert there == here
    trained = [dp.load(tmp_path / place) for place in ("here", "there")]
    assert np.array_equal(*(one.channels["target_prob"] for one in trained))
    assert trained[0].provenance == trained[1].provenance
    assert dp.check_label_issues(data, dynamics, training=SMALL, folder=tmp_path / "there", on="ray") == here


@pytest.mark.usefixtures("connected")
def test_the_papers_tables_made_there_have_the_accuracies_of_those_made_here(monkeypatch, tmp_path):
    paper = papers.module()
    monkeypatch.setattr(paper, "REDUCED", papers.tiny(paper, tmp_path))
    words = ["cifar10", "--data", str(tmp_path), "--reduced", "--seed", "1", "--pruned", "50", "--rule", "random"]
    tables = []
    for place in ("here", "auto"):
        out = tmp_path / f"{place}.jsonl"
        assert paper.main([*words, "dual", "--on", place, "--work", str(tmp_path / place), "--out", str(out)]) == 0
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        tables.append(sorted((row["rule"], row["accuracy"], row["iterations"], row["precision"]) for row in rows))
    assert tables[0] == tables[1]
    assert len(tables[0]) == 2


@pytest.mark.usefixtures("connected")
def test_ray_train_launches_one_recording_by_two_workers(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("with_ray_train", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "CPUS", 0.5)  # as the cluster of this test has one
    source = write_points(tmp_path / "digits.npz")
    example.main(tmp_path)
    made, alone = dp.load(tmp_path / "dynamics"), dp.record(source, epochs=2)
    assert made.provenance.params["processes"] == example.WORKERS
    assert np.array_equal(made.key, alone.key)
    np.testing.assert_allclose(made.channels["target_prob"], alone.channels["target_prob"], atol=2e-5)
