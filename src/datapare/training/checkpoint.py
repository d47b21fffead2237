"""The state of a training after an epoch, in one file that is either whole or absent.

It is read with weights_only=True, so loading it runs no code. A damaged one is discarded: the training starts over.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from datapare import storage
from datapare.data import Inputs
from datapare.data.encodings.streamed import stream_of
from datapare.errors import InputError, is_refused
from datapare.training.config import TrainingConfig
from datapare.training.online import Loss, Sampler

NAME = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """What a training knows after some epochs, beside the tensors: its mean losses and its cost."""

    loss: tuple[float, ...] = ()
    seconds: float = 0.0
    iterations: int = 0
    examples: int = 0
    revisited: int = 0


def fingerprint(
    inputs: Inputs,
    label: NDArray[np.int64],
    n_classes: int,
    training: TrainingConfig,
    seed: int,
    index: NDArray[np.int64],
    *,
    sampler: Sampler | None = None,
    loss: Loss | None = None,
) -> str:
    """Return a digest of everything that decides a training; of the rows, a thousand stand for all."""
    settings = asdict(training)
    shape = [list(inputs.array.shape), str(inputs.array.dtype), inputs.encoding.kind]
    digest = hashlib.sha256(json.dumps([settings, seed, n_classes, shape]).encode())
    stream = stream_of(inputs.array)
    if stream is not None and stream.shard is not None:
        digest.update(stream.shard.tobytes())  # they decide the order
    some = np.linspace(0, len(label) - 1, num=min(1000, len(label)), dtype=np.int64)
    for values in (label, index, inputs.array[some]):
        digest.update(np.ascontiguousarray(values).tobytes())
    if sampler is not None:
        digest.update(json.dumps(sampler.facts(), sort_keys=True).encode())
    if loss is not None:
        digest.update(json.dumps([loss.name, dict(loss.params)], sort_keys=True).encode())
        for array in (loss.value, *loss.more):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def store(
    folder: Path | None,
    mark: str,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    state: Checkpoint,
    sampler: Sampler | None = None,
) -> None:
    """Write the state atomically into the folder; nothing without a folder. Raises InputError when it cannot."""
    if folder is None:
        return
    values = {"state": {**asdict(state), "loss": list(state.loss)}, "mark": mark, "network": network.state_dict()}
    if sampler is not None:
        values["sampler"] = sampler.state_dict()
    with storage.atomic_write(folder / NAME) as draft, draft.open("wb") as file:
        try:
            torch.save({**values, "optimizer": optimizer.state_dict()}, file)
        except RuntimeError as error:  # torch reports a short write like this
            raise OSError(str(error)) from error


def read(
    folder: Path | None, mark: str, network: torch.nn.Module, *, with_sampler: bool = False
) -> Mapping[str, Any] | None:
    """Return the folder's state, for `restore`; None when there is none, or a damaged one, which is then removed.

    Raises InputError when the state belongs to another training.
    """
    if folder is None or not (folder / NAME).is_file():
        return None
    values = _read(folder / NAME)
    if isinstance(other := values.get("mark"), str) and other != mark:
        raise InputError(
            f"the unfinished training in {folder} has other settings, data or seed than this one: "
            f"repeat its call, choose another folder, or delete {NAME}."
        )
    if not _is_complete(values, network, with_sampler=with_sampler):
        warnings.warn(f"{folder / NAME} is damaged and was discarded; the training starts over.", stacklevel=2)
        forget(folder)
        return None
    return values


def restore(
    values: Mapping[str, Any],
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    sampler: Sampler | None = None,
) -> Checkpoint:
    """Load a state that was read into network, optimiser and sampler."""
    network.load_state_dict(values["network"])
    optimizer.load_state_dict(values["optimizer"])
    if sampler is not None:
        sampler.load_state_dict(values["sampler"])
    return Checkpoint(**{**values["state"], "loss": tuple(values["state"]["loss"])})


def forget(folder: Path | None) -> None:
    """Remove the folder's state, and what dead processes wrote of one."""
    if folder is not None:
        (folder / NAME).unlink(missing_ok=True)
        storage.remove_drafts(folder / NAME)


def _read(file: Path) -> Mapping[str, Any]:
    """Return the values in a file, by name, on the CPU; none of a file that torch cannot read."""
    try:
        with ZipFile(file) as archive:
            if archive.testzip() is not None:  # torch does not look at the checksums
                return {}
        values = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # readers of a damaged file raise anything
        if is_refused(error):
            raise  # nothing is known of it, so it stays
        return {}
    return values if isinstance(values, dict) else {}


def _is_complete(values: Mapping[str, Any], network: torch.nn.Module, *, with_sampler: bool) -> bool:
    """Whether a state has all its parts, and those of the network fit: nothing is loaded of one that has not."""
    known = {field.name for field in fields(Checkpoint)}
    parts = ["state", "network", "optimizer"] + (["sampler"] if with_sampler else [])
    whole = isinstance(values.get("mark"), str) and all(isinstance(values.get(name), dict) for name in parts)
    if not whole or values["state"].keys() != known:
        return False
    shapes = {name: getattr(tensor, "shape", None) for name, tensor in values["network"].items()}
    return shapes == {name: tensor.shape for name, tensor in network.state_dict().items()}
