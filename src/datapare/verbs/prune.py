"""`datapare prune`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from datapare.flags import As, Balanced, Data, Keep, Knobbed, opening, parse_balance, parse_keep, recording
from datapare.screen import bars

GROUPS = {"opening": opening, "recording": recording}
KNOBBED: dict[str, Knobbed] = {
    "score_knobs": ("score", "--method", "dual"),
    "select_knobs": ("select", "--select", "beta"),
    "extrapolate_knobs": ("extrapolate", "--extrapolate", "knn"),
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
    score_knobs: Mapping[str, Any],
    select_knobs: Mapping[str, Any],
    extrapolate_knobs: Mapping[str, Any],
) -> None:
    """Make a dataset smaller: train briefly, score, select, export and report, in one go."""
    from datapare.pruning import check_enough_epochs, possible, prune
    from datapare.stages import Choice

    if dry_run:
        from datapare.forecast import forecast

        choice = Choice(
            method, select, score_knobs, select_knobs, extrapolation=extrapolate or "knn",
            extrapolate_knobs=extrapolate_knobs,
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
            path, keep=parse_keep(keep), out=out, method=method, selection=select, score_knobs=score_knobs,
            select_knobs=select_knobs, balance=parse_balance(balance), score_fraction=score_fraction,
            extrapolate=extrapolate, extrapolate_knobs=extrapolate_knobs, seed=seed, as_=as_, open_with=opening,
            record_with=recording, announce=typer.echo, progress=progress,
        )  # fmt: skip
    if not made.fresh:
        typer.echo("everything was there already; nothing was done again")
    typer.echo(f"dataset   {made.dataset}\nexamples  {made.examples}\nreport    {made.report}")
