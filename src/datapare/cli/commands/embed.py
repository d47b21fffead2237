"""`datapare embed`."""

from pathlib import Path
from typing import Annotated

from datapare.cli.console import say, show_result
from datapare.cli.flags import Flag, Run
from datapare.cli.next_command import say_next
from datapare.cli.opening import open_run


def embed(
    run: Run,
    *,
    model: Annotated[str | None, Flag(help="Pretrained backbone, as transformers:NAME.")] = None,
    array: Annotated[Path | None, Flag(help="A .npy file (N, d) of your own, in the dataset's order.")] = None,
) -> None:
    """Choose the features by which examples are alike.

    They are the recorded network's, a pretrained backbone's, or an array of yours.
    """
    from datapare.pipeline.steps import set_embedding

    folder = open_run(run)
    dynamics = set_embedding(folder, model=model, array=array)
    width = dynamics.arrays["embedding"].shape[1]
    say(f"{len(dynamics):,} examples, {width} features: {folder.dynamics_path}")
    say_next("score", run, "--all")
    show_result(dynamics=folder.dynamics_path, examples=len(dynamics), features=width)
