"""`datapare inspect`."""

from datapare.cli.console import say
from datapare.cli.flags import Data
from datapare.options import OpenOptions

OPTIONS = {"opening": OpenOptions}


def inspect(path: Data, *, opening: OpenOptions) -> None:
    """Print what is read of a dataset: format, files, columns, label, classes, and what is left out."""
    from datapare.data import inspect as inspect_source

    say(repr(inspect_source(path, **opening)))
