"""The site has a page per method, whose formula is TeX that closes what it opens."""

import sys
from pathlib import Path

import pytest

from datapare.methods.registry import METHOD_GROUPS, find, names

DOCS = Path(__file__).parents[2] / "docs"
METHODS = [(group, name) for group in METHOD_GROUPS for name in names(group)]


@pytest.fixture
def pages(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import method_pages

    yield method_pages
    for name in ("method_pages", "formulas"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("group", "name"), METHODS)
def test_a_page_has_the_formula_the_source_the_inputs_and_the_parameters(pages, group, name):
    method = find(group, name)
    text = pages.page(method)
    formula = text.partition("```{math}\n")[2].partition("\n```")[0]
    assert formula.startswith("\\begin{aligned}\n& ")
    assert formula.count("{") == formula.count("}")
    assert formula.count("\\langle") == formula.count("\\rangle")
    for heading in (f"# {name}\n", "**Source.** ", "**Reads.** ", "**Parameters.**", "**For** "):
        assert heading in text, heading
    assert all(f"`--{param.replace('_', '-')}`" in text for param in method.params)


@pytest.mark.parametrize(("group", "name"), [one for one in METHODS if one[0] in {"score", "select"}])
def test_a_score_and_a_rule_say_when_not(pages, group, name):
    assert "**When not.** " in pages.page(find(group, name)), f"{name} needs a section `Not for` in its docstring"


def test_pages_of_methods_that_are_gone_are_removed(pages, tmp_path):
    (tmp_path / "score-gone.md").write_text("# gone")
    pages.write_pages(tmp_path)
    assert {page.stem for page in tmp_path.iterdir()} == {f"{group}-{name}" for group, name in METHODS}


def test_a_formula_is_read_as_symbols_and_words(pages):
    assert pages.tex("R = sqrt((a + b)^2) * <g_i, G>").splitlines()[1] == (
        r"& R = \sqrt{(a + b) ^{2}} \cdot  \langle  g_{i}, G \rangle "
    )
    assert (
        pages.tex("score_i = - max_{j != y} p_j").splitlines()[1] == r"& \mathrm{score}_{i} = - \max_{j \ne  y} p_{j}"
    )
