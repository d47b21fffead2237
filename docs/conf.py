"""Sphinx configuration: `make site` builds docs/_build/html; warnings are errors."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

sys.path.insert(0, str(Path(__file__).parent))

project = "datapare"
author = "the datapare authors"
release = version = version_of("datapare")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
html_show_copyright = False
smartquotes = False  # flags begin with two dashes
nb_execution_mode = "off"  # the notebooks hold their results; a test runs them anew
exclude_patterns = ["_build"]
html_theme = "furo"
html_math_renderer = "mathml"  # browsers draw it themselves; MathJax would be loaded from elsewhere
html_title = f"datapare {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the signature shows them
autodoc_member_order = "bysource"
suppress_warnings = ["myst.xref_missing"]  # pages link to files of the repository, which are not part of the site
nitpicky = False


def show_formula(translator: HTML5Translator, node: nodes.Element) -> None:
    """Write a formula as MathML."""
    as_block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=as_block)
    translator.body.append(f'<div class="math">{formula}</div>' if as_block else formula)
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Write the pages of the methods before the sources are read; formulas become MathML."""
    from method_pages import write_pages

    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "methods"))
    app.add_html_math_renderer("mathml", inline_renderers=(show_formula, None), block_renderers=(show_formula, None))
