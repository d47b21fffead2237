"""What benchmarks and examples import is there; examples import public names only."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "examples").glob("*.py")])
PUBLIC = {"datapare", "datapare.data", "datapare.training"}  # design.md names them; adapters are modules of their own
ADAPTERS = ("datapare.recording.adapters.", "datapare.training.online.adapters.")


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "datapare":
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_what_a_script_imports_is_there(file):
    for module, name in imported(file):
        found = import_module(module)
        assert hasattr(found, name) or import_module(f"{module}.{name}"), f"{module}.{name}"


@pytest.mark.parametrize("file", [s for s in SCRIPTS if s.parent.name == "examples"], ids=lambda file: file.stem)
def test_an_example_imports_public_names(file):
    for module, name in imported(file):
        assert module in PUBLIC or module.startswith(ADAPTERS), module
        assert module.startswith(ADAPTERS) or name in dir(import_module(module)), f"{module}.{name}"
