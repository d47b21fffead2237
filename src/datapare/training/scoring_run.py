"""The scoring run: train for the first epochs and record what the model predicted for each example."""

import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Unpack, cast

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics, Observed
from datapare.data import Dataset, Inputs, encode, open_dataset
from datapare.data.encodings.dispatch import outline
from datapare.errors import InputError
from datapare.numerics.sampling import draw_fraction
from datapare.options import RecordOptions, validated
from datapare.recording import ARRAYS, Recorder
from datapare.recording.record_files import read_progress
from datapare.training.checkpoint import forget
from datapare.training.config import AUTO_TUNED, Precision, TrainingConfig, for_fraction
from datapare.training.device import compute_threads
from datapare.training.epoch import Progress
from datapare.training.frozen_features import NAME as FEATURES
from datapare.training.frozen_features import frozen
from datapare.training.loop import Trained, initial, resolve, train
from datapare.training.networks.factory import backbone
from datapare.training.presets import PRESETS, choose
from datapare.training.presets import preset as named
from datapare.training.progress_bar import shown
from datapare.training.ranking_stability import RULE, ranking_converged
from datapare.training.recorded_channels import as_begun, expand, needed
from datapare.training.run_log import EpochLog, RunLog, open_log
from datapare.training.scoring_provenance import ScoringRun, begun_in, check_same, provenance_of
from datapare.training.signals.final import FINISHED


@validated(RecordOptions)
def record(
    data: Dataset | str | Path,
    *,
    preset: str | TrainingConfig | None = None,
    model: str | None = None,
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
        seed: Seed of the training, and of the draw of the fraction.
        out: The folder of the record; None for a temporary folder that lives as long as the record.
        progress: Receives the state of the training. None shows a bar in terminals and notebooks, False none.

    Returns:
        The record of T epochs of N examples.

    Raises:
        InputError: When `out` holds a record made otherwise or a fraction is too small for one example of each class.
        DivergedError: When the training diverges.

    >>> data = open_dataset((np.eye(4, dtype=np.float32), [0, 1, 0, 1]))
    >>> dynamics = record(data, epochs=2)
    >>> dynamics.epochs, len(dynamics)
    (2, 4)
    """
    data = data if isinstance(data, Dataset) else open_dataset(data)
    inputs = encode(data, image_size=image_size, tokenizer=backbone(model) if data.kind == "text" else None)
    training = settings(inputs, len(data.classes), preset, model, epochs, schedule_epochs, precision)
    inputs = frozen(inputs, seed=seed) if training.model == FEATURES else inputs
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="datapare-")) / "dynamics"
    try:
        names = _names(channels, data, fraction, folder)
        rule = RULE if until_stable else None
        run = ScoringRun(data, inputs, training, names, observed, fraction, rule, seed)
        with (
            shown("recording", wanted=progress is None) as bar,
            open_log(log, f"record-{data.digest[:8]}") as tracker,
        ):
            report = progress or None if bar is None else bar.training
            dynamics = _recorded(run, folder, autotune=autotune, progress=report, log=tracker)
    except BaseException:
        if out is None:
            shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(dynamics, shutil.rmtree, folder.parent, ignore_errors=True)
    return dynamics


def _names(channels: Sequence[str] | None, data: Dataset, fraction: float | None, folder: Path) -> tuple[str, ...]:
    """Return what to record, or what the record that was begun in the folder has."""
    names = needed(expand(channels, len(data), len(data.classes)), fraction)
    begun = begun_in(folder)
    return names if begun is None else as_begun(names, channels, begun["params"].get("channels", ()))


def settings(
    inputs: Inputs,
    n_classes: int,
    preset: str | TrainingConfig | None = None,
    model: str | None = None,
    epochs: int | None = None,
    schedule_epochs: int | None = None,
    precision: Precision | None = None,
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
    )


def suited(inputs: Inputs, n_classes: int, model: str | None) -> TrainingConfig:
    """Return the preset that suits the model, or, for one that suits all, the data."""
    if backbone(model):
        return PRESETS["finetune"]
    return PRESETS["features"] if model == FEATURES else choose(inputs, n_classes)


def planned(data: Dataset, **options: Unpack[RecordOptions]) -> int:
    """The epochs that `record` with these settings trains at most; of images only the sizes are read.

    >>> planned(open_dataset((np.zeros((4, 3)), np.array([0, 1, 0, 1])))), PRESETS["embedding"].epochs
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


def _recorded(
    run: ScoringRun,
    folder: Path,
    *,
    autotune: bool,
    progress: Callable[[Progress], None] | None,
    log: RunLog | None,
) -> Dynamics:
    if run.rule is not None and "target_prob" not in run.channels:
        raise InputError("until_stable watches target_prob, which is not recorded; name it among the channels.")
    begun = begun_in(folder)
    if begun is not None:
        check_same(folder, begun, provenance_of(run))
        # as it was begun; older records do not know of all
        found = {name: begun["params"].get(name, value) for name, value in AUTO_TUNED.items()}
        run, autotune = replace(run, training=replace(run.training, **found)), False
    if not storage.is_finished(folder):
        _train(run, folder, autotune=autotune, progress=progress, log=log)
    dynamics = _with_finished(folder, run.channels)
    forget(folder)
    return dynamics


def _train(
    run: ScoringRun,
    folder: Path,
    *,
    autotune: bool,
    progress: Callable[[Progress], None] | None,
    log: RunLog | None,
) -> None:
    """Train and record, or resume what was begun in the folder."""
    inputs, label, classes = run.inputs, run.data.label, len(run.data.classes)
    training = resolve(inputs, label, classes, run.training, run.seed, autotune=autotune)
    initial(inputs, classes, training, run.seed)  # refuses a model that cannot be built before it writes
    run = replace(run, training=training)
    index = None if run.fraction is None else draw_fraction(label, run.fraction, run.seed)
    with _recorder(run, folder) as recorder:
        epoch_log = EpochLog(log, folder, recorder.epoch)

        def enough(done: int) -> bool:
            epoch_log(done)
            return run.rule is not None and ranking_converged(_row_file(folder)[:done])

        trained = train(
            inputs, label, classes, for_fraction(training, run.fraction), seed=run.seed, index=index, recorder=recorder,
            folder=folder, progress=progress, enough=enough,
        )  # fmt: skip
        epoch_log(recorder.epoch)
        if recorder.epoch < training.epochs:
            recorder.stop()
        with compute_threads(training.threads):
            _write_finished(trained, inputs, label, run.channels, folder, progress)
        recorder.dynamics()


def _row_file(folder: Path) -> NDArray[np.float32]:
    """The probabilities recorded so far (T, N); rows of later epochs are not yet filled."""
    return storage.read_array(folder / "channels.target_prob.npy")


def _stopped(folder: Path, epochs: int) -> int:
    """The epochs of the record: as planned, or those it was stopped at by a process that was killed right then."""
    progress = read_progress(folder)
    return epochs if progress is None else min(epochs, progress["facts"]["epochs"])


def _recorder(run: ScoringRun, folder: Path) -> Recorder:
    return Recorder(
        folder,
        run.data.label,
        _stopped(folder, run.training.epochs),
        channels=[name for name in run.channels if name not in (*ARRAYS, *FINISHED)],
        arrays=[name for name in run.channels if name in ARRAYS],
        classes=run.data.classes,
        key=run.data.key,
        observed=run.observed,
        provenance=provenance_of(run),
    )


def _write_finished(
    trained: Trained,
    inputs: Inputs,
    label: NDArray[np.int64],
    channels: tuple[str, ...],
    folder: Path,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Write the signals of the finished network, one file each, whole or absent; files of a killed process stay."""
    epochs = trained.epochs
    for name in channels:
        if name not in FINISHED or _file(folder, name).exists():
            continue
        start = time.perf_counter()

        def seen(done: int, total: int, name: str = name, start: float = start) -> None:
            if progress is not None:
                speed = done / (time.perf_counter() - start)
                progress(Progress(epochs, epochs, done, total, speed, trained.loss[-1], name))

        made = FINISHED[name].make(trained.model, inputs, label, seen)
        if FINISHED[name].channel:
            made = np.concatenate([np.full((epochs - 1, len(made)), np.nan, dtype=np.float32), made[None]])  # (T, N)
        storage.write_array(_file(folder, name), made)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{'channels' if FINISHED[name].channel else 'arrays'}.{name}.npy"


def _with_finished(folder: Path, channels: tuple[str, ...]) -> Dynamics:
    """Return the finished record with the signals of its network, which a killed process may have left undescribed."""
    dynamics = cast("Dynamics", storage.load(folder))
    missing = [name for name in channels if name in FINISHED and name not in {**dynamics.arrays, **dynamics.channels}]
    if not missing:
        return dynamics
    made = {name: storage.read_array(_file(folder, name)) for name in missing}
    rows = {name: array for name, array in made.items() if FINISHED[name].channel}
    arrays = {name: array for name, array in made.items() if name not in rows}
    done = replace(dynamics, channels={**dynamics.channels, **rows}, arrays={**dynamics.arrays, **arrays})
    storage.write_meta(folder, done)
    return cast("Dynamics", storage.load(folder))
