"""`datapare record`."""

from pathlib import Path
from typing import Annotated, Literal

from datapare.cli.console import say, show_result
from datapare.cli.flags import Data, Flag
from datapare.cli.opening import open_shown
from datapare.cli.progress import TrainingProgress
from datapare.options import OpenOptions, RecordOptions

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
    """Train for the first epochs of a schedule and record what the model predicted for each example."""
    from datapare.data import check_outside
    from datapare.methods.extrapolation import check_possible
    from datapare.pipeline.pruning import default_folder
    from datapare.pipeline.reuse import adapt
    from datapare.pipeline.run_folder import check_dataset_path, check_free, open_or_begin
    from datapare.pipeline.steps import record_into

    check_dataset_path(path)
    data = open_shown(path, **opening)
    place = out or default_folder(data)
    check_outside(data, place)
    check_free(place)
    if fraction is not None:
        check_possible(data.label, fraction, seed)
    with (
        open_or_begin(place, data, opening, prepare=lambda: adapt(place, data, new_examples, say, seed=seed)) as folder,
        TrainingProgress() as progress,
    ):
        options: RecordOptions = {**recording, "seed": seed, "fraction": fraction}
        dynamics = record_into(folder, say, progress, **options)
    mean = dynamics.arrays.get("logit_mean")
    soft = "" if mean is None else f", {mean.nbytes / 1e6:.2g} MB of mean logits for soft labels"
    say(f"{len(dynamics):,} examples, {dynamics.epochs} epochs{soft}: {place}")
    say(f"next: datapare score {place}")
    show_result(
        run=place, dynamics=folder.dynamics_path, examples=len(dynamics), epochs=dynamics.epochs,
        channels=sorted(dynamics.channels), arrays=sorted(dynamics.arrays),
    )  # fmt: skip
