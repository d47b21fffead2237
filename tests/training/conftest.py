"""Trainings of the tests take milliseconds, and each of their epochs is checkpointed nevertheless."""

import pytest

from datapare.training import loop


@pytest.fixture(autouse=True)
def checkpoint_of_every_epoch(monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
