"""`datapare prune`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from datapare.cli.console import bars
from datapare.cli.flags import As, Balanced, Data, Keep, MethodParams, opening, parse_balance, parse_keep, recording

GROUPS = {"opening": opening, "recording": recording}
METHOD_PARAMS: dict[str, MethodParams] = {
    "score_params": ("score", "--method", "dual"),
    "rule_params": ("select", "--select", "beta"),
    "extrapolate_params": ("extrapolate", "--extrapolate", "knn"),
}


def prune(
    path: Data,
    keep: Keep,
    *,
    out: Annotated[Path | None, Option(help="Run folder for all results.  [default: NAME.datapare]")] = None,
    method: Annotated[str, Option(help="Score; see datapare methods.")] = "dual",
    select: Annotated[str, Option(help="Selection rule; see datapare methods.")] = "beta",
    balance: Balanced = "proportional",
    score_fraction: Annotated[
        float | None, Option(help="Train on and score so much of every class only; predict the other scores.")
    ] = None,
    extrapolate: Annotated[str | None, Option(help="What predicts them: knn or gnn.  [default: knn]")] = None,
    as_: As = "copy",
    seed: Annotated[int, Option(help="Seed of the training and of the selection.")] = 0,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Say what it would cost, from a few real steps, and stop.")
    ] = False,
    opening: Mapping[str, Any],
    recording: Mapping[str, Any],
    score_params: Mapping[str, Any],
    rule_params: Mapping[str, Any],
    extrapolate_params: Mapping[str, Any],
) -> None:
    """Make a dataset smaller: train briefly, score, select, export and report, in one go."""
    from datapare.pipeline.pruning import check_enough_epochs, possible, prune
    from datapare.pipeline.steps import PruneOptions

    if dry_run:
        from datapare.pipeline.cost_estimate import forecast

        choice = PruneOptions(
            method, select, score_params, rule_params, extrapolation=extrapolate or "knn",
            extrapolate_params=extrapolate_params,
        )  # fmt: skip
        whole = possible(choice, recording, extrapolate, score_fraction)
        told = forecast(
            path, keep=parse_keep(keep), score_fraction=score_fraction, seed=seed, open_with=opening, record_with=whole
        )
        check_enough_epochs(choice, told.training.epochs)
        for line in told.lines():
            typer.echo(line)
        return
    with bars() as progress:
        made = prune(
            path, keep=parse_keep(keep), out=out, method=method, selection=select, score_params=score_params,
            rule_params=rule_params, balance=parse_balance(balance), score_fraction=score_fraction,
            extrapolate=extrapolate, extrapolate_params=extrapolate_params, seed=seed, as_=as_, open_with=opening,
            record_with=recording, announce=typer.echo, progress=progress,
        )  # fmt: skip
    if not made.fresh:
        typer.echo("everything was there already; nothing was done again")
    typer.echo(f"dataset   {made.dataset}\nexamples  {made.examples}\nreport    {made.report}")
