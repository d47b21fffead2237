"""Optional parts of a method file are declared once, and a misspelt one fails at import."""

from importlib import import_module

import pytest

import datapare as dp
from datapare.methods.registry import METHOD_GROUPS, find, names
from datapare.methods.spec import MethodSpec

OPTIONAL = {"weights": "weights", "fit": "fit_params", "tune": "tune", "PRESETS": "presets", "UNVERIFIED": "unverified"}
EVERY = [(group_name, name) for group_name in METHOD_GROUPS for name in names(group_name)]


def test_a_misspelt_part_fails_at_import():
    with pytest.raises(TypeError, match="weigths"):
        MethodSpec(weigths=len)


@pytest.mark.parametrize(("group_name", "name"), EVERY)
def test_every_optional_part_of_a_file_is_declared(group_name, name):
    module, spec = import_module(f"datapare.methods.{group_name}.{name}"), find(group_name, name).spec
    for word, field in OPTIONAL.items():
        if hasattr(module, word):
            assert getattr(spec, field) is getattr(module, word)


def test_an_unknown_method_suggests_the_nearest():
    with pytest.raises(dp.InputError, match="did you mean dual"):
        find("score", "daul")
