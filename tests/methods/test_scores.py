"""All scores together: the reference's numbers, the published defaults, the epochs they read, what their files say.

The name of each test holds the method's name, which is how a planted defect finds its tests.
"""

import numpy as np
import pytest
from reference import CORRECT, ENTROPY, ERROR, LOGIT_MEAN, MARGIN, STEP, P, score

from datapare.errors import InputError
from datapare.methods.registry import check_params, find, names

GOLDEN = [
    ("dual", (P,), {"window": 3}, [0.10135302, 0.00098526, 0.20243786]),
    ("dyn_unc", (P,), {"window": 3}, [0.17122388, 0.02253417, 0.35353468]),
    ("dyn_unc", (P,), {"window": 3, "windows": "official"}, [0.15275252, 0.02802776, 0.35002446]),
    ("dyn_unc", (P,), {"window": 3, "ddof": 0}, [0.13980371, 0.01839907, 0.28865986]),
    ("el2n", (ERROR,), {"first": 0, "count": 1}, [1.27279221, 0.14142136, 1.13137085]),
    ("el2n", (ERROR,), {"reduce": "sum"}, [4.24264069, 0.28284271, 4.10121933]),
    ("confidence", (P,), {}, [-0.40, -0.96, -0.42]),
    ("variability", (P,), {}, [0.24494897, 0.03346640, 0.27856777]),
    ("correctness", (CORRECT,), {}, [-1, -5, -2]),
    ("forgetting", (CORRECT,), {}, [0, 0, 2]),
    ("prob_aum", (2 * P - 1,), {}, [0.2, -0.92, 0.16]),
    ("aum", (MARGIN,), {}, [0.52053794, -3.56160039, 0.43944492]),
    ("entropy", (ENTROPY,), {}, [0.50040242, 0.05600153, 0.61086430]),
    ("tdds", (STEP,), {"window": 3, "decay": 0.9}, [0.24400201, 0.02044745, 0.55456197]),
    ("soft_label", (LOGIT_MEAN,), {}, [0.66039082, 0.12633146, 0.66957864]),
]


@pytest.mark.parametrize(("name", "arrays", "params", "expected"), GOLDEN)
def test_the_common_record_gives_the_reference_numbers(name, arrays, params, expected):
    assert np.allclose(score(name, *arrays, **params), expected, rtol=0, atol=6e-9)
    single = [a.astype(np.float32) if a.dtype == np.float64 else a for a in arrays]
    assert np.allclose(score(name, *single, **params), expected, rtol=0, atol=3e-6)


WINDOWED = {"first": 0, "count": None}
DEFAULTS = {
    "aum": {},
    "cld": {},
    "confidence": {},
    "correctness": {},
    "dlc": {},
    "dual": {"window": 10},
    "dyn_unc": {"window": 10, "windows": "all", "ddof": 1},
    "el2n": {**WINDOWED, "reduce": "mean"},
    "esps": {},
    "entropy": {"first": -1, "count": None},
    "fatb": WINDOWED,
    "forgetting": {"never_learned": None},
    "grand": {},
    "grand_last": {"first": -1, "count": None},
    "h_score": {},
    "least_confidence": {"first": -1, "count": None},
    "loss": {"first": -1, "count": None},
    "margin": {},
    "prob_aum": {**WINDOWED, "reduce": "mean"},
    "puma": {},
    "rmd": {},
    "soft_label": {},
    "tdds": {"window": 10, "decay": 0.9, **WINDOWED},
    "threshold_closeness": {},
    "tov": {},
    "variability": {"ddof": 0, "corrected": False},
}


@pytest.mark.parametrize("name", [name for name in names("score") if name != "ssp"])
def test_the_defaults_are_the_published_ones(name):
    epochs = {"first": 0, "count": None} if find("score", name).reads_epochs else {}
    assert check_params(find("score", name), {}) == {**epochs, **DEFAULTS[name]}


def test_ssp_asks_for_the_number_of_clusters_because_none_is_published():
    with pytest.raises(InputError, match="clusters, for which nothing is published"):
        check_params(find("score", "ssp"), {})
    assert check_params(find("score", "ssp"), {"clusters": 9}) == {"clusters": 9, "prefer": "far", "seed": 0}


@pytest.mark.parametrize("name", names("score"))
def test_presets_are_knobs_that_the_method_takes(name):
    method = find("score", name)
    module = __import__(method.function.__module__, fromlist=["PRESETS"])
    for constant in ("PRESETS", "PRESETS_UNVERIFIED"):
        for setting in getattr(module, constant, {}).values():
            by_keep = setting.values() if all(isinstance(key, float) for key in setting) else [setting]
            for params in by_keep:
                assert params.items() <= check_params(method, params).items()


def test_tdds_presets_are_those_of_its_papers():
    from datapare.methods.score.tdds import PRESETS

    assert PRESETS["cifar100"][0.7] == {"count": 90, "window": 10}
    assert PRESETS["cifar100"][0.1] == {"count": 10, "window": 5}


def test_el2n_preset_on_cifar_is_epoch_20():
    from datapare.methods.score.el2n import PRESETS

    assert PRESETS["cifar10"] == PRESETS["cifar100"] == {"first": 20, "count": 1}


# -- which epochs

EPOCH_READERS = ["el2n", "entropy", "fatb", "least_confidence", "loss", "prob_aum"]


@pytest.mark.parametrize("name", EPOCH_READERS)
def test_first_and_count_read_just_those_epochs(name):
    rng = np.random.default_rng(0)
    arrays = [rng.random((7, 4)) for _ in find("score", name).reads]
    part = [a[2:5] for a in arrays]
    assert np.array_equal(score(name, *arrays, first=2, count=3), score(name, *part, first=0))
    assert np.array_equal(score(name, *arrays, first=-2, count=1), score(name, *[a[5:6] for a in arrays]))


@pytest.mark.parametrize("name", ["entropy", "least_confidence", "loss"])
def test_the_last_epoch_alone_is_read_by_default(name):
    rng = np.random.default_rng(0)
    arrays = [rng.random((7, 4)) for _ in find("score", name).reads]
    assert np.array_equal(score(name, *arrays), score(name, *[a[-1:] for a in arrays]))


@pytest.mark.parametrize("name", names("score"))
def test_every_method_says_where_it_comes_from_and_what_it_reads(name):
    method = find("score", name)
    assert method.section("Source").startswith("arXiv:" if name != "fatb" else "Not known")
    assert all(array in method.section("Reads") for array in method.reads)
    assert method.section("Cost").endswith(".")
    assert ">>>" in method.function.__doc__
