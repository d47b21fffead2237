"""`datapare inspect`."""

from typing import Annotated

from datapare.cli.console import say, show_result
from datapare.cli.flags import Data, Flag
from datapare.cli.next_command import option_words, say_next
from datapare.options import OpenOptions

OPTIONS = {"opening": OpenOptions}


def inspect(
    path: Data,
    *,
    test: Annotated[
        str | None,
        Flag(
            help="Held-out dataset to look for near-duplicates in.  [default: the splits validation and test of PATH]",
            metavar="PATH",
        ),
    ] = None,
    opening: OpenOptions,
) -> None:
    """Show what is read of a dataset and what is left out.

    Held-out examples that are in the training data too are named.
    """
    from datapare.data import inspect as inspect_source

    found = inspect_source(path, test=test, **opening)
    say(repr(found))
    skipping: OpenOptions = {**opening, "on_bad_example": "skip"} if found.unreadable else opening
    say_next("prune", path, "--keep", 0.3, *option_words(OpenOptions, skipping))
    show_result(**vars(found))
