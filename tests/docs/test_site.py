"""The documentation site: it builds without a warning, and the code of its pages runs."""

import re
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


BUILDS = """
import sys
from sphinx.cmd.build import main
docs, plain, furo = sys.argv[1:]
strict = ["-W", "--keep-going", "-D", "html_theme=basic"]  # furo's navigation is made anew on each of 100 pages
alone = ["-D", "include_patterns=index.md"]  # its links lead nowhere, with warnings
sys.exit(main(["-q", "-b", "html", *strict, docs, plain]) or main(["-q", "-b", "html", *alone, docs, furo]))
"""


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    """All pages in sphinx's plain theme, and one in that of the site."""
    pytest.importorskip("sphinx")
    plain, furo = tmp_path / "plain", tmp_path / "furo"
    done = run(tmp_path, DOCS, plain, furo, code=BUILDS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (plain / "guides" / "own_loop.html").is_file()
    assert "furo.css" in (furo / "index.html").read_text()
