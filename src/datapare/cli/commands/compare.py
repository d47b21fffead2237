"""`datapare compare`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer import Option

from datapare.cli.console import counting, show_comparison, show_cost
from datapare.cli.flags import Gate, Run, parse_keep, retraining

GROUPS = {"retraining": retraining}


def compare(
    run: Run,
    keep: Annotated[list[str], Option(help="Kept fraction that was selected; repeat for several.")],
    *,
    test: Annotated[
        str | None,
        Option(help="Held-out dataset that chose nothing.  [default: a split of the training data]", metavar="PATH"),
    ] = None,
    gate: Gate = False,
    retraining: Mapping[str, Any],
) -> None:
    """Retrain on subsets, on random ones of the same size and on everything; show accuracy and cost."""
    from datapare import storage
    from datapare.data import open_dataset
    from datapare.errors import InputError
    from datapare.evaluation.comparison import arm_name, compare
    from datapare.evaluation.record_summary import least_coverage
    from datapare.evaluation.verdicts import arms, check_gate, verdict
    from datapare.lock import hold
    from datapare.pipeline import run_folder

    if gate and test is None:
        raise InputError("--gate asks for proof, which needs data that chose nothing: give them with --test.")
    data, dynamics = run_folder.dataset_of(run), run_folder.dynamics_of(run)
    chosen = [run_folder.subset_of(run_folder.keep_folder(run, parse_keep(text))) for text in keep]
    subsets = {arm_name(subset): subset for subset in chosen}
    opened = {**run_folder.facts_of(run)["open_with"], "classes": data.classes, "split": "test"}
    held_out = None if test is None else open_dataset(test, **opened)
    if held_out is None:
        typer.echo(
            "no --test: a fifth of the training data judges, which the scoring run has seen; this proves nothing"
        )
    with hold(run, "working"), counting("retraining") as progress:
        comparison = compare(
            data, subsets, test=held_out, training=run_folder.training_of(run), **retraining,
            image_size=run_folder.image_size_of(run), folder=run / "trainings", progress=progress,
        )  # fmt: skip
        place = storage.save(comparison, run / "comparison")
    show_comparison(comparison)
    show_cost(dynamics, None, comparison, list(subsets))
    rows, count = arms(comparison), dict(zip(comparison.arms, comparison.count.tolist(), strict=True))
    verdicts = [verdict(rows, count[name], name, comparison.held_out) for name in subsets]
    typer.echo(f"equal {comparison.budget}; {place}; for the figure: datapare report {run} --keep {keep[0]}")
    if gate:
        check_gate(verdicts, least_coverage(dynamics))
    for said in verdicts:
        typer.echo(said.text)
