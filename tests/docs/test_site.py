"""The documentation site: it builds without a warning, and the code of its pages runs."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forked import run
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "start.md", *sorted((DOCS / "guides").glob("*.md"))]
RUNNABLE = re.compile(r"```(python|sh)\n(.*?)```", flags=re.DOTALL)
PRELUDE = """
import shlex
from datapare.cli.app import main
def command(line):
    try:
        main(shlex.split(line)[1:])
    except SystemExit as stop:
        assert not stop.code, f"{line}: exit {stop.code}"
"""


def photos(folder):
    rng = np.random.default_rng(0)
    for number in range(40):
        place = folder / "photos" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 120, (8, 8, 3), dtype=np.uint8) + np.uint8(100 * (number % 2))).save(place)


def reviews(folder):
    rows = [f'"a {word} film, number {n}",{word}' for n in range(30) for word in ("good", "bad")]
    (folder / "reviews.csv").write_text("\n".join(["text,label", *rows]))


def table(folder):
    rng = np.random.default_rng(0)
    rows = [f"{n},{rng.normal() + n % 2:.3f},{rng.choice(['red', 'green'])},{'yn'[n % 2]}" for n in range(60)]
    (folder / "table.csv").write_text("\n".join([",width,colour,label", *rows]))


SETUP = {make.__name__: make for make in (photos, reviews, table)}


def script_of(page):
    """The page as one program: its Python, and its datapare commands as calls."""
    parts = [PRELUDE]
    for language, code in RUNNABLE.findall(page.read_text()):
        if language == "python":
            parts.append(code)
        else:
            parts += [f"command({line!r})" for line in code.splitlines() if line.startswith("datapare")]
    return "\n".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path):
    for name in re.findall(r"^% setup: (\w+)", page.read_text(), flags=re.MULTILINE):
        SETUP[name](tmp_path)
    done = run(tmp_path, code=script_of(page))
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(tmp_path / "html")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "html" / "guides" / "own_loop.html").is_file()
