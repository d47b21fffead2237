"""Moments of sliding windows against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import datapare as dp
from datapare.numerics.windows import windows


@settings(max_examples=60, deadline=None)
@given(
    values=hnp.arrays(np.float32, st.tuples(st.integers(2, 9), st.integers(1, 4)), elements=st.floats(0, 1, width=32)),
    window=st.integers(2, 9),
)
def test_windows_equal_plain_loops(values, window):
    if window > len(values):
        with pytest.raises(dp.InputError, match="record more epochs"):
            list(windows(values, window))
        return
    found = [(total.copy(), root.copy()) for total, root in windows(values, window)]
    assert len(found) == len(values) - window + 1
    for k, (total, root) in enumerate(found):
        piece = values[k : k + window].astype(np.float64)
        assert np.allclose(total, piece.sum(axis=0), atol=1e-12)
        assert np.allclose(root, piece.std(axis=0) * np.sqrt(window), atol=4e-7)


def test_a_constant_column_deviates_by_exactly_zero():
    constant = np.full((60, 3), np.array([0.1, 0.7, 1.0], dtype=np.float32))
    assert all(root.max() == 0.0 for _, root in windows(constant, 10))
