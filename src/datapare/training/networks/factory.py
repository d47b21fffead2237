"""From a model's name to a network that eats the encoded arrays as they are.

A name is one of ours (`resnet18`, `textnet`, `mlp`, …), `package.module:function` (a function of the number of classes
and the encoding that returns a torch.nn.Module), or a pretrained backbone of transformers: `transformers:NAME`, or any
hub name or folder with a slash in it.
"""

import importlib
import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from datapare.artifacts import Array
from datapare.data import Encoding, Inputs
from datapare.data.hub import is_local_only
from datapare.errors import InputError, MissingExtraError, nearest
from datapare.training.config import Layout, TrainingConfig
from datapare.training.networks.classifier import Classifier

SAMPLED = 128  # images of a sample that are looked at together
OTHER_FILES = ("classifier", "factory")  # of this folder, that hold no network


class Network(nn.Module):
    """A model behind its normalisation: takes rows of `Inputs.array` as they are, returns float logits (B, K)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, body: nn.Module, kind: str, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.kind = kind
        self.body = body
        self.lay_out("auto")
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", 1 / torch.tensor(std, dtype=torch.float32))

    def lay_out(self, layout: Layout) -> None:
        """Have the body read images as planes (contiguous) or pixel by pixel (channels-last), as decoded arrays lie."""
        self.form = torch.contiguous_format if layout == "contiguous" else torch.channels_last
        if self.kind == "image":
            self.body.to(memory_format=self.form)  # type: ignore[call-overload]

    def prepare(self, x: Tensor) -> Tensor:
        """Return what the body reads: (B, C, H, W) normalised floats, (B, L) int64 ids or (B, F) floats."""
        if self.kind == "image":
            planes = ((x.float() - 255 * self.mean) * (self.scale / 255)).permute(0, 3, 1, 2)
            return planes.contiguous(memory_format=self.form)
        if self.kind == "text":
            return x.long()
        return (x - self.mean) * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, K) float32."""
        logits: Tensor = self.body(self.prepare(x))
        return logits.float()

    def features(self, x: Tensor) -> Tensor:
        """Return what enters the last linear layer (B, d); InputError for a body without one."""
        if isinstance(self.body, Classifier):
            return self.body.features(self.prepare(x)).float()
        head = next((m for m in reversed(list(self.body.modules())) if isinstance(m, nn.Linear)), None)
        if head is None:
            raise InputError("embeddings are read before the last linear layer, and this model has none.")
        entering: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda _, arrived: entering.append(arrived[0]))
        try:
            self.body(self.prepare(x))
        finally:
            hook.remove()
        if entering[-1].ndim != 2:
            raise InputError(f"embeddings are one vector per example, not {tuple(entering[-1].shape)}.")
        return entering[-1].float()


class Pretrained(nn.Module):
    """A transformers classifier called with tensors, returning logits.

    `pad` is the tokenizer's own padding id, which traded places with 0 when the texts were encoded.
    """

    def __init__(self, model: nn.Module, encoding: Encoding) -> None:
        super().__init__()
        self.model = model
        self.kind = encoding.kind
        self.pad = encoding.pad

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, K) for normalised images (B, C, H, W) or token ids (B, L) with 0 = padding."""
        logits: Tensor = self.model(**self.given(x)).logits
        return logits

    def given(self, x: Tensor) -> dict[str, Tensor]:
        """Return what the model is called with, by the names that transformers uses."""
        if self.kind == "image":
            return {"pixel_values": x if x.shape[1] == 3 else x.expand(-1, 3, -1, -1)}
        ids = x.masked_fill(x == self.pad, 0).masked_fill(x == 0, self.pad)
        return {"input_ids": ids, "attention_mask": (x != 0).long()}


def backbone(name: str | None) -> str | None:
    """Return the transformers backbone that a model's name means; None when it means none.

    >>> backbone("transformers:bert-base-uncased"), backbone("google/vit-base-patch16-224"), backbone("resnet18")
    ('bert-base-uncased', 'google/vit-base-patch16-224', None)
    """
    if name is None or not (name.startswith("transformers:") or "/" in name):
        return None
    return name.removeprefix("transformers:")


def check_model(name: str | None) -> None:
    """Raise InputError for a model's name that means nothing.

    Of a pretrained backbone its configuration is loaded, and a function of the user's own is imported.

    >>> check_model("resnet18"), check_model("torch.nn:Identity"), check_model(None)
    (None, None, None)
    """
    if pretrained := backbone(name):
        _load("AutoConfig", pretrained)
    elif name is not None and ":" in name:
        _function(name)
    if name is None or ":" in name or pretrained or name in (known := architectures()):
        return
    raise InputError(
        f"there is no model {name!r}: choose {', '.join(known)}, or name yours as package.module:function, "
        f"or a backbone as transformers:NAME{nearest(name, list(known))}"
    )


def build(training: TrainingConfig, inputs: Inputs, n_classes: int) -> Network:
    """Return a freshly initialised Network for these Inputs, from the global torch generator.

    Raises InputError for a name that means nothing, or a model for another kind of data.
    """
    name, encoding = training.model, inputs.encoding
    if pretrained := backbone(name):
        body: nn.Module = _pretrained(pretrained, encoding, n_classes)
    elif ":" in name:
        body = _imported(name, n_classes, encoding)
    else:
        body = _builtin(inputs, n_classes, training)
    mean, std = normalisation(training, inputs)
    network = Network(body, encoding.kind, mean, std)
    if not pretrained and ":" in name:
        _check_predicts(network, name, inputs, n_classes)
    return network


def normalisation(training: TrainingConfig, inputs: Inputs) -> tuple[list[float], list[float]]:
    """Return mean and deviation per image channel (0..1) or per embedding feature; the recipe's, else measured.

    Tables arrive standardised by their encoding, and token ids are names: both pass as they are (0 and 1).
    """
    array = inputs.array
    if inputs.encoding.kind == "image":
        channels = array.shape[-1]
        if len(training.mean) == len(training.std) == channels:
            return list(training.mean), list(training.std)
        return _moments(array)
    if inputs.encoding.kind == "embedding":
        some = array[:: max(1, len(array) // 100_000)]
        std = some.std(0)
        return some.mean(0).tolist(), std.clip(max(float(std.mean()) * 1e-2, 1e-6)).tolist()
    return [0.0], [1.0]


def _moments(array: Array) -> tuple[list[float], list[float]]:
    """Return mean and deviation (0..1) of each channel of images (N, H, W, C) uint8, from a sample read in blocks.

    Sums of whole numbers are exact, so the blocks do not matter.
    """
    step = max(1, len(array) // 10_000)  # ten thousand images fix a mean to 0.1 %
    count, total, squares = 0, np.zeros(array.shape[-1]), np.zeros(array.shape[-1])
    for start in range(0, len(array), step * SAMPLED):
        pixels = array[start : start + step * SAMPLED : step].reshape(-1, array.shape[-1]).astype(np.float64)
        count, total, squares = count + len(pixels), total + pixels.sum(0), squares + np.square(pixels).sum(0)
    exact = zip(map(int, total.tolist()), map(int, squares.tolist()), strict=True)
    std = [math.sqrt((square * count - one**2) / count**2) for one, square in exact]
    return (total / count / 255).tolist(), [max(one, 1.0) / 255 for one in std]


def _builtin(inputs: Inputs, num_classes: int, config: TrainingConfig) -> nn.Module:
    check_model(config.model)
    known, kind = architectures(), inputs.encoding.kind
    if kind not in known[config.model].KINDS:
        fitting = [name for name, file in known.items() if kind in file.KINDS]
        raise InputError(f"the model {config.model!r} does not read {kind} data; choose {' or '.join(fitting)}.")
    body: nn.Module = known[config.model].build(inputs, num_classes, config)
    return body


def architectures() -> dict[str, ModuleType]:
    """Return the file of this folder that builds each network, by the network's name."""
    stems = sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py") if file.stem not in OTHER_FILES)
    files = [importlib.import_module(f"{__package__}.{stem}") for stem in stems]
    return {name: file for file in files for name in file.NAMES}


def _function(name: str) -> Callable[..., object]:
    """The function of `package.module:function`."""
    module, _, function = name.partition(":")
    try:
        return cast("Callable[..., object]", getattr(importlib.import_module(module), function))
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"the model {name!r} is package.module:function, importable from here, but: {error}; "
            "check the spelling, and that its folder is on PYTHONPATH."
        ) from error


def _imported(name: str, n_classes: int, encoding: Encoding) -> nn.Module:
    make = _function(name)
    wanted = [p for p in signature(make).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    model = make(n_classes, encoding) if len(wanted) > 1 else make(n_classes)
    if not isinstance(model, nn.Module):
        raise InputError(f"{name} returns a torch.nn.Module, not {type(model).__name__}.")
    return model


def _check_predicts(network: Network, name: str, inputs: Inputs, n_classes: int) -> None:
    """Raise InputError where a network of the user's own has no logits for the first examples."""
    some = torch.from_numpy(np.ascontiguousarray(inputs.array[:2]))
    reads = network.prepare(some)
    wanted = f"it gets {inputs.encoding.kind}s as {tuple(reads.shape)} {str(reads.dtype).removeprefix('torch.')}"
    wanted += f" and returns logits {(len(some), n_classes)}"
    try:
        with torch.no_grad():
            logits = network.eval()(some)
    except MemoryError:
        raise
    except Exception as error:
        raised = f"{type(error).__name__}: {error}"
        raise InputError(f"the network of {name} fails: {wanted}, but raises {raised}") from error
    if tuple(logits.shape) != (len(some), n_classes):
        raise InputError(f"the network of {name} does not fit: {wanted}, not {tuple(logits.shape)}.")
    network.train()


def load_pretrained(door: str, name: str, **options: object) -> nn.Module:
    """Load a network through a class of transformers, without its warnings and bars.

    Args:
        door: Name of the class, such as AutoModel.
        name: Folder or hub name of the network.
        **options: Further arguments of its `from_pretrained`.

    Raises:
        MissingExtraError: If transformers is not installed.
        InputError: If it cannot load the network.
    """
    model = _load(door, name, **options)
    assert isinstance(model, nn.Module)  # noqa: S101 - a class of networks makes one
    return model


def _load(door: str, name: str, **options: object) -> object:
    """What a class of transformers makes of a folder or hub name."""
    if find_spec("transformers") is None:
        raise MissingExtraError("transformers", "transformers", f"the model {name!r}")
    local = is_local_only(name)
    import transformers

    log = transformers.utils.logging
    loud, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()  # a new head is always "newly initialised"
    log.disable_progress_bar()
    try:
        made: object = getattr(transformers, door).from_pretrained(name, local_files_only=local, **options)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        if local and not Path(name).is_dir():
            raise InputError(
                f"there is no folder {name!r}, no model of that name was downloaded before, and the Hugging Face hub "
                "is out of reach; check the spelling and the connection."
            ) from error
        raise InputError(
            f"the backbone {name!r} is a folder or hub name that transformers loads, but: {reason}"
        ) from error
    finally:
        log.set_verbosity(loud)
        if bars:
            log.enable_progress_bar()
    return made


def _pretrained(name: str, encoding: Encoding, n_classes: int) -> nn.Module:
    doors = {"text": "AutoModelForSequenceClassification", "image": "AutoModelForImageClassification"}
    if (kind := encoding.kind) not in doors:
        raise InputError(f"pretrained backbones read text and images, not {kind} data; choose the model mlp.")
    return Pretrained(load_pretrained(doors[kind], name, num_labels=n_classes, ignore_mismatched_sizes=True), encoding)
