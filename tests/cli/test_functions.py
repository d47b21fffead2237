"""Every command has a Python function of its name with the same options, and the other way round."""

import inspect
from typing import get_args

import pytest

import datapare as dp
from datapare.cli import app
from datapare.cli.flags import option_flags
from datapare.options import OpenOptions, RecordOptions, RetrainOptions, SelectOptions, defaults, described

# The few names that differ, and why.
FUNCTION_OF = {"embed": "set_embedding", "methods": "methods"}  # dp.embed would say nothing of the run it changes
WITHOUT_COMMAND = {
    "Comparison", "DatapareError", "Dataset", "Dynamics", "InputError", "Inspection", "Perturbation", "Provenance",
    "Recorder", "RunFolder", "Scores", "Subset",  # types
    "advise", "average_scores", "check_label_issues", "estimate_cost", "read_decisions", "verdict",  # within a command
    "load", "open_dataset", "reorder", "save",  # what the run folder does for a command
    "online",  # for loops of the user's own
    "push_to_hub",  # needs an account
}  # fmt: skip
# Options that only make sense on one side.
OF_RUN_FOLDERS = {
    "run", "path", "out", "name", "force", "quiet", "preset", "decisions", "all_", "average_with", "gate",
    "new_examples",
}  # fmt: skip
OF_ARTIFACTS = {
    "source", "data", "dataset", "dynamics", "scores", "subset", "subsets", "comparison", "sweep", "others",
    "exclude", "params", "overwrite", "on_message", "progress", "folder", "training", "image_size", "place",
}  # fmt: skip
RENAMED = {"method": {"score", "rule", "method"}}  # of its group where a function knows one group alone
WITHIN = {
    "prune": {"dry_run"},  # dp.estimate_cost
    "label-issues": {"check", "share", "seed", "cut", "on", "gpus"},  # dp.check_label_issues
    "measure": {"model", "examples"},  # of datasets; the function takes records
    "perturb": {"keys"},
    "report": {"keep", "title"},
    "sweep": {"within", "score"},  # dp.advise; the scores are given
    "compare": {"keep", "full"},  # a subset by its size; all but its own arms is asked for by name in Python
    "export": {"keep"},
    "select": {"score", "whole_groups"},  # names of what the function is given
    "extrapolate": {"score"},
}
TABLES = {"opening": OpenOptions, "recording": RecordOptions, "selection": SelectOptions, "retraining": RetrainOptions}
GROUPS = {"open_options": OpenOptions, "record_options": RecordOptions}


def options_of_command(name, module):
    made = inspect.signature(getattr(module, name.replace("-", "_"))).parameters
    flags = set(made) - set(getattr(module, "OPTIONS", {})) - set(getattr(module, "METHOD_PARAMS", {}))
    for table in getattr(module, "OPTIONS", {}).values():
        flags |= {p.name for p in option_flags(table)}
    return flags


def options_of_function(function):
    names = set(inspect.signature(function).parameters)
    if table := unpacked(function):
        names = (names - {"options"}) | {name for name, (_, option) in described(table).items() if option.flag != ""}
    for group, table in GROUPS.items():
        if group in names:
            names = (names - {group}) | {name for name, (_, option) in described(table).items() if option.flag != ""}
    return {name for name in names if not name.endswith("_params")}


def unpacked(function):
    """The table of options that a function takes as keywords."""
    return next(iter(get_args(function.__annotations__.get("options"))), None)


def test_every_command_has_a_function_and_every_function_a_command():
    functions = {name.replace("-", "_") for name in app.names()}
    functions = {FUNCTION_OF.get(name, name) for name in functions}
    assert functions <= set(dp.__all__), functions - set(dp.__all__)
    assert set(dp.__all__) - functions <= WITHOUT_COMMAND, set(dp.__all__) - functions - WITHOUT_COMMAND


@pytest.mark.parametrize("name", [name for name in app.names() if name != "methods"])
def test_a_command_and_its_function_have_the_same_options(name):
    module = app.commands()[name]
    function = getattr(dp, FUNCTION_OF.get(name, name.replace("-", "_")))
    command, python = options_of_command(name, module), options_of_function(function)
    for general, special in RENAMED.items():
        if general in python:
            command = {general if one in special else one for one in command}
    opens = unpacked(function) is OpenOptions
    if (
        "opening" in getattr(module, "OPTIONS", {})
        and not opens
        and "open_options" not in inspect.signature(function).parameters
    ):
        command -= set(described(OpenOptions))  # those of dp.open_dataset, whose result the function takes
    differing = (command ^ python) - OF_RUN_FOLDERS - OF_ARTIFACTS - WITHIN.get(name, set())
    assert not differing, (name, differing)


@pytest.mark.parametrize(
    ("function", "table"),
    [
        (dp.open_dataset, OpenOptions),
        (dp.record, RecordOptions),
    ],
)
def test_the_defaults_of_a_function_are_those_of_its_options(function, table):
    parameters = inspect.signature(function).parameters
    for name, default in defaults(table).items():
        assert name in parameters, name
        assert parameters[name].default == default, name
