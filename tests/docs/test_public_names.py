"""What a person imports: the names, and what they cost."""

import subprocess
import sys

import pytest

import datapare as dp

HEAVY = ("torch", "datasets", "scipy", "sklearn", "jinja2", "pandas", "pyarrow", "transformers", "faiss", "PIL")

PUBLIC = [
    "Comparison", "DatapareError", "Dataset", "Dynamics", "InputError", "Inspection", "Perturbation",
    "Provenance", "Recorder", "RunFolder", "Scores", "Subset", "advise", "average_scores",
    "check_label_issues", "compare", "demo", "doctor", "estimate_cost", "export", "extrapolate", "inspect",
    "label_issues", "load", "measure", "methods", "online", "open_dataset", "perturb", "prune",
    "push_to_hub", "read_decisions", "record", "reorder", "report", "save", "score", "select", "set_embedding", "show",
    "sweep", "verdict",
]  # fmt: skip
MODULES = {"methods", "online"}


def test_the_public_names_are_these():
    assert dp.__all__ == dir(dp) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented_and_is_no_module(name):
    value = getattr(dp, name)
    assert callable(value) or name in MODULES
    assert value.__doc__


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'prunee'"):
        _ = dp.prunee


def test_a_name_of_before_works_and_tells_the_new_one():
    with pytest.deprecated_call(match="Recipe is called Provenance since 0.2"):
        assert dp.Recipe is dp.Provenance


def loaded_by(code):
    script = f"import sys\n{code}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_importing_datapare_loads_nothing_heavy():
    assert loaded_by("import datapare") == []


def test_scoring_and_selecting_load_nothing_heavy():
    code = """
import numpy as np, datapare as dp
d = dp.Dynamics({'target_prob': np.random.default_rng(0).random((12, 30))}, np.zeros(30, int))
dp.select(dp.score(d), keep=0.3, dynamics=d)
from datapare.methods.registry import find, names
[find(g, n) for g in ('score', 'select') for n in names(g)]
"""
    assert loaded_by(code) == []


def test_the_proof_can_fail():
    assert loaded_by("import scipy") == ["scipy"]


def test_names_keep_their_meaning_whatever_was_imported_before():
    names = ("Recorder", "record", "report", "compare", "prune", "score")
    code = f"import datapare as dp\nfor n in {names!r} * 2: print(callable(getattr(dp, n)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"True"}
