"""The notebooks of the site run in a fresh kernel, and the results they show are those of the cells they hold."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def notebooks(request, tmp_path_factory):
    """A notebook as it is stored, and as it is after a run."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    folder = tmp_path_factory.mktemp("notebook")
    stored, ran = (nbformat.read(request.param, as_version=4) for _ in range(2))
    kernel = {**os.environ, "IPYTHONDIR": str(folder / "ipython"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    client = nbclient.NotebookClient(
        ran, timeout=300, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=kernel)
    return stored, ran


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning")
def test_it_runs_in_a_fresh_kernel_and_shows_what_is_stored(notebooks):
    stored, ran = notebooks
    for before, after in zip(stored.cells, ran.cells, strict=True):
        if before.cell_type == "code":
            assert before.execution_count == after.execution_count
            shown = [[output.output_type for output in cell.outputs if output.get("name") != "stderr"]
                     for cell in (before, after)]  # fmt: skip
            assert len(shown[0]) == len(shown[1]), before.source


def first_steps(points, rate, window, steps):
    """Steps at which the first point leads, with difficulty and by variance alone, in plain numbers."""
    weight, seen = [0.0, 0.0], []
    for _ in range(steps):
        p = [1 / (1 + np.exp(-sum(w * x for w, x in zip(weight, point, strict=True)))) for point in points]
        seen.append(p)
        weight = [w + rate * sum((1 - q) * x[k] for q, x in zip(p, points, strict=True)) for k, w in enumerate(weight)]
    found = {}
    for t in range(steps - window + 1):
        one, two = ([row[i] for row in seen[t : t + window]] for i in (0, 1))
        std = [np.std(part, ddof=1) for part in (one, two)]
        if std[0] * (1 - np.mean(one)) > std[1] * (1 - np.mean(two)):
            found.setdefault("difficulty", t)
        if std[0] > std[1]:
            found.setdefault("variance", t)
    return found["difficulty"], found["variance"]


def test_the_steps_of_the_theorem_are_those_of_a_simulation_in_plain_numbers():
    source = next(path for path in NOTEBOOKS if path.stem == "theorem_3_1").read_text()
    for points, rate in (([(1, 0), (1.5, 0.5)], 0.01), ([(0.5, 0.5), (1.0, 0.8)], 0.1)):
        early, late = first_steps(points, rate, 10, 400)
        assert early < late
        assert f"{points}, rate {rate}: with difficulty {early}, by variance alone {late}" in source


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed: the picture was not moved")
@pytest.mark.parametrize(("across", "exponent", "window"), [(1.5, -2, 10), (2.5, -1.5, 4)])
def test_the_picture_of_the_theorem_moves_and_finds_the_same_steps(across, exponent, window, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    path = next(path for path in NOTEBOOKS if path.stem == "theorem_3_1")
    (shown,) = nbformat.read(path, as_version=4).cells[-1].outputs
    move = f"""<script>
    for (const [name, value] of [["x", {across}], ["rate", {exponent}], ["window", {window}]])
      document.getElementById(name).value = value;
    document.getElementById("x").dispatchEvent(new Event("input", {{bubbles: true}}));
    </script>"""
    page = tmp_path / "page.html"
    page.write_text(f"<meta charset=utf-8>{shown['data']['text/html']}{move}", encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(["chromium", *options, page.as_uri()], capture_output=True, text=True, check=True)
    steps = [int(step) for step in re.findall(r"(?:std|alone): step (\d+)<", done.stdout)]
    early, late = first_steps([(1, 0), (across, 0.5)], 10**exponent, window, 800)
    assert steps == [late, early]
