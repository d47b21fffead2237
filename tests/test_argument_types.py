"""A wrong argument is told in one sentence, by every public function, class and method of an artifact."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

import datapare as dp
from datapare.options import RetrainOptions, described
from datapare.training.targets import SoftLabels

LABEL = np.arange(12) % 2
POINTS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
DATA = dp.open_dataset((POINTS, LABEL))
DYNAMICS = dp.Dynamics({"target_prob": np.full((3, 12), 0.5, np.float32)}, LABEL)
SCORES = dp.Scores(np.arange(12.0))
SUBSET = dp.Subset([0, 3], 12)
COMPARED = {
    "arms": ("dual", "random"), "seeds": (0,), "accuracy": [[0.5], [0.5]], "count": [2, 2], "epochs": [[1.0], [1.0]],
    "seconds": [[1.0], [1.0]], "roles": ("subset", "random"),
}  # fmt: skip
COMPARISON = dp.Comparison(**COMPARED)
CHANGED = dp.Perturbation([0, 1], [1], [0, 1])
ONLINE = {"labels": LABEL, "epochs": 4, "keep": 0.5, "after": 3, "rmd": np.arange(12.0), "score": np.arange(12.0)}
ONLINE |= {"soft": SoftLabels(np.full((12, 2), 0.5, np.float32), np.tile([0, 1], (12, 1)))}
RIGHT = {
    "data": DATA, "dynamics": DYNAMICS, "scores": SCORES, "subset": SUBSET, "comparison": COMPARISON, "path": "new",
    "out": "new", "keep": 2, "source": DATA, "labels": LABEL, "label": LABEL, "channels": DYNAMICS.channels,
}  # fmt: skip
# The arguments of a call that are required, where a name means something else than above.
OTHERS = {
    "Subset": {"index": [0, 1], "total": 12},
    "Scores": {"score": np.arange(12.0)},
    "Perturbation": {"source": [0, 1], "touched": [1], "label": [0, 1]},
    "Comparison": COMPARED,
    "Recorder": {"epochs": 2},
    "average_scores": {"scores": [SCORES, SCORES]},
    "compare": {"subsets": SUBSET},
    "perturb": {"method": "label_noise"},
    "push_to_hub": {"repo_id": "no repository"},
    "reorder": {"artifact": SCORES, "key": DATA.key},
    "save": {"artifact": SUBSET},
    "set_embedding": {"run": "new"},
    "sweep": {"keep": [2]},
    "correct": {"arm": 0},
    "Dynamics.__getitem__": {"name": "target_prob"},
    "at": {"index": np.array([0])},
}
NEVER = {"an object": object(), "a set": {1}, "bytes": b"x", "objects": np.array([None, {}], object)}
WRONG = NEVER | {
    "None": None, "a number": 3, "a float": 2.5, "text": "words", "a list": [1, 2], "mixed": ["a", 2],
    "a dict": {"a": 1},
    "a matrix": np.zeros((2, 2)), "a vector": np.zeros(5), "strings": np.array(["a", "b"]), "a path": Path("no/where"),
    "a tensor": torch.zeros(2), "a class": int, "a Dataset": DATA, "a Dynamics": DYNAMICS, "a Scores": SCORES,
    "a Subset": SUBSET, "a Comparison": COMPARISON,
}  # fmt: skip
NOT_MADE_BY_HAND = {"Dataset", "Inspection", "RunFolder"}  # their parts come from the functions that make them
METHODS = [DYNAMICS.__getitem__, COMPARISON.correct, CHANGED.at]  # indexing raises IndexError, as arrays do
FUNCTIONS = [
    *(value for name in dp.__all__ if callable(value := getattr(dp, name)) and name not in NOT_MADE_BY_HAND),
    *(getattr(dp.online, name) for name in dir(dp.online) if name[0].islower()),
    dp.RunFolder.open,
    dp.report(SUBSET).save,
    *METHODS,
]
CALLS = {call.__qualname__: call for call in FUNCTIONS if not (isinstance(call, type) and issubclass(call, Exception))}


def right(name):
    """Arguments that a call takes."""
    call = CALLS[name]
    given = ONLINE if "online" in call.__module__ else RIGHT
    given = given | OTHERS.get(name.rpartition(".")[2], {}) | OTHERS.get(name, {})
    parameters = inspect.signature(call).parameters.values()
    return {p.name: given[p.name] for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD}


def refused(call, arguments):
    """Whether a call is refused, which it has to be by one sentence; another error fails the test."""
    told = ""
    try:
        made = call(**arguments)
        if isinstance(made, dp.Recorder):
            with made:
                pass
    except dp.DatapareError as error:
        told = str(error)
    assert "\n" not in told, told
    return bool(told)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_wrong_argument_is_told(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = right(name)
    for argument in arguments:
        told = [refused(CALLS[name], arguments | {argument: value}) for value in WRONG.values()]
        assert any(told), f"{argument} takes everything"
    known = [p.name for p in inspect.signature(CALLS[name]).parameters.values() if p.kind is not p.VAR_KEYWORD]
    for argument in known + list(described(RetrainOptions) if name in {"compare", "sweep"} else ()):
        for kind, value in NEVER.items():
            if argument not in arguments:
                assert refused(CALLS[name], arguments | {argument: value}), f"{argument} takes {kind}"


def test_an_artifact_in_the_wrong_place_is_told_with_what_makes_the_right_one():
    with pytest.raises(dp.InputError, match=r"expected dynamics as a Dynamics \(made by record, .*\), got a Subset\."):
        dp.score(SUBSET)
    with pytest.raises(dp.InputError, match=r"expected comparison as a Comparison \(made by .*\), got 'words'\."):
        dp.verdict("words")


def test_the_arguments_of_save_in_the_wrong_order_are_told(tmp_path):
    with pytest.raises(dp.InputError, match=r"expected artifact as a Dynamics .*, got "):
        dp.save(tmp_path / "subset", SUBSET)


def test_an_empty_list_is_no_wrong_one():
    assert dp.select(SCORES, "top", keep=2, exclude=[], include=[]).index.tolist() == [10, 11]


def test_a_dataset_shows_itself_in_a_line():
    assert repr(DATA) == "Dataset(12 embedding examples of 2 classes: arrays, in memory)"
