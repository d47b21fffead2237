"""`datapare select`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from datapare.cli.flags import Balanced, Keep, MethodParams, Preset, Run, parse_balance, parse_keep

METHOD_PARAMS: dict[str, MethodParams] = {"rule_params": ("select", "--method", "beta")}


def select(
    run: Run,
    keep: Keep,
    *,
    score: Annotated[str, Option(help="Which scores to select by.")] = "dual",
    method: Annotated[str, Option(help="Selection rule; see datapare methods.")] = "beta",
    balance: Balanced = "proportional",
    seed: Annotated[int, Option(help="Seed of the draw.")] = 0,
    decisions: Annotated[
        Path | None, Option(help="Edited file of datapare suspects: what it drops is never kept.")
    ] = None,
    preset: Preset = None,  # noqa: ARG001 - becomes the knobs' defaults
    rule_params: Mapping[str, Any],
) -> None:
    """Choose which examples stay."""
    from datapare.methods import selection
    from datapare.pipeline import run_folder
    from datapare.pipeline.label_decisions import read_decisions
    from datapare.pipeline.steps import describe_emptied_classes, settle

    wanted, dynamics = parse_keep(keep), run_folder.dynamics_of(run)
    dropped = () if decisions is None else read_decisions(decisions, run_folder.dataset_of(run)).drop
    subset = selection.select(
        run_folder.scores_of(run, score), method, keep=wanted, seed=seed, balance=parse_balance(balance),
        dynamics=dynamics, exclude=dropped, **rule_params,
    )  # fmt: skip
    typer.echo(f"keep {len(subset):,}, drop {subset.total - len(subset):,} of {subset.total:,} examples")
    if subset.weight is not None:
        typer.echo(f"weights {subset.weight.min():.3g} to {subset.weight.max():.3g}, in weight.npy of the subset")
    place = run_folder.keep_folder(run, wanted)
    settle(subset, place)
    if lost := describe_emptied_classes(dynamics.label, subset, dynamics.classes):
        typer.echo(lost)
    typer.echo(place / "subset")
