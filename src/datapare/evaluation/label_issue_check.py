"""Check how well wrong labels are found in a dataset: train once more with labels flipped at random, and count hits.

A known fraction of the labels is flipped to another class, and about N/(K + 1) other examples get a fake extra class,
as AUM's threshold asks for (arXiv:2001.10528). What is flipped or fake is known, so a detector's hits can be counted.

Ours        AUM trains twice with disjoint fake examples and applies to each half the other's threshold. Here one
            training gives the threshold for the record, whose labels are as given: it was trained in the same way.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Dynamics
from datapare.errors import InputError
from datapare.evaluation.runners import call_on, is_on_ray
from datapare.methods.label_issues import Detector, aum_threshold, label_issues
from datapare.methods.perturb.label_noise import label_noise
from datapare.numerics.checked_calls import checked_call
from datapare.options import RecordOptions
from datapare.storage import is_finished, save

if TYPE_CHECKING:
    from datapare.data import Dataset
    from datapare.training import Progress, TrainingConfig

FAKE = "(fake class)"


@dataclass(frozen=True)
class DetectorQuality:
    """How well a detector found the labels that were flipped.

    Annotators err less plainly than chance, so `recall` is rather an upper bound. How many of the flagged labels are
    wrong is not estimated: what was flagged but not flipped may have been wrong before, and how often depends on the
    share of wrong labels, which is not known. On CIFAR-10N the fraction of flips among the flagged was 18 %, and 56 %
    of what was flagged was wrong.

    Attributes:
        method: Name of the detector.
        cut: Label-issue score above which an example is flagged.
        flipped: Number of flipped labels.
        flagged: Number of flagged examples.
        found: Number of flagged examples that were flipped.
    """

    method: str
    cut: float
    flipped: int
    flagged: int
    found: int

    @property
    def recall(self) -> float:
        """Fraction of the flipped that were flagged, 0..1."""
        return self.found / self.flipped


@checked_call
def check_label_issues(
    data: object,  # a Dataset, or whatever open_dataset reads
    dynamics: Dynamics,
    *,
    fraction: float = 0.1,
    seed: int = 0,
    training: "TrainingConfig | None" = None,
    image_size: int | None = None,
    folder: Path | None = None,
    on: str = "here",
    gpus: float | None = None,
    progress: "Callable[[Progress], None] | Literal[False] | None" = None,
) -> dict[str, DetectorQuality]:
    """Train as for the record, with a fraction of the labels flipped, and count how many each detector finds.

    Costs as much as the record.

    Args:
        data: The dataset, or what `open_dataset` opens.
        dynamics: Its record.
        fraction: Fraction of the labels to flip, in (0, 0.5).
        seed: Seed of the flips and of the training.
        training: Settings that the record was trained with.
        image_size: Image size that the record was trained with.
        folder: Where the training is kept, so that a killed one resumes.
        on: Where it runs, as for `compare`; on Ray it is kept when it is finished, so that a killed one starts over.
        gpus: GPUs of the training on Ray, also a fraction.
        progress: Called during the training, where that runs here. None shows a bar in terminals and notebooks, False
            none.

    Returns:
        The quality of each detector whose signal the record holds, by name.

    Raises:
        InputError: For a fraction outside (0, 0.5).
    """
    from datapare.data import as_dataset
    from datapare.data.dataset import Identity

    data = as_dataset(data)
    number = len(data.classes)
    flipped, fake, label = inject_label_noise(data.label, number, fraction, seed)
    digest = hashlib.sha256(f"{data.digest} {fraction} {seed}".encode()).hexdigest()[:32]
    noisy = replace(data, label=label, classes=(*data.classes, FAKE), identity=Identity(data.key, label, digest))
    wanted = {"margin", "target_prob", "logit_mean"} & {*dynamics.channels, *dynamics.arrays}
    options: RecordOptions = {
        "preset": training, "model": None if training is None else training.model,  # whose tokenizer the texts need
        "channels": sorted(wanted), "seed": seed, "image_size": image_size,
    }  # fmt: skip
    recorded = _trained(noisy, options, folder, on, gpus, progress)
    cuts = {"aum": -aum_threshold(-label_issues(recorded, "aum").issue_score[fake])} if "margin" in wanted else {}
    real = np.setdiff1d(np.arange(len(label)), fake)
    return _quality(without_fake(recorded, number, real), real, flipped, cuts)


def _trained(
    noisy: "Dataset",
    options: RecordOptions,
    folder: Path | None,
    on: str,
    gpus: float | None,
    progress: "Callable[[Progress], None] | Literal[False] | None",
) -> Dynamics:
    """Return the record of a training that runs here or on Ray, kept in the folder."""
    from datapare.training import record

    if not is_on_ray(on, gpus) or (folder is not None and is_finished(folder)):
        return record(noisy, **options, out=folder, progress=progress)
    ((_, recorded),) = call_on(on, gpus, [partial(record, noisy, **options, progress=False)])
    if folder is not None:
        save(recorded, folder)
    return recorded


def _quality(
    recorded: Dynamics, real: NDArray[np.int64], flipped: NDArray[np.int64], cuts: Mapping[str, float]
) -> dict[str, DetectorQuality]:
    quality: dict[str, DetectorQuality] = {}
    for method in methods_for(recorded):
        issues = label_issues(recorded, method, cut=cuts.get(method))
        hits = int(np.isin(real[issues.index], flipped).sum())
        quality[method] = DetectorQuality(method, issues.cut, len(flipped), len(issues.index), hits)
    return quality


def methods_for(dynamics: Dynamics) -> list[Detector]:
    """Return the detectors whose signal the record holds."""
    reads = {"aum": "margin", "soft_label": "logit_mean", "confidence": "target_prob"}
    return [method for method in get_args(Detector) if reads[method] in {*dynamics.channels, *dynamics.arrays}]


def inject_label_noise(
    label: NDArray[np.int64], n_classes: int, fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return positions flipped to another class, disjoint ones given the class `n_classes`, and the labels (N,) then.

    >>> flipped, fake, label = inject_label_noise(np.arange(30) % 2, 2, 0.1, seed=0)
    >>> len(flipped), (label[flipped] == 1 - flipped % 2).all().item(), label[fake].tolist() == [2] * 10
    (3, True, True)
    """
    if not 0 < fraction < 0.5:
        raise InputError(f"the fraction of labels to flip lies between 0 and 0.5, not {fraction:g}.")
    rng = np.random.default_rng([seed, 1])
    change = label_noise(label, rng, share=fraction)
    noisy = np.array(change.label)
    rest = np.setdiff1d(np.arange(len(label)), change.touched)
    fake = np.sort(rng.choice(rest, max(1, len(label) // (n_classes + 1)), replace=False))
    noisy[fake] = n_classes
    return change.touched, fake, noisy


def without_fake(dynamics: Dynamics, n_classes: int, real: NDArray[np.int64]) -> Dynamics:
    """Return the examples at `real`, and of the mean logits the classes that exist."""
    arrays = {name: array[real][:, :n_classes] for name, array in dynamics.arrays.items()}
    return replace(
        dynamics,
        channels={name: values[:, real] for name, values in dynamics.channels.items()},
        arrays=arrays,
        label=dynamics.label[real],
        classes=dynamics.classes[:n_classes],
        key=None if dynamics.key is None else dynamics.key[real],
    )
