"""Every function that takes a dataset takes what `open_dataset` opens too, and makes the same of it."""

import inspect

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import datapare as dp
from datapare.numerics.checked_calls import OPENING
from datapare.options import OpenOptions
from datapare.training import TrainingConfig

N = 24
Y = np.arange(N) % 2
X = (np.random.default_rng(0).normal(size=(N, 3)) + Y[:, None]).astype(np.float32)
TABLE = {"a": X[:, 0], "b": X[:, 1], "label": Y}
FEW = {"seeds": [0], "epochs": 1, "strategies": ["none"], "progress": False}
ONE_EPOCH = TrainingConfig(epochs=1, schedule_epochs=1, model="mlp")


class Rows(torch.utils.data.Dataset):
    """A dataset as PyTorch users write it."""

    def __len__(self):
        return N

    def __getitem__(self, i):
        return X[i], int(Y[i])


def file_of(folder):
    pd.DataFrame(TABLE).to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


KINDS = {
    "a path": file_of,
    "text": lambda folder: str(file_of(folder)),
    "arrays": lambda _: (X, Y),
    "a dict": lambda _: {"x": X, "y": Y},
    "datasets": lambda _: datasets.Dataset.from_dict(TABLE),
    "pandas": lambda _: pd.DataFrame(TABLE),
    "polars": lambda _: pl.DataFrame(TABLE),
    "torch": lambda _: Rows(),
    "a TensorDataset": lambda _: torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)),
}


@pytest.fixture(scope="module")
def record():
    """What a short training recorded, to be put on any of the datasets."""
    return dp.record((X, Y), epochs=2, model="mlp", progress=False)


def exported(data, subset, out):
    dp.export(data, subset, out / "kept")
    return len(dp.open_dataset(out / "kept"))


def pruned(data, out):
    options = {"epochs": 1, "schedule_epochs": 1, "model": "mlp"}
    made = dp.prune(data, keep=0.5, out=out / "run", score="el2n", record_options=options, progress=False)
    return made.subset.index.tolist()


def decided(data, out):
    (out / "decided.csv").write_text("key,suggested,decision\n")
    return len(dp.read_decisions(out / "decided.csv", data).drop)


def pushed(data, subset):
    with pytest.raises(dp.InputError) as told:  # after the folder to upload was written
        dp.push_to_hub(data, subset, "somebody/kept", endpoint="http://127.0.0.1:9")
    return str(told.value)


VERBS = {
    "check_label_issues": lambda data, dynamics, *_: dp.check_label_issues(data, dynamics, training=ONE_EPOCH),
    "compare": lambda data, dynamics, subset, _: dp.compare(data, subset, test=data, **FEW).accuracy.tolist(),
    "estimate_cost": lambda data, *_: dp.estimate_cost(data, keep=0.5).count,
    "export": lambda data, _, subset, out: exported(data, subset, out),
    "inspect": lambda data, *_: dp.inspect(data).summary(),
    "perturb": lambda data, *_: dp.perturb(data, "label_noise").digest,
    "prune": lambda data, _, __, out: pruned(data, out),
    "push_to_hub": lambda data, _, subset, __: pushed(data, subset),
    "read_decisions": lambda data, _, __, out: decided(data, out),
    "record": lambda data, *_: dp.record(data, epochs=1, model="mlp", progress=False).channels["loss"].tolist(),
    "report": lambda data, dynamics, subset, _: str(dp.report(subset, dynamics=dynamics, data=data)),
    "sweep": lambda data, dynamics, *_: (
        dp.sweep(data, dp.score(dynamics, "el2n"), [0.5], dynamics=dynamics, **FEW).arms
    ),
}


def test_these_are_all_functions_that_take_a_dataset():
    """One that reads what was recorded takes an artifact, which has another name."""
    calls = {name: getattr(dp, name) for name in dp.__all__ if inspect.isfunction(getattr(dp, name))}
    taking = {name for name, call in calls.items() if {"data", "source"} & {*inspect.signature(call).parameters}}
    assert taking == {*VERBS, "open_dataset"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_given_directly_is_opened(verb, kind, record, tmp_path):
    source = KINDS[kind](tmp_path)
    data = dp.open_dataset(source)
    dynamics = dp.Dynamics(record.channels, data.label, key=data.key, classes=data.classes)
    subset = dp.Subset(np.arange(0, N, 3), N, key=data.key)
    for place in ("opened", "direct"):
        (tmp_path / place).mkdir()
    made = [
        VERBS[verb](given, dynamics, subset, tmp_path / place)
        for given, place in ((data, "opened"), (source, "direct"))
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize("verb", ["compare", "record", "prune", "export", "sweep", "report"])
def test_an_option_of_opening_is_said_to_be_that(verb, record):
    subset, scores = dp.Subset([0, 3], N), dp.Scores(np.arange(float(N)))
    given = {
        "compare": [subset], "export": [subset, "out"], "sweep": [scores, [0.5]], "report": [],
    }.get(verb, [])  # fmt: skip
    named = {"sweep": {"dynamics": record}, "prune": {"keep": 0.5}, "report": {"data": (X, Y)}}.get(verb, {})
    with pytest.raises(dp.InputError, match="open_dataset"):
        getattr(dp, verb)(subset if verb == "report" else (X, Y), *given, **named, label="y")


def test_these_are_the_options_of_opening():
    assert {*OpenOptions.__annotations__} == OPENING
