"""What the terminal shows: method lists and tables."""

import math
from collections.abc import Mapping, Sequence
from inspect import Parameter
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import typer
from numpy.typing import NDArray

from datapare.errors import printable
from datapare.methods.registry import METHOD_GROUPS

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from datapare.artifacts import Comparison, Kind
    from datapare.evaluation.advice import Size
    from datapare.evaluation.label_issue_check import DetectorQuality
    from datapare.evaluation.statistics import Interval
    from datapare.methods.registry import Method

quiet = False  # whether only errors are printed
call: Sequence[str] = ()  # the words of the call
live: "Bar | None" = None  # the bar that is being drawn
as_json = False  # whether the result is printed as JSON, and all else on standard error

WIDTH_WITHOUT_TERMINAL = 120

TITLES = {
    "score": "Scores: one number per example, larger = keep first",
    "select": "Selection rules: exactly so many examples",
    "extrapolate": "Extrapolation: scores of all from scores of some",
    "metric": "Metrics: one number about a dataset",
    "perturb": "Perturbations: change a dataset on purpose to test how robust a method is",
}


def say(text: object) -> None:
    """Print lines of text, unless --quiet; control characters in names of the user's data are escaped."""
    if live is not None:
        live.stop()  # or the text would follow the bar on its line
    if not quiet:
        typer.echo("\n".join(map(printable, str(text).split("\n"))), err=as_json)


def show_result(**result: object) -> None:
    """Print what a command made as one JSON object on standard output, where --json asks for it."""
    if as_json:
        from datapare.cli.json_output import to_json

        typer.echo(to_json(result))


def show_cases(kind: "Kind | None") -> None:
    """Print which method suits when, for a kind of data or for all."""
    from datapare.cli.which_method import cases_for

    say("which method when")
    for case in cases_for(kind):
        say(fill(f"  {case.flags:26} {case.when}: {case.why}", 100, subsequent_indent=" " * 29))


def list_methods(methods: "Sequence[Method]") -> None:
    """Print methods by group: name, what each does, what it reads, its parameters, its cost and its source."""
    for group_name in METHOD_GROUPS:
        chosen = [found for found in methods if found.group_name == group_name]
        if chosen:
            say(f"\n{group_name} · {TITLES[group_name]}")
        for found in chosen:
            cost = found.section("Cost").rstrip(".")
            notes = [f"reads {', '.join(found.reads)}", param_line(found.params), found.section("Source")]
            notes.insert(2, cost and f"costs {cost[0].lower()}{cost[1:]}")
            say(fill(f"{found.name:20} {found.title}", 100, subsequent_indent=" " * 21))
            say(fill(" · ".join(filter(None, notes)), 100, initial_indent=" " * 21, subsequent_indent=" " * 21))


def param_line(params: Mapping[str, Parameter]) -> str:
    """Return parameters with their defaults, as flags."""
    return " ".join(
        f"--{name.replace('_', '-')}" + ("" if p.default is p.empty or p.default is None else f" {p.default}")
        for name, p in params.items()
    )


def show_comparison(comparison: "Comparison") -> None:
    """Print the arms as a table: accuracy, what each saw and what it costs; then the accuracy of named groups."""
    from datapare.evaluation.arms import arms, describe_redrawn
    from datapare.evaluation.costs import duration, total_cost
    from datapare.evaluation.frontier import TRAININGS
    from datapare.reporting.tables import groups

    grouped = ["worst group %"] if comparison.groups else []
    headers = [
        "arm", "distinct examples", "updates", "accuracy %", "minus random, points (95 % interval)", "worst class %",
        *grouped, "epochs", "time", f"epochs for {', '.join(map(str, TRAININGS))} trainings",
    ]  # fmt: skip
    rows = []
    for i, arm in enumerate(arms(comparison)):
        totals = [total_cost(comparison, i, n).epochs for n in TRAININGS]
        rows.append([
            arm.name, f"{arm.distinct:,.0f}", _number(arm.updates), f"{100 * arm.accuracy.mean:.2f}",
            format_interval(arm.difference), _least(arm.worst_class), *([_least(arm.worst_group)] if grouped else []),
            f"{arm.epochs:.1f}", duration(60 * arm.minutes), ", ".join(_number(total, 1) for total in totals),
        ])  # fmt: skip
    _show(headers, rows)
    if redrawn := describe_redrawn(comparison):
        say(redrawn)
    if comparison.groups:
        headers = ["group", "held out", *(f"{name} %" for name in comparison.arms)]
        found = groups(comparison)
        _show(headers, [[row.name, f"{row.count:,}", *(f"{100 * one:.2f}" for one in row.accuracy)] for row in found])


def _number(value: float, digits: int = 0) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


def _least(least: tuple[str, float] | None) -> str:
    return "" if least is None else f"{100 * least[1]:.1f} ({least[0]})"


def show_sizes(tried: "Sequence[Size]") -> None:
    """Print the sizes of a curve with their intervals and savings as a table."""
    headers = [
        "arm", "accuracy %", "minus full, points (95 % interval)", "minus random", "epochs saved in 1 training", "in 10"
    ]  # fmt: skip
    rows = []
    for size in tried:
        saved = [f"{one.saved.epochs:+.1f}".replace("-", "−") for one in size.savings]
        lost, apart = format_interval(size.lost), format_interval(size.arm.difference)
        rows.append([size.arm.name, f"{100 * size.arm.accuracy.mean:.2f}", lost, apart, *saved])
    _show(headers, rows)


def _show(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console

    from datapare.cli.tables import print_table

    if not quiet:
        console = Console(stderr=as_json)
        console.width = console.width if console.is_terminal else WIDTH_WITHOUT_TERMINAL
        print_table(console, headers, rows)


def format_interval(difference: "Interval | None") -> str:
    """Return an interval of differences in points, as text; empty for None."""
    from datapare.evaluation.arms import points

    if difference is None or math.isnan(difference.mean):
        return ""
    ends = "no interval" if math.isnan(difference.low) else f"{points(difference.low)} to {points(difference.high)}"
    return f"{points(difference.mean)} ({ends})"


def show_checked(checked: "Mapping[str, DetectorQuality]") -> None:
    """Print how well each detector found the labels that were flipped on purpose."""
    for name, one in checked.items():
        say(
            f"{name:12} found {one.found:,} of {one.flipped:,} flipped labels (recall {one.recall:.0%}) "
            f"among {one.flagged:,} that it flagged"
        )
    say("mistakes of annotators are harder to see than flips drawn by chance: expect it to find fewer")
    say("flips do not say how many of the flagged labels are wrong: look at the first fifty in the file")


def show_correlation(methods: list[str], correlation: NDArray[np.float64]) -> None:
    """Print how far each method's order agrees with DUAL's, or with the first method's."""
    against = methods.index("dual") if "dual" in methods else 0
    for name, value in sorted(zip(methods, correlation[against], strict=True), key=lambda pair: -pair[1]):
        say(f"{name:24} {value:+.2f} rank correlation with {methods[against]}")
