"""Missing epochs against plain loops."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datapare.numerics.missing import last_observed


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 4)),
        elements=st.one_of(st.just(np.nan), st.floats(0, 1)),
    )
)
def test_missing_epochs_take_the_last_observed_value(values):
    filled = last_observed(values)
    for i in range(values.shape[1]):
        column = values[:, i]
        seen = column[~np.isnan(column)]
        for t, value in enumerate(filled[:, i]):
            before = column[: t + 1][~np.isnan(column[: t + 1])]
            expected = before[-1] if len(before) else (seen[0] if len(seen) else np.nan)
            assert value == expected or (np.isnan(value) and np.isnan(expected))
