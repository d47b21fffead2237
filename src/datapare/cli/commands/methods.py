"""`datapare methods`."""

from difflib import get_close_matches
from typing import Annotated

import typer

from datapare.artifacts import Kind
from datapare.cli.console import list_methods, param_line, say, show_cases, show_result
from datapare.cli.flags import Flag
from datapare.cli.next_command import say_next
from datapare.errors import InputError
from datapare.methods.registry import METHOD_GROUPS, Method, MethodGroup, find, names

KINDS: dict[str, Kind] = {"text": "text", "images": "image", "tables": "table", "embeddings": "embedding"}
COMMAND_OF: dict[MethodGroup, tuple[str, str]] = {
    "score": ("score", "--score"), "select": ("select", "--rule"), "extrapolate": ("extrapolate", "--method"),
    "metric": ("measure", "--method"), "perturb": ("perturb", "--method"),
}  # fmt: skip  # the command of each group, and its flag that names a method


def methods(
    name: Annotated[
        str | None, typer.Argument(help="Show one method whole: formula, source, parameters.", metavar="NAME")
    ] = None,
    *,
    for_: Annotated[
        str | None, Flag("--for", help="Only what suits this kind of data.", metavar="|".join(KINDS))
    ] = None,
) -> None:
    """List the scores and rules, and which suits when.

    It prints what each reads, its parameters and its source.
    """
    if name is None:
        kind = None if for_ is None else _kind(for_)
        chosen = [found for found in _all() if kind is None or kind in found.kinds]
        show_cases(kind)
        list_methods(chosen)
        say_next("methods", "dual")
    else:
        chosen = _named(name)
        for found in chosen:
            flags = param_line(found.params) or "none"
            say(f"{found.group_name} method {name}\n\n{found.doc}\n\nFlags: {flags}\n")
        say_next(*COMMAND_OF[chosen[-1].group_name], name, "--help")
    show_result(methods=[_facts(found) for found in chosen])


def _all() -> list[Method]:
    return [find(group_name, name) for group_name in METHOD_GROUPS for name in names(group_name)]


def _kind(word: str) -> Kind:
    """The kind of data that a word names, in the singular or the plural."""
    for plural, kind in KINDS.items():
        if word in {plural, kind, f"{kind}s"}:
            return kind
    raise InputError(f"expected --for as one of {', '.join(KINDS)}, got {word!r}.")


def _named(name: str) -> list[Method]:
    found = [find(group_name, name) for group_name in METHOD_GROUPS if name in names(group_name)]
    if not found:
        known = sorted({method for group_name in METHOD_GROUPS for method in names(group_name)})
        near = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "datapare methods lists all."
        raise InputError(f"there is no method {name!r}; {hint}")
    return found


def _facts(found: Method) -> dict[str, object]:
    return {
        "name": found.name, "group": found.group_name, "title": found.title, "reads": found.reads, "kinds": found.kinds,
        "params": {param: None if p.default is p.empty else p.default for param, p in found.params.items()},
        "source": found.section("Source"), "cost": found.section("Cost"),
    }  # fmt: skip
