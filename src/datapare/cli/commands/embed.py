"""`datapare embed`."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from datapare.cli.flags import Run


def embed(
    run: Run,
    *,
    model: Annotated[str | None, Option(help="Pretrained backbone, as transformers:NAME.")] = None,
    array: Annotated[Path | None, Option(help="A .npy file (N, d) of your own, in the dataset's order.")] = None,
) -> None:
    """Choose the features by which examples are alike: the recorded network's, a backbone's, or an array."""
    from datapare.lock import hold
    from datapare.pipeline import run_folder
    from datapare.pipeline.steps import embed_into

    run_folder.facts_of(run)
    with hold(run, "working"):
        dynamics = embed_into(run, model, array)
    typer.echo(
        f"{len(dynamics):,} examples, {dynamics.arrays['embedding'].shape[1]} features: {run_folder.record_folder(run)}"
    )
