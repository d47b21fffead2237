"""What pruning will cost, before anything is paid: counts, seconds from a few real training steps, disk and memory."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datapare.evaluation.costs import duration
from datapare.methods.signals import SIGNALS
from datapare.numerics.sampling import budget, draw_fraction
from datapare.options import OpenOptions, RecordOptions, validated

if TYPE_CHECKING:
    from datapare.data import Inputs
    from datapare.training import Trained, TrainingConfig

WARM_UP, TIMED = 2, 6  # steps: the first compile and allocate
NETWORKS = 50  # thinned networks of distorted_loss
UNUSED = {"until_stable", "processes", "log"}  # what the first two may save is not known beforehand


@dataclass(frozen=True)
class CostEstimate:
    """What `prune` would do and take: examples, settings, seconds, bytes.

    `training` is the scoring run's settings, on `scored` examples; `full` and `subset` those of a training on all and
    on what is kept; `step` is the measured seconds of an update by batch size and `thin` of the settings; `extra` is
    how many more epochs it takes to look at the examples as they are, in each epoch or after the last. `memory` is
    the most this process has taken so far, with the data encoded and the network in training.
    """

    total: int
    count: int
    scored: int
    preset: str
    training: "TrainingConfig"
    full: "TrainingConfig"
    subset: "TrainingConfig"
    step: Mapping[tuple[int, float | None], float]
    extra: float
    record: int
    data: int
    memory: int

    @property
    def epoch(self) -> float:
        """Seconds of an epoch of the scoring run."""
        return self.seconds(replace(self.training, epochs=1), self.scored)

    def seconds(self, training: "TrainingConfig", examples: int) -> float:
        """Seconds of a training on so many examples."""
        updates = training.epochs * np.ceil(examples / training.batch_size)
        return float(updates * self.step[training.batch_size, training.thin])

    def describe(self) -> list[str]:
        """Return the estimate as lines of text."""
        epochs = self.training.epochs + self.extra
        whole = self.total / self.scored  # what is made after the training covers all examples
        scoring = (self.training.epochs + self.extra * whole) * self.epoch
        some = (
            ""
            if self.scored == self.total
            else f" on {self.scored:,} examples, the other scores predicted after, which is not counted"
        )
        full, subset = self.seconds(self.full, self.total), self.seconds(self.subset, self.count)
        settings = (
            f"preset {self.preset}, {self.training.model}, batch {self.training.batch_size}, {self.training.precision}"
        )
        return [
            f"keep {self.count:,}, drop {self.total - self.count:,} of {self.total:,} examples",
            f"scoring    {epochs:g} epochs of {duration(self.epoch)}{some}: {duration(scoring)} ({settings})",
            f"retraining {self.full.epochs} epochs on all examples: {duration(full)}",
            f"           {self.subset.epochs} epochs on the subset: {duration(subset)}",
            f"disk       {format_bytes(self.record)} for the record, and the kept examples",
            f"memory     {format_bytes(self.data)} for the encoded examples; {format_bytes(self.memory)} in all so far",
            _paid(scoring, full - subset),
            f"from {TIMED} timed training steps; nothing was written",
        ]


@validated()
def estimate_cost(
    source: object,  # whatever open_dataset reads
    *,
    keep: float,
    score_fraction: float | None = None,
    seed: int = 0,
    open_options: OpenOptions | None = None,
    record_options: RecordOptions | None = None,
) -> CostEstimate:
    """Estimate what `prune` with the same arguments would cost, from a few real training steps; nothing is written.

    Args:
        source: A dataset, or what `open_dataset` opens.
        keep: Fraction in (0, 1], or a count above 1.
        score_fraction: Train on and score only so much of every class; None for all examples.
        seed: Seed of the training and of the draw of that fraction.
        open_options: Options of `open_dataset`; None for the defaults.
        record_options: Options of `record`; None for the defaults.

    Returns:
        Examples, settings, seconds and bytes of the scoring run and of the trainings after it.

    Raises:
        InputError: As `prune` does, for a dataset, a keep fraction or settings that cannot be.
    """
    from datapare.data import as_dataset, encode
    from datapare.training import resolve, retraining, settings
    from datapare.training.config import for_fraction
    from datapare.training.frozen_features import NAME as FEATURES
    from datapare.training.frozen_features import frozen
    from datapare.training.networks.factory import backbone
    from datapare.training.recorded_channels import expand, needed
    from datapare.training.signals.final import FINISHED

    data = as_dataset(source, **(open_options or {}))
    count = budget(len(data), keep)
    scored = len(data) if score_fraction is None else len(draw_fraction(data.label, score_fraction, seed))
    options: dict[str, Any] = dict(record_options or {})  # what is left of them at the end goes to `settings`
    observed = options.pop("observed", "train-pass")
    channels = needed(expand(options.pop("channels", None), len(data), len(data.classes)), score_fraction)
    options = {name: value for name, value in options.items() if name not in UNUSED}
    words = backbone(options.get("model")) if data.kind == "text" else None
    inputs, classes = encode(data, image_size=options.pop("image_size", None), tokenizer=words), len(data.classes)
    tuned = bool(options.pop("autotune", False))
    asked = settings(inputs, classes, **options)
    inputs = frozen(inputs, seed=seed) if asked.model == FEATURES else inputs
    training = resolve(inputs, data.label, classes, asked, seed, autotune=tuned)
    full, subset = retraining(training), retraining(training, count / len(data))
    scoring = for_fraction(training, score_fraction)
    steps = {(one.batch_size, one.thin) for one in (scoring, training, full, subset)}
    extra = sum(FINISHED[name].epochs(classes) for name in channels if name in FINISHED)
    if observed != "train-pass":  # one more forward pass in every epoch, over what is trained on
        extra += FINISHED["prob"].epochs(classes) * training.epochs * scored / len(data)
    return CostEstimate(
        total=len(data),
        count=count,
        scored=scored,
        preset=_preset(record_options or {}, inputs, classes),
        training=scoring,
        full=full,
        subset=subset,
        step={
            (batch, thin): _step(inputs, data.label, classes, replace(training, thin=thin), batch, seed)
            for batch, thin in steps
        },
        extra=extra,
        record=len(data) * _bytes_per_example(inputs, classes, training, channels),
        data=inputs.array.nbytes,
        memory=_peak(),
    )


def _preset(options: RecordOptions, inputs: "Inputs", classes: int) -> str:
    """The name of the recipe that was asked for, or that the data choose."""
    from datapare.training import PRESETS
    from datapare.training.scoring_run import suited

    chosen = suited(inputs, classes, options.get("model"))
    return str(options.get("preset") or next(name for name, provenance in PRESETS.items() if provenance is chosen))


def _step(
    inputs: "Inputs", label: NDArray[np.int64], classes: int, training: "TrainingConfig", batch: int, seed: int
) -> float:
    """Seconds of one update with this batch size, by a few real ones."""
    from datapare.training import train

    def run(steps: int) -> "Trained":
        brief = replace(training, batch_size=batch, epochs=1, schedule_epochs=training.schedule)
        index = np.resize(np.random.default_rng(seed).permutation(len(label)), min(steps * batch, len(label)))
        return train(inputs, label, classes, brief, seed=seed, index=index)

    run(WARM_UP)
    timed = run(TIMED)
    return float(timed.seconds / timed.iterations)


def _bytes_per_example(inputs: "Inputs", classes: int, training: "TrainingConfig", channels: Sequence[str]) -> int:
    """Bytes of a finished record: 16 of label and key, 4 per channel and epoch, 4 per number of a summary."""
    width = {"T N": int(training.epochs), "N": 1, "N K": classes, "N S": NETWORKS}
    if "embedding" in channels:
        width["N d"] = _embedding_width(inputs, classes, training)
    return 16 + 4 * sum(width[SIGNALS[name].shape] for name in channels)


def _embedding_width(inputs: "Inputs", classes: int, training: "TrainingConfig") -> int:
    from datapare.data import Inputs
    from datapare.training import embed
    from datapare.training.loop import initial

    return int(embed(initial(inputs, classes, training, 0), Inputs(inputs.array[:1], inputs.encoding)).shape[1])


def _peak() -> int:
    """Most bytes of memory this process has taken."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _paid(scoring: float, saved: float) -> str:
    if saved <= 0:
        return "cheaper    never by time: a training on the subset takes as long as on everything"
    needed = int(np.floor(scoring / saved)) + 1
    trainings = f"{needed:,} training{'s' * (needed > 1)}"
    return f"cheaper    from {trainings} on the subset on; what accuracy each of them costs, datapare compare measures"


def format_bytes(count: int) -> str:
    """Return a number of bytes as text.

    >>> format_bytes(960), format_bytes(46_000), format_bytes(1_300_000_000)
    ('1 kB', '46 kB', '1,300 MB')
    """
    if count < 1_000_000:
        return f"{max(1, count // 1000)} kB"
    return f"{count / 1e6:,.0f} MB" if count < 10_000_000_000 else f"{count / 1e9:,.1f} GB"
