"""The state of a training after an epoch, in one file that is either whole or absent.

The file is written beside its place, flushed to the disk and renamed; it is read with weights_only=True, so loading it
runs no code.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from datapare.data import Inputs
from datapare.errors import InputError
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
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / f"{NAME}.half"
    values = {"state": {**asdict(state), "loss": list(state.loss)}, "mark": mark, "network": network.state_dict()}
    if sampler is not None:
        values["sampler"] = sampler.state_dict()
    try:
        with half.open("wb") as file:
            torch.save({**values, "optimizer": optimizer.state_dict()}, file)
            file.flush()
            os.fsync(file.fileno())
        half.replace(folder / NAME)
    except (OSError, RuntimeError) as error:  # torch tells of a short write by a RuntimeError
        half.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or "the disk is full"
        raise InputError(
            f"cannot write {folder / NAME}: {reason}; free some space, and the same call resumes."
        ) from error


def restore(
    folder: Path | None,
    mark: str,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    sampler: Sampler | None = None,
) -> Checkpoint | None:
    """Load the folder's state into network, optimiser and sampler; None when there is none.

    Raises InputError when the state belongs to another training.
    """
    if folder is None or not (folder / NAME).exists():
        return None
    where = next(network.parameters()).device
    values = torch.load(folder / NAME, map_location=where, weights_only=True)
    if values["mark"] != mark:
        raise InputError(
            f"the unfinished training in {folder} has other settings, data or seed than this one: "
            f"repeat its call, choose another folder, or delete {NAME}."
        )
    network.load_state_dict(values["network"])
    optimizer.load_state_dict(values["optimizer"])
    if sampler is not None:
        sampler.load_state_dict(values["sampler"])
    return Checkpoint(**{**values["state"], "loss": tuple(values["state"]["loss"])})


def forget(folder: Path | None) -> None:
    """Remove the folder's state, whole or half."""
    if folder is not None:
        for name in (NAME, f"{NAME}.half"):
            (folder / name).unlink(missing_ok=True)
