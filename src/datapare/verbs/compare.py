"""`datapare compare`."""

from typing import Annotated

import typer
from typer import Option

from datapare.flags import Run, parse_keep
from datapare.screen import counting, show_comparison


def compare(
    run: Run,
    keep: Annotated[list[str], Option(help="Kept fraction that was selected; repeat for several.")],
    test: Annotated[str, Option(help="Held-out dataset that chose nothing.", metavar="PATH")],
    *,
    seeds: Annotated[int, Option(help="Trainings of each arm.")] = 3,
) -> None:
    """Retrain on subsets, on random ones of the same size and on everything; show accuracy and cost."""
    from datapare import runs, store
    from datapare.comparison import arm_name, compare
    from datapare.data import open_dataset

    data = runs.dataset_of(run)
    subsets = {}
    for text in keep:
        subset = runs.subset_of(runs.keep_folder(run, parse_keep(text)))
        subsets[arm_name(subset)] = subset
    held_out = open_dataset(test, **{**runs.facts_of(run)["open_with"], "classes": data.classes, "split": "test"})
    with counting("retraining") as progress:
        comparison = compare(
            data, subsets, test=held_out, training=runs.training_of(run),
            image_size=runs.image_size_of(run), seeds=seeds, folder=run / "trainings",
            progress=progress,
        )  # fmt: skip
    show_comparison(comparison)
    typer.echo(store.save(comparison, run / "comparison"))
