"""`datapare score`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from datapare.cli.console import show_correlation
from datapare.cli.flags import MethodParams, Preset, Run

METHOD_PARAMS: dict[str, MethodParams] = {"score_params": ("score", "--method", "dual")}


def score(
    run: Run,
    *,
    method: Annotated[str, Option(help="Score; see datapare methods.")] = "dual",
    all_: Annotated[bool, Option("--all", help="Score by every method that the record can feed.")] = False,
    average_with: Annotated[
        list[Path] | None, Option(help="Average with the scores of this run, such as another seed's; repeat for more.")
    ] = None,
    preset: Preset = None,  # noqa: ARG001 - becomes the knobs' defaults
    score_params: Mapping[str, Any],
) -> None:
    """Turn the record into one score per example; larger is kept first."""
    from datapare import storage
    from datapare.methods import scoring
    from datapare.methods.binding import holdings
    from datapare.methods.registry import find
    from datapare.methods.signals import recorded_pass_note
    from datapare.pipeline import run_folder

    if all_:
        usual = find("score", method).params
        given = {param: value for param, value in score_params.items() if value != usual[param].default}
        dynamics = run_folder.dynamics_of(run)
        scored, refused = scoring.score_all(dynamics, **given)
        for name, scores in scored.items():
            storage.save(scores, run / f"scores-{name}")
        held = f"the record holds: {holdings(dynamics)}"
        typer.echo(held)  # once, not in every reason
        for name, reason in refused.items():
            typer.echo(f"left out  {name:20} {reason.removeprefix(f'{name} ').replace(f' ({held})', '')}")
        show_correlation(*scoring.rank_correlation(scored))
        typer.echo(run_folder.write_score_table(run, scored))
        return
    dynamics = run_folder.dynamics_of(run)
    scores = scoring.score(dynamics, method, **score_params)
    if average_with:
        others = [scoring.score(run_folder.dynamics_of(other), method, **score_params) for other in average_with]
        scores = scoring.average_scores([scores, *others])
    if note := recorded_pass_note(dynamics, method):
        typer.echo(note)
    typer.echo(storage.save(scores, run / f"scores-{method}"))
