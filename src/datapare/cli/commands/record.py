"""`datapare record`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from datapare.cli.console import say, show_result
from datapare.cli.flags import Data, Flag
from datapare.cli.next_command import say_next
from datapare.cli.opening import open_shown
from datapare.cli.progress import TrainingProgress
from datapare.options import OpenOptions, RecordOptions

if TYPE_CHECKING:
    from datapare.pipeline.reuse import NewExamples
    from datapare.recording.process_group import ProcessGroup

OPTIONS = {"opening": OpenOptions, "recording": RecordOptions}


def record(
    path: Data,
    *,
    out: Annotated[Path | None, Flag(help="Run folder.  [default: NAME.datapare]")] = None,
    fraction: Annotated[
        float | None, Flag(help="Train on so much of every class only; the other scores are to be extrapolated.")
    ] = None,
    new_examples: Annotated[
        Literal["ask", "predict", "record"],
        Flag(help="Examples that were added since the record: predict their scores, or record all again."),
    ] = "ask",
    seed: Annotated[int, Flag(help="Seed of the training, and of the draw of the fraction.", min=0)] = 0,
    opening: OpenOptions,
    recording: RecordOptions,
) -> None:
    """Train briefly and record what the model predicts.

    The epochs are the first ones of a full schedule.
    """
    from datapare.cli.processes import joined
    from datapare.training.networks.factory import check_model
    from datapare.training.run_log import check_log

    options: RecordOptions = {**recording, "seed": seed, "fraction": fraction}
    with joined() as processes:
        check_model(options.get("model"))
        check_log(options.get("log"))
        if processes.rank == 0:
            _record(path, out, new_examples, opening, options, processes)
        else:
            _assist(path, opening, options, processes)


def _record(
    path: str,
    out: Path | None,
    new_examples: "NewExamples",
    opening: OpenOptions,
    options: RecordOptions,
    processes: "ProcessGroup",
) -> None:
    from datapare.data import check_outside
    from datapare.methods.extrapolation import check_possible
    from datapare.pipeline.cost_estimate import format_bytes
    from datapare.pipeline.pruning import default_folder
    from datapare.pipeline.reuse import adapt
    from datapare.pipeline.run_folder import check_free, open_or_begin
    from datapare.pipeline.steps import record_into
    from datapare.storage import is_finished
    from datapare.training.launch import leave

    data = open_shown(path, **opening)
    place, seed = out or default_folder(data), options["seed"]
    check_outside(data, place)
    check_free(place)
    fraction = options.get("fraction")
    if fraction is not None:
        check_possible(data.label, fraction, seed)
    with (
        open_or_begin(place, data, opening, prepare=lambda: adapt(place, data, new_examples, say, seed=seed)) as folder,
        TrainingProgress() as progress,
    ):
        if not processes.on_rank_zero(lambda: not is_finished(folder.dynamics_path)):
            leave()
        dynamics = record_into(folder, say, progress, **options)
    mean = dynamics.arrays.get("logit_mean")
    soft = "" if mean is None else f", {format_bytes(mean.nbytes)} of mean logits for soft labels"
    say(f"{len(dynamics):,} examples, {dynamics.epochs} epochs{soft}: {place}")
    say_next("score", place)
    show_result(
        run=place, dynamics=folder.dynamics_path, examples=len(dynamics), epochs=dynamics.epochs,
        channels=sorted(dynamics.channels), arrays=sorted(dynamics.arrays),
    )  # fmt: skip


def _assist(path: str, opening: OpenOptions, options: RecordOptions, processes: "ProcessGroup") -> None:
    """Train with the first process, if it trains; the run folder, which may be on another machine, is its own."""
    from datapare.data import open_dataset
    from datapare.training.scoring_run import assist

    data = open_dataset(path, **opening)
    trains: bool = processes.on_rank_zero(bool)  # the first process says
    if trains:
        assist(data, **options)
