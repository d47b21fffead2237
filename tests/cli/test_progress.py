"""While a bar is drawn, a message ends it first, so that it has a line of its own."""

import pytest

from datapare.cli import console, progress
from datapare.cli.progress import JobProgress, TrainingProgress
from datapare.training.epoch import Progress


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setattr(progress, "_in_terminal", lambda: True)
    monkeypatch.setattr(console, "quiet", False)
    monkeypatch.setattr(console, "as_json", False)


def test_a_message_ends_the_bar_of_a_training(capsys):
    with TrainingProgress() as report:
        report(Progress(1, 2, 8, 8, 100.0, 0.5))
        bar = console.live
        assert bar.live.is_started
        console.say("writing the kept examples")
        assert not bar.live.is_started
    assert console.live is None
    assert capsys.readouterr().out == "writing the kept examples\n"


def test_a_bar_of_retrainings_goes_on_after_a_message(capsys):
    with JobProgress("retraining") as report:
        report(1, 2, "full")
        console.say("one done")
        report(2, 2, "full")
        assert console.live.live.is_started
    assert console.live is None
    assert capsys.readouterr().out == "one done\n"


def test_a_long_training_says_so_once_with_what_makes_it_shorter(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_in_terminal", lambda: False)
    with TrainingProgress() as report:
        for done in (1, 20, 40):
            report(Progress(0, 100, done, 80, 1.0, float("nan")))
        report(Progress(1, 100, 0, 80, 1.0, 0.5))
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in said if "left; " in line] == ["about 2.2 h left"]
    assert "--image-size" in said[0]
