"""`datapare compare`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer import Option

from datapare.flags import Gate, Run, parse_keep, retraining
from datapare.screen import counting, show_comparison, show_cost

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
    from datapare import runs, store
    from datapare.comparison import arm_name, compare
    from datapare.data import open_dataset
    from datapare.errors import InputError
    from datapare.lock import hold
    from datapare.page.summary import least_coverage
    from datapare.page.verdict import arms, check_gate, verdict

    if gate and test is None:
        raise InputError("--gate asks for proof, which needs data that chose nothing: give them with --test.")
    data, dynamics = runs.dataset_of(run), runs.dynamics_of(run)
    chosen = [runs.subset_of(runs.keep_folder(run, parse_keep(text))) for text in keep]
    subsets = {arm_name(subset): subset for subset in chosen}
    opened = {**runs.facts_of(run)["open_with"], "classes": data.classes, "split": "test"}
    held_out = None if test is None else open_dataset(test, **opened)
    if held_out is None:
        typer.echo(
            "no --test: a fifth of the training data judges, which the scoring run has seen; this proves nothing"
        )
    with hold(run, "working"), counting("retraining") as progress:
        comparison = compare(
            data, subsets, test=held_out, training=runs.training_of(run), **retraining,
            image_size=runs.image_size_of(run), folder=run / "trainings", progress=progress,
        )  # fmt: skip
        place = store.save(comparison, run / "comparison")
    show_comparison(comparison)
    show_cost(dynamics, None, comparison, list(subsets))
    rows, count = arms(comparison), dict(zip(comparison.arms, comparison.count.tolist(), strict=True))
    verdicts = [verdict(rows, count[name], name, comparison.held_out) for name in subsets]
    typer.echo(f"equal {comparison.budget}; {place}; for the figure: datapare report {run} --keep {keep[0]}")
    if gate:
        check_gate(verdicts, least_coverage(dynamics))
    for said in verdicts:
        typer.echo(said.text)
