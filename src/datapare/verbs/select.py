"""`datapare select`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from datapare.flags import Balanced, Keep, Knobbed, Preset, Run, parse_balance, parse_keep

KNOBBED: dict[str, Knobbed] = {"select_knobs": ("select", "--method", "beta")}


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
    select_knobs: Mapping[str, Any],
) -> None:
    """Choose which examples stay."""
    from datapare import api, runs
    from datapare.decisions import read_decisions
    from datapare.stages import settle, vanished

    wanted, dynamics = parse_keep(keep), runs.dynamics_of(run)
    dropped = () if decisions is None else read_decisions(decisions, runs.dataset_of(run)).drop
    subset = api.select(
        runs.scores_of(run, score), method, keep=wanted, seed=seed, balance=parse_balance(balance),
        dynamics=dynamics, exclude=dropped, **select_knobs,
    )  # fmt: skip
    typer.echo(f"keep {len(subset):,}, drop {subset.total - len(subset):,} of {subset.total:,} examples")
    if subset.weight is not None:
        typer.echo(f"weights {subset.weight.min():.3g} to {subset.weight.max():.3g}, in weight.npy of the subset")
    place = runs.keep_folder(run, wanted)
    settle(subset, place)
    if lost := vanished(dynamics.label, subset, dynamics.classes):
        typer.echo(lost)
    typer.echo(place / "subset")
