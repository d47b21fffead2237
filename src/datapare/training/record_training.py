"""Make a record: train, in one process or several, while a Recorder watches, and finish what it is made of."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics
from datapare.data import Inputs
from datapare.numerics.sampling import draw_fraction
from datapare.recording import ARRAYS, Recorder
from datapare.recording.logit_tables import remove_tables
from datapare.recording.process_group import ProcessGroup
from datapare.recording.record_files import read_progress
from datapare.training.checkpoint import forget
from datapare.training.config import AUTO_TUNED, for_fraction
from datapare.training.device import compute_threads
from datapare.training.distributed import Devices, StoredInputs
from datapare.training.epoch import Progress
from datapare.training.launch import launch
from datapare.training.loop import Trained, initial, resolve, train
from datapare.training.ranking_stability import ranking_converged
from datapare.training.run_log import EpochLog, RunLog
from datapare.training.scoring_provenance import ScoringRun, begun_in, check_same, finished_by, provenance_of
from datapare.training.signals.final import FINISHED

REPORT_SECONDS = 0.1  # between two messages about the same epoch


def record_in_processes(
    run: ScoringRun,
    inputs: Inputs,
    folder: Path,
    processes: int,
    *,
    progress: Callable[[Progress], None] | None,
    log: RunLog | None,
) -> None:
    """Make the record in so many processes, which map the encoded examples from one file."""
    epoch_log, stored = EpochLog(log, folder, _epochs_done(folder)), StoredInputs.of(inputs)

    def report(state: Progress) -> None:
        epoch_log(state.epoch)
        if progress is not None:
            progress(state)

    try:
        launch(processes, _take_part, run, stored, folder, report=report)
    finally:
        stored.remove()
    epoch_log(_epochs_done(folder))


def _take_part(report: Callable[[Progress], None] | None, run: ScoringRun, stored: StoredInputs, folder: Path) -> None:
    progress = None if report is None else _now_and_then(report)
    devices = Devices(ProcessGroup())
    record_together(run, stored.load(), folder, devices, autotune=False, progress=progress, log=None)


def _now_and_then(report: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Return a report that passes on the last state of each epoch, and otherwise a few each second."""
    last = 0.0

    def passed_on(state: Progress) -> None:
        nonlocal last
        if state.examples_done in {0, state.examples_total} or time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            report(state)

    return passed_on


def record_together(
    run: ScoringRun,
    inputs: Inputs,
    folder: Path,
    devices: Devices,
    *,
    autotune: bool,
    progress: Callable[[Progress], None] | None,
    log: RunLog | None,
) -> None:
    """Make the record, or resume what was begun in the folder; only the first process touches it."""
    run = replace(run, processes=devices.count)
    begun = devices.on_rank_zero(lambda: begun_in(folder))
    if begun is not None:
        run = replace(run, processes=cast("int", begun["params"].get("processes", 1)))
        check_same(folder, begun, provenance_of(run))
        # as it was begun; older records do not know of all
        found = {name: begun["params"].get(name, value) for name, value in AUTO_TUNED.items()}
        run, autotune = replace(run, training=replace(run.training, **found)), False
    finished = devices.on_rank_zero(lambda: storage.is_finished(folder))
    if not finished:
        progress = progress if devices.rank == 0 else None
        _train(run, inputs, folder, devices, autotune=autotune, progress=progress, log=log)
    devices.on_rank_zero(lambda: _complete(folder, run.channels, run.processes if finished else devices.count))


def _train(
    run: ScoringRun,
    inputs: Inputs,
    folder: Path,
    devices: Devices,
    *,
    autotune: bool,
    progress: Callable[[Progress], None] | None,
    log: RunLog | None,
) -> None:
    """Train and record, or resume what was begun in the folder."""
    label, classes = run.label, len(run.classes)
    training = resolve(inputs, label, classes, run.training, run.seed, autotune=autotune)
    initial(inputs, classes, training, run.seed)  # refuses a model that cannot be built before it writes
    run = replace(run, training=training)
    index = None if run.fraction is None else draw_fraction(label, run.fraction, run.seed)
    with _recorder(run, folder, devices) as recorder:
        epoch_log = EpochLog(log, folder, recorder.epoch)

        def enough(done: int) -> bool:
            epoch_log(done)
            return run.rule is not None and ranking_converged(_row_file(folder)[:done])

        trained = train(
            inputs, label, classes, for_fraction(training, run.fraction), seed=run.seed, index=index, recorder=recorder,
            folder=folder, progress=progress, enough=enough, devices=devices,
        )  # fmt: skip
        epoch_log(recorder.epoch)
        if recorder.epoch < training.epochs:
            recorder.stop()
        with compute_threads(training.threads):
            devices.on_rank_zero(lambda: _write_finished(trained, inputs, label, run.channels, folder, progress))
        if devices.rank == 0:
            recorder.dynamics()


def _row_file(folder: Path) -> NDArray[np.float32]:
    """The probabilities recorded so far (T, N); rows of later epochs are not yet filled."""
    return storage.read_array(folder / "channels.target_prob.npy")


def _stopped(folder: Path, epochs: int) -> int:
    """The epochs of the record: as planned, or those it was stopped at by a process that was killed right then."""
    progress = read_progress(folder)
    return epochs if progress is None else min(epochs, progress["facts"]["epochs"])


def _epochs_done(folder: Path) -> int:
    progress = read_progress(folder)
    return 0 if progress is None else len(progress["coverage"])


def _recorder(run: ScoringRun, folder: Path, devices: Devices) -> Recorder:
    return Recorder(
        folder,
        run.label,
        devices.on_rank_zero(lambda: _stopped(folder, run.training.epochs)),
        channels=[name for name in run.channels if name not in (*ARRAYS, *FINISHED)],
        arrays=[name for name in run.channels if name in ARRAYS],
        classes=run.classes,
        key=run.key,
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


def _complete(folder: Path, channels: tuple[str, ...], processes: int) -> None:
    """Describe the signals of the finished network, and how many processes finished a record that others began.

    A killed process may have left the signals undescribed, and tables that only the training needs.
    """
    dynamics = cast("Dynamics", storage.load(folder))
    provenance = finished_by(dynamics.provenance, processes)
    missing = [name for name in channels if name in FINISHED and name not in {**dynamics.arrays, **dynamics.channels}]
    if missing or provenance is not dynamics.provenance:
        made = {name: storage.read_array(_file(folder, name)) for name in missing}
        rows = {name: array for name, array in made.items() if FINISHED[name].channel}
        arrays = {name: array for name, array in made.items() if name not in rows}
        done = replace(
            dynamics,
            channels={**dynamics.channels, **rows},
            arrays={**dynamics.arrays, **arrays},
            provenance=provenance,
        )
        storage.write_meta(folder, done)
    forget(folder)
    remove_tables(folder)
