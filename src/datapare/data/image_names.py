"""Match the names in a list with the image files that they mean, however they are spelt."""

import copy
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from datapare.data.layouts import is_image
from datapare.data.paths import leads_out, normalise, split_of

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # of a URL, its slashes normalised
_ENOUGH = 0.5  # of the names, which mean different files


class ImageNames:
    """The image files of a folder, looked up by the names that a list in it gives them.

    A name means the file of that path below the list's folder, or below the whole folder. Otherwise it means the one
    file whose path ends alike, in any case, with URL escapes and other Unicode forms resolved, and then the one file
    that is called so without its ending.

    >>> names = ImageNames(["train_images/0a.png", "test_images/0a.png", "Cat 1.JPG"], "", "train")
    >>> names.find("0a"), names.find("./cat%201.jpg"), names.find("0b.png")
    ('train_images/0a.png', 'Cat 1.JPG', None)
    """

    def __init__(self, images: Iterable[str], folder: str, split: str) -> None:
        """Index the names of `images` for a list in `folder`; among files of several splits those of `split` count."""
        self.images = frozenset(images)
        self._prefix = f"{folder}/" if folder else ""
        self._split = split_of(split) or split
        self._tails: dict[tuple[int, bool], dict[str, list[str]]] = {}
        self.other_root = ""

    def below_other_root(self, names: Sequence[str]) -> "ImageNames":
        """The same lookup for names of which all are absolute, such as paths of another machine; else itself.

        The folders that all of them begin with are left off, as few as make most of them mean different files here.

        >>> lists = ImageNames(["cat/1.png", "dog/1.png"], "", "train")
        >>> names = lists.below_other_root(["/home/me/pets/cat/1.png", "/home/me/pets/dog/1.png"])
        >>> names.other_root, names.find("/home/me/pets/dog/1.png"), names.find("/srv/dog/1.png")
        ('home/me/pets/', 'dog/1.png', None)
        """
        there = [name for name in names if name.strip()]
        if not there or not all(map(_is_elsewhere, there)):
            return self
        shared = posixpath.commonprefix([_resolved(name).split("/")[:-1] for name in there])
        best, most = self, _ENOUGH * len(set(there))
        for depth in range(1, len(shared) + 1):
            other = copy.copy(self)
            other.other_root = "/".join(shared[:depth]) + "/"
            found = len({one for one in map(other.find, there) if one is not None})
            if found > most or (found == most and best is self):
                best, most = other, found
        return best

    def inner(self, name: str) -> str:
        """The name without the folders of another machine, where it begins with them."""
        if not self.other_root or not _is_elsewhere(name):
            return name
        whole = _resolved(name)
        return whole.removeprefix(self.other_root) if whole.startswith(self.other_root) else name

    def find(self, name: str) -> str | None:
        """The file that a name means; None where it means none, or several, or leads out of the folder."""
        inner = self.inner(name)
        if inner == name:
            return self._inside(name)
        found, meant = self._inside(inner), split_of(posixpath.dirname(name))
        return None if found is None or (meant and split_of(found) not in {None, meant}) else found

    def _inside(self, name: str) -> str | None:
        for spelt in (name, normalise(name)):
            for path in (self._prefix + spelt, spelt):
                if path in self.images:
                    return path
        if not name.strip() or leads_out(name):
            return None
        alike = _folded(name)
        for stem in (False, True):
            found = self._ending_in(alike, stem=stem)
            if len(found) > 1:
                found = [one for one in found if split_of(one) in {None, self._split}]
            if len(found) == 1:
                return found[0]
        return None

    def _ending_in(self, name: str, *, stem: bool) -> list[str]:
        """Files whose path, folded, ends in the whole parts of `name`."""
        depth = name.count("/") + 1
        index = self._tails.get((depth, stem))
        if index is None:
            index = {}
            for image in self.images:
                folded = _folded(image)
                tail = "/".join((folded[: folded.rfind(".")] if stem else folded).split("/")[-depth:])
                index.setdefault(tail, []).append(image)
            self._tails[depth, stem] = index
        return index.get(name, [])

    def find_all(self, names: Sequence[str]) -> list[str | None]:
        """The file that each name means; None as for `find`."""
        return [self.find(name) for name in names]


def _is_elsewhere(name: str) -> bool:
    return leads_out(name) or _ADDRESS.match(normalise(name)) is not None


def _resolved(name: str) -> str:
    """The name with slashes and without inner "..": what is left of those stands at its beginning."""
    plain = normalise(name)
    return posixpath.normpath(plain) if ".." in plain else plain


def _folded(name: str) -> str:
    plain = normalise(name)
    if "%" in plain:
        plain = normalise(unquote(plain))
    return plain.casefold() if plain.isascii() else unicodedata.normalize("NFC", plain).casefold()


def names_images(values: Sequence[str], names: ImageNames) -> int:
    """How many different image files a column's values mean."""
    found = {one for one in names.find_all(values) if one is not None}
    return len(found)


def looks_like_names(values: Sequence[str]) -> bool:
    """Whether most of the values end like images.

    >>> looks_like_names(["0.png", "1.png", ""]), looks_like_names(["cat", "dog"])
    (True, False)
    """
    return sum(map(is_image, values)) * 2 > len(values)
