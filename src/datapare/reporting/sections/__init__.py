"""The sections of the report: one file each, and its template beside it.

`<name>.py` defines `build(context: ReportContext) -> Section | None`, None where the artifacts it shows are missing;
`<name>.html.j2` shows the data and the figures of that section. A file that is put into this folder is a section of
the page: nothing else has to be edited.
"""

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from datapare.reporting.context import ReportContext

ORDER = (
    *("frontier", "comparison", "cost", "sweep", "data_map", "embedding_map", "scores", "probability", "classes"),
    *("agreement", "examples", "data_problems", "provenance"),
)  # of the page; others follow by name


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page.

    Attributes:
        title: Its heading, and the text of the links that lead to it.
        data: Variables of its template, by name.
        figures: Charts, by name; the template reads them as `figures.<name>`.
        terms: Words of the glossary that it uses.
        half: Whether it shares the width of a large window with its neighbour.
    """

    title: str
    data: Mapping[str, object] = field(default_factory=dict)
    figures: Mapping[str, Markup] = field(default_factory=dict)
    terms: tuple[str, ...] = ()
    half: bool = False


def names() -> list[str]:
    """List the sections in the folder, in the order of the page."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]


def build_sections(context: "ReportContext") -> Iterator[tuple[str, Section]]:
    """Yield the name and the content of every section whose artifacts are there."""
    for name in names():
        build: Callable[[ReportContext], Section | None] = import_module(f"{__name__}.{name}").build
        section = build(context)
        if section is not None:
            yield name, section


def folders() -> list[Path]:
    """List the folders that hold the templates."""
    return [Path(folder) for folder in __path__]
