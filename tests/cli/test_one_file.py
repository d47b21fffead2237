"""Adding a score, a rule, a dataset format or a section of the report costs one file (a section has its template too).

Each is dropped into a copy of the package and is then found by the help, the docs, the laws and the functions.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCORE = '''"""Plain mean: keep what is learned last.

    score_i = mean of the loss over the epochs

Source      This test.
Reads       loss (T, N).
Parameters  scale: what the mean is multiplied by.
Cost        The recorded epochs.
"""

import numpy as np
from jaxtyping import Float


def plain_mean(loss: Float[np.ndarray, "T N"], *, scale: float = 1.0) -> Float[np.ndarray, " N"]:
    """Return the mean loss (N,), larger = keep first.

    >>> plain_mean(np.array([[1.0], [0.5]])).tolist()
    [0.75]
    """
    mean: Float[np.ndarray, " N"] = scale * loss.mean(axis=0, dtype=np.float64)
    return mean
'''
RULE = '''"""Plain top: keep the highest scores.

    subset = the n examples of largest score

Source      This test.
Reads       score (N,).
Cost        Nothing beyond the score.
"""

import numpy as np
from jaxtyping import Float, Int

from datapare.numerics.sampling import top_positions


def plain_top(score: Float[np.ndarray, " N"], n: int) -> Int[np.ndarray, " n"]:
    """Keep the n highest scores.

    >>> plain_top(np.array([0.1, 0.9]), 1).tolist()
    [1]
    """
    return top_positions(score, n)
'''
FORMAT = '''"""Lines `label<space>text`, in files that end in .lines."""

import pyarrow as pa

from datapare.data.source import RawTable, rows_of

SUFFIXES = (".lines",)


def read(files, request):
    """Read one example from each line."""
    chosen = files.with_suffix(SUFFIXES, request.split)
    lines = [line.split(" ", 1) for file in chosen for line in file.read_text().splitlines()]
    table = pa.table({"label": [one for one, _ in lines], "text": [text for _, text in lines]})
    return RawTable(rows_of(table), files.path, chosen)


def write(source, keep, out):
    """Write the lines at `keep`."""
    lines = source.read_text().splitlines()
    out.write_text("".join(lines[i] + "\\n" for i in keep))
    return len(lines)
'''
SECTION = '''"""How many examples there are."""

from datapare.reporting.sections import Section


def build(context):
    """Show the number of examples."""
    return Section("A plain number", {"count": context.subset.total})
'''
TEMPLATE = "<p>there are {{ count }} of them</p>\n"

USE = """
import numpy as np, datapare as dp
open("data.lines", "w").writelines(f"{'ab'[i % 2]} example {i} of {i % 7}\\n" for i in range(20))
data = dp.open_dataset("data.lines")
assert (len(data), data.kind, data.classes) == (20, "text", ("a", "b")), data
rng = np.random.default_rng(0)
record = dp.Dynamics({"loss": rng.random((4, 20))}, data.label, key=data.key)
subset = dp.select(dp.score(record, "plain_mean", scale=2.0), "plain_top", keep=0.5)
dp.export(data, subset, "small.lines")
assert len(open("small.lines").readlines()) == 10
page = str(dp.report(subset, dynamics=record))
assert "A plain number" in page and "there are 20 of them" in page
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a copy of the package, into which each new file was dropped."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "src/datapare", root / "datapare", ignore=shutil.ignore_patterns("__pycache__"))
    new = {
        "methods/score/plain_mean.py": SCORE,
        "methods/select/plain_top.py": RULE,
        "data/formats/plain_lines.py": FORMAT,
        "reporting/sections/plain_number.py": SECTION,
        "reporting/sections/plain_number.html.j2": TEMPLATE,
    }
    for name, text in new.items():
        (root / "datapare" / name).write_text(text)
    return root


def run(place, *argv, cwd=None):
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(
        [sys.executable, *argv], cwd=cwd or place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_it_is_in_the_help_with_its_parameters(place):
    told = run(place, "-m", "datapare", "prune", "--score", "plain_mean", "--rule", "plain_top", "--help")
    assert "--scale" in told
    assert "What the mean is multiplied by" in " ".join(told.split())
    listing = run(place, "-m", "datapare", "methods")
    assert "plain_mean" in listing
    assert "plain_top" in listing


def test_it_is_in_the_docs(place):
    script = f"import sys; sys.path.insert(0, {str(ROOT / 'docs')!r}); import make; print(make.methods_page())"
    page = run(place, "-c", script)
    assert "### `plain_mean`" in page
    assert "### `plain_top`" in page


def test_it_works(place):
    run(place, "-c", USE)


def test_it_is_under_the_laws(place):
    laws = ["tests/laws/test_laws.py", "-q", "-k", "plain_mean or plain_top", "-p", "no:cacheprovider"]
    told = run(place, "-m", "pytest", *laws, cwd=ROOT)
    assert int(told.split(" passed")[0].split()[-1]) >= 20
