"""`datapare inspect`."""

from typing import Annotated

from datapare.cli.console import say, show_result
from datapare.cli.flags import Data, Flag
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
    """Print what is read of a dataset, what is left out, and which held-out examples are in the training data too."""
    from datapare.data import inspect as inspect_source

    found = inspect_source(path, test=test, **opening)
    say(repr(found))
    show_result(**vars(found))
