"""Sphinx configuration: `make site` builds docs/_build/html; warnings are errors."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

project = "datapare"
author = "the datapare authors"
release = version = version_of("datapare")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
html_show_copyright = False
smartquotes = False  # flags begin with two dashes
nb_execution_mode = "off"  # the notebooks hold their results; a test runs them anew
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"datapare {release}"
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the signature shows them
autodoc_member_order = "bysource"
suppress_warnings = ["myst.xref_missing"]  # pages link to files of the repository, which are not part of the site
nitpicky = False


def setup(app: Sphinx) -> None:
    """Write the pages of the methods before the sources are read."""
    from method_pages import write_pages

    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "methods"))
