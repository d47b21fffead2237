"""Files of features with a line for each text, in the order of the texts, such as labeledBow.feat of IMDB."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from datapare.data.layouts import is_unlabelled

_SUFFIXES = (".feat", ".svm", ".libsvm", ".svmlight")
_RATED = re.compile(r"(\d+)_(-?\d+)\.txt")  # the number of a review and its stars


def without_lines(root: Path, files: Sequence[str], texts: Sequence[str], dropped: Collection[str]) -> dict[str, bytes]:
    """What files of features say without the lines of some texts, {file: its new content}.

    The texts of a class follow each other by number, and the order of the classes is the one in which the first word of
    each line is the rating in the name of its text. A file that fits in no order stays as it is.

    Args:
        root: The dataset's folder.
        files: Its other files, as relative names.
        texts: Those that are texts, such as train/pos/127_8.txt.
        dropped: The texts that are not kept.
    """
    found = {}
    for name in files:
        if not name.lower().endswith(_SUFFIXES):
            continue
        lines = (root / name).read_bytes().splitlines(keepends=True)
        order = _order([one for one in texts if one.startswith(name.rpartition("/")[0])], lines)
        if order is not None:
            found[name] = b"".join(line for line, text in zip(lines, order, strict=True) if text not in dropped)
    return found


def _order(texts: Sequence[str], lines: Sequence[bytes]) -> list[str] | None:
    """The text of each line."""
    rated = [(_RATED.fullmatch(one.rpartition("/")[2]), one) for one in texts]
    known = [(one.rpartition("/")[0], int(match[1]), match[2].encode(), one) for match, one in rated if match]
    known.sort(key=lambda one: one[1])
    said = [line.split(maxsplit=1)[0] for line in lines if line.strip()]
    for labelled in (True, False):  # those of unsup have a file of their own
        some = [one for one in known if is_unlabelled(one[0].rpartition("/")[2]) != labelled]
        for backwards in (True, False):  # pos stands before neg
            ordered = sorted(some, key=lambda one: one[0], reverse=backwards)
            if ordered and len(said) == len(lines) and [one[2] for one in ordered] == said:
                return [one[3] for one in ordered]
    return None
