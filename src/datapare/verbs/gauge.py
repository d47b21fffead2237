"""`datapare gauge`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer import Option

from datapare.flags import Knobbed, opening

GROUPS = {"opening": opening}
KNOBBED: dict[str, Knobbed] = {"gauge_knobs": ("gauge", "--method", "spread")}
Place = Annotated[str, typer.Argument(help="A labelled dataset, or a run folder made from one.", metavar="PATH|RUN")]


def gauge(
    path: Place,
    *,
    method: Annotated[str, Option(help="What to measure: spread or training_time.")] = "spread",
    preset: Annotated[
        str | None, Option(help="Training recipe of the model to linearise; chosen by the data if absent.")
    ] = None,
    model: Annotated[str | None, Option(help="Model to linearise, named as in record.")] = None,
    examples: Annotated[int, Option(help="Examples to linearise the model on.")] = 100,
    opening: Mapping[str, Any],
    gauge_knobs: Mapping[str, Any],
) -> None:
    """Measure one number about a dataset: how far a few examples reach, or how long a training takes."""
    from datapare.gauging import measure

    train_with = {"preset": preset, "model": model}
    for line in measure(path, method, gauge_knobs, open_with=opening, train_with=train_with, examples=examples):
        typer.echo(line)
