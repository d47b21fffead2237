"""`datapare measure`."""

from pathlib import Path
from typing import Annotated

import typer

from datapare.artifacts import Params
from datapare.cli.console import say, show_result
from datapare.cli.flags import Flag
from datapare.cli.method_flags import MethodParams
from datapare.cli.next_command import next_of_run, option_words, say_next
from datapare.cli.opening import open_run, open_shown
from datapare.options import OpenOptions

OPTIONS = {"opening": OpenOptions}
METHOD_PARAMS: dict[str, MethodParams] = {"metric_params": ("metric", "--method", "spread")}
Place = Annotated[str, typer.Argument(help="A labelled dataset, or a run folder made from one.", metavar="PATH|RUN")]


def measure(
    path: Place,
    *,
    method: Annotated[str, Flag(help="What to measure: spread or training_time.")] = "spread",
    preset: Annotated[
        str | None, Flag(help="Training preset of the model to linearise; chosen by the data if absent.")
    ] = None,
    model: Annotated[str | None, Flag(help="Model to linearise, named as in record.")] = None,
    examples: Annotated[int, Flag(help="Examples to linearise the model on.", min=1)] = 100,
    opening: OpenOptions,
    metric_params: Params,
) -> None:
    """Measure one number about a dataset.

    For example how far a few examples reach, or how long a training takes.
    """
    from datapare.methods.registry import check_params, find
    from datapare.pipeline.dataset_metric import ModelOptions, is_run, measure_source
    from datapare.pipeline.run_folder import RunFolder

    train_options: ModelOptions = {"preset": preset, "model": model}
    check_params(find("metric", method), metric_params)  # before anything is opened
    source = open_run(Path(path)) if is_run(path) else open_shown(path, **opening)
    value, lines = measure_source(source, method, metric_params, train_options=train_options, examples=examples)
    for line in lines:
        say(line)
    opened = ["prune", path, "--keep", 0.3, "--dry-run", *option_words(OpenOptions, opening)]
    say_next(*(next_of_run(source) if isinstance(source, RunFolder) else opened))
    show_result(method=method, value=value, conditions=lines[1:])
