"""The two knobs that choose epochs, in whichever method."""

import numpy as np
import pytest

from datapare.errors import InputError
from datapare.methods.epoch_range import chosen_epochs


def test_epochs_first_and_count_choose_rows():
    values = np.arange(5.0)[:, None]
    assert chosen_epochs(values, 1, 2).ravel().tolist() == [1, 2]
    assert chosen_epochs(values, -2, None).ravel().tolist() == [3, 4]
    assert chosen_epochs(values, -5, 5).ravel().tolist() == [0, 1, 2, 3, 4]
    assert chosen_epochs(values, 4, 1).ravel().tolist() == [4]
    assert chosen_epochs(values, -1, None).ravel().tolist() == [4]
    assert np.shares_memory(chosen_epochs(values, 0, None), values)


@pytest.mark.parametrize(("first", "count"), [(5, None), (4, 2), (-6, None), (-1, 2), (0, 0), (2, -1)])
def test_epochs_that_were_not_recorded_are_refused(first, count):
    wanted = "all epochs" if count is None else f"{count} epochs"
    with pytest.raises(InputError, match=f"^{wanted} from epoch {first} on were requested, but epochs 0 to 4 were"):
        chosen_epochs(np.zeros((5, 1)), first, count)
