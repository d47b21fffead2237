"""The figures of the benchmarks: the colour is the verdict, and what lies beyond an axis is shown to go on."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in ("forest", "figure"):
        sys.modules.pop(name, None)


def drawn(*intervals):
    from forest import Block, Column, Row, forest

    columns = [Column("", -10, 10)]
    svg = forest("t < u", [], "", columns, [Block("b", [Row("r", "", [interval]) for interval in intervals])])
    groups = [g for g in ET.fromstring(svg).iter() if g.tag.endswith("}g")]  # noqa: S314 - ours
    return [{child.tag.partition("}")[2]: child for child in group} for group in groups]


def test_the_colour_is_the_verdict():
    from forest import BETTER, OPEN, WORSE

    shown = drawn((2.0, 1.0, 3.0), (-2.0, -3.0, -1.0), (1.0, -1.0, 3.0), (1.0, 0.0, 2.0))
    assert [mark["circle"].get("fill") for mark in shown] == [BETTER, WORSE, OPEN, OPEN]


def test_a_mark_stands_at_its_mean_and_says_it():
    from forest import LABEL, PANEL

    (mark,) = drawn((-5.0, -6.0, 4.0))
    assert float(mark["circle"].get("cx")) == LABEL + PANEL / 4
    assert mark["title"].text == "−5.0 (−6.0 to +4.0)"


def test_what_lies_beyond_the_axis_ends_in_an_arrow():
    inside, beyond, outside = drawn((0.0, -10.0, 10.0), (0.0, -3.0, 11.0), (20.0, 15.0, 25.0))
    assert "path" not in inside
    assert {"path", "circle"} <= set(beyond)
    assert "path" in outside
    assert "circle" not in outside


def test_a_missing_interval_draws_nothing():
    assert drawn(None) == []


def test_every_difference_of_the_results_is_in_the_figure():
    import json

    import figure

    result = json.loads((BENCHMARKS / "results/evidence.json").read_text())
    svg = figure.evidence(result)
    rows = [row["minus_random"] for cell in result["cells"].values() for row in cell["arms"] if "minus_random" in row]
    told = [f"{mean:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "−") for mean, low, high in rows]
    assert rows
    assert all(svg.count(f"<title>{one}</title>") >= told.count(one) for one in told)
    assert svg.count("<title>") == len(rows)
