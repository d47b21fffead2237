"""Files beside WebDataset shards that say how many samples each holds: kept right in an export, or left out of it."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from datapare.data.formats.detect import expanded
from datapare.data.json_annotations import Json
from datapare.errors import InputError

_ENDINGS = (".json", ".yaml", ".yml")
_COUNTS = frozenset(
    {"nsamples", "num_samples", "n_samples", "samples", "num_examples", "nexamples", "count", "length", "size", "total"}
    | {"total_samples", "dataset_size"}
)
_SIZES = frozenset({"filesize", "file_size", "num_bytes", "nbytes", "bytes"})
_HASHES = frozenset({"md5sum", "md5", "sha256", "sha256sum", "sha1", "etag", "checksum"})
_STATISTICS = re.compile(r".*_stats\.json|stats\.json|.*\.etag")  # of a download by img2dataset
_LARGEST = 1 << 24


class Shards(NamedTuple):
    """The shards of an export.

    Attributes:
        samples: How many samples each holds, by its name.
        files: The file of each, by its name.
        gone: Names of shards of the source that the export does not have.
        before: How many samples there were in all.
        after: How many there are now.
    """

    samples: Mapping[str, int]
    files: Mapping[str, Path]
    gone: frozenset[str]
    before: int
    after: int


def statistics_files(names: Collection[str]) -> list[str]:
    """Return the files that say what a download of whole shards met, which is true of no smaller dataset.

    >>> statistics_files(["00000.tar", "00000_stats.json", "sizes.json"])
    ['00000_stats.json']
    """
    return [name for name in names if _STATISTICS.fullmatch(name.rpartition("/")[2].lower())]


def with_counts(out: Path, names: Collection[str], shards: Shards) -> None:
    """Correct the counts in the files of an export that index its shards, and remove those that cannot be corrected.

    Args:
        out: The export, which the files were copied to.
        names: The files of the source.
        shards: What the export holds.
    """
    for name in names:
        if name.lower().endswith(_ENDINGS) and (out / name).is_file() and (out / name).stat().st_size < _LARGEST:
            new = _corrected(out / name, shards)
            if new is not None:
                (out / name).unlink()  # it may be a link to the source
                if new:
                    (out / name).write_text(new, encoding="utf-8")
    for name in statistics_files(names):
        (out / name).unlink(missing_ok=True)


def _corrected(path: Path, shards: Shards) -> str | None:
    """The new content of a file; "" for one that cannot be corrected, and None for one that need not be."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    is_json = path.suffix.lower() == ".json"
    try:
        value = json.loads(text) if is_json else _from_yaml(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict | list):
        return None
    try:
        new = _renewed(value, shards)
    except InputError:
        return ""
    if new == value:
        return None
    return json.dumps(new, indent=2 if "\n" in text.strip() else None) + "\n" if is_json else _to_yaml(new)


def _from_yaml(text: str) -> Json:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _to_yaml(value: Json) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def _renewed(value: Json, shards: Shards) -> Json:
    """The value with the counts of the export; raises InputError where one belongs to nothing that is known."""
    if isinstance(value, list):
        return [_renewed(one, shards) for one in value]
    if not isinstance(value, dict):
        return value
    own = _named_shards(value, shards)
    return {name: _renewed_member(str(name), one, own, shards) for name, one in value.items()}


def _renewed_member(name: str, value: Json, own: Collection[str], shards: Shards) -> Json:
    """What a member of an object says of the export; `own` are the shards that the object names."""
    lower, named = name.lower(), _shard(name, shards)
    if isinstance(value, dict | list):
        return _renewed(value, shards)
    if lower in _HASHES and own:
        return _hash(lower, own, shards)
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if named is not None:  # {"00000.tar": 1000}
        value = shards.samples[named]
    elif lower in _SIZES and own:
        value = sum(shards.files[one].stat().st_size for one in own)
    elif lower in _COUNTS and own:
        value = sum(shards.samples[one] for one in own)
    elif lower in _COUNTS and value == shards.before:
        value = shards.after
    return value


def _hash(name: str, own: Collection[str], shards: Shards) -> str:
    kind = name.removesuffix("sum")
    if len(own) != 1 or kind not in {"md5", "sha256", "sha1"}:
        raise InputError(f"no {name} is known of {len(own)} shards.")
    with shards.files[next(iter(own))].open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _named_shards(value: Mapping[str, Json], shards: Shards) -> list[str]:
    """The shards that an object names in its own members, by patterns with braces too.

    Raises:
        InputError: Where some of several shards are of another split, or one is not in the export.
    """
    found: dict[str, None] = {}
    for one in value.values():
        texts = one if isinstance(one, list) else [one]
        if not all(isinstance(text, str) and ".tar" in text for text in texts) or not texts:
            continue
        names = [name for text in texts for name in _expanded(text)]
        there = [_shard(name, shards) for name in names]
        if None in there and any(there):
            raise InputError("some of the shards are of another split.")
        found |= dict.fromkeys(name for name in there if name is not None)
    return list(found)


def _expanded(text: str) -> list[str]:
    first = re.search(r"\{(\d{1,9})\.\.(\d{1,9})\}", text)
    few = first is None or int(first[2]) - int(first[1]) < 1_000_000
    return expanded(text) if few else [text]


def _shard(name: str, shards: Shards) -> str | None:
    """The shard that a path, an address or a name means; None for none, or one of another split."""
    last = name.rstrip("}'\" ").rsplit("/", 1)[-1]
    if last in shards.gone:
        raise InputError(f"{last} is no shard of the export.")
    return last if last in shards.samples else None
