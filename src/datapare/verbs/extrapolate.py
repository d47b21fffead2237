"""`datapare extrapolate`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer import Option

from datapare.flags import Knobbed, Run

KNOBBED: dict[str, Knobbed] = {"extrapolate_knobs": ("extrapolate", "--method", "knn")}


def extrapolate(
    run: Run,
    *,
    score: Annotated[str, Option(help="Which scores to complete.")] = "dual",
    method: Annotated[str, Option(help="knn or gnn; see datapare methods.")] = "knn",
    seed: Annotated[int, Option(help="Seed of the network and of what is held out.")] = 0,
    extrapolate_knobs: Mapping[str, Any],
) -> None:
    """Predict the scores of examples that were not scored, and say how far to trust them."""
    from datapare import runs
    from datapare.extrapolation import check_missing, trust
    from datapare.stages import Choice, extrapolate_into

    scores, dynamics = runs.scores_of(run, score), runs.dynamics_of(run)
    check_missing(scores)
    choice = Choice(method=score, seed=seed, extrapolation=method, extrapolate_knobs=extrapolate_knobs)
    done = extrapolate_into(run, scores, dynamics, choice, typer.echo)
    typer.echo(trust(done.recipe))
    typer.echo(runs.scores_folder(run, f"{score}+{method}"))
