"""`datapare extrapolate`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer import Option

from datapare.cli.flags import MethodParams, Run

METHOD_PARAMS: dict[str, MethodParams] = {"extrapolate_params": ("extrapolate", "--method", "knn")}


def extrapolate(
    run: Run,
    *,
    score: Annotated[str, Option(help="Which scores to complete.")] = "dual",
    method: Annotated[str, Option(help="knn or gnn; see datapare methods.")] = "knn",
    seed: Annotated[int, Option(help="Seed of the network and of what is held out.")] = 0,
    extrapolate_params: Mapping[str, Any],
) -> None:
    """Predict the scores of examples that were not scored, and say how far to trust them."""
    from datapare.methods.extrapolation import check_missing, describe_reliability
    from datapare.pipeline import run_folder
    from datapare.pipeline.steps import PruneOptions, extrapolate_into

    scores, dynamics = run_folder.scores_of(run, score), run_folder.dynamics_of(run)
    check_missing(scores)
    choice = PruneOptions(method=score, seed=seed, extrapolation=method, extrapolate_params=extrapolate_params)
    done = extrapolate_into(run, scores, dynamics, choice, typer.echo)
    typer.echo(describe_reliability(done.provenance))
    typer.echo(run_folder.scores_folder(run, f"{score}+{method}"))
