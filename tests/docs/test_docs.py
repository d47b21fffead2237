"""Docs that cannot go stale: generated pages, README code, README numbers."""

import importlib.util
import re
from pathlib import Path

import pytest
from forked import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs/make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_fresh(make):
    assert (ROOT / "docs/methods.md").read_text() == make.methods_page(), "run `make docs`"
    assert (ROOT / "docs/cli.md").read_text() == make.cli_page(), "run `make docs`"
    assert (ROOT / "docs/api.md").read_text() == make.api_page(), "run `make docs`"
    assert (ROOT / "src/datapare/__init__.pyi").read_text() == make.stub(), "run `make docs`"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_readme_runs(number, tmp_path):
    setup = """
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from pathlib import Path
digits = load_digits()
for i in range(80):
    place = Path("photos") / str(digits.target[i])
    place.mkdir(parents=True, exist_ok=True)
    Image.fromarray((digits.images[i] * 15).astype(np.uint8)).save(place / f"{i}.png")
"""
    strict = "import warnings\nwarnings.filterwarnings('error', category=DeprecationWarning, module='datapare')\n"
    done = run(tmp_path, code=strict + setup + blocks("python")[number])
    assert done.returncode == 0, done.stderr


def test_every_file_the_readme_names_is_there():
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / link).exists(), link


def test_every_verb_is_in_the_readme():
    from datapare.cli import app

    text = (ROOT / "README.md").read_text()
    for verb in app.commands():
        assert f"`{verb}`" in text or f"datapare {verb}" in text, verb
