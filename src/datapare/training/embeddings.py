"""Another embedding for a finished record: a pretrained backbone's, an array of one's own, or the network's again."""

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from datapare import storage
from datapare.artifacts import Array, Dynamics, Params
from datapare.data import Dataset, Inputs, encode
from datapare.data.encodings.base import allocate
from datapare.errors import InputError
from datapare.numerics.embeddings import squared_norms
from datapare.training.config import TrainingConfig
from datapare.training.device import BACKBONE_THREADS, compute_threads
from datapare.training.inference import predict
from datapare.training.networks.factory import Network, Pretrained, load_pretrained, normalisation

EMBEDDING = "embedding"
PART = 8192  # examples whose features are made and written together
MARK = "mark.json"
OWN = "own-embedding.npy"  # the recorded network's features, kept when others take their place


class Backbone(Pretrained):
    """A pretrained transformers model without a head: rows of an encoding in, one vector per example out.

    Texts: the mean over their tokens. Images: the mean over positions, of patches or of a convolutional map.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, d) for normalised images (B, C, H, W) or token ids (B, L), 0 = padding."""
        state: Tensor = self.model(**self.given(x)).last_hidden_state
        if self.kind == "image":
            return state.mean((2, 3)) if state.ndim == 4 else state.mean(1)  # (B, d, H, W) or (B, L, d)
        there = (x != 0).long()
        return (state * there[..., None]).sum(1) / there.sum(1, keepdim=True).clamp(min=1)


class Mark(TypedDict):
    """What the parts of an embedding in a folder are of."""

    model: str
    transformers: str
    dataset: str
    input_shape: list[int]


def embed_with(
    name: str, data: Dataset, *, image_size: int | None = None, parts: Path | None = None
) -> NDArray[np.float32]:
    """Return the features (N, d) of a pretrained transformers backbone, in eval mode; nothing is augmented.

    They are made PART examples at a time, in one process, and kept in the folder `parts`, where one is given: the same
    call then goes on after a crash, with the examples of the same dataset.

    Raises InputError for tables and embeddings, or a name that transformers cannot load; MissingExtraError without it.
    """
    if data.kind not in {"image", "text"}:
        raise InputError(
            f"pretrained backbones read text and images, not {data.kind} data; give features with --array."
        )
    model = load_pretrained("AutoModel", name)
    inputs = encode(data, image_size=image_size, tokenizer=name if data.kind == "text" else None)
    mean, std = normalisation(TrainingConfig(epochs=1), inputs)
    network = Network(Backbone(model, inputs.encoding), data.kind, mean, std)
    mark: Mark = {
        "model": name, "transformers": version("transformers"), "dataset": data.digest,
        "input_shape": list(inputs.array.shape),
    }  # fmt: skip
    with compute_threads(BACKBONE_THREADS):
        return predict(network, inputs) if parts is None else _in_parts(network, inputs, parts, mark)


def _in_parts(network: Network, inputs: Inputs, folder: Path, mark: Mark) -> NDArray[np.float32]:
    """The features of all inputs, each part of them from its file in the folder, or made and written there."""
    if folder.exists() and storage.read_described(folder / MARK, Mark, f"remove {folder}") != mark:
        storage.discard(folder)  # those of another model or dataset
    folder.mkdir(exist_ok=True)
    storage.write_json(folder / MARK, mark)
    out = np.zeros((0, 0), np.float32)
    for start in range(0, len(inputs), PART):
        file = folder / f"{start:012d}.npy"
        if not file.exists():
            some = Inputs(inputs.array[start : start + PART], inputs.encoding)
            storage.write_array(file, predict(network, some))
        found = storage.read_array(file, "remove it")
        out = out if out.size else allocate((len(inputs), found.shape[1]), np.float32)
        out[start : start + PART] = found
    return out


def put_embedding(folder: Path, array: Array, source: Params) -> Dynamics:
    """Make `array` (N, d) the embedding of the finished record in `folder`; `source`, where it came from, is noted.

    The network's own embedding is kept beside it and can be restored. A crash anywhere leaves a readable record.
    Raises InputError for an array of another shape, or one with missing numbers.
    """
    dynamics = cast("Dynamics", storage.load(folder))
    if array.ndim != 2 or len(array) != len(dynamics) or array.dtype.kind not in "fiu":
        raise InputError(
            f"an embedding is numbers of shape ({len(dynamics)}, d), one row per example in the dataset's order, not "
            f"{array.dtype} of shape {array.shape}."
        )
    array = np.asarray(array, dtype=np.float32)
    squared_norms(array)
    others = {name: values for name, values in dynamics.arrays.items() if name != EMBEDDING}
    provenance = replace(dynamics.provenance, params={**dynamics.provenance.params, "embedding_from": dict(source)})
    file = folder / f"arrays.{EMBEDDING}.npy"
    with storage.atomic_write(file) as draft:
        with draft.open("wb") as out:
            np.save(out, array, allow_pickle=False)
        storage.write_meta(folder, replace(dynamics, arrays=others))
        if file.exists() and EMBEDDING in provenance.params.get("channels", ()) and not (folder / OWN).exists():
            os.link(file, folder / OWN)
    placed = storage.read_array(file)
    storage.write_meta(folder, replace(dynamics, arrays={**others, EMBEDDING: placed}, provenance=provenance))
    return cast("Dynamics", storage.load(folder))


def restore_embedding(folder: Path) -> Dynamics:
    """Make the recorded network's own features the embedding again; raises InputError when they were not recorded."""
    dynamics = cast("Dynamics", storage.load(folder))
    if (folder / OWN).exists():
        return put_embedding(folder, storage.read_array(folder / OWN), {"model": dynamics.provenance.method})
    if EMBEDDING not in dynamics.arrays:
        raise InputError(
            "the record holds no embedding and its network is gone; name a backbone with --model transformers:NAME, "
            "give an --array, or record anew with --channel embedding."
        )
    return dynamics
