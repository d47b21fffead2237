"""Every score can be had: from a record that the command line makes, or by what the refusal tells the person to do."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import datapare as dp
from datapare.artifacts import Dynamics
from datapare.data import open_dataset
from datapare.methods.registry import find, names
from datapare.methods.signals import recordable
from datapare.training import record
from datapare.training.config import TrainingConfig

QUICK = TrainingConfig(
    epochs=10, schedule_epochs=20, batch_size=32, lr=0.05, model="resnet8", width=4, precision="fp32"
)
KNOBS = {"ssp": {"clusters": 3}}  # the one score with a knob that nobody published


@pytest.fixture(scope="module")
def records():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    images, label = load_digits(return_X_y=True)
    data = open_dataset((images[:100].reshape(-1, 8, 8).astype(np.uint8) * 15, label[:100]), kind="image")
    yield [
        record(data, preset=QUICK, channels=sorted(recordable()) if seed == 0 else ("margin",), seed=seed)
        for seed in (0, 1)
    ]
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", names("score"))
def test_every_score_comes_from_a_record_or_says_how_to_give_what_it_reads(name, records):
    dynamics = records[0]
    try:
        scores = dp.score(dynamics, name, **KNOBS.get(name, {}))
    except dp.InputError as refusal:
        told = str(refusal).partition("give your own with ")[2].partition(", where ")[0]
        loss, label = dynamics.channels["loss"], dynamics.label
        val_loss = np.stack([loss[:, label == own].mean(axis=1) for own in range(10)], axis=1)
        known = {"Dynamics": Dynamics, "np": np, "records": records, "loss": loss, "label": label, "val_loss": val_loss}
        scores = dp.score(eval(told, known), name)  # noqa: S307 - our own message, done as it says
    assert np.isfinite(scores.score).all()
    assert len(scores) == 100


@pytest.mark.parametrize("name", names("select"))
def test_every_selection_rule_reads_what_can_be_recorded(name):
    assert set(find("select", name).reads) <= {*recordable(), "score", "label", "correct"}
