"""The README's tables of evidence are those of the results."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import evidence_table

    yield evidence_table
    for name in ("evidence_table", "figure", "forest"):
        sys.modules.pop(name, None)


@pytest.fixture
def results():
    return [json.loads((ROOT / f"benchmarks/results/{name}.json").read_text()) for name in ("evidence", "growth")]


def test_the_tables_of_the_readme_are_those_of_the_results(made, results):
    text = (ROOT / "README.md").read_text()
    assert text.split(made.BEGIN)[1].split(made.END)[0] == made.tables(*results)


def test_every_cell_with_enough_seeds_has_a_line_for_each_kept_fraction(made, results):
    for result in results:
        told = made.table(made.enough(result))
        for name, cell in result["cells"].items():
            kept = {row["arm"].rpartition(" ")[2] for row in cell["arms"]}
            lines = [line for line in told.splitlines() if line.startswith(f"| {made.title(name)} |")]
            assert len(lines) == (len(kept) if len(cell["seeds"]) >= made.MIN_SEEDS else 0), name


def test_a_difference_is_shown_in_points_with_its_interval(made):
    assert made.interval([1.25, -0.5, 3.0]) == "+1.2 (−0.5 to +3.0)"
    assert made.interval(None) == ""
