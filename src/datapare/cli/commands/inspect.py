"""`datapare inspect`."""

from datapare.cli.console import say, show_result
from datapare.cli.flags import Data
from datapare.options import OpenOptions

OPTIONS = {"opening": OpenOptions}


def inspect(path: Data, *, opening: OpenOptions) -> None:
    """Print what is read of a dataset: format, files, columns, label, classes, and what is left out."""
    from datapare.data import inspect as inspect_source

    found = inspect_source(path, **opening)
    say(repr(found))
    show_result(**vars(found))
