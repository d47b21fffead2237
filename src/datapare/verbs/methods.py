"""`datapare methods`."""

from difflib import get_close_matches
from typing import Annotated

import typer

from datapare.errors import InputError
from datapare.methods import ROOMS, find, names
from datapare.screen import knob_line, list_methods


def methods(
    name: Annotated[str | None, typer.Argument(help="Show one method whole: formula, source, knobs.")] = None,
) -> None:
    """List every score and selection rule: what it reads, its knobs, its source."""
    if name is None:
        list_methods()
        return
    rooms = [room for room in ROOMS if name in names(room)]
    if not rooms:
        known = sorted({method for room in ROOMS for method in names(room)})
        near = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "datapare methods lists all."
        raise InputError(f"there is no method {name!r}; {hint}")
    for room in rooms:
        found = find(room, name)
        typer.echo(f"{room} method {name}\n\n{found.doc}\n\nFlags: {knob_line(found.knobs) or 'none'}\n")
