"""The command line as a person meets it: help, knobs, errors read aloud, exit codes."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
from shell import FAST, run

from datapare.cli import app
from datapare.methods.registry import METHOD_GROUPS, find, names


@pytest.fixture
def points(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    np.savez(tmp_path / "points.npz", x=rng.normal(size=(120, 6)).astype(np.float32) + y[:, None], y=y)
    return tmp_path / "points.npz"


def test_every_verb_explains_itself(capsys):
    code, listing, _ = run(capsys, "--help")
    assert code == 0
    for verb, module in app.commands().items():
        assert verb in listing
        code, told, _ = run(capsys, verb, "--help")
        assert code == 0
        assert getattr(module, verb.replace("-", "_")).__doc__.split()[0] in told
        assert not re.search(r"<\w", told), "a value is named by its Python type"


@pytest.mark.parametrize("group_name", METHOD_GROUPS)
def test_every_knob_of_every_method_is_explained(group_name):
    for found in (find(group_name, name) for name in names(group_name)):
        for param in found.params:
            meaning = found.describe_param(param)
            assert len(meaning) > 5, f"{found.name} --{param}"
            assert meaning.split()[0] not in {"Of", "In", "Into", "Its", "That"}, f"{param}: {meaning}"


def test_help_says_what_a_knob_means_and_what_a_flag_left_out_stands_for(capsys):
    _, out, _ = run(capsys, "prune", "--help")
    told = " ".join(out.replace("│", " ").split())
    assert "fitted by default" in told
    assert "[default: NAME.datapare]" in told


def test_the_knobs_of_the_named_method_become_flags_with_its_defaults(capsys):
    _, told, _ = run(capsys, "prune", "--help")
    assert "--window" in told
    assert "--c-d" in told
    _, told, _ = run(capsys, "score", "--score", "dyn_unc", "--help")
    assert "--ddof" in told
    assert "--windows" in told
    for group_name, verb, flag in (("score", "score", "--score"), ("select", "select", "--rule")):
        for name in names(group_name):
            made = app.flagged(verb, app.commands()[verb], [verb, flag, name])
            offered = inspect.signature(made).parameters
            for param, parameter in find(group_name, name).params.items():
                assert offered[param].default == parameter.default, f"{name} --{param}"


def test_the_whole_line_verb_by_verb(points, capsys):
    assert run(capsys, "record", points, *FAST)[0] == 0
    folder = "points.npz.datapare" if not (points.parent / "points.datapare").exists() else "points.datapare"
    assert run(capsys, "score", folder, "--window", 3)[0] == 0
    assert run(capsys, "score", folder, "--score", "dyn_unc", "--window", 3)[0] == 0
    code, told, _ = run(capsys, "select", folder, "--keep", 0.3, "--c-d", 5.5)
    assert code == 0
    assert "keep 36, drop 84 of 120 examples" in told
    assert run(capsys, "export", folder, "--keep", 0.3)[0] == 0
    assert run(capsys, "report", folder, "--keep", 0.3)[0] == 0
    code, told, _ = run(capsys, "show", f"{folder}/keep-0.3/subset")
    assert code == 0
    assert "c_d 5.5" in told
    assert "record mlp" in told
    small = np.load(next((points.parent / folder / "keep-0.3/dataset").glob("*.npz")))
    assert len(small["y"]) == 36


def test_prune_says_what_it_keeps_and_where_things_are(points, capsys):
    code, told, _ = run(capsys, "prune", points, "--keep", 0.3, "--window", 3, *FAST)
    assert code == 0
    first = ["read 120 embeddings of 2 classes (arrays): input x, label y", "keep 36, drop 84 of 120 examples"]
    assert told.splitlines()[:2] == first
    for word in ("dataset", "examples", "report"):
        assert f"\n{word}" in told
    code, told, _ = run(capsys, "prune", points, "--keep", 0.3, "--window", 3, *FAST)
    assert code == 0
    assert "everything was there already" in told


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["prune", "nowhere/", "--keep", "0.3"], "nowhere"),
        (["prune", "points.npz", "--keep", "30.0"], "fraction in (0, 1]"),
        (["prune", "points.npz", "--keep", "0"], "in (0, 1]"),
        (["prune", "points.npz", "--keep", "1.5"], "fraction in (0, 1]"),
        (["prune", "points.npz", "--keep", "lots"], "'lots'"),
        (["prune", "points.npz", "--keep", "-0.3"], "fraction in (0, 1]"),
        (["prune", "points.npz", "--keep", "500"], "120 examples"),
        (["prune", "points.npz", "--keep", "0.3", "--score", "duel"], "did you mean dual"),
        (["prune", "points.npz", "--keep", "0.3", "--rule", "betta"], "did you mean beta"),
        (["prune", "points.npz", "--keep", "0.3", "--c_d", "4"], "--c_d"),
        (["prune", "points.npz", "--keep", "0.3", "--window", "ten"], "--window"),
        (["prune", "points.npz", "--keep", "0.3", "--label", "colour"], "colour"),
        (["prune", "points.npz"], "--keep"),
        (["score", "nowhere"], "expected a run folder"),
        (["select", ".", "--keep", "0.3"], "expected a run folder"),
        (["embed", "nowhere"], "expected a run folder"),
        (["prune", "points.npz", "--keep", "0.3", "--epochs", "4", "--window", "1"], "2 epochs or more"),
        (["methods", "betta"], "did you mean beta"),
        (["show", "."], "meta.json"),
        (["methods", "duel"], "did you mean dual"),
        (["prunee"], "prune"),
    ],
)
def test_a_wrong_call_is_one_clear_sentence_and_exit_code_2(points, capsys, argv, says):
    code, _, complaint = run(capsys, *argv)
    assert code == 2
    assert says in " ".join(complaint.replace("│", " ").split())
    assert not (points.parent / "nowhere").exists()
    assert "Traceback" not in complaint
    assert {f.name for f in points.parent.iterdir()} == {"points.npz"}, "nothing may be written"


def test_methods_lists_all_and_shows_one_whole(capsys):
    code, told, _ = run(capsys, "methods")
    assert code == 0
    for group_name in ("score", "select"):
        for name in names(group_name):
            assert f"\n{name} " in told
    assert told.count("costs") >= len(names("score")) + len(names("select"))
    assert "larger = keep first" in told
    assert "arXiv:2502.06905, Cho, Shin, Kang, Yun, 2025" in told
    code, told, _ = run(capsys, "methods", "dual")
    assert "arXiv:2502.06905" in told
    assert "--window 10" in told


def test_help_and_version_are_quick():
    """Nothing heavy is loaded to explain a verb."""
    code = """
import sys
from datapare.cli import app
try: app.main(['prune', '--help'])
except SystemExit: pass
print([m for m in ('torch', 'datasets', 'scipy', 'jinja2') if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


def test_doctor_tells_versions_and_devices(capsys):
    code, told, _ = run(capsys, "doctor")
    assert code == 0
    assert "torch" in told
    assert "bf16" in told


def test_the_version_is_that_of_the_changelog(capsys):
    from pathlib import Path

    _, told, _ = run(capsys, "--version")
    newest = next(
        line for line in (Path(__file__).parents[2] / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    )
    assert told.split()[1] == newest.split()[1]


def test_results_inside_the_dataset_are_refused_before_anything_is_trained_or_written(points, capsys):
    data = points.parent / "set"
    data.mkdir()
    with np.load(points) as arrays:
        np.save(data / "x.npy", arrays["x"])
        np.save(data / "y.npy", arrays["y"])
    for verb in (["prune", "set", "--keep", 0.3], ["record", "set"]):
        code, _, complaint = run(capsys, *verb, "--out", "set/run")
        assert (code, "lies in the source" in complaint) == (2, True)
    assert sorted(entry.name for entry in data.iterdir()) == ["x.npy", "y.npy"]


def test_what_a_small_subset_does_to_classes_and_how_little_was_learned_is_told(points, capsys):
    with np.load(points) as arrays:
        x, y = arrays["x"], np.where(np.arange(120) < 3, 2, arrays["y"])
    np.savez(points.parent / "few.npz", x=np.zeros_like(x), y=y)
    _, told, _ = run(capsys, "prune", "few.npz", "--keep", 0.05, *FAST, "--window", 2)
    assert "1 of 3 classes loses all its examples (2)" in told
    assert "it has hardly learned, so its scores mean little" in told


def test_interrupted_is_exit_code_130_and_says_how_to_resume(points, capsys, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("datapare.pipeline.pruning.prune", interrupt)
    code, _, complaint = run(capsys, "prune", points, "--keep", 0.3)
    assert code == 130
    assert "resumes where it stopped" in complaint


def test_all_scores_make_one_table_and_tell_how_far_they_agree(points, capsys):
    import pyarrow.parquet as pq

    run(capsys, "record", points, "--epochs", 12, "--schedule-epochs", 20, "--model", "mlp", "--out", "r")
    code, told, _ = run(capsys, "score", "r", "--all")
    assert code == 0
    assert "dual                     +1.00 rank correlation with dual" in told
    assert "left out  tdds                 reads 'kl_step', which was not recorded; record it with" in told
    code, _, complaint = run(capsys, "extrapolate", "r")
    assert (code, "nothing to predict" in complaint) == (2, True)
    told = run(capsys, "show", "r")[1]
    assert told.startswith("read r: run on 120 examples of")
    assert "r/scores-dual" in told
    table = pq.read_table("r/scores.parquet")
    assert table.num_rows == 120
    assert {"key", "dual", "el2n", "aum", "forgetting"} <= set(table.column_names)
    run(capsys, "select", "r", "--keep", 0.3)
    assert run(capsys, "report", "r", "--keep", 0.3)[0] == 0
    from pathlib import Path

    assert "Agreement of scores" in Path("r/keep-0.3/report.html").read_text()


def test_a_score_may_be_the_mean_over_runs(points, capsys):
    from datapare import load

    for seed, out in ((0, "one"), (1, "other")):
        run(capsys, "record", points, "--epochs", 3, "--model", "mlp", "--seed", seed, "--out", out)
        run(capsys, "score", out, "--score", "el2n")
    each = [load(f"{out}/scores-el2n").score for out in ("one", "other")]
    code, _, _ = run(capsys, "score", "one", "--score", "el2n", "--average-with", "other")
    assert code == 0
    assert np.allclose(load("one/scores-el2n").score, np.mean(each, axis=0))
    assert load("one/scores-el2n").provenance.params == {"runs": 2}


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["select", "r", "--keep", "0.1", "--preset", "cifar1000"], "no preset 'cifar1000' of select methods"),
        (["select", "r", "--keep", "150", "--preset", "cifar10", "--rule", "ccs"], "0.1: cut=0.3"),
        (["score", "r", "--score", "tdds", "--preset", "cifar100"], "0.7: count=90, window=10; 0.5: count=70"),
    ],
)
def test_a_preset_that_cannot_be_meant_is_refused(argv, says, capsys):
    code, _, complaint = run(capsys, *argv)
    assert code == 2
    assert says in complaint


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--rule", "beta", "--preset", "cifar10"], "beta for cifar10 is unverified: c_d=5.5"),
        (["--rule", "top", "--preset", "cifar10"], "nothing is published of top for cifar10"),
        (["--rule", "beta", "--preset", "cifar100"], None),
    ],
)
def test_a_run_with_a_preset_says_what_is_unverified(argv, says, capsys):
    _, _, complaint = run(capsys, "select", "nowhere", "--keep", "0.1", *argv)
    notes = [line for line in complaint.splitlines() if line.startswith("note:")]
    assert (says in notes[0]) if says else not notes


def test_a_preset_becomes_the_default_of_the_knobs_and_says_what_is_unverified(capsys):
    _, told, _ = run(capsys, "select", "r", "--keep", 0.1, "--preset", "cifar10", "--help")
    assert "unverified" in told
    assert "5.5" in told
    _, told, _ = run(capsys, "select", "r", "--keep", 0.1, "--preset", "cifar100", "--rule", "ccs", "--help")
    assert "unverified" not in told
    assert "[default: 0.5]" in told


def test_the_list_of_commands_tells_each_whole(capsys):
    """In 80 columns no sentence ends in dots."""
    _, listed, _ = run(capsys, "--help")
    rows = listed.partition("Commands:\n")[2].splitlines()
    assert len(rows) == len(app.names())
    assert all(row.endswith(".") and not row.endswith("...") and len(row) <= 80 for row in rows), rows


def test_a_backbone_that_is_not_there_is_refused_before_the_data_are_read(capsys, points):
    pytest.importorskip("transformers")
    for verb, *rest in (("record",), ("prune", "--keep", 0.3)):
        code, told, complaint = run(capsys, verb, points, *rest, "--model", f"transformers:{points.parent}/absent")
        assert (code, told) == (2, "")
        assert "absent" in complaint
