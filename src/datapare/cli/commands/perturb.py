"""`datapare scenario`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from datapare.cli.flags import Data, MethodParams, opening

GROUPS = {"opening": opening}
METHOD_PARAMS: dict[str, MethodParams] = {"perturb_params": ("perturb", "--method", "label_noise")}


def perturb(
    path: Data,
    *,
    out: Annotated[Path, Option(help="Folder for the changed dataset.")],
    method: Annotated[str, Option(help="What is done to it; see datapare methods.")] = "label_noise",
    seed: Annotated[int, Option(help="Seed of the draw.")] = 0,
    human_label: Annotated[
        str | None, Option(help="Labels of people for human_noise, one per row.", metavar="FILE:COLUMN")
    ] = None,
    opening: Mapping[str, Any],
    perturb_params: Mapping[str, Any],
) -> None:
    """Write the dataset with label noise, corrupted images, a long tail or duplicates, to try a method on."""
    import numpy as np

    from datapare import data as data_package
    from datapare.artifacts import Subset

    people = None if human_label is None else data_package.aligned_labels(human_label)
    data = data_package.open_dataset(path, **opening)
    made = data_package.perturb(data, method, seed=seed, human_label=people, **perturb_params)
    assert made.perturbation is not None  # noqa: S101 - it says what was just done
    data_package.export(made, Subset(np.arange(len(made)), len(made)), out)
    counted = f"{len(made):,} examples from {len(data):,}, {len(made.perturbation.touched):,} of them changed or added"
    typer.echo(f"{counted} by {method}: {out}")
