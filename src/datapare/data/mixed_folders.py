"""Folders that hold both rows and images: which of them is the dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path

from datapare.data.columns import find_label
from datapare.data.layouts import is_image
from datapare.data.source import OpenRequest, SourceFiles
from datapare.errors import InputError

Peek = Callable[[Path], tuple[list[str], int]]


def rows_are_the_dataset(
    files: SourceFiles, request: OpenRequest, suffixes: Sequence[str], peek: Peek, *, may_list: bool = True
) -> bool:
    """Return whether files of rows are the dataset, and images beside them only figures.

    They are where the rows have a label and do not list the images, and there are more rows than images, or no two
    folders of images that could be classes.

    Args:
        files: What was named.
        request: The options of opening; `kind` decides where it is given.
        suffixes: The endings of the files of rows.
        peek: Returns the columns and the number of rows of a file.
        may_list: Whether they may be lists of the images.

    Raises:
        InputError: Where there are as many rows as images, so that either may be the dataset.
    """
    images = [name for name in files.names if is_image(name)] if files.is_folder else []
    if not images or request.kind == "image" or not any(name.lower().endswith(tuple(suffixes)) for name in files.names):
        return False
    counted = _labelled_rows(files, request, suffixes, peek, may_list)
    if counted is None:
        return False
    classes = {name.rpartition("/")[0] for name in images if "/" in name}
    if request.kind is not None or len(classes) < 2:
        return True
    if counted == len(images):
        raise InputError(
            f"{files.path} holds {counted:,} labelled rows and as many images in folders; say which of them is the "
            "dataset: --kind image, or the path of the file of rows."
        )
    return counted > len(images)


def _labelled_rows(
    files: SourceFiles, request: OpenRequest, suffixes: Sequence[str], peek: Peek, may_list: bool
) -> int | None:
    """How many rows there are; None where they have no label, or list the images."""
    from datapare.data.formats import image_list

    try:
        found = [peek(file) for file in files.with_suffix(suffixes, request.split)]
        for columns, _ in found:
            find_label(columns, request.label)
            if len(columns) < 2:
                return None
    except InputError:  # another kind of file, such as notes
        return None
    if not found or (may_list and image_list.find_list(files, request) is not None):
        return None
    return sum(rows for _, rows in found)
