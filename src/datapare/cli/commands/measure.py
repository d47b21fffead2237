"""`datapare gauge`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer import Option

from datapare.cli.flags import MethodParams, opening

GROUPS = {"opening": opening}
METHOD_PARAMS: dict[str, MethodParams] = {"metric_params": ("metric", "--method", "spread")}
Place = Annotated[str, typer.Argument(help="A labelled dataset, or a run folder made from one.", metavar="PATH|RUN")]


def measure(
    path: Place,
    *,
    method: Annotated[str, Option(help="What to measure: spread or training_time.")] = "spread",
    preset: Annotated[
        str | None, Option(help="Training recipe of the model to linearise; chosen by the data if absent.")
    ] = None,
    model: Annotated[str | None, Option(help="Model to linearise, named as in record.")] = None,
    examples: Annotated[int, Option(help="Examples to linearise the model on.")] = 100,
    opening: Mapping[str, Any],
    metric_params: Mapping[str, Any],
) -> None:
    """Measure one number about a dataset: how far a few examples reach, or how long a training takes."""
    from datapare.pipeline.dataset_metric import measure_source

    train_with = {"preset": preset, "model": model}
    for line in measure_source(
        path, method, metric_params, open_with=opening, train_with=train_with, examples=examples
    ):
        typer.echo(line)
