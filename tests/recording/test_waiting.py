"""Small batches wait to be measured together: nothing of the record depends on when they are."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datapare.recording import CHANNELS, Recorder
from datapare.recording.epoch_buffer import EpochBuffer
from datapare.recording.process_group import ProcessGroup

N, K = 23, 5
LABEL = np.arange(N) % K


def read(buffer):
    return buffer.read(0, ProcessGroup())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, N - 1), min_size=1, max_size=60), st.data())
def test_batches_of_any_size_give_the_same_bits(index, data):
    """With repeated examples, a state in between, and a caller that overwrites what it has handed over."""
    logits = torch.randn(len(index), K, generator=torch.Generator().manual_seed(len(index)))
    whole, parts = EpochBuffer(LABEL, list(CHANNELS)), EpochBuffer(LABEL, list(CHANNELS))
    whole.observe(index, logits)
    start = 0
    while start < len(index):
        stop = data.draw(st.integers(start + 1, len(index)))
        some, position = logits[start:stop].clone(), torch.tensor(index[start:stop])
        parts.observe(position, some)
        some.zero_()
        position.zero_()
        if data.draw(st.integers(0, 4)) == 0:
            state, _ = parts.state(ProcessGroup())
            parts = EpochBuffer(LABEL, list(CHANNELS))
            parts.restore(state)
        start = stop
    for name, row in read(whole).rows.items():
        np.testing.assert_array_equal(row.view(np.int32), read(parts).rows[name].view(np.int32), name)


def test_many_batches_are_measured_before_the_epoch_ends(monkeypatch):
    monkeypatch.setattr("datapare.recording.epoch_buffer.WAITING_BYTES", 7 * 4 * K)  # every seventh row
    buffer, logits = EpochBuffer(LABEL, ["margin"]), torch.randn(N, K)
    for i in range(N):
        buffer.observe([i], logits[i : i + 1])
        assert len(buffer._waiting._index) == (i + 1) % 7  # so that an epoch's logits are never kept
    whole = EpochBuffer(LABEL, ["margin"])
    whole.observe(range(N), logits)
    np.testing.assert_array_equal(read(buffer).rows["margin"], read(whole).rows["margin"])


def test_losses_and_logits_of_one_epoch_keep_their_order():
    buffer = EpochBuffer(LABEL, ["loss"])
    buffer.observe([0, 1], torch.zeros(2, K))
    buffer.observe_loss([1, 2], torch.tensor([7.0, 8.0]))
    buffer.observe([2], torch.zeros(1, K))
    np.testing.assert_allclose(read(buffer).rows["loss"][:3], [np.log(K), 7, np.log(K)], rtol=1e-6)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("first", [True, False])
def test_a_pass_in_inference_mode_is_recorded(tmp_path, mode, first):
    """An eval pass is usually one; what is made in it cannot be changed outside of it."""
    logits = torch.randn(2, N, K, generator=torch.Generator().manual_seed(0))
    with Recorder(tmp_path / "run", LABEL, 2, observed="eval-pass", arrays=("logit_mean",)) as recorder:
        for epoch in range(2):
            if first:
                with mode():
                    recorder.observe(range(N), logits[epoch], torch.from_numpy(LABEL))
            else:
                recorder.observe(range(N), torch.zeros(N, K))
                with mode():
                    recorder.observe(range(N), logits[epoch].clone())
                    recorder.load_state_dict(recorder.state_dict())
            recorder.end_epoch()
    np.testing.assert_allclose(
        recorder.dynamics().channels["loss"],
        [torch.nn.functional.cross_entropy(z, torch.from_numpy(LABEL), reduction="none") for z in logits],
        rtol=1e-5,
    )


def test_the_default_type_of_torch_is_the_users(tmp_path):
    torch.set_default_dtype(torch.float64)
    try:
        with Recorder(tmp_path / "run", LABEL, 1) as recorder:
            recorder.observe(range(N), torch.zeros(N, K))
            recorder.end_epoch()
    finally:
        torch.set_default_dtype(torch.float32)
    assert recorder.dynamics().channels["loss"].dtype == np.float32


def test_arrays_that_may_not_be_written_to_are_read(tmp_path):
    """As those of JAX are; warnings are errors here."""
    logits = np.zeros((N, K), dtype=np.float32)
    logits.flags.writeable = False
    with Recorder(tmp_path / "run", LABEL, 1) as recorder:
        recorder.observe(np.broadcast_to(np.arange(N), N), logits)
        recorder.end_epoch()
    np.testing.assert_allclose(recorder.dynamics().channels["loss"][0], np.log(K), rtol=1e-6)
