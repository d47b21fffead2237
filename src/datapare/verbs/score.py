"""`datapare score`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from datapare.flags import Knobbed, Preset, Run
from datapare.screen import show_correlation

KNOBBED: dict[str, Knobbed] = {"score_knobs": ("score", "--method", "dual")}


def score(
    run: Run,
    *,
    method: Annotated[str, Option(help="Score; see datapare methods.")] = "dual",
    all_: Annotated[bool, Option("--all", help="Score by every method that the record can feed.")] = False,
    average_with: Annotated[
        list[Path] | None, Option(help="Average with the scores of this run, such as another seed's; repeat for more.")
    ] = None,
    preset: Preset = None,  # noqa: ARG001 - becomes the knobs' defaults
    score_knobs: Mapping[str, Any],
) -> None:
    """Turn the record into one score per example; larger is kept first."""
    from datapare import agreement, api, runs, store
    from datapare.methods import find
    from datapare.passes import other_pass

    if all_:
        usual = find("score", method).knobs
        given = {knob: value for knob, value in score_knobs.items() if value != usual[knob].default}
        dynamics = runs.dynamics_of(run)
        scored, refused = agreement.score_all(dynamics, **given)
        for name, scores in scored.items():
            store.save(scores, run / f"scores-{name}")
        held = f"the record holds: {api.holdings(dynamics)}"
        typer.echo(held)  # once, not in every reason
        for name, reason in refused.items():
            typer.echo(f"left out  {name:20} {reason.removeprefix(f'{name} ').replace(f' ({held})', '')}")
        show_correlation(*agreement.rank_correlation(scored))
        typer.echo(runs.write_score_table(run, scored))
        return
    dynamics = runs.dynamics_of(run)
    scores = api.score(dynamics, method, **score_knobs)
    if average_with:
        others = [api.score(runs.dynamics_of(other), method, **score_knobs) for other in average_with]
        scores = agreement.average([scores, *others])
    if note := other_pass(dynamics, method):
        typer.echo(note)
    typer.echo(store.save(scores, run / f"scores-{method}"))
