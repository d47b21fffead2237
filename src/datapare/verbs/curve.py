"""`datapare curve`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer import Option

from datapare.flags import Balanced, Gate, Knobbed, Run, parse_balance, parse_keep, retraining
from datapare.screen import counting, show_comparison, show_sizes

GROUPS = {"retraining": retraining}
KNOBBED: dict[str, Knobbed] = {"select_knobs": ("select", "--method", "beta")}


def curve(
    run: Run,
    keep: Annotated[list[str], Option(help="Fraction to try; repeat for several.")],
    *,
    within: Annotated[float, Option(help="Percentage points below full that are still fine.")] = 1.0,
    score: Annotated[str, Option(help="Which scores to select by.")] = "dual",
    method: Annotated[str, Option(help="Selection rule; see datapare methods.")] = "beta",
    balance: Balanced = "proportional",
    knob: Annotated[
        str | None, Option(help="Try several values of a knob of the rule and use the best, such as c_d=2,4,6.")
    ] = None,
    gate: Gate = False,
    retraining: Mapping[str, Any],
    select_knobs: Mapping[str, Any],
) -> None:
    """Find the smallest subset that stays within so many points of full, and what it saves, by cheap retrainings."""
    from datapare import runs, store
    from datapare.errors import GateError
    from datapare.lock import hold
    from datapare.page.advice import advise, sizes
    from datapare.page.cost import scoring
    from datapare.sizing import curve, parse_knob

    data, dynamics, scores = runs.dataset_of(run), runs.dynamics_of(run), runs.scores_of(run, score)
    with hold(run, "working"), counting("retraining") as progress:
        tried = curve(
            data, scores, [parse_keep(text) for text in keep], dynamics=dynamics, method=method,
            balance=parse_balance(balance), select_knobs=select_knobs, knob=None if knob is None else parse_knob(knob),
            training=runs.training_of(run), **retraining,
            image_size=runs.image_size_of(run), folder=run / "trainings", progress=progress,
        )  # fmt: skip
        place = store.save(tried, run / "curve")
    show_comparison(tried)
    once = scoring(dynamics, scores)
    show_sizes(sizes(tried, once))
    for kept, values in tried.recipe.knobs["chosen"].items():
        typer.echo(f"{kept}: {values}")
    advice = advise(tried, within, once)
    typer.echo(f"equal {tried.budget}; {place}; the report of any --keep shows the figure")
    if gate and advice.outcome != "prune":
        raise GateError(f"the gate is not met. {advice.text}")
    typer.echo(advice.text)
