"""Score a fraction, predict the rest: the whole line, verb by verb, from a folder of its own."""

import subprocess
from pathlib import Path

import forked
import numpy as np
import pyarrow.parquet as pq
import pytest
from shell import FAST, run

import datapare as dp
from datapare.cli import app
from datapare.methods.registry import names
from datapare.storage.atomic import ASIDE, _host

ROOT = Path(__file__).parents[2]
SHORT = {"epochs": 4, "schedule_epochs": 8, "model": "mlp"}


@pytest.fixture
def points(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    np.savez(tmp_path / "points.npz", x=rng.normal(size=(240, 6)).astype(np.float32) + y[:, None], y=y)
    return tmp_path / "points.npz"


def test_a_fraction_is_recorded_and_the_rest_never_observed(points, tmp_path):
    d = dp.record(points, **SHORT, fraction=0.25, out=tmp_path / "run")
    seen = ~np.isnan(d.channels["target_prob"])
    assert np.array_equal(seen.all(axis=0), seen.any(axis=0))
    assert np.bincount(d.label[seen[0]]).tolist() == [20, 20, 20]
    assert d.arrays["embedding"].shape[0] == 240
    assert np.isfinite(d.arrays["embedding"]).all()
    assert d.provenance.params["fraction"] == 0.25
    few = dp.record(points, **SHORT, fraction=0.1)
    assert few.provenance.params["fraction_batch"] == few.provenance.params["batch_size"] // 4, (
        "a retraining has the whole batch again"
    )
    with pytest.raises(dp.InputError, match=r"fraction 0.25 there, None here"):
        dp.record(points, **SHORT, channels=(*d.channels, "embedding"), out=tmp_path / "run")
    other = dp.record(points, **SHORT, fraction=0.25, seed=1)
    assert not np.array_equal(~np.isnan(other.channels["target_prob"][0]), seen[0])


@pytest.mark.parametrize("method", ["knn", "gnn"])
def test_one_call_scores_a_fraction_and_predicts_the_rest(points, tmp_path, method):
    said = []
    options = {
        "keep": 0.3, "score_params": {"window": 3}, "record_options": SHORT, "score_fraction": 0.25,
        "extrapolate": method, "out": tmp_path / "run",
    }  # fmt: skip
    made = dp.prune(points, **options, on_message=said.append)
    assert len(made.subset) == 72
    assert any(line.startswith(f"predicting 180 of 240 scores with {method}") for line in said)
    assert any(line.startswith("predicted against hidden scores") and "best 30 %" in line for line in said)
    scores = dp.load(tmp_path / f"run/scores-dual+{method}")
    assert scores.predicted.sum() == 180
    assert [p.step for p in made.subset.provenance.parents] == ["extrapolate"]
    table = pq.read_table(made.examples)
    assert np.isfinite(table["mean_prob"].to_numpy()).all()
    assert sum("predicted score rank" in why for why in table["why"].to_pylist()) == 180
    page = made.report.read_text()
    assert "180 scores were extrapolated, not observed: predicted against hidden scores" in page
    assert "Not every example was observed" not in page
    said.clear()
    again = dp.prune(points, **options, on_message=said.append)
    assert not again.fresh
    assert not any(line.startswith("predicting") for line in said)
    other = dp.prune(points, **{**options, "keep": 0.5}, on_message=said.append)
    assert len(other.subset) == 120
    assert not any(line.startswith("predicting") for line in said)


def test_an_unscored_fraction_needs_a_sensible_call(points, tmp_path):
    with pytest.raises(dp.InputError, match="score fraction such as"):
        dp.prune(points, keep=0.3, extrapolate="gnn", out=tmp_path / "run")
    with pytest.raises(dp.InputError, match="3 classes"):
        dp.prune(
            points,
            keep=0.3,
            score_fraction=0.005,
            score_params={"window": 3},
            record_options=SHORT,
            out=tmp_path / "run",
        )
    with pytest.raises(dp.InputError, match="no parameter 'depth'"):
        dp.prune(points, keep=0.3, score_fraction=0.5, extrapolate_params={"depth": 3}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_a_killed_replacement_left_is_removed_where_the_new_scores_are_complete(points, capsys):
    call = ("prune", points, "--keep", 0.3, "--score-fraction", 0.25, "--window", 3, *FAST)
    assert run(capsys, *call)[0] == 0
    place = points.parent / "points.npz.datapare/scores-dual+knn"
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = place.with_name(f".{place.name}{ASIDE}{_host()}.{dead.pid}.draft")
    left.mkdir()
    assert run(capsys, *call)[0] == 0
    assert not left.exists()


def test_the_one_command_takes_every_method_and_its_knobs(points, capsys):
    some = ("--keep", 0.3, "--score-fraction", 0.25, "--window", 3, *FAST)
    gnn = ("--extrapolate", "gnn", "--k", 4, "--extrapolate-epochs", 3)
    code, told, _ = run(capsys, "prune", points, *some, *gnn)
    assert (code, "predicting 180 of 240 scores with gnn" in told) == (0, True)
    made = dp.load(points.parent / "points.npz.datapare/scores-dual+gnn")
    assert (made.provenance.params["k"], made.provenance.params["epochs"]) == (4, 3)
    assert dp.load(points.parent / "points.npz.datapare/dynamics").epochs == 4
    d2 = ("--rule", "d2", "--k", 2, "--extrapolate-k", 7)
    code, _, complaint = run(capsys, "prune", points, *some, *d2, "--out", "other")
    assert code == 0, complaint
    assert dp.load("other/scores-dual+knn").provenance.params["k"] == 7
    assert dp.load("other/keep-0.3/subset").provenance.params["k"] == 2


@pytest.mark.parametrize("select", names("select"))
@pytest.mark.parametrize("extrapolate", names("extrapolate"))
def test_no_two_knobs_of_a_call_share_a_flag(select, extrapolate):
    for score in names("score"):
        argv = ["prune", "--score", score, "--rule", select, "--extrapolate", extrapolate]
        assert app.flagged("prune", app.commands()["prune"], argv)


def test_a_dry_run_counts_the_fraction(points, capsys):
    dry = ("prune", points, "--keep", 0.3, "--dry-run", *FAST)
    code, told, _ = run(capsys, *dry, "--score-fraction", 0.25, "--window", 3)
    assert (code, "on 60 examples, the other scores predicted after, which is not counted" in told) == (0, True)
    for wrong, says in (
        (("--extrapolate", "gnn", "--window", 3), "with a score fraction such as"),
        (("--score-fraction", 0.25, "--window", 9), "windows of 9 epochs"),
    ):
        code, _, complaint = run(capsys, *dry, *wrong)
        assert (code, says in complaint) == (2, True), "a dry run refuses what the run would"
    assert {f.name for f in points.parent.iterdir()} == {"points.npz"}


def test_verb_by_verb(points, capsys):
    folder = "points.npz.datapare"
    code, _, complaint = run(capsys, "record", points, "--fraction", 0.005, *FAST)
    assert (code, "3 classes" in complaint) == (2, True)
    assert {f.name for f in points.parent.iterdir()} == {"points.npz"}
    assert run(capsys, "record", points, "--fraction", 0.25, *FAST)[0] == 0
    assert run(capsys, "score", folder, "--window", 3)[0] == 0
    code, _, complaint = run(capsys, "select", folder, "--keep", 0.3)
    assert (code, "predict their scores with extrapolate" in complaint) == (2, True)
    code, _, complaint = run(capsys, "select", folder, "--keep", 0.3, "--score", "dual+knn")
    assert (code, f"datapare extrapolate {folder} --score dual --method knn" in complaint) == (2, True)
    code, told, _ = run(capsys, "extrapolate", folder, "--k", 5, "--same-class")
    assert (code, "Pearson" in told, "180 of 240" in told) == (0, True, True)
    code, told, _ = run(capsys, "extrapolate", folder, "--k", 5, "--same-class")
    assert (code, "180 of 240" in told) == (0, False)
    assert run(capsys, "select", folder, "--keep", 0.3, "--score", "dual+knn")[0] == 0
    assert run(capsys, "export", folder, "--keep", 0.3)[0] == 0
    assert run(capsys, "report", folder, "--keep", 0.3)[0] == 0
    assert "extrapolated, not observed" in (points.parent / folder / "keep-0.3/report.html").read_text()
    code, told, _ = run(capsys, "show", f"{folder}/scores-dual+knn")
    assert "extrapolate knn: k 5" in told
    assert "held_out.pearson" in told


def test_the_example_runs(points):
    argv = ("--data", "points.npz", "--test", "points.npz", "--seeds", "1")
    done = forked.run(points.parent, ROOT / "examples/score_a_fraction.py", *argv)
    assert done.returncode == 0, done.stderr
    for said in (
        "predicted against hidden scores: {'examples': 72",
        "all scored  ",
        "30% scored  ",
        "random keep 0.2  ",
    ):
        assert said in done.stdout


def test_an_embedding_of_ones_own_takes_the_place_and_gives_it_back(points, capsys):
    folder = points.parent / "points.npz.datapare"
    run(capsys, "record", points, "--fraction", 0.25, *FAST)
    own = np.array(dp.load(folder / "dynamics").arrays["embedding"])
    mine = np.random.default_rng(0).normal(size=(240, 3))
    np.save("mine.npy", mine)
    code, told, _ = run(capsys, "embed", folder, "--array", "mine.npy")
    assert (code, "240 examples, 3 features" in told) == (0, True)
    record = dp.load(folder / "dynamics")
    assert np.allclose(record.arrays["embedding"], mine)
    assert record.provenance.params["embedding_from"] == {"array": "mine.npy"}
    assert run(capsys, "record", points, "--fraction", 0.25, *FAST)[0] == 0
    assert run(capsys, "embed", folder, "--array", "mine.npy")[0] == 0
    assert run(capsys, "embed", folder)[0] == 0
    assert np.array_equal(dp.load(folder / "dynamics").arrays["embedding"], own)
    for array, says in ((mine[:5], "of shape (240, d)"), (np.where(mine > 2, np.nan, mine), "are missing")):
        np.save("bad.npy", array)
        code, _, complaint = run(capsys, "embed", folder, "--array", "bad.npy")
        assert (code, says in complaint) == (2, True)
    (points.parent / "empty.npy").touch()
    (points.parent / "brackets.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16)
    for name, says in (
        ("absent.npy", "there is no file absent.npy"),
        ("points.npz", "no .npy file of plain numbers (it is an .npz archive)"),
        ("brackets.npy", "no .npy file of plain numbers"),
        ("empty.npy", "no .npy file of plain numbers (No data left in file)"),
    ):
        code, _, complaint = run(capsys, "embed", folder, "--array", name)
        assert (code, says in complaint) == (2, True)
    code, _, complaint = run(capsys, "embed", folder, "--model", "mlp")
    assert (code, "transformers:NAME" in complaint) == (2, True)
    assert np.array_equal(dp.load(folder / "dynamics").arrays["embedding"], own)


def test_a_record_without_an_embedding_says_how_to_get_one(points, capsys):
    run(capsys, "record", points, *FAST)
    code, _, complaint = run(capsys, "embed", "points.npz.datapare")
    assert (code, "--channel embedding" in complaint) == (2, True)
    np.save("mine.npy", np.random.default_rng(0).normal(size=(240, 3)))
    assert run(capsys, "embed", "points.npz.datapare", "--array", "mine.npy")[0] == 0
    assert run(capsys, "embed", "points.npz.datapare")[0] == 0


def test_a_backbone_embeds_images(tmp_path, monkeypatch, capsys):
    transformers = pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    transformers.ResNetModel(config).save_pretrained(tmp_path / "resnet")
    vit = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=16, patch_size=8
    )
    transformers.ViTModel(vit).save_pretrained(tmp_path / "vit")
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    np.savez("pictures.npz", x=rng.integers(0, 256, (40, 16, 16), dtype=np.uint8), y=y)
    fast = ("--fraction", 0.5, "--epochs", 3, "--schedule-epochs", 4, "--preset", "tiny")
    assert run(capsys, "record", "pictures.npz", *fast)[0] == 0
    for name in ("resnet", "vit"):
        code, told, _ = run(capsys, "embed", "pictures.npz.datapare", "--model", f"transformers:{tmp_path / name}")
        assert (code, "40 examples, 16 features" in told) == (0, True)
    made = dp.load("pictures.npz.datapare/dynamics")
    assert np.ptp(made.arrays["embedding"], axis=0).max() > 0
    assert "vit" in made.provenance.params["embedding_from"]["model"]
    code, _, complaint = run(capsys, "embed", "pictures.npz.datapare", "--model", f"transformers:{tmp_path}/absent")
    assert (code, "there is no folder" in complaint) == (2, True)


def test_a_backbone_embeds_texts_whatever_pads_them():
    transformers = pytest.importorskip("transformers")
    import torch

    from datapare.data import Encoding
    from datapare.training.embeddings import Backbone

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    model = transformers.BertModel(transformers.BertConfig(vocab_size=50, **shape)).eval()
    body = Backbone(model, Encoding("text", pad=3))
    with torch.no_grad():
        short, padded = body(torch.tensor([[7, 8]])), body(torch.tensor([[7, 8, 0, 0]]))
        states = model(input_ids=torch.tensor([[7, 8]])).last_hidden_state
    assert torch.allclose(short, padded, atol=1e-5)
    assert torch.allclose(short, states.mean(1), atol=1e-5)
