"""The scoring run: train for the first epochs and record what the model predicted for each example."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Unpack, cast

from datapare import storage
from datapare.artifacts import Dynamics, Observed
from datapare.data import Dataset, Inputs, as_dataset, encode
from datapare.data.encodings.dispatch import outline
from datapare.errors import InputError
from datapare.methods.signals import check_recordable
from datapare.options import RecordOptions, validated
from datapare.recording.process_group import ProcessGroup
from datapare.training.batches import shuffled
from datapare.training.config import Precision, TrainingConfig
from datapare.training.distributed import Devices
from datapare.training.epoch import Progress
from datapare.training.frozen_features import NAME as FEATURES
from datapare.training.frozen_features import frozen
from datapare.training.networks.factory import backbone, check_model
from datapare.training.presets import PRESETS, choose
from datapare.training.presets import preset as named
from datapare.training.progress_bar import shown
from datapare.training.ranking_stability import RULE
from datapare.training.record_training import record_in_processes, record_together
from datapare.training.recorded_channels import as_begun, expand, needed
from datapare.training.run_log import RunLog, check_log, open_log
from datapare.training.scoring_provenance import ScoringRun, begun_in

PROCESSES_PER_CORE = 4


@validated(RecordOptions)
def record(
    data: object,  # whatever open_dataset reads
    *,
    preset: str | TrainingConfig | None = None,
    model: str | None = None,
    thin: float | None = None,
    epochs: int | None = None,
    schedule_epochs: int | None = None,
    precision: Precision | None = None,
    channels: Sequence[str] | None = None,
    observed: Observed = "train-pass",
    image_size: int | None = None,
    fraction: float | None = None,
    until_stable: bool = False,
    autotune: bool = False,
    log: RunLog | str | None = None,
    processes: int = 1,
    seed: int = 0,
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | Literal[False] | None = None,
) -> Dynamics:
    """Train for the first epochs of a schedule and return the record of its passes.

    The keywords up to `seed` are those of `datapare.options.RecordOptions`, which other functions take as
    `record_options`.

    The record is written epoch by epoch. The same call resumes a killed one, and returns at once when it is finished.

    Args:
        data: The dataset, or what `open_dataset` opens.
        preset: Name of a preset, or a `TrainingConfig`; None chooses by the kind and the size of the data.
        model: Built-in name, package.module:function, or transformers:NAME; "features" trains a linear layer on
            features that are not learned, in seconds (frozen_features.py). None takes that of the preset.
        thin: Part of a pretrained network's multiply-adds to keep: it is recorded with a thinner copy, of fewer hidden
            neurons (thinning.py). None records with all of it.
        epochs: Epochs to train and record, T; None takes those of the preset.
        schedule_epochs: Epochs of the full schedule, of which the recorded ones are the first; None takes the preset's.
        precision: auto (bf16 on GPUs that have it), fp32 or bf16; None takes the preset's. How a step is computed where
            this is left open follows from the fixed table of compute.py.
        channels: Those of the Recorder, its summary logit_mean (N, K), and the signals of the trained network
            (FINISHED): embedding (N, d), prob (N, K), distorted_loss (N, S), boundary_distance (N,), and grad_norm, a
            channel of which the last epoch is known. The name default stands for the default channels of the Recorder
            and, up to 512 MiB, logit_mean, which soft labels are made of; None records those.
        observed: The pass that is recorded: the training's own (train-pass), or of the examples as they are, in eval
            mode, after each epoch (eval-pass) or before each update (two-view).
        image_size: Side in pixels that images are resized and cropped to; None leaves small images of one size as they
            are and chooses it for others.
        fraction: Train on so much of every class, in (0, 1), drawn with the seed, at least one example of each, in the
            batches of a subset of that size (subset_batch): the others are never observed (NaN in every channel of the
            passes), and the embedding, which covers them too, is then always recorded. None trains on all.
        until_stable: End the record once the ranking has converged (ranking_stability.RULE, which the provenance
            holds); `epochs` is then how many there are at most.
        autotune: Time a few steps to find how to compute them; the provenance holds what was found, which a later call
            with the same folder uses again.
        log: A tracker that is installed (trackio, wandb or tensorboard), or any object with `log(values, step=)`, as
            their runs are: receives loss, accuracy and mean probability of the label after every epoch.
        processes: How many processes of this machine train together, each on its share of every batch, on a GPU of its
            own where there are any. Their examples, batches and draws are those of one process, and so is each
            step up to rounding; a record may be resumed with another number. A script that asks for several is
            guarded by `if __name__ == "__main__"`. Under torchrun every process makes this call, without `processes`.
        seed: Seed of the training, and of the draw of the fraction.
        out: The folder of the record; None for a temporary folder that lives as long as the record.
        progress: Receives the state of the training. None shows a bar in terminals and notebooks, False none.

    Returns:
        The record of T epochs of N examples.

    Raises:
        InputError: When `out` holds a record made otherwise or a fraction is too small for one example of each class.
        DivergedError: When the training diverges.

    >>> import numpy as np
    >>> dynamics = record((np.eye(4, dtype=np.float32), [0, 1, 0, 1]), epochs=2)
    >>> dynamics.epochs, len(dynamics)
    (2, 4)
    """
    check_recordable(channels or ())
    check_model(model)
    check_log(log)
    if processes > (most := PROCESSES_PER_CORE * (os.cpu_count() or 1)):
        raise InputError(f"{processes:,} processes are too many for the cores of this machine; use at most {most:,}.")
    data = as_dataset(data)
    devices = Devices(ProcessGroup())
    if autotune and max(processes, devices.count) > 1:
        raise InputError("autotune times the steps of one process; leave it out, or record in one process.")
    if processes > 1 and devices.count > 1:
        raise InputError(f"{devices.count} processes are running this call already: leave out processes={processes}.")
    own = devices.on_rank_zero(lambda: Path(tempfile.mkdtemp(prefix="datapare-"))) if out is None else None
    folder = Path(out) if out is not None else cast("Path", own) / "dynamics"
    try:
        run, inputs = _prepared(
            data, devices, folder, preset=preset, model=model, thin=thin, epochs=epochs,
            schedule_epochs=schedule_epochs, precision=precision, channels=channels, observed=observed,
            image_size=image_size, fraction=fraction, until_stable=until_stable, seed=seed,
        )  # fmt: skip
        first = devices.rank == 0
        with (
            shown("recording", wanted=progress is None and first) as bar,
            open_log(log if first else None, f"record-{data.digest[:8]}") as tracker,
        ):
            report = progress or None if bar is None else bar.training
            if processes > 1 and not storage.is_finished(folder):
                record_in_processes(run, inputs, folder, processes, progress=report, log=tracker)
            else:
                record_together(run, inputs, folder, devices, autotune=autotune, progress=report, log=tracker)
        dynamics = cast("Dynamics", storage.load(folder))
    except BaseException:
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)
        raise
    if own is not None and devices.rank == 0:
        weakref.finalize(dynamics, shutil.rmtree, own, ignore_errors=True)
    return dynamics


def settings(
    inputs: Inputs,
    n_classes: int,
    preset: str | TrainingConfig | None = None,
    model: str | None = None,
    epochs: int | None = None,
    schedule_epochs: int | None = None,
    precision: Precision | None = None,
    thin: float | None = None,
) -> TrainingConfig:
    """Return the preset (or the one that suits the data) with the given parts replaced.

    More epochs than the preset's schedule lengthen it; a given schedule shortens the preset's epochs to itself.
    """
    if isinstance(preset, TrainingConfig):
        training = preset
    elif preset is not None:
        training = named(preset)
    else:
        training = suited(inputs, n_classes, model)
    schedule = schedule_epochs or max(training.schedule, epochs or 0)
    return replace(
        training,
        model=model or training.model,
        epochs=epochs or min(training.epochs, schedule),
        schedule_epochs=schedule,
        precision=precision or training.precision,
        thin=thin or training.thin,
    )


def suited(inputs: Inputs, n_classes: int, model: str | None) -> TrainingConfig:
    """Return the preset that suits the model, or, for one that suits all, the data."""
    if backbone(model):
        return PRESETS["finetune"]
    return PRESETS["features"] if model == FEATURES else choose(inputs, n_classes)


def planned(data: Dataset, **options: Unpack[RecordOptions]) -> int:
    """The epochs that `record` with these settings trains at most; of images only the sizes are read.

    >>> import numpy as np
    >>> planned(as_dataset((np.zeros((4, 3)), np.array([0, 1, 0, 1])))), PRESETS["embedding"].epochs
    (15, 15)
    """
    return settings(
        outline(data, options.get("image_size")),
        len(data.classes),
        preset=options.get("preset"),
        model=options.get("model"),
        epochs=options.get("epochs"),
        schedule_epochs=options.get("schedule_epochs"),
    ).epochs


def _prepared(
    data: Dataset, devices: Devices, folder: Path, **options: Unpack[RecordOptions]
) -> tuple[ScoringRun, Inputs]:
    """Return what a record with these options is made of, as it was begun in the folder, and the encoded examples."""
    model, fraction, seed = options.get("model"), options.get("fraction"), options.get("seed", 0)
    channels = _names(data, devices, folder, **options)
    rule = RULE if options.get("until_stable") else None
    if rule is not None and "target_prob" not in channels:
        raise InputError("until_stable watches target_prob, which is not recorded; name it among the channels.")
    tokenizer, size = backbone(model) if data.kind == "text" else None, options.get("image_size")
    inputs = devices.once_per_machine(lambda: encode(data, image_size=size, tokenizer=tokenizer))
    training = settings(
        inputs, len(data.classes), options.get("preset"), model, options.get("epochs"),
        options.get("schedule_epochs"), options.get("precision"), options.get("thin"),
    )  # fmt: skip
    inputs = frozen(inputs, seed=seed) if training.model == FEATURES else inputs
    parents = () if data.perturbation is None else (data.perturbation.provenance,)
    observed = options.get("observed", "train-pass")
    run = ScoringRun(
        data.label, data.classes, data.key, data.digest, parents, inputs.array.shape[1:], training, channels, observed,
        fraction, rule, seed, shuffled(inputs),
    )  # fmt: skip
    return run, inputs


def _names(data: Dataset, devices: Devices, folder: Path, **options: Unpack[RecordOptions]) -> tuple[str, ...]:
    """Return what to record, or what the record that was begun in the folder has."""
    asked = options.get("channels")
    names = needed(expand(asked, len(data), len(data.classes)), options.get("fraction"))
    begun = devices.on_rank_zero(lambda: begun_in(folder))
    return names if begun is None else as_begun(names, asked, begun["params"].get("channels", ()))


def assist(data: Dataset, **options: Unpack[RecordOptions]) -> None:
    """Train with the first process of a launcher, which calls `record` with the same options; touches no folder."""
    devices, nowhere = Devices(ProcessGroup()), Path()
    run, inputs = _prepared(data, devices, nowhere, **options)
    record_together(run, inputs, nowhere, devices, autotune=options.get("autotune", False), progress=None, log=None)
