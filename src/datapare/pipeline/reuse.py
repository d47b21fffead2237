"""Use the record of a run for its dataset after that has changed: nothing is trained again for what is known."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics
from datapare.data import Dataset, encode
from datapare.data.former_keys import in_keys_of, with_former_keys
from datapare.errors import InputError
from datapare.methods.signals import DEFAULT, SIGNALS
from datapare.options import RecordOptions
from datapare.pipeline.renamed import save_contents, with_renamed
from datapare.pipeline.stored_run import RUN, read_run

NewExamples = Literal["ask", "predict", "record"]
PREVIOUS = "previous"
DERIVED = ("keep-*", "scores-*", "scores.parquet", "comparison", "sweep", "curve")
REUSED = "reused_from"  # in the provenance of such a record: the digest of the dataset that was trained on


@dataclass(frozen=True, eq=False)
class Match:
    """Which examples of a changed dataset are in a record.

    Attributes:
        position: Where each example (N,) is in the record; -1 where it is new or has another label.
        missing: How many recorded examples are gone.
    """

    position: NDArray[np.int64]
    missing: int

    @property
    def new(self) -> int:
        """How many examples are not in the record."""
        return int((self.position < 0).sum())


def match(record: Dynamics, data: Dataset) -> Match:
    """Find the examples of a dataset in a record, by key and name of the class.

    >>> from datapare.data import open_dataset
    >>> x, y = np.eye(5), np.array([0, 1, 0, 1, 0])
    >>> old, new = open_dataset((x, y)), open_dataset((x[[3, 0, 1, 2]], y[[3, 0, 1, 2]]))
    >>> record = Dynamics({"target_prob": np.zeros((2, 5))}, y, key=old.key, classes=old.classes)
    >>> match(record, new).position.tolist(), match(record, new).missing
    ([3, 0, 1, 2], 1)
    """
    if record.key is None or not len(record.key):
        return Match(np.full(len(data), -1), 0)
    order = np.argsort(record.key)
    place = np.minimum(np.searchsorted(record.key, data.key, sorter=order), len(order) - 1)
    position = order[place]
    before = np.asarray(record.classes or data.classes, dtype=object)[record.label[position]]
    known = (record.key[position] == data.key) & (before == np.asarray(data.classes, dtype=object)[data.label])
    found = np.where(known, position, -1)
    return Match(found, len(record.key) - len(np.unique(found[known])))


def carried_over(record: Dynamics, found: Match, data: Dataset) -> Dynamics:
    """Return the record of the changed dataset, with NaN in the channels of new examples.

    Other arrays are left out where there are new examples, and those with an entry per class where the classes changed.
    """
    position, new = found.position, found.position < 0
    channels = {}
    for name, values in record.channels.items():
        channels[name] = np.asarray(values)[:, np.maximum(position, 0)].astype(np.float32)  # (T, N)
        channels[name][:, new] = np.nan
    same_classes = tuple(record.classes) == tuple(data.classes)
    arrays = {
        name: np.asarray(values)[position]
        for name, values in record.arrays.items()
        if not new.any() and (same_classes or name not in SIGNALS or SIGNALS[name].shape != "N K")
    }
    params = {**record.provenance.params, REUSED: record.provenance.dataset, "new_examples": found.new}
    provenance = replace(record.provenance, dataset=data.digest, params=params)
    return replace(
        record, channels=channels, arrays=arrays, label=data.label, key=data.key, classes=data.classes,
        provenance=provenance,
    )  # fmt: skip


def adapt(
    folder: Path, data: Dataset, new_examples: NewExamples, on_message: Callable[[str], object], *, seed: int = 0
) -> None:
    """Make a run folder one of the changed dataset, with what its record knows; the lock of the folder is held.

    What was made for the dataset as it was goes to `previous/<its digest>/`. Nothing happens where the folder is new,
    or its dataset has not changed.

    Args:
        folder: The run folder.
        data: The dataset as it is now.
        new_examples: Predict the scores of examples that the record does not hold, or record all again; "ask" refuses.
        on_message: Receives a line about what is reused.
        seed: Seed of the projection by which new examples are compared with known ones.

    Raises:
        MismatchError: Where the dataset is another one.
        InputError: Where there are new examples and `new_examples` is "ask".
    """
    described = read_run(folder)
    if described is None or described["digest"] == in_keys_of(data, described["digest"]).digest:
        return
    archive = folder / PREVIOUS / described["digest"][:8]
    record = _record_in(archive) or _record_in(folder)  # in the archive when a call like this one was killed
    if record is None:
        return
    found = with_renamed(_matched(record, data), record, data, folder)
    if found.new == len(data):
        return  # another dataset, as the run folder says
    again = found.new > 0 and new_examples == "record"
    if found.new and new_examples == "ask":
        raise InputError(
            f"{found.new:,} of {len(data):,} examples are not in the record of {folder}: pass --new-examples predict "
            "to predict their scores from those of the others, or --new-examples record to record all again."
        )
    made = None if again else _completed(carried_over(record, found, data), found, data, seed)
    _archive(folder, archive, described, made)
    path = None if data.path is None else str(data.path.resolve())
    now = {**described, "path": path, "digest": data.digest, "examples": len(data)}
    storage.write_json(folder / RUN, now)
    if made is not None:
        save_contents(folder, data, reuse=True)
    on_message(_describe(found, len(data), again=again))


def _matched(record: Dynamics, data: Dataset) -> Match:
    """Which examples are in the record, under the keys of today or those of before 0.2."""
    found = match(record, data)
    former = with_former_keys(data) if found.new == len(data) else None
    return found if former is None else match(record, former)


def _describe(found: Match, total: int, *, again: bool) -> str:
    if again:
        return f"{found.new:,} examples are new: recording again; what there was is in {PREVIOUS}/"
    gone = f", {found.missing:,} are gone" if found.missing else ""
    new = f", {found.new:,} are new and get predicted scores" if found.new else ""
    return f"the dataset has changed: the record of {total - found.new:,} examples is used again{gone}{new}"


def _record_in(folder: Path) -> Dynamics | None:
    place = folder / "dynamics"
    found = storage.load(place) if storage.is_finished(place) else None
    return found if isinstance(found, Dynamics) else None


def _archive(folder: Path, archive: Path, described: object, made: Dynamics | None) -> None:
    """Move all results into the archive, the record last, and put the new record in its place.

    A kill leaves a folder on which the same call goes on: until run.json is rewritten, it says what the archive is.
    """
    archive.mkdir(parents=True, exist_ok=True)
    storage.write_json(archive / RUN, described)
    for pattern in DERIVED:
        for place in folder.glob(pattern):
            if not (archive / place.name).exists():
                place.rename(archive / place.name)
    draft = folder / "dynamics-changed"
    if made is not None:
        storage.save(made, draft)
    if not storage.is_finished(archive / "dynamics"):
        (folder / "dynamics").rename(archive / "dynamics")
    if made is not None:
        storage.save(made, folder / "dynamics")
        storage.remove(draft)


def _completed(record: Dynamics, found: Match, data: Dataset, seed: int) -> Dynamics:
    """The record with an embedding of all examples where some are new, so that their scores can be predicted."""
    if not found.new:
        return record
    arrays = {**record.arrays, "embedding": plain_features(data, seed)}
    params = {**record.provenance.params, "embedding": "inputs"}
    return replace(record, arrays=arrays, provenance=replace(record.provenance, params=params))


def plain_features(data: Dataset, seed: int, width: int = 128) -> NDArray[np.float32]:
    """Return features (N, d) of the inputs alone: their values, projected at random where they are many.

    Texts are bags of words: the mean of one random vector per word.
    """
    inputs = encode(data)
    rng = np.random.default_rng(seed)
    if data.kind == "text":
        vectors = rng.standard_normal((inputs.encoding.tokens, width), np.float32)
        vectors[0] = 0.0  # padding
        used = np.maximum((inputs.array > 0).sum(axis=1, keepdims=True), 1)
        total: NDArray[np.float32] = np.stack([vectors[row].sum(axis=0) for row in inputs.array])
        mean: NDArray[np.float32] = np.divide(total, used, dtype=np.float32)
        return mean
    flat = inputs.array.reshape(len(data), -1)  # (N, F)
    if flat.shape[1] <= width:
        return np.ascontiguousarray(flat, np.float32)
    projection = rng.standard_normal((flat.shape[1], width), np.float32) / np.float32(np.sqrt(width))
    blocks = [flat[i : i + 1024].astype(np.float32) @ projection for i in range(0, len(flat), 1024)]
    return np.concatenate(blocks)


def is_reused(record: Dynamics) -> bool:
    """Whether the record was made for the dataset as it was before a change."""
    return REUSED in record.provenance.params


def check_options(record: Dynamics, options: RecordOptions) -> None:
    """Raise InputError where a reused record was made with other settings than those that are asked for."""
    there = {**record.provenance.params, "seed": record.provenance.seed}
    asked = {
        name: value for name, value in options.items() if value is not None and name not in {"channels", "processes"}
    }
    differing = [name for name in asked if name in there and asked[name] != there[name]]
    held = {DEFAULT, *record.channels, *record.arrays}
    lacking = [name for name in options.get("channels") or () if name not in held]
    if differing or lacking:
        shown = [f"{name} {there[name]} there, {asked[name]} here" for name in differing]
        shown += [f"it lacks {', '.join(lacking)}"] if lacking else []
        raise InputError(
            f"the record was made before the dataset changed, and otherwise ({'; '.join(shown)}): "
            "give the same settings, or choose another --out."
        )
