"""The page: its numbers are the artefacts', names stay names, and every part needs its nouns."""

import json
import re
import subprocess
import sys
import textwrap
import unicodedata
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datapare.artifacts import Comparison, Dynamics, Provenance, Scores, Subset, subset_digest
from datapare.data import open_dataset
from datapare.errors import MismatchError
from datapare.evaluation.record_summary import moments
from datapare.evaluation.statistics import mean_interval, paired_interval
from datapare.evaluation.verdicts import SPLIT, verdict
from datapare.methods.select.beta import beta_parameters
from datapare.reporting import explorer, sections
from datapare.reporting.context import ReportContext
from datapare.reporting.figures import POINTS, score_edges
from datapare.reporting.gallery import SAMPLE
from datapare.reporting.glossary import GLOSSARY
from datapare.reporting.render import _in_script
from datapare.reporting.render import report as make
from datapare.reporting.sections import ORDER
from datapare.reporting.text import BIDI, visible

ROLES = ("subset", "random", "full")
HOSTILE = '</script><img src=x onerror="hacked=1"><b>&amp;'


def dynamics(n=60, epochs=6, classes=("ant", "bee", "cat"), seed=0):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.01, 0.99, (epochs, n)).astype(np.float32)
    provenance = Provenance("record", "resnet18", {"epochs": epochs}, 7, "d1d2", {"torch": "2.13.0"})
    label = np.arange(n) % len(classes)
    channels = {"target_prob": p, "margin": np.log(p / (1 - p))}
    seconds = np.full(epochs, 90.0 / epochs)
    return Dynamics(channels=channels, label=label, classes=tuple(classes), seconds=seconds, provenance=provenance)


def scores(d):
    mean, deviation = moments(d.channels["target_prob"])
    return Scores(
        (1 - mean) * deviation, provenance=Provenance("score", "dual", {"window": 3}, parents=(d.provenance,))
    )


def subset(s, n=20, method="top", **params):
    index = np.sort(np.argsort(-s.score)[:n])
    return Subset(
        index, len(s), provenance=Provenance("select", method, {"keep": n, **params}, 3, parents=(s.provenance,))
    )


def comparison(method, random, full=(0.9, 0.9, 0.9, 0.9), n=20, total=60, name="dual+top keep 20", chosen=None, **more):
    accuracy = np.array([method, random, full[: len(method)]])
    shape = np.ones_like(accuracy)
    cost = np.array([[10.0], [10.0], [30.0]])
    names = (name, "random keep 20", "full")
    seeds = tuple(range(len(method)))
    digests = (subset_digest(chosen or Subset(np.arange(n), total)), "", "")
    return Comparison(
        names, seeds, accuracy, np.array([n, n, total]), shape * cost, shape * cost * 60, ROLES,
        subset_digest=digests, **more,
    )  # fmt: skip


def everything():
    d = dynamics()
    s = scores(d)
    provenance = Provenance("compare", params={"test": {"digest": "ab", "rows": 3}})
    return {
        "subset": subset(s),
        "scores": s,
        "dynamics": d,
        "data": open_dataset((np.eye(60), [d.classes[i] for i in d.label])),
        "comparison": comparison((0.80, 0.82, 0.81), (0.70, 0.71, 0.72), chosen=subset(s), provenance=provenance),
    }


def report(subset, **artifacts):
    """The page as text."""
    return str(make(subset, **artifacts))


def page_of(**artifacts):
    return report(artifacts.pop("subset"), **artifacts)


def section_in(page, name):
    return re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)[0]


def explorer_in(page):
    return json.loads(re.search(r'<script type="application/json" id="explorer">(.*?)</script>', page, re.DOTALL)[1])


class Chart:
    """What a chart shows, read back from its marks into the units of its axes."""

    def __init__(self, html):
        self.html = html
        x, y = (re.search(rf'data-{axis}="(.*?)"', html) for axis in "xy")
        self.x, self.y = (tuple(map(float, found[1].split())) if found else (0, 1000) for found in (x, y))

    def dots(self, css):
        """Points (M, 2) of the paths of one class."""
        marks = re.findall(rf'<path class="dots {css}" d="(.*?)"', self.html)
        return self._points(re.findall(r"M([-\d.]+) ([-\d.]+)h0", "".join(marks)))

    def line(self, css):
        return self._points(
            re.findall(r"[ML]([-\d.]+) ([-\d.]+)", re.search(rf'<path class="line {css}" d="(.*?)"', self.html)[1])
        )

    def bars(self, css):
        """Heights of the bars of one class, and their tooltips."""
        found = re.findall(rf'<rect class="{css}".*?height="(.*?)"><title>(.*?)</title>', self.html)
        return [(float(height) / 1000 * (self.y[1] - self.y[0]), title) for height, title in found]

    def _points(self, found):
        place = np.array(found, dtype=float).reshape(-1, 2) / 1000
        return np.stack([self._at(self.x, place[:, 0]), self._at(self.y, 1 - place[:, 1])], axis=1)

    @staticmethod
    def _at(ends, part):
        return ends[0] + part * (ends[1] - ends[0])


def charts_in(page, section):
    return [Chart(html) for html in section_in(page, section).split('<div class="chart"')[1:]]


def sections_in(page):
    return set(re.findall(r'<section id="([a-z_]+)"', page))


def table_in(page, where):
    body = re.search(where + r".*?<tbody>(.*?)</tbody>", page, re.DOTALL)[1]
    rows = re.findall(r"<tr.*?>(.*?)</tr>", body, re.DOTALL)
    return [[text_of(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


def text_of(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def tags_in(page):
    parser = Tags()
    parser.feed(page)
    return parser.tags


def test_the_headline_says_how_many_stay():
    assert "<h1>Kept 15,000 of 50,000 examples (30 %)</h1>" in report(Subset(np.arange(15_000), 50_000))


def test_a_bare_subset_needs_no_script_and_shows_only_its_provenance():
    page = report(Subset([0, 2], 5))
    assert sections_in(page) == {"provenance", "glossary"}
    assert "<script" not in page
    assert len(page) < 20_000


@pytest.mark.parametrize(
    ("artifacts", "sections"),
    [
        ((), set()),
        (("scores",), {"scores"}),
        (("dynamics",), {"data_map", "probability", "classes", "cost"}),
        (("data",), {"classes"}),
        (("scores", "data"), {"scores", "classes", "examples"}),
        (("comparison",), {"frontier", "comparison", "cost"}),
        (("dynamics", "data"), {"data_map", "probability", "classes", "cost", "examples"}),
    ],
)
def test_sections_appear_only_with_their_nouns(artifacts, sections):
    given_all = everything()
    page = page_of(subset=given_all["subset"], **{name: given_all[name] for name in artifacts})
    assert sections_in(page) == sections | {"provenance", "glossary"}
    assert ('id="explorer"' in page) == bool(sections & {"data_map", "examples"})


def test_links_say_what_the_headings_say():
    page = page_of(**everything())
    links = re.findall(r'<a href="#([a-z_]+)">(.*?)</a>', page)
    headings = re.findall(r'<section id="([a-z_]+)".*?><h2>(.*?)</h2>', page)
    assert links == headings
    assert len(links) == len(sections_in(page))


def test_sections_come_in_their_order():
    assert set(ORDER) == set(sections.names())
    page = page_of(**everything())
    found = re.findall(r'<section id="([a-z_]+)"', page)
    assert found == [name for name in ORDER if name in found] + ["glossary"]


def test_a_file_put_into_the_folder_is_a_section(tmp_path, monkeypatch):
    code = """
        from datapare.reporting.sections import Section

        def build(context):
            return Section("Moon phase", {"phase": "<waxing>", "kept": len(context.subset)}, terms=("margin",))
    """
    (tmp_path / "moon_phase.py").write_text(textwrap.dedent(code), encoding="utf-8")
    (tmp_path / "moon_phase.html.j2").write_text("<p>{{ phase }} {{ kept }} {{ ui.signed(-1) }}</p>", encoding="utf-8")
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    page = report(Subset([0, 2], 5))
    assert sections_in(page) == {"provenance", "moon_phase", "glossary"}
    assert page.index('id="provenance"') < page.index('id="moon_phase"') < page.index('id="glossary"')
    assert "<p>&lt;waxing&gt; 2 −1.00</p>" in page
    assert "<dt>margin</dt>" in page
    assert '<a href="#moon_phase">Moon phase</a>' in page


def test_every_section_has_its_template_and_only_known_terms():
    for name in sections.names():
        folder = Path(sections.__file__).parent
        assert (folder / f"{name}.html.j2").is_file()
    for _, section in sections.build_sections(ReportContext(**everything())):
        assert set(section.terms) <= set(GLOSSARY)


def test_the_page_is_one_file_and_nothing_external():
    page = page_of(**everything())
    for tag, attributes in tags_in(page):
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert not attributes.get(name) or attributes[name].startswith(("data:image/", "#"))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style  # noqa: PT018
    assert len(page) < 200_000


def test_the_page_is_the_same_for_the_same_artefacts():
    assert page_of(**everything()) == page_of(**everything())


def test_points_of_the_data_map_are_the_moments_of_the_record():
    artifacts = everything()
    p = artifacts["dynamics"].channels["target_prob"].astype(np.float64)
    page = page_of(**artifacts)
    (chart,) = charts_in(page, "data_map")
    mask = artifacts["subset"].mask
    for name, chosen in (("kept", mask), ("dropped", ~mask)):
        expected = np.stack([p.std(axis=0, ddof=1), p.mean(axis=0)], axis=1)[chosen]
        np.testing.assert_allclose(chart.dots(name), expected, atol=2e-4)
    held = explorer_in(page)
    assert held["name"] == [f"row {i}" for i in range(60)]
    np.testing.assert_allclose(held["places"]["data-map"], [p.std(axis=0, ddof=1), p.mean(axis=0)], rtol=1e-3)
    assert held["kept"] == mask.astype(int).tolist()


def test_many_examples_are_shown_as_densities_and_a_sample():
    n = POINTS + 1
    d = dynamics(n)
    chosen = Subset(np.arange(0, n, 3), n)
    page = report(chosen, dynamics=d)
    points, count, share = charts_in(page, "data_map")
    cells = [int(text.split()[0].replace(",", "")) for text in re.findall(r"<title>(.*?)</title>", count.html)]
    assert sum(cells) == n
    told = [text.split(" % of ") for text in re.findall(r"<title>(.*?) kept</title>", share.html)]
    assert sum(float(part) / 100 * int(size) for part, size in told) == pytest.approx(len(chosen), rel=1e-3)
    held = explorer_in(page)
    assert len(points.dots("kept")) + len(points.dots("dropped")) == len(held["index"]) == SAMPLE
    assert held["kept"] == chosen.mask[held["index"]].astype(int).tolist()
    assert len(page) < 2_000_000


def test_score_bars_count_every_finite_score():
    s = Scores(np.array([0.0, 0.5, 1.0, np.nan, np.inf, 0.25]))
    page = report(Subset([1, 2], 6), scores=s)
    (chart,) = charts_in(page, "scores")
    assert [round(sum(height for height, _ in chart.bars(css)), 1) for css in ("kept", "dropped")] == [2, 2]
    assert "1 examples have no score" in page
    assert "1 scores are infinite" in page


@settings(deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), max_size=200))
def test_score_edges_rise_whatever_the_scores(values):
    edges = score_edges(np.array(values, dtype=np.float64))
    assert len(edges) == 61
    assert np.all(np.diff(edges) >= 0)
    assert edges[-1] > edges[0]


def test_one_far_score_does_not_flatten_the_histogram():
    values = np.append(np.linspace(0, 1, 5000), 1e9)
    assert score_edges(values)[-1] < 10
    page = report(Subset([5000], 5001), scores=Scores(values))
    assert "also hold 1 scores beyond the axis" in page


def test_keep_rates_are_the_counts_smallest_first():
    d = dynamics(60, classes=("ant", "bee", "cat"))
    index = np.sort(np.concatenate([np.arange(0, 60, 3)[:10], np.arange(2, 60, 3)[:15]]))
    page = report(Subset(index, 60), dynamics=d)
    rows = table_in(page, 'class="classes"')
    assert [row[:4] for row in rows] == [
        ["bee", "0", "20", "0.0 % emptied"],
        ["ant", "10", "20", "50.0 %"],
        ["cat", "15", "20", "75.0 %"],
    ]
    assert '1 class lost every example: <span class="name">bee' in page


def test_many_classes_show_their_ends_and_hide_the_rest():
    d = dynamics(400, classes=[f"class-{i:03d}" for i in range(100)])
    page = report(Subset(np.arange(150), 400), dynamics=d)
    opened = re.search(r'<section id="classes".*?<details>', page, re.DOTALL)[0]
    assert opened.count('<th scope="row"') == 30
    assert len(table_in(page, "<details>")) == 100


def test_the_comparison_table_holds_the_intervals():
    page = page_of(**everything())
    method, random = (0.80, 0.82, 0.81), (0.70, 0.71, 0.72)
    mean, low, high = paired_interval(method, random)
    own = mean_interval(method)
    first, second, third = table_in(page, 'id="arms"')
    assert first[:3] == ["dual+top keep 20", "20", f"{100 * own.mean:.2f} ± {100 * (own.high - own.mean):.2f}"]
    assert first[3] == f"+{100 * mean:.2f} (+{100 * low:.2f} to +{100 * high:.2f})"
    mean, low, high = paired_interval(method, (0.9, 0.9, 0.9))
    assert first[4] == f"{100 * mean:.2f} ({100 * low:.2f} to {100 * high:.2f})".replace("-", "−")
    assert first[5:] == ["10.0", "10 min"]
    assert (second[3], third[3], third[4]) == ("–", "–", "–")
    (chart,) = charts_in(page, "comparison")
    frontier, three, ten = charts_in(page, "frontier")
    for more, trainings in ((three, 3), (ten, 10)):
        np.testing.assert_allclose(more.dots("kept mean"), [[10 * trainings + 6, 81]], atol=0.02)
        np.testing.assert_allclose(more.dots("quiet mean"), [[10 * trainings, 71], [30 * trainings, 90]], atol=0.02)
    np.testing.assert_allclose(frontier.dots("kept mean"), [[10 + 6, 81]], atol=0.02)  # 6 epochs of scoring
    np.testing.assert_allclose(frontier.dots("quiet mean"), [[10, 71], [30, 90]], atol=0.02)
    np.testing.assert_allclose(frontier.line("quiet dotted"), [[10, 71], [16, 81], [30, 90]], atol=0.02)
    assert chart.dots("kept seed")[:, 0].round(2).tolist() == [80, 82, 81]
    assert chart.dots("quiet seed")[:, 0].round(2).tolist() == [70, 71, 72, 90, 90, 90]
    assert chart.dots("kept mean")[:, 0].round(2).tolist() == [81]
    np.testing.assert_allclose(chart.line("kept")[:, 0], [100 * own.low, 100 * own.high], atol=0.01)


@pytest.mark.parametrize(
    ("method", "random", "outcome", "words"),
    [
        ((0.80, 0.81, 0.82), (0.70, 0.71, 0.73), "better", "Better than as many random examples"),
        ((0.70, 0.71, 0.73), (0.80, 0.81, 0.82), "worse", "Worse than as many random examples"),
        ((0.70, 0.75, 0.71), (0.72, 0.71, 0.72), "no evidence", "No evidence that this beats random"),
        ((0.70, 0.70, 0.70), (0.70, 0.70, 0.70), "no evidence", "No evidence that this beats random"),
        ((0.80, 0.90), (0.70, 0.71), "too few seeds", "an interval needs at least 3 seeds"),
        ((0.80,), (0.70,), "too few seeds", "with 1 seed,"),
        ((0.80, np.nan, 0.9), (0.70, 0.7, 0.7), "too few seeds", "with 2 seeds,"),
    ],
)
def test_the_verdict_is_honest(method, random, outcome, words):
    compared = comparison(method, random)
    said = verdict(compared)
    assert said.outcome == outcome
    assert words in said.text
    page = report(Subset(np.arange(20), 60), comparison=compared)
    assert words in text_of(re.search(r'<div class="verdict.*?</div>', page, re.DOTALL)[0])


def test_the_verdict_comes_first_in_three_sentences_and_a_split_is_mentioned_once():
    made = everything() | {"within": 12.0}
    made["comparison"] = replace(made["comparison"], held_out="split")
    page = page_of(**made, sweep=made["comparison"])
    first = re.findall(r"<p>(.*?)</p>", re.search(r'id="verdict">(.*?)</div>', page, re.DOTALL)[1])
    assert [sentence.split(" (")[0] for sentence in first[:2]] == [
        "Better than as many random examples", "As good as training on everything, within 12 points"
    ]  # fmt: skip
    assert first[2].startswith("Scoring and selection have paid for themselves")
    assert first[3:] == [SPLIT]
    assert page.count(SPLIT) == 1
    assert "do not prune" not in page


def test_without_a_comparison_the_page_says_that_nothing_is_proven():
    d = dynamics()
    page = report(subset(scores(d)), dynamics=d)
    assert (
        "Not compared with random yet" in re.search(r'<div class="verdict not-compared".*?</div>', page, re.DOTALL)[0]
    )


def test_the_page_says_how_much_the_model_learned_and_doubts_one_that_learned_nothing():
    label = [0, 0, 1, 1]
    half, all_right = [[-1.0, 1.0, 1.0, -1.0]], [[1.0, 1.0, 1.0, 1.0]]
    prob = {"target_prob": [[0.4, 0.5, 0.6, 0.5], [0.4, 0.5, 0.7, 0.5]]}
    for last, doubted in ((all_right, False), (half, True)):
        d = Dynamics({**prob, "margin": half + last}, label)
        told = re.search(r'<p[^>]*id="learned".*?</p>', report(Subset([0], 4), dynamics=d), re.DOTALL)[0]
        assert f"about {100 - 50 * doubted:.1f} % of the examples in its last epoch" in told
        assert ("hardly learned" in told) is doubted


def test_there_is_no_verdict_on_another_subset_of_the_same_size():
    compared = comparison((0.8, 0.8, 0.8), (0.7, 0.7, 0.7))
    other = Subset(np.arange(1, 21), 60)
    assert verdict(compared, other).outcome == "not compared"
    assert "No verdict: the comparison does not hold this subset" in report(other, comparison=compared)


def test_the_verdict_compares_at_equal_size_only():
    accuracy = np.array([[0.80, 0.81, 0.82], [0.70, 0.70, 0.70], [0.90, 0.91, 0.93]])
    names = ("dual+top keep 0.2", "random keep 0.5", "random keep 0.2")
    roles = ("subset", "random", "random")
    compared = Comparison(names, (0, 1, 2), accuracy, [12, 30, 12], accuracy, accuracy, roles)
    assert verdict(compared).outcome == "worse"


def test_without_a_random_arm_of_equal_size_there_is_no_verdict():
    accuracy = np.array([[0.80, 0.81, 0.82], [0.70, 0.70, 0.70]])
    compared = Comparison(("dual+top", "random"), (0, 1, 2), accuracy, [12, 30], accuracy, accuracy, ROLES[:2])
    assert verdict(compared).outcome == "no random arm"


def test_two_seeds_show_no_interval():
    page = report(Subset(np.arange(20), 60), comparison=comparison((0.8, 0.9), (0.7, 0.7)))
    first = table_in(page, 'id="arms"')[0]
    assert first[2:4] == ["85.00", "+15.00 (no interval)"]
    assert 'class="line' not in charts_in(page, "comparison")[0].html


def test_the_class_that_loses_most_is_named():
    each = np.full((3, 3, 2), 0.8)
    each[0, :, 1] = 0.6
    more = {"class_accuracy": each, "classes": ("ant", "bee")}
    compared = comparison((0.7, 0.7, 0.7), (0.8, 0.8, 0.8), **more)
    page = text_of(report(Subset(np.arange(20), 60), comparison=compared))
    assert "The class that changes most for the worse against random: bee, −20.00 points" in page


def test_cost_counts_scoring_and_every_arm():
    page = page_of(**everything())
    assert table_in(page, 'id="costs"') == [
        ["scoring (once)", "6.0", "1.5 min"],
        ["one training: dual+top keep 20", "10.0", "10 min"],
        ["one training: random keep 20", "10.0", "10 min"],
        ["one training: full", "30.0", "30 min"],
    ]
    rows = table_in(page, 'id="savings"')
    assert [row[:4] for row in rows] == [["1", "16.0", "30.0", "14.0"], ["10", "106.0", "300.0", "194.0"]]
    assert [row[4:] for row in rows] == [["12 min", "30 min", "18 min"], ["1.7 h", "5.0 h", "3.3 h"]]
    assert "paid for themselves after the first training on the subset (by epochs: after 1)" in page


def test_the_beta_curve_has_the_parameters_of_the_method():
    d = dynamics()
    s = scores(d)
    chosen = subset(s, method="beta", c_d=4.0, total=15.0, anchor=2)
    page = report(chosen, scores=s, dynamics=d)
    mean = moments(d.channels["target_prob"])[0]
    mu = mean[np.argsort(-s.score)[:2]].mean()
    alpha, beta = beta_parameters(mu, 2 / 3, c_d=4.0, total=15.0)
    assert f"alpha {alpha:.4g} and beta {beta:.4g} (c_d 4)" in page
    x, y = charts_in(page, "probability")[0].line("dropped").T
    assert np.trapezoid(y, x) == pytest.approx(1, abs=0.01)
    assert "Beta weighting" in page


def test_the_curve_of_a_mixed_selection_is_that_of_the_part_drawn_by_beta():
    d = dynamics()
    s = scores(d)
    chosen = subset(s, method="mixed", c_d=4.0, share=0.5)
    page = report(chosen, scores=s, dynamics=d)
    mu = moments(d.channels["target_prob"])[0][s.score.argmax()]
    by_scores = len(chosen) - len(chosen) // 2
    alpha, beta = beta_parameters(mu, 1 - by_scores / len(s), c_d=4.0)
    assert f"alpha {alpha:.4g} and beta {beta:.4g} (c_d 4)" in page


def test_another_selection_has_no_beta_curve():
    d = dynamics()
    s = scores(d)
    assert 'class="line' not in section_in(report(subset(s), scores=s, dynamics=d), "probability")


def test_the_beta_curve_of_a_balanced_selection_is_the_mean_of_its_classes_curves():
    from scipy.stats import beta as density

    d = dynamics()
    s = scores(d)
    chosen = subset(s, method="beta", c_d=4.0, balance="proportional")
    page = report(chosen, scores=s, dynamics=d)
    mean, x, expected, kept = moments(d.channels["target_prob"])[0], np.linspace(0.005, 0.995, 199), 0.0, 0
    for number in np.unique(d.label):
        member = np.flatnonzero(d.label == number)
        n = int(chosen.mask[member].sum())
        mu = mean[member][s.score[member].argmax()]
        expected += n * density.pdf(x, *beta_parameters(mu, 1 - n / len(member), c_d=4.0))
        kept += n
    drawn = charts_in(page, "probability")[0].line("dropped")[:, 1]
    np.testing.assert_allclose(drawn, expected / kept, atol=2e-3 * np.max(expected / kept))
    assert f"averaged over {len(np.unique(d.label))} classes" in page


def test_moments_match_numpy_and_missing_epochs_are_filled():
    values = np.random.default_rng(0).uniform(size=(5, 40_000)).astype(np.float32)
    filled = values.copy()
    values[3, :7] = np.nan
    filled[3, :7] = filled[2, :7]
    values[:, 9] = np.nan
    mean, deviation = moments(values)
    seen = np.delete(filled.astype(np.float64), 9, axis=1)
    np.testing.assert_allclose(np.delete(mean, 9), np.nanmean(seen, axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.delete(deviation, 9), np.nanstd(seen, axis=0, ddof=1), rtol=1e-9)
    assert np.isnan(mean[9]) and np.isnan(deviation[9])  # noqa: PT018


def test_coverage_is_reported_only_when_incomplete():
    d = dynamics()
    assert "data_problems" not in sections_in(report(Subset([0], 60), dynamics=d))
    d.channels["target_prob"][2, :6] = np.nan
    page = report(Subset([0], 60), dynamics=d)
    assert "at worst 90 % in epoch 2" in page
    (chart,) = charts_in(page, "data_problems")
    np.testing.assert_allclose(chart.line("kept"), [[t, 90 if t == 2 else 100] for t in range(6)], atol=0.01)


def test_provenance_nests_the_recipes_and_shows_each_once():
    page = page_of(**everything())
    rows = table_in(page, 'class="steps"')
    assert [row[0] for row in rows] == ["select top", "score dual", "record resnet18", "compare"]
    assert rows[2][1:] == ["epochs = 6", "7", "d1d2", "torch 2.13.0"]
    assert rows[3][1] == "test.digest = ab; test.rows = 3"
    assert re.findall(r"--depth:(\d)", page) == ["0", "1", "2", "0"]


def test_a_step_read_twice_is_told_once():
    artifacts = everything()
    compared = comparison(
        (0.8, 0.8, 0.8), (0.7, 0.7, 0.7), provenance=Provenance("compare", parents=(artifacts["subset"].provenance,))
    )
    rows = table_in(report(artifacts["subset"], comparison=compared), 'class="steps"')
    assert [row[0] for row in rows] == ["select top", "score dual", "record resnet18", "compare", "select top"]
    assert rows[-1][1] == "as above"


def test_parts_of_different_datasets_are_refused():
    artifacts = everything()
    with pytest.raises(MismatchError, match="different datasets"):
        report(Subset([0], 61), scores=artifacts["scores"])
    with pytest.raises(MismatchError, match="61 examples and the dataset holds 60"):
        report(Subset([0], 61), data=artifacts["data"])
    with pytest.raises(MismatchError, match="another order"):
        report(Subset([0], 60, key=artifacts["data"].key[::-1].copy()), data=artifacts["data"])


# --- names from the data stay names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [True, False])
def test_hostile_names_never_become_markup(points):
    n = 60 if points else POINTS + 1
    d = dynamics(n, classes=(HOSTILE, "</style><script>hacked=1</script>", "{{ 7 * 7 }}"))
    s = scores(d)
    provenance = Provenance("select", HOSTILE, {HOSTILE: HOSTILE}, 1, HOSTILE, {HOSTILE: HOSTILE})
    chosen = Subset(np.arange(20), n, provenance=provenance)
    compared = comparison((0.8, 0.8, 0.8), (0.7, 0.7, 0.7), total=n, name=HOSTILE)
    page = report(chosen, scores=s, dynamics=d, comparison=compared, title=HOSTILE)
    assert "{{ 7 * 7 }}" in page
    assert sum(tag == "script" for tag, _ in tags_in(page)) == 2
    assert not any(tag == "img" for tag, _ in tags_in(page))
    assert 'strip-name name">&lt;/script&gt;' in section_in(page, "comparison")


@given(st.text(max_size=80))
def test_control_characters_of_names_are_shown(name):
    shown = visible(name)
    assert all(letter.isprintable() or unicodedata.category(letter) not in {"Cc", "Cs"} for letter in shown)
    assert not set(shown) & BIDI
    assert all(shown.isprintable() or letter not in shown for letter in "\x00\x1b\n\u202e")
    if name.isprintable():
        assert shown == name


def test_names_cannot_hide_or_reorder_text():
    d = dynamics(classes=("cat\u202egnp.exe", "dog\x1b[2J", "ant\x00"))
    page = report(Subset([0], 60), dynamics=d)
    assert "cat\\u202egnp.exe" in page
    assert "dog\\x1b[2J" in page
    assert "ant\\x00" in page
    assert not set(page) & {"\u202e", "\x1b", "\x00"}


def test_file_names_that_are_no_text_do_not_break_the_page():
    d = dynamics(classes=("a\udcff", "b", "c"))
    assert "a\\udcff" in report(Subset([0], 60), dynamics=d).encode("utf-8").decode("utf-8")


# --- galleries ------------------------------------------------------------------------------------------------------


def image_folder(root: Path, broken: bool = False):
    rng = np.random.default_rng(0)
    for name, size in (("ant", (8, 8)), ("bee<i>", (300, 200))):
        (root / name).mkdir()
        for i in range(4):
            pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    if broken:
        (root / "ant" / "broken<b>.png").write_bytes(b"no picture")
    return root


def test_images_are_embedded_small(tmp_path):
    data = open_dataset(image_folder(tmp_path))
    d = Dynamics(channels=dynamics(8).channels, label=data.label, classes=data.classes)
    page = report(Subset([0, 1, 4, 5], 8), dynamics=d, data=data)
    images = [attributes for tag, attributes in tags_in(page) if tag == "img"]
    assert {image["src"][:16] for image in images} == {"data:image/png;b", "data:image/webp;"}
    assert {(image["width"], image["height"]) for image in images} == {("144", "144"), ("144", "96")}
    assert all(len(image["src"]) < 20_000 for image in images)
    assert {image["alt"] for image in images} == {"example labelled ant", "example labelled bee<i>"}
    assert "bee&lt;i&gt;" in page
    assert "bee<i>" not in page.replace(json.dumps("bee<i>"), "")


def test_what_an_order_shows_first_has_its_picture(monkeypatch):
    monkeypatch.setattr(explorer, "IMAGES", 24)
    monkeypatch.setattr(explorer, "FIRST", 4)
    artifacts = everything()
    image = np.zeros((60, 4, 4), np.uint8)
    context = ReportContext(**artifacts | {"data": open_dataset((image, artifacts["dynamics"].label), kind="image")})
    in_galleries = {int(i) for gallery in context.galleries for i in gallery.index}
    pictures = {int(i) for i in explorer.looks(context)} | in_galleries
    for values in (context.mean_prob, context.margin, context.score):
        order = np.argsort(values)
        assert {*order[:4].tolist(), *order[-4:].tolist()} <= pictures
    assert explorer.looks(context) == explorer.looks(context)


def test_unreadable_examples_are_listed(tmp_path):
    data = open_dataset(image_folder(tmp_path, broken=True), on_bad_example="skip")
    page = report(Subset([0], 8), data=data)
    assert "1 example was unreadable and skipped" in page
    (row,) = table_in(page, 'id="bad"')
    assert "broken<b>.png" in row[0]
    assert row[2]


def test_galleries_order_by_what_the_run_believed():
    artifacts = everything()
    mean, _ = moments(artifacts["dynamics"].channels["target_prob"])
    margin, _ = moments(artifacts["dynamics"].channels["margin"])
    kept = np.flatnonzero(artifacts["subset"].mask)
    dropped = np.flatnonzero(~artifacts["subset"].mask)
    page = page_of(**artifacts)
    galleries = re.split(r"<h3>", re.search(r'<section id="examples".*?</section>', page, re.DOTALL)[0])[1:]
    names = [re.findall(r'where name">(.*?)</span>', gallery) for gallery in galleries]
    assert [gallery.split("<")[0] for gallery in galleries] == [
        "Hardest kept",
        "Easiest dropped",
        "Possible label issues",
        "Random kept",
        "Random dropped",
    ]
    assert names[0] == [f"row {i}" for i in kept[np.argsort(mean[kept])]]
    assert names[1] == [f"row {i}" for i in dropped[np.argsort(-mean[dropped])][:24]]
    assert names[2] == [f"row {i}" for i in np.argsort(margin)[:24] if margin[i] < 0]


def test_the_class_the_model_prefers_is_named():
    d = dynamics()
    logit = np.zeros((60, 3))
    logit[:, 2] = 1
    d = Dynamics(channels=d.channels, label=d.label, classes=d.classes, arrays={"logit_mean": logit})
    data = open_dataset((np.eye(60), [d.classes[i] for i in d.label]))
    page = report(Subset(np.arange(20), 60), dynamics=d, data=data)
    assert 'predicted <b class="name">cat</b>' in page
    assert 'predicted <b class="name">ant</b>' not in page


def test_texts_are_shown_shortened_and_escaped(tmp_path):
    texts = ["<script>hacked=1</script> " + "word " * 200, "short", *(f"text {i}" for i in range(6))]
    path = tmp_path / "texts.jsonl"
    lines = [json.dumps({"text": text, "label": i % 2}) for i, text in enumerate(texts)]
    path.write_text("\n".join(lines), encoding="utf-8")
    data = open_dataset(path)
    page = report(Subset([0, 1], 8), scores=Scores(np.linspace(1, 0, 8)), data=data)
    assert data.kind == "text"
    quote = re.search(r"<blockquote.*?>(.*?)</blockquote>", page, re.DOTALL)[1]
    assert quote.startswith("&lt;script&gt;hacked=1&lt;/script&gt; word")
    assert len(unescape(quote)) <= 301
    assert quote.endswith("…")


def test_table_rows_are_shown_with_their_columns(tmp_path):
    path = tmp_path / "people.csv"
    rows = [f"{20 + i},{['red', '<i>blue</i>'][i % 2]},{i % 2}" for i in range(12)]
    path.write_text("\n".join(["age,colour,label", *rows]), encoding="utf-8")
    data = open_dataset(path, kind="table")
    page = report(Subset([0, 1], 12), scores=Scores(np.linspace(1, 0, 12)), data=data)
    shown = table_in(page, r'class="rows"')
    assert shown[0][-2:] == ["20", "red"]
    assert shown[1][-2:] == ["21", "<i>blue</i>"]
    assert "<i>blue" not in page


def test_importing_the_report_loads_no_heavy_library():
    heavy = ("jinja2", "scipy", "PIL", "torch", "datasets")
    code = f"import sys, datapare.reporting; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(st.text())
def test_json_in_the_page_cannot_end_its_script(name):
    shown = _in_script(json.dumps({name: name}))
    assert not set("<>&") & set(shown)
    assert json.loads(shown) == {name: name}
