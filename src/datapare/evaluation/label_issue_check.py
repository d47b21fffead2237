"""How well wrong labels are found in one's own data: train once more with labels made wrong on purpose, and look.

A known share of the labels is flipped to another class, and about N/(K + 1) other examples get a fake extra class, as
AUM's threshold asks for (arXiv:2001.10528). What is flipped or fake is known, so a detector's hits can be counted.

Ours        AUM trains twice with disjoint fakes and judges each half by the other's threshold. Here one training gives
            the threshold, and the record, whose labels are as given, is judged by it: it was trained in the same way.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Dynamics
from datapare.errors import InputError
from datapare.methods.label_issues import Detector, aum_threshold, label_issues
from datapare.methods.perturb.label_noise import label_noise

if TYPE_CHECKING:
    from datapare.data import Dataset

FAKE = "(fake class)"


@dataclass(frozen=True)
class DetectorQuality:
    """How well a detector found the labels that were flipped on purpose.

    `found` of `flipped` wrong labels lie above the `cut`, among `flagged` examples in all. What was flagged but not
    flipped may have been wrong before, so with so many flips `precision` is the least it can be; where fewer labels are
    wrong it is lower. People err less plainly than chance, so `recall` is rather the most.
    """

    method: str
    cut: float
    flipped: int
    flagged: int
    found: int

    @property
    def precision(self) -> float:
        """Share of the flagged that had been flipped, 0..1; NaN when nothing was flagged."""
        return self.found / self.flagged if self.flagged else float("nan")

    @property
    def recall(self) -> float:
        """Share of the flipped that were flagged, 0..1."""
        return self.found / self.flipped


def check_suspects(
    data: "Dataset",
    dynamics: Dynamics,
    *,
    share: float = 0.1,
    seed: int = 0,
    training: Any = None,
    image_size: int | None = None,
    folder: Path | None = None,
    progress: Callable[[Any], None] | None = None,
) -> dict[str, DetectorQuality]:
    """Train as for the record, with a share of the labels flipped, and say of each detector how many it finds.

    Costs as much as the record. In a `folder` the training goes on where a killed one stopped. `training` and
    `image_size` are those of the record. Raises InputError for a share outside (0, 0.5).
    """
    from datapare.training import record

    number = len(data.classes)
    wrong, fake, label = corrupt(data.label, number, share, seed)
    mark = hashlib.sha256(f"{data.digest} {share} {seed}".encode()).hexdigest()[:32]
    spoilt = replace(data, label=label, classes=(*data.classes, FAKE), digest=mark)
    wanted = {"margin", "target_prob", "logit_mean"} & {*dynamics.channels, *dynamics.arrays}
    seen = record(
        spoilt,
        preset=training,
        model=None if training is None else training.model,  # by which texts are cut into words
        channels=sorted(wanted),
        seed=seed,
        image_size=image_size,
        out=folder,
        progress=progress,
    )
    cuts = {"aum": -aum_threshold(-label_issues(seen, "aum").issue_score[fake])} if "margin" in wanted else {}
    real = np.setdiff1d(np.arange(len(label)), fake)
    judged = without_fake(seen, number, real)
    checked: dict[str, DetectorQuality] = {}
    for method in methods_for(judged):
        found = label_issues(judged, method, cut=cuts.get(method))
        hits = int(np.isin(real[found.index], wrong).sum())
        checked[method] = DetectorQuality(method, found.cut, len(wrong), len(found.index), hits)
    return checked


def methods_for(dynamics: Dynamics) -> list[Detector]:
    """The detectors whose channel the record holds."""
    reads = {"aum": "margin", "soft_label": "logit_mean", "confidence": "target_prob"}
    return [method for method in get_args(Detector) if reads[method] in {*dynamics.channels, *dynamics.arrays}]


def corrupt(
    label: NDArray[np.int64], n_classes: int, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Positions flipped to another class, disjoint positions given the class `n_classes`, and the labels (N,) then.

    >>> wrong, fake, label = corrupt(np.arange(30) % 2, 2, 0.1, seed=0)
    >>> len(wrong), (label[wrong] == 1 - wrong % 2).all().item(), label[fake].tolist() == [2] * 10
    (3, True, True)
    """
    if not 0 < share < 0.5:
        raise InputError(f"the share of labels to flip lies between 0 and 0.5, not {share:g}.")
    rng = np.random.default_rng([seed, 1])
    change = label_noise(label, rng, share=share)
    spoilt = np.array(change.label)
    rest = np.setdiff1d(np.arange(len(label)), change.touched)
    fake = np.sort(rng.choice(rest, max(1, len(label) // (n_classes + 1)), replace=False))
    spoilt[fake] = n_classes
    return change.touched, fake, spoilt


def without_fake(dynamics: Dynamics, n_classes: int, real: NDArray[np.int64]) -> Dynamics:
    """The examples at `real`, and of the mean logits the classes that exist."""
    arrays = {name: array[real][:, :n_classes] for name, array in dynamics.arrays.items()}
    return replace(
        dynamics,
        channels={name: values[:, real] for name, values in dynamics.channels.items()},
        arrays=arrays,
        label=dynamics.label[real],
        classes=dynamics.classes[:n_classes],
        key=None if dynamics.key is None else dynamics.key[real],
    )
