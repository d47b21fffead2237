"""`datapare perturb`."""

from pathlib import Path
from typing import Annotated

from datapare.artifacts import Params
from datapare.cli.console import say, show_result
from datapare.cli.flags import Data, Flag
from datapare.cli.method_flags import MethodParams
from datapare.cli.next_command import say_next
from datapare.cli.opening import open_shown
from datapare.options import OpenOptions

OPTIONS = {"opening": OpenOptions}
METHOD_PARAMS: dict[str, MethodParams] = {"perturb_params": ("perturb", "--method", "label_noise")}


def perturb(
    path: Data,
    *,
    out: Annotated[Path, Flag(help="Folder for the changed dataset.")],
    method: Annotated[str, Flag(help="What is done to it; see datapare methods.")] = "label_noise",
    seed: Annotated[int, Flag(help="Seed of the draw.", min=0)] = 0,
    human_label: Annotated[
        str | None, Flag(help="Labels of annotators for human_noise, one per row.", metavar="FILE:COLUMN")
    ] = None,
    opening: OpenOptions,
    perturb_params: Params,
) -> None:
    """Write a changed copy of a dataset, to test a method on.

    The copy has label noise, corrupted images, a long tail or duplicates.
    """
    import numpy as np

    from datapare import data as data_package
    from datapare.artifacts import Subset
    from datapare.data.formats.hf_datasets import perturbation_in

    human = None if human_label is None else data_package.aligned_labels(human_label)
    data = open_shown(path, **opening)
    data_package.check_outside(data, out)
    made = data_package.perturb(data, method, seed=seed, human_label=human, **perturb_params)
    assert made.perturbation is not None  # noqa: S101 - perturb sets it
    if perturbation_in(out) != made.perturbation.provenance:  # else the same call wrote it before
        data_package.export(made, Subset(np.arange(len(made)), len(made)), out)
    counted = f"{len(made):,} examples from {len(data):,}, {len(made.perturbation.touched):,} of them changed or added"
    say(f"{counted} by {method}: {out}")
    say_next("record", out)
    show_result(dataset=out, examples=len(made), source_examples=len(data), changed=len(made.perturbation.touched))
