"""`datapare scenario`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from datapare.flags import Data, Knobbed, opening

GROUPS = {"opening": opening}
KNOBBED: dict[str, Knobbed] = {"scenario_knobs": ("scenario", "--method", "label_noise")}


def scenario(
    path: Data,
    *,
    out: Annotated[Path, Option(help="Folder for the changed dataset.")],
    method: Annotated[str, Option(help="What is done to it; see datapare methods.")] = "label_noise",
    seed: Annotated[int, Option(help="Seed of the draw.")] = 0,
    human_label: Annotated[
        str | None, Option(help="Labels of people for human_noise, one per row.", metavar="FILE:COLUMN")
    ] = None,
    opening: Mapping[str, Any],
    scenario_knobs: Mapping[str, Any],
) -> None:
    """Write the dataset with label noise, corrupted images, a long tail or duplicates, to try a method on."""
    import numpy as np

    from datapare import data as room
    from datapare.types import Subset

    people = None if human_label is None else room.aligned_labels(human_label)
    data = room.open_dataset(path, **opening)
    made = room.scenario(data, method, seed=seed, human_label=people, **scenario_knobs)
    assert made.scenario is not None  # noqa: S101 - it says what was just done
    room.export(made, Subset(np.arange(len(made)), len(made)), out)
    counted = f"{len(made):,} examples from {len(data):,}, {len(made.scenario.touched):,} of them changed or added"
    typer.echo(f"{counted} by {method}: {out}")
