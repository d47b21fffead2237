"""A loss alone: what the loop trains on is compared with the labels where there are any."""

import numpy as np
import pytest
import torch

import datapare as dp
from datapare.recording import Recorder, logit_tables

LOSS = torch.tensor([0.5, 0.25, 2.0])


def record(folder, labels, target):
    with Recorder(folder, labels, 1, channels=("loss",)) as recorder:
        recorder.observe([0, 1, 2], loss=LOSS, target=target)
        recorder.end_epoch()
        return recorder.dynamics().channels["loss"]


def test_targets_that_differ_from_the_labels_are_refused(tmp_path):
    assert np.array_equal(record(tmp_path / "same", [0, 1, 0], torch.tensor([0, 1, 0])), [LOSS.tolist()])
    with pytest.raises(dp.InputError, match="label"):
        record(tmp_path / "other", [0, 1, 0], torch.tensor([1, 0, 1]))


@pytest.mark.parametrize("target", [torch.tensor([1.0, 2.5, 7.0]), torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 1]])])
def test_targets_that_are_no_class_numbers_are_not_compared_with_the_labels(tmp_path, target):
    assert np.array_equal(record(tmp_path / "r", [0, 1, 0], target), [LOSS.tolist()])


def test_labels_that_are_all_0_name_no_classes(tmp_path):
    assert np.array_equal(record(tmp_path / "r", [0, 0, 0], torch.tensor([4, 1, 7])), [LOSS.tolist()])


def test_a_mistyped_channel_gets_a_guess(tmp_path):
    with pytest.raises(dp.InputError, match="did you mean loss"):
        Recorder(tmp_path / "r", [0, 1], 1, channels=("lsos",))
    with pytest.raises(dp.InputError, match=r"got 'loss'\.$"):
        Recorder(tmp_path / "r", [0, 1], 1, channels="loss")


@pytest.mark.parametrize("block", [1, 3, 8])
def test_mean_logits_are_the_same_in_blocks_of_any_size(block, tmp_path, monkeypatch):
    monkeypatch.setattr(logit_tables, "BLOCK", block)
    logits = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0))
    with Recorder(tmp_path / "r", np.arange(8) % 3, 2, arrays=("logit_mean",)) as recorder:
        for one in logits:
            recorder.observe(np.arange(8), one)
            recorder.end_epoch()
        mean = recorder.dynamics().arrays["logit_mean"]
    expected = logits.mean(0)
    assert np.allclose(mean - mean.mean(1, keepdims=True), expected - expected.mean(1, keepdims=True), atol=1e-5)
