"""Layouts of image folders, as pure functions on relative names: where a split lies, which folders are classes."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from datapare.data.image_io import SUFFIXES
from datapare.data.paths import check_unsplit, folder_split, split_of
from datapare.data.tables import listed_datasets
from datapare.errors import InputError

# what numbered folders are called that a download, a cross-validation or a camera divides one dataset into
_PART = re.compile(
    r"(.*[-_ .])?(?:(?:k?fold|batch|part|shard|chunk|split|subset|archive|vol|volume|zip|tar|data|dataset|images?|imgs?"
    r"|photos?|pictures?|files)[-_ .]?)+\d+"
)
_NAMELESS = frozenset(
    {"images", "image", "imgs", "img", "data", "photos", "pictures", "jpegimages", "jpg", "png", "files"}
)
_LAYERS = frozenset(
    {"mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "gt", "groundtruth", "ground_truth"}
    | {"labels", "trimaps", "edges", "depth", "contours", "overlays"}
)
# folders of examples that nobody has labelled, as in aclImdb (unsup) and STL-10 (unlabeled)
_UNLABELLED = re.compile(r"un[-_ ]?(?:label+ed|sup|supervised|annotated)(?:[-_ ](?:data|images?|set))?")
_DATE = re.compile(r"(?:19|20)\d\d(?:[-_.]?\d\d){0,2}")


class ClassFolders(NamedTuple):
    """The images of one split and their classes.

    Attributes:
        base: The folder that holds the class folders; "" is the dataset's own.
        images: Names of the images relative to `base`, sorted.
        label: The class of each, as a position in `classes`.
        classes: The names of the classes, sorted.
        deepest: The folder that holds each image, where folders lie deeper than the classes; else empty.
    """

    base: str
    images: list[str]
    label: list[int]
    classes: list[str]
    deepest: list[str]


def is_image(name: str) -> bool:
    """Whether the name ends like an image.

    >>> is_image("cat/1.JPG"), is_image("labels.csv")
    (True, False)
    """
    dot = name.rfind(".")
    return dot >= 0 and name[dot:].lower() in SUFFIXES


def has_class_folders(names: Iterable[str]) -> bool:
    """Whether images lie in several folders that are no splits.

    >>> has_class_folders(["train/cat/1.png", "train/dog/1.png"]), has_class_folders(["train/1.png", "test/1.png"])
    (True, False)
    """
    folders = {name.rpartition("/")[0] for name in names if is_image(name)}
    return len({one.rpartition("/")[2] for one in folders if one and split_of(one.rpartition("/")[2]) is None}) > 1


def below(names: Sequence[str], base: str) -> list[str]:
    """The names below a folder, relative to it.

    >>> below(["a/1.png", "ab/2.png"], "a")
    ['1.png']
    """
    return [name[len(base) + 1 :] for name in names if name.startswith(base + "/")] if base else list(names)


def find_base(where: str, images: Sequence[str], split: str) -> str:
    """The folder that holds the class folders of the split, through folders that hold nothing else.

    Args:
        where: What the dataset is called in messages.
        images: Names of all images.
        split: The split that is read.

    Raises:
        InputError: Where the split is missing, where two folders could be it, or where its images have no folders.

    >>> find_base("pets", ["pets/train/cat/1.png", "pets/train/dog/1.png", "pets/val/cat/1.png"], "validation")
    'pets/val'
    """
    base, inner, found = "", list(images), False
    while True:
        chosen = _split_folder(where, inner, split)
        found = found or chosen is not None
        if chosen is None:
            tops = {name.split("/", 1)[0] for name in inner if "/" in name}
            wrapped = len(tops) == 1 and all(name.count("/") > 1 for name in inner)
            if not wrapped:
                if not found:
                    check_unsplit(where, split)
                return base
            chosen = tops.pop()
        base, inner = f"{base}/{chosen}".strip("/"), below(inner, chosen)


def _split_folder(where: str, images: Sequence[str], split: str) -> str | None:
    """The top folder that is the split; None where the top folders are no splits."""
    parts = [name.split("/", 2) for name in images]
    flat = {part[0] for part in parts if len(part) == 2}
    deep = {part[0] for part in parts if len(part) > 2}
    meant = split_folders(flat | deep, deep - flat)
    chosen = sorted(name for name in deep - flat if meant.get(name) == (split_of(split) or split) or name == split)
    if len(chosen) > 1:
        exact = [name for name in chosen if name.lower() == split.lower()]
        if len(exact) != 1:
            raise InputError(
                f"{where} holds {' and '.join(chosen)}, which could both be {split!r}; name one with --split."
            )
        return exact[0]
    if chosen:
        return chosen[0]
    if not meant or len(meant) < len(flat | deep):
        return None
    listed = ", ".join(sorted(meant))
    if flat:
        raise InputError(
            f"{where} holds the splits {listed}, but their images have no labels: put them into one folder per class "
            "in each split, or write a labels.csv with the columns file_name and label beside them."
        )
    raise InputError(f"{where} holds the splits {listed}, but no {split!r}; name one with split= (--split).")


def split_folders(names: Collection[str], deep: Collection[str] = ()) -> dict[str, str]:
    """The folders that are splits, {name: split}: by their whole names, or by all that their names do not share.

    Args:
        names: The folders beside each other.
        deep: Those that only hold further folders; of them some may be splits beside others that are none.

    >>> split_folders(["training_set", "test_set"])
    {'test_set': 'test', 'training_set': 'train'}
    >>> split_folders(["pets_train", "pets_val"]), split_folders(["test tube", "beaker"])
    ({'pets_train': 'train', 'pets_val': 'validation'}, {})
    >>> split_folders(["seg_train", "seg_test", "seg_pred"], ["seg_train", "seg_test"])
    {'seg_test': 'test', 'seg_train': 'train'}
    """
    whole = {name: split for name in sorted(names) if (split := folder_split(name)) is not None}
    partly = {name: split for name in sorted(names) if (split := split_of(name)) is not None}
    rests = {_without_split(name) for name in partly}
    enough = len(partly) == len(names) or set(partly) <= set(deep)
    alike = len(partly) > 1 and enough and len(rests) == 1 and len(set(partly.values())) > 1
    return partly if alike and len(partly) > len(whole) else whole


def _without_split(name: str) -> str:
    words = name.lower().replace("-", "_").replace(" ", "_").replace(".", "_").split("_")
    return "_".join(word for word in words if split_of(word) is None)


def read_class_folders(where: str, folders: Sequence[str], files: Sequence[str], split: str) -> ClassFolders:
    """Find the images of a split and the classes that their folders say.

    A class is a folder of the split's folder that holds images, or nothing at all. Where every folder only groups
    folders that begin with its name (a/alley, a/airfield), those are the classes.

    Raises:
        InputError: For images outside of class folders, for a folder without any, and for several datasets in one.
    """
    images = [name for name in files if is_image(name)]
    base = find_base(where, images, split)
    inner = below(images, base)
    if not any(map(folder_split, base.split("/"))):
        inner = _named_by_split(where, inner, split)
    _refuse_split_among_classes(f"{where}/{base}" if base else where, inner)
    _refuse_loose(f"{where}/{base}" if base else where, inner)
    _refuse_several(where, inner)
    _refuse_nameless(f"{where}/{base}" if base else where, inner)
    level = 1 if _only_groups(inner) else 0
    occupied = _ancestors(below(files, base))
    names = {_class_of(name, level) for name in inner}
    names |= {one for one in below(folders, base) if one.count("/") == level and one not in occupied}
    paths = sorted(names, key=lambda path: path.rsplit("/", 1)[-1])
    number = {path: i for i, path in enumerate(paths)}
    label = [number[_class_of(name, level)] for name in inner]
    deeper = any(name.count("/") > level + 1 for name in inner)
    deepest = [name.rsplit("/", 2)[-2] for name in inner] if deeper else []
    return ClassFolders(base, inner, label, [path.rsplit("/", 1)[-1] for path in paths], deepest)


def _named_by_split(where: str, images: list[str], split: str) -> list[str]:
    """The images of the split where every image's own name says one, and not all the same; else all of them.

    >>> _named_by_split("pets", ["cat/train_1.png", "cat/test_1.png"], "train")
    ['cat/train_1.png']
    """
    meant = []
    for name in images:
        one = split_of(name.rsplit("/", 1)[-1])
        if one is None:
            return images
        meant.append(one)
    if len(set(meant)) < 2:
        return images
    chosen = [name for name, one in zip(images, meant, strict=True) if one == (split_of(split) or split)]
    if not chosen:
        raise InputError(
            f"{where} holds images whose names say the splits {', '.join(sorted(set(meant)))}, but none of {split!r}; "
            "name one with split= (--split)."
        )
    return chosen


def _refuse_split_among_classes(where: str, images: Sequence[str]) -> None:
    """Raise InputError where a folder called like a split is divided as its neighbours are, or into them."""
    inner: dict[str, set[str]] = {}
    for name in images:
        top, _, rest = name.partition("/")
        inner.setdefault(top, set()).update([rest.split("/", 1)[0]] if "/" in rest else [])
    for top, folders in inner.items():
        others = [one for one in inner if one != top]
        if folder_split(top) and folders & {*others, *(name for one in others for name in inner[one])}:
            raise InputError(
                f"{where} holds {top}, which is called like a split, beside {', '.join(sorted(others)[:3])}"
                f"{', …' if len(others) > 3 else ''}: name the folder to read with --split, or move {top} away."
            )


def _class_of(name: str, level: int) -> str:
    """The folder on a level, 0 or 1, that holds a file.

    >>> _class_of("a/alley/1.png", 0), _class_of("a/alley/1.png", 1)
    ('a', 'a/alley')
    """
    return "/".join(name.split("/", level + 1)[: level + 1])


def _ancestors(files: Sequence[str]) -> set[str]:
    """Every folder that holds a file, at any depth."""
    found: set[str] = set()
    for folder in {name.rsplit("/", 1)[0] for name in files if "/" in name}:
        parts = folder.split("/")
        found.update("/".join(parts[:i]) for i in range(1, len(parts) + 1))
    return found


def _only_groups(images: Sequence[str]) -> bool:
    """Whether every class folder lies in one that only groups them, as "a" groups "a/alley" and "a/airfield"."""
    folders = {tuple(name.split("/")[:2]) for name in images if name.count("/") > 1}
    flat = any(name.count("/") == 1 for name in images)
    names = Counter(inner for _, inner in folders)
    grouped = all(inner.lower().startswith(top.lower()) and inner.lower() != top.lower() for top, inner in folders)
    return bool(folders) and not flat and grouped and max(names.values()) == 1


def _refuse_loose(where: str, images: Sequence[str]) -> None:
    loose = [name for name in images if "/" not in name]
    if loose and len(loose) < len(images):
        raise InputError(
            f"{where} has a folder per class, but {len(loose):,} images lie outside of them, {loose[0]!r} first; "
            "move them into a class folder, or away."
        )
    if loose:
        raise InputError(
            f"{where} holds images but no labels: put them into one folder per class, or write a labels.csv with the "
            "columns file_name and label beside them."
        )


def _refuse_nameless(where: str, images: Sequence[str]) -> None:
    """Raise InputError where all images lie in one folder that is called after what it holds."""
    tops = {name.split("/", 1)[0] for name in images}
    if len(tops) == 1 and next(iter(tops)).lower() in _NAMELESS:
        raise InputError(
            f"{where} holds images in {tops.pop()}/ but no labels that can be read: put them into one folder per "
            "class, or write a labels.csv with the columns file_name and label beside them; a list of another split is "
            "read with split= (--split)."
        )


def refuse_parts(where: str, found: ClassFolders) -> None:
    """Raise InputError where the folders are called like parts of one dataset, such as fold1, or like dates."""
    names = found.classes
    if len(names) > 1 and _are_layers(names):
        raise InputError(
            f"{where} holds the folders {', '.join(names)}, which are called like images and what is drawn over them: "
            "open the folder of images alone, or pass --label label if they are the classes."
        )
    unlabelled = [name for name in names if is_unlabelled(name)]
    if unlabelled and len(names) > 1:
        raise InputError(
            f"{where} holds the folder {unlabelled[0]} beside those of the classes, which is called like examples "
            f"without a label: move it out of {where} if they are, or pass --label label if it is a class."
        )
    dates = all(_DATE.fullmatch(name) for name in names)
    splits = all(folder_split(name) or name.lower() in _NAMELESS for name in names)  # images/ beside test/
    if len(names) < 2 or not (are_parts(names) or dates or splits):
        return
    inner = sorted(set(found.deepest))
    other = (
        f"--label folder if the folders inside of them are ({', '.join(inner[:3])}{', …' if len(inner) > 3 else ''})"
        if inner
        else "or write a labels.csv with the columns file_name and label beside them"
    )
    raise InputError(
        f"{where} holds the folders {', '.join(names[:3])}{', …' if len(names) > 3 else ''}, which are called like "
        f"parts of one dataset: pass --label label if they are the classes, {other}."
    )


def is_unlabelled(name: str) -> bool:
    """Whether a folder is called like examples without a label.

    >>> is_unlabelled("unsup"), is_unlabelled("Unlabeled images"), is_unlabelled("unsure")
    (True, True, False)
    """
    return _UNLABELLED.fullmatch(name.lower()) is not None


def _are_layers(names: Collection[str]) -> bool:
    """Whether the folders are called like images and their masks.

    >>> _are_layers(["images", "masks"]), _are_layers(["masks", "hats"]), _are_layers(["images", "photos"])
    (True, False, False)
    """
    lower = {name.lower() for name in names}
    return bool(lower & _NAMELESS and lower & _LAYERS) and lower <= _NAMELESS | _LAYERS


def are_parts(names: Collection[str]) -> bool:
    """Whether all names are those of numbered parts, such as HAM10000_images_part_1.

    >>> are_parts(["fold1", "fold2"]), are_parts(["Data_Batch_1", "data_batch_2"]), are_parts(["cat1", "part2"])
    (True, True, False)
    """
    found = [_PART.fullmatch(name.lower()) for name in names]
    return None not in found and len({one[1] for one in found if one is not None}) == 1


def _refuse_several(where: str, images: Sequence[str]) -> None:
    """Raise InputError where each top folder is divided into splits of its own."""
    second: dict[str, set[str]] = {}
    for name in images:
        parts = name.split("/", 2)
        second.setdefault(parts[0], set()).add(parts[1] if len(parts) > 2 else "")
    own = [top for top, inner in second.items() if all(folder_split(name) for name in inner)]
    if len(own) > 1 and len(own) == len(second):
        raise InputError(
            f"{where} holds several datasets, each with splits of its own: {', '.join(sorted(own)[:10])}; open one of "
            "them, or move the splits to the top if these are classes"
            f"{listed_datasets([Path(where, name) for name in sorted(own)])}."
        )
