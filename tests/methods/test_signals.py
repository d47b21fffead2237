"""A record says which forward pass it holds, and scoring says where a method's authors recorded another."""

import numpy as np
import pytest

import datapare as dp
from datapare.cli import app
from datapare.errors import InputError
from datapare.methods.binding import recorded_pass_note


def record_of(observed):
    values = np.array([[0.1, 0.9, 0.2], [0.3, 0.9, 0.4], [0.2, 0.8, 0.9]], dtype=np.float32)
    return dp.Dynamics({"target_prob": values, "error_norm": 1 - values}, [0, 1, 0], observed=observed)


@pytest.mark.parametrize(
    ("method", "expected"), [("dual", "train-pass"), ("el2n", "eval-pass"), ("dyn_unc", "two-view"), ("grand", None)]
)
def test_each_method_expects_its_authors_pass(method, expected):
    for observed in ("train-pass", "eval-pass", "two-view"):
        note = recorded_pass_note(record_of(observed), method)
        if expected in (None, observed):
            assert note is None
        else:
            assert expected in note
            assert observed in note


def test_an_unknown_pass_is_refused():
    with pytest.raises(InputError, match="two-view"):
        record_of("three-view")


def test_the_command_line_records_a_pass_and_says_which_one_a_score_expects(tmp_path, capsys):
    y = np.arange(60) % 2
    np.savez(tmp_path / "points.npz", x=np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32), y=y)
    run = tmp_path / "run"
    given = ["--epochs", "2", "--model", "mlp", "--observed", "eval-pass", "--out", run]
    said(capsys, "record", tmp_path / "points.npz", *given)
    assert dp.load(run / "dynamics").observed == "eval-pass"
    told = said(capsys, "score", run, "--score", "dual", "--window", 2)
    assert "the authors of dual recorded a train-pass, and this is an eval-pass" in told
    assert "authors" not in said(capsys, "score", run, "--score", "el2n")


def said(capsys, *argv):
    with pytest.raises(SystemExit) as stop:
        app.main([str(a) for a in argv])
    assert not stop.value.code
    return capsys.readouterr().out
