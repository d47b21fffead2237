"""The command line works on a folder that a Recorder wrote; a dataset is named once, where examples are read."""

import csv

import numpy as np
import pytest
import torch
from shell import run

import datapare as dp
from datapare.recording import per_example_loss

N = 48
LABEL = np.arange(N) % 3


@pytest.fixture(params=["run/dynamics", "run"])
def own(request, tmp_path):
    """A record as the guide makes it, or in a folder of its own, and the data it is of."""
    rng = np.random.default_rng(0)
    with dp.Recorder(tmp_path / request.param, LABEL, 12) as recorder:
        for _ in range(12):
            recorder.observe(np.arange(N), rng.normal(size=(N, 3)), LABEL)
            recorder.end_epoch()
    features = rng.normal(size=(N, 4)) + LABEL[:, None]
    for name, order in (("data", np.arange(N)), ("other", np.arange(N)[::-1])):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["a", "b", "c", "d", "label"])
            writer.writerows([*features[i].round(4), f"class {LABEL[i]}"] for i in order)
    return tmp_path


def test_every_command_works_on_a_record_of_ones_own(own, capsys):
    folder, said = own / "run", {}
    for words in (["score", folder], ["select", folder, "--keep", 0.25], ["label-issues", folder]):
        code, said[words[0]], complained = run(capsys, *words)
        assert code == 0, complained
    assert "keep 12, drop 36 of 48" in said["select"]
    rows = csv.DictReader((folder / "label-issues.csv").read_text().splitlines())
    assert {row["label"] for row in rows} <= {"0", "1", "2"}
    assert run(capsys, "report", folder, "--keep", 0.25)[0] == 0
    code, _, complained = run(capsys, "export", folder, "--keep", 0.25)
    assert (code, "name them once with --data PATH" in complained) == (2, True)
    code, _, complained = run(capsys, "export", folder, "--keep", 0.25, "--data", own / "other.csv")
    assert (code, "with other labels or in another order" in complained) == (2, True)
    assert run(capsys, "export", folder, "--keep", 0.25, "--data", own / "data.csv")[0] == 0
    quick = ("--epochs", 1, "--seeds", 2, "--model", "mlp")
    assert run(capsys, "compare", folder, "--keep", 0.25, *quick)[0] == 0  # it knows the dataset by now
    assert run(capsys, "report", folder, "--keep", 0.25)[0] == 0
    assert "class 2" in (folder / "keep-0.25" / "report.html").read_text()
    assert dp.load(folder if (folder / "meta.json").exists() else folder / "dynamics").epochs == 12


@pytest.mark.parametrize("place", ["run/dynamics", "run"])
def test_a_record_of_a_killed_training_says_how_far_it_came(tmp_path, capsys, place):
    rng = np.random.default_rng(0)
    recorder = dp.Recorder(tmp_path / place, LABEL, 8)
    for _ in range(2):
        recorder.observe(np.arange(N), rng.normal(size=(N, 3)), LABEL)
        recorder.end_epoch()
    recorder.observe(np.arange(N), rng.normal(size=(N, 3)), LABEL)
    recorder.__exit__(KeyboardInterrupt, None, None)
    with pytest.raises(dp.DatapareError, match=r"holds 2 of 8 epochs of a training that ended early; .* stop\(\) it"):
        dp.load(tmp_path / place)
    for command in (["score"], ["select", "--keep", 0.5], ["report", "--keep", 0.5], ["label-issues"]):
        code, _, complained = run(capsys, command[0], tmp_path / "run", *command[1:])
        assert (code, "2 of 8 epochs" in complained) == (2, True), complained
    with dp.Recorder(tmp_path / place, LABEL, 8) as recorder:  # as the sentence says
        recorder.stop()
    assert dp.load(tmp_path / place).epochs == 2
    assert run(capsys, "score", tmp_path / "run", "--score", "loss")[0] == 0


@pytest.mark.parametrize("task", ["causal_lm", "regression"])
def test_losses_of_any_task_are_clustered_and_selected(tmp_path, capsys, task):
    """S2L on a record of losses: a third of the examples is learned, and it makes up half of what is kept."""
    learned, target = np.arange(N) % 3 == 0, torch.from_numpy(np.random.default_rng(0).integers(0, 5, (N, 7)))
    with dp.Recorder(tmp_path / "run", np.zeros(N, int), 4, channels=("loss",)) as recorder:
        for epoch in range(4):
            known = torch.from_numpy(learned * 2.0 * epoch)
            if task == "causal_lm":  # the logit of the next token grows
                hot = torch.nn.functional.one_hot(target, 5).roll(-1, dims=1)
                loss = per_example_loss(hot * known[:, None, None], target, task)
            else:
                loss = per_example_loss(6.0 - known, torch.zeros(N), task)
            recorder.observe(np.arange(N), loss=loss)
            recorder.end_epoch()
    assert dp.load(tmp_path / "run").channels["loss"][-1][learned].max() < 0.1
    assert run(capsys, "score", tmp_path / "run", "--score", "loss")[0] == 0
    code, said, complained = run(
        capsys, "select", tmp_path / "run", "--score", "loss", "--rule", "s2l", "--keep", 16, "--clusters", 2
    )
    assert code == 0, complained
    kept = next(path for path in tmp_path.rglob("meta.json") if '"subset"' in path.read_text()).parent
    assert learned[dp.load(kept).index].sum() == 8
    assert "keep 16, drop 32 of 48" in said
