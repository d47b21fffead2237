"""An artifact or another object in the wrong place is told in one sentence, by every function that takes artifacts."""

import numpy as np
import pytest

import datapare as dp

LABEL = np.arange(12) % 2
DATA = dp.open_dataset((np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32), LABEL))
DYNAMICS = dp.Dynamics({"target_prob": np.full((3, 12), 0.5, np.float32)}, LABEL)
SCORES = dp.Scores(np.arange(12.0))
SUBSET = dp.Subset([0, 3], 12)
COMPARED = dp.Comparison(
    ("dual", "random"), (0,), [[0.5], [0.5]], [2, 2], [[1.0], [1.0]], [[1.0], [1.0]], roles=("subset", "random")
)
RIGHT = {dp.Dataset: DATA, dp.Dynamics: DYNAMICS, dp.Scores: SCORES, dp.Subset: SUBSET, dp.Comparison: COMPARED}
CALLS = [
    (dp.Dynamics, dp.score),
    (dp.Scores, lambda x: dp.select(x, keep=2)),
    (dp.Dynamics, lambda x: dp.select(SCORES, keep=2, dynamics=x)),
    (dp.Scores, lambda x: dp.extrapolate(x, DYNAMICS)),
    (dp.Dynamics, lambda x: dp.extrapolate(SCORES, x)),
    (dp.Dynamics, dp.label_issues),
    (dp.Dynamics, dp.measure),
    (dp.Dataset, lambda x: dp.export(x, SUBSET, "nowhere")),
    (dp.Subset, lambda x: dp.export(DATA, x, "nowhere")),
    (dp.Dataset, lambda x: dp.compare(x, SUBSET)),
    (dp.Subset, lambda x: dp.compare(DATA, x)),
    (dp.Subset, lambda x: dp.compare(DATA, {"mine": x})),
    (dp.Scores, lambda x: dp.sweep(DATA, x, [0.5], dynamics=DYNAMICS)),
    (dp.Comparison, dp.verdict),
    (dp.Comparison, dp.advise),
    (dp.Subset, dp.report),
    (dp.Scores, lambda x: dp.report(SUBSET, scores=x)),
    (dp.Comparison, lambda x: dp.report(SUBSET, comparison=x)),
]


@pytest.mark.parametrize(("wanted", "call"), CALLS)
def test_another_object_is_told(wanted, call):
    for other in (value for kind, value in RIGHT.items() if kind is not wanted):
        with pytest.raises(dp.InputError, match=f"expected a {wanted.__name__}, .*not a {type(other).__name__}"):
            call(other)
    with pytest.raises(dp.InputError, match=f"expected a {wanted.__name__}, .*not a str"):
        call("words")


def test_the_arguments_of_save_in_the_wrong_order_are_told(tmp_path):
    with pytest.raises(dp.InputError, match=r"expected save\(artifact, path\)"):
        dp.save(tmp_path / "subset", SUBSET)


def test_a_dataset_shows_itself_in_a_line():
    assert repr(DATA) == "Dataset(12 embedding examples of 2 classes: arrays, in memory)"
