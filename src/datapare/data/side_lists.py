"""Lists of images beside a dataset: what they say of dropped images goes from the export."""

import io
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from datapare.data import json_annotations
from datapare.data.formats import parquet
from datapare.data.id_tables import without_images
from datapare.data.image_names import ImageNames
from datapare.data.layouts import is_image
from datapare.data.list_files import Fields, is_list, json_entries, parquet_fields, read_records
from datapare.data.paths import split_of
from datapare.errors import InputError

_SIDECARS = (".txt", ".json", ".xml", ".caption", ".yaml", ".yml")
_LARGEST = 1 << 28
_SAMPLE = 200


def without_dropped(
    root: Path, files: Sequence[str], images: Sequence[str], unwanted: Collection[str], split: str, own: Collection[str]
) -> tuple[set[str], dict[str, bytes]]:
    """Which images go, and what the lists of images say without them.

    Args:
        root: The dataset's folder.
        files: All its files, as relative names.
        images: Those that are images.
        unwanted: The images that are not kept.
        split: The split that is pruned.
        own: Lists that are written elsewhere.

    Returns:
        The unwanted images but for those that a list of another split names, and {list: its new content} for each list
        that names one of them.
    """
    lists = [name for name in files if is_list(name) and name not in own]
    lists = [name for name in lists if 0 < _size(root / name) < _LARGEST] if unwanted else []
    ours = split_of(split) or split
    dropped = set(unwanted)
    for name in lists:
        if split_of(name) not in {None, ours}:
            dropped -= _named(root / name, _lookup(images, name, split_of(name) or ours))
    if not dropped:
        return dropped, {}
    new = {}
    for name in lists:
        if split_of(name) in {None, ours}:
            content = _filtered(root / name, _lookup(images, name, ours), dropped)
            if content is not None:
                new[name] = content
    return dropped, new | without_images(root, files, dropped)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _lookup(images: Sequence[str], name: str, split: str) -> ImageNames:
    return ImageNames(images, name.rpartition("/")[0], split)


def beside_dropped(files: Iterable[str], dropped: Collection[str], kept: Iterable[str]) -> set[str]:
    """Files that belong to one dropped image each: captions and annotations that are called like it.

    >>> beside_dropped(["a/0.png", "a/0.txt", "a/1.txt"], {"a/0.png"}, ["a/1.png"])
    {'a/0.txt'}
    """
    stems = {name.rpartition(".")[0] for name in dropped} - {name.rpartition(".")[0] for name in kept}
    return {name for name in files if name.lower().endswith(_SIDECARS) and name.rpartition(".")[0] in stems}


def _named(path: Path, names: ImageNames) -> set[str]:
    """The images that a list names."""
    if path.suffix.lower() == ".json":
        listed = [str(entry.get("file_name", "")) for entry in json_entries(path)]
        return {one for one in map(names.below_other_root(listed).find, listed) if one is not None}
    try:
        fields = parquet_fields(path) if path.suffix.lower() == ".parquet" else read_records(path).fields
    except InputError:
        return set()
    column = name_column(fields, names)
    if column is None:
        return set()
    values = _column(fields, column)
    return {one for one in map(names.below_other_root(values).find, values) if one is not None}


def _filtered(path: Path, names: ImageNames, dropped: Collection[str]) -> bytes | None:
    """The content of a list without the records that name a dropped image; None where nothing changes."""
    if path.suffix.lower() == ".json":
        return filtered_json(path, names, dropped)
    if path.suffix.lower() == ".parquet":
        return _filtered_parquet(path, names, dropped)
    try:
        found = read_records(path)
    except InputError:  # what cannot be read comes along as it is
        return None
    column = name_column(found.fields, names)
    if column is None:
        return None
    names = names.below_other_root(_column(found.fields, column))
    both = zip(found.records, found.fields, strict=True)
    kept = [record for record, fields in both if names.find(fields.get(column, "")) not in dropped]
    return None if len(kept) == len(found.records) else found.header + b"".join(kept)


def _filtered_parquet(path: Path, names: ImageNames, dropped: Collection[str]) -> bytes | None:
    try:
        fields = parquet_fields(path)
    except InputError:  # what cannot be read comes along as it is
        return None
    column = name_column(fields, names)
    names = names if column is None else names.below_other_root(_column(fields, column))
    keep = [i for i, one in enumerate(fields) if column is None or names.find(one.get(column, "")) not in dropped]
    if len(keep) == len(fields):
        return None
    out = io.BytesIO()
    parquet.write(path, keep, out)
    return out.getvalue()


def filtered_json(path: Path, names: ImageNames, dropped: Collection[str]) -> bytes | None:
    """The content of a JSON file without what names a dropped image; None where nothing changes."""
    try:
        value = json_annotations.load(path)
    except InputError:  # what cannot be read comes along as it is
        return None
    listed = [str(entry.get("file_name", "")) for entry in json_annotations.entries(value) or []]
    names = names.below_other_root(listed or [text for text in json_annotations.texts(value) if is_image(text)])
    stems = bool(listed) and _share(listed, names) >= 0.9

    def is_dropped(text: str) -> bool:
        return (stems or is_image(text)) and names.find(text) in dropped

    new = json_annotations.without(value, is_dropped)
    if new == value:
        return None
    return json_annotations.dump(new, path.read_text(encoding="utf-8-sig")).encode()


def name_column(records: Sequence[Fields], names: ImageNames) -> str | None:
    """The field whose values name images: most of them where they end like images, nearly all where they do not.

    >>> names = ImageNames(["0.png", "1.png"], "", "train")
    >>> name_column([{"class": "0", "file": "0.png"}, {"class": "0", "file": "1.png"}], names)
    'file'
    """
    sample = records[:: max(1, len(records) // _SAMPLE)][:_SAMPLE]
    best, most = None, 0
    for column in dict.fromkeys(name for fields in sample for name in fields):
        values = _column(sample, column)
        below = names.below_other_root(values)
        different = len({below.find(value) for value in values} - {None})
        enough = 0.5 if sum(map(is_image, values)) * 2 > len(values) else 0.9
        if different > most and (different > 1 or len(values) == 1) and _share(values, below) >= enough:
            best, most = column, different
    return best


def _column(records: Sequence[Fields], column: str) -> list[str]:
    return [fields.get(column, "") for fields in records]


def _share(values: Sequence[str], names: ImageNames) -> float:
    return sum(names.find(value) is not None for value in values) / max(1, len(values))
