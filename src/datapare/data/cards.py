"""The card of a dataset repository (README.md): which files make which split, and how many rows each split has."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from datapare.data.json_annotations import Json
from datapare.data.paths import same_split
from datapare.data.tables import listed_datasets
from datapare.errors import InputError

CARD = "README.md"
INFOS = "dataset_infos.json"


def split_files(folder: Path, split: str, configuration: str | None) -> tuple[Path, ...] | None:
    """Return the files that the card names for a split of a configuration; None where it names no files.

    Raises:
        InputError: Where there are several configurations and none is named or the default, or no such split.
    """
    found = configurations(folder)
    if not found:
        if configuration is not None:
            raise InputError(f"{folder} has no card with configurations, so {configuration!r} names none.")
        return None
    splits = found[_chosen(folder, list(found), configuration)]
    name = next((one for one in splits if one == split), None) or next(
        (one for one in splits if same_split(one, split)), None
    )
    if name is None:
        raise InputError(
            f"{folder} holds the splits {', '.join(splits)}, but no {split!r}; name one with split= (--split)."
        )
    return _resolved(folder, splits[name])


def _chosen(folder: Path, names: Sequence[str], configuration: str | None) -> str:
    if configuration is None and (len(names) == 1 or "default" in names):
        return "default" if "default" in names else names[0]
    if configuration is None or configuration not in names:
        problem = f"no {configuration!r}" if configuration else "none of them is the default"
        raise InputError(
            f"{folder} holds the configurations {', '.join(names)}, and {problem}; name one, such as "
            f"{folder}:{names[0]}{listed_datasets([folder.with_name(f'{folder.name}:{name}') for name in names])}."
        )
    return configuration


def configurations(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Return the patterns of files by configuration and split; those without `data_files` are left out."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in _metadata(folder).get("configs") or ():
        if isinstance(one, dict) and one.get("data_files"):
            name = "default" if one.get("default") is True else str(one.get("config_name", "default"))
            found[name] = _patterns(one["data_files"], str(one.get("data_dir") or ""))
    return found


def class_names(folder: Path, configuration: str | None) -> dict[str, tuple[str, ...]]:
    """Return the names of the classes of each column that the card says them of, in the order of their numbers.

    Args:
        folder: The dataset's folder.
        configuration: The configuration that was named; None where there is one, or the default one is meant.
    """
    infos = _metadata(folder).get("dataset_info") or []
    infos = infos if isinstance(infos, list) else [infos]
    named = {str(one.get("config_name", "default")): one for one in infos if isinstance(one, dict)}
    info = named.get(configuration or "default") or (next(iter(named.values())) if len(named) == 1 else {})
    found = {}
    for feature in info.get("features") or []:
        kind = feature.get("dtype") if isinstance(feature, dict) else None
        names = kind.get("class_label", {}).get("names") if isinstance(kind, dict) else None
        if isinstance(names, dict) and all(str(number).isdecimal() for number in names):
            names = [names[number] for number in sorted(names, key=int)]
        if isinstance(names, list) and names:
            found[str(feature.get("name"))] = tuple(map(str, names))
    return found


def _metadata(folder: Path) -> Mapping[str, Json]:
    card = folder / CARD
    if not card.is_file() or not card.read_bytes().startswith(b"---"):
        return {}
    from huggingface_hub import metadata_load

    try:
        return metadata_load(card) or {}
    except Exception:  # noqa: BLE001 (a broken card is carried along, not read)
        return {}


def _patterns(files: Json, folder: str) -> dict[str, list[str]]:
    """The patterns by split of any of the forms that a card may have."""
    if isinstance(files, dict):
        files = [{"split": split, "path": path} for split, path in files.items()]
    if isinstance(files, str) or (isinstance(files, list) and all(isinstance(one, str) for one in files)):
        files = [{"split": "train", "path": files}]
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    found: dict[str, list[str]] = {}
    for one in files:
        path = one.get("path", ())
        found[str(one.get("split", "train"))] = [prefix + p for p in ([path] if isinstance(path, str) else path)]
    return found


def _resolved(folder: Path, patterns: Sequence[str]) -> tuple[Path, ...]:
    from datasets.data_files import resolve_pattern

    found: dict[Path, None] = {}
    for pattern in patterns:
        try:
            found |= dict.fromkeys(sorted(Path(one) for one in resolve_pattern(pattern, str(folder))))
        except FileNotFoundError:
            raise InputError(f"the card of {folder} names files {pattern!r}, but there are none.") from None
    inside = folder.resolve()
    if any(inside not in one.resolve().parents for one in found):
        raise InputError(f"the card of {folder} names files outside of that folder.")
    return tuple(found)


def with_split_size(folder: Path, out: Path, files: Sequence[Path], split: str, count: int) -> None:
    """Write the count of a split into the card and the `dataset_infos.json` of an export, where they hold one.

    Args:
        folder: The source.
        out: The export, to which both files have been copied or linked.
        files: The files that were read, which determine the configuration.
        split: The split that was pruned.
        count: The examples it has left.
    """
    name = _configuration_of(folder, files, split)
    for file, edited in ((CARD, edited_card), (INFOS, edited_infos)):
        if (out / file).is_file() and (folder / file).is_file():
            before = (folder / file).read_bytes().decode("utf-8", "surrogateescape")
            after = edited(before, name, split, count)
            if after != before:
                (out / file).unlink()  # it may be a link to the source
                (out / file).write_bytes(after.encode("utf-8", "surrogateescape"))


def _configuration_of(folder: Path, files: Sequence[Path], split: str) -> str | None:
    """The only configuration that the files are of; None where it makes no difference."""
    for name, splits in configurations(folder).items():
        for one, patterns in splits.items():
            if (one == split or same_split(one, split)) and set(files) == set(_resolved(folder, patterns)):
                return name
    return None


def edited_card(text: str, configuration: str | None, split: str, count: int) -> str:
    r"""Return the card with another count for a split, its bytes in proportion, and without sizes of the whole.

    >>> card = "---\ndataset_info:\n  splits:\n  - name: train\n    num_examples: 40\n---\n"
    >>> edited_card(card, None, "train", 20) == card.replace("40", "20")
    True
    """
    head = re.match(r"---\r?\n.*?\n(?=---)", text, re.DOTALL)
    block = re.search(r"(?ms)^dataset_info:.*?(?=^[^\s-]|\Z)", head[0]) if head else None
    if block is None:
        return text

    def entry(found: re.Match[str]) -> str:
        name = re.search(r"""(?m)^[ -] +config_name: *['"]?([^'"\r\n]+)""", found[0])
        if configuration is not None and name is not None and name[1] != configuration:
            return found[0]
        lighter = re.sub(r"(?m)^ +(download_size|dataset_size):.*\n", "", found[0])
        return re.sub(r"""(?m)^ *- +name: *['"]?([^'"\r\n]*)['"]?\r?\n((?! *- ) +.*\n)*""", size, lighter)

    def size(found: re.Match[str]) -> str:
        if not (found[1] == split or same_split(found[1], split)) or "num_examples:" not in found[0]:
            return found[0]
        before = max(int((re.search(r"num_examples: *(\d+)", found[0]) or "00")[1]), 1)
        lighter = re.sub(r"num_bytes: *(\d+)", lambda n: f"num_bytes: {int(n[1]) * count // before}", found[0])
        return re.sub(r"num_examples: *\d+", f"num_examples: {count}", lighter)

    edited = re.sub(r"(?ms)^(dataset_info:\r?\n)?(- .*?(?=^- |\Z)|  .*\Z)", entry, block[0])
    return text[: block.start()] + edited + text[block.end() :]


def edited_infos(text: str, configuration: str | None, split: str, count: int) -> str:
    """Return `dataset_infos.json` with another number of examples for a split."""
    try:
        infos = json.loads(text)
        for name, info in infos.items():
            if configuration in {None, name}:
                for one, facts in (info.get("splits") or {}).items():
                    if one == split or same_split(one, split):
                        facts["num_bytes"] = facts.get("num_bytes", 0) * count // max(facts["num_examples"], 1)
                        facts["num_examples"] = count
                for size in ("download_size", "dataset_size"):
                    info.pop(size, None)
    except (ValueError, AttributeError, TypeError):
        return text  # no file of that kind: it comes along as it is
    return json.dumps(infos, indent=2, ensure_ascii=False)
