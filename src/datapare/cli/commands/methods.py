"""`datapare methods`."""

from difflib import get_close_matches
from typing import Annotated

import typer

from datapare.cli.console import list_methods, param_line, say
from datapare.errors import InputError
from datapare.methods.registry import METHOD_GROUPS, find, names


def methods(
    name: Annotated[str | None, typer.Argument(help="Show one method whole: formula, source, parameters.")] = None,
) -> None:
    """List every score and selection rule: what it reads, its parameters, its source."""
    if name is None:
        list_methods()
        return
    groups = [group_name for group_name in METHOD_GROUPS if name in names(group_name)]
    if not groups:
        known = sorted({method for group_name in METHOD_GROUPS for method in names(group_name)})
        near = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "datapare methods lists all."
        raise InputError(f"there is no method {name!r}; {hint}")
    for group_name in groups:
        found = find(group_name, name)
        say(f"{group_name} method {name}\n\n{found.doc}\n\nFlags: {param_line(found.params) or 'none'}\n")
