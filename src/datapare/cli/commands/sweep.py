"""`datapare curve`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer import Option

from datapare.cli.console import counting, show_comparison, show_sizes
from datapare.cli.flags import Balanced, Gate, MethodParams, Run, parse_balance, parse_keep, retraining

GROUPS = {"retraining": retraining}
METHOD_PARAMS: dict[str, MethodParams] = {"rule_params": ("select", "--method", "beta")}


def sweep(
    run: Run,
    keep: Annotated[list[str], Option(help="Fraction to try; repeat for several.")],
    *,
    within: Annotated[float, Option(help="Percentage points below full that are still fine.")] = 1.0,
    score: Annotated[str, Option(help="Which scores to select by.")] = "dual",
    method: Annotated[str, Option(help="Selection rule; see datapare methods.")] = "beta",
    balance: Balanced = "proportional",
    param: Annotated[
        str | None, Option(help="Try several values of a knob of the rule and use the best, such as c_d=2,4,6.")
    ] = None,
    gate: Gate = False,
    retraining: Mapping[str, Any],
    rule_params: Mapping[str, Any],
) -> None:
    """Find the smallest subset that stays within so many points of full, and what it saves, by cheap retrainings."""
    from datapare import storage
    from datapare.errors import GateError
    from datapare.evaluation.advice import advise, sizes
    from datapare.evaluation.keep_sweep import parse_knob, sweep
    from datapare.evaluation.record_costs import scoring
    from datapare.lock import hold
    from datapare.pipeline import run_folder

    data, dynamics, scores = run_folder.dataset_of(run), run_folder.dynamics_of(run), run_folder.scores_of(run, score)
    with hold(run, "working"), counting("retraining") as progress:
        tried = sweep(
            data, scores, [parse_keep(text) for text in keep], dynamics=dynamics, method=method,
            balance=parse_balance(balance), rule_params=rule_params, param=None if param is None else parse_knob(param),
            training=run_folder.training_of(run), **retraining,
            image_size=run_folder.image_size_of(run), folder=run / "trainings", progress=progress,
        )  # fmt: skip
        place = storage.save(tried, run / "curve")
    show_comparison(tried)
    once = scoring(dynamics, scores)
    show_sizes(sizes(tried, once))
    for kept, values in tried.provenance.params["chosen"].items():
        typer.echo(f"{kept}: {values}")
    advice = advise(tried, within, once)
    typer.echo(f"equal {tried.budget}; {place}; the report of any --keep shows the figure")
    if gate and advice.outcome != "prune":
        raise GateError(f"the gate is not met. {advice.text}")
    typer.echo(advice.text)
