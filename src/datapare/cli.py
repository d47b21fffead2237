"""The command line: one verb per public function, flags from signatures, no arithmetic."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Option

from datapare.errors import DatapareError
from datapare.flags import As, Data, Group, Keep, Knobbed, Preset, Run, command, opening, parse_keep, recording
from datapare.methods import ROOMS, find, names
from datapare.screen import bars, counting, knob_line, list_methods, show_comparison, show_correlation, show_recipe

INTERRUPTED = 130


def prune(
    path: Data,
    keep: Keep,
    *,
    out: Annotated[Path | None, Option(help="Run folder for all results.  [default: NAME.datapare]")] = None,
    method: Annotated[str, Option(help="Score; see datapare methods.")] = "dual",
    select: Annotated[str, Option(help="Selection rule; see datapare methods.")] = "beta",
    balance: Annotated[
        Literal["proportional", "uniform"] | None, Option(help="Apply the rule inside each class.")
    ] = None,
    as_: As = "copy",
    seed: Annotated[int, Option(help="Seed of the training and of the selection.")] = 0,
    opening: Mapping[str, Any],
    recording: Mapping[str, Any],
    score_knobs: Mapping[str, Any],
    select_knobs: Mapping[str, Any],
) -> None:
    """Make a dataset smaller: train briefly, score, select, export and report, in one go."""
    from datapare.pruning import prune

    with bars() as progress:
        made = prune(
            path, keep=parse_keep(keep), out=out, method=method, selection=select, score_knobs=score_knobs,
            select_knobs=select_knobs, balance=balance, seed=seed, as_=as_, open_with=opening, record_with=recording,
            announce=typer.echo, progress=progress,
        )  # fmt: skip
    if not made.fresh:
        typer.echo("everything was there already; nothing was done again")
    typer.echo(f"dataset   {made.dataset}\nexamples  {made.examples}\nreport    {made.report}")


def record(
    path: Data,
    *,
    out: Annotated[Path | None, Option(help="Run folder.  [default: NAME.datapare]")] = None,
    seed: Annotated[int, Option(help="Seed of the training.")] = 0,
    opening: Mapping[str, Any],
    recording: Mapping[str, Any],
) -> None:
    """Train for the first epochs of a schedule and record what the model believed about each example."""
    from datapare import runs
    from datapare.data import open_dataset
    from datapare.lock import hold
    from datapare.pruning import default_folder, record_into

    data = open_dataset(path, **opening)
    folder = out or default_folder(data)
    runs.check_free(folder)
    with hold(folder, "working"), bars() as progress:
        runs.begin(folder, data, opening)
        dynamics = record_into(folder, data, typer.echo, progress, seed=seed, **recording)
    typer.echo(f"{len(dynamics):,} examples, {dynamics.epochs} epochs: {folder}")


def score(
    run: Run,
    *,
    method: Annotated[str, Option(help="Score; see datapare methods.")] = "dual",
    all_: Annotated[bool, Option("--all", help="Score by every method that the record can feed.")] = False,
    preset: Preset = None,  # noqa: ARG001 - becomes the knobs' defaults
    score_knobs: Mapping[str, Any],
) -> None:
    """Turn the record into one score per example; larger is kept first."""
    from datapare import api, runs, store

    if all_:
        scored, refused = api.score_all(runs.dynamics_of(run))
        for name, scores in scored.items():
            store.save(scores, run / f"scores-{name}")
        for reason in refused.values():
            typer.echo(f"left out: {reason}")
        show_correlation(*api.rank_correlation(scored))
        typer.echo(runs.write_score_table(run, scored))
        return
    scores = api.score(runs.dynamics_of(run), method, **score_knobs)
    typer.echo(store.save(scores, run / f"scores-{method}"))


def select(
    run: Run,
    keep: Keep,
    *,
    score: Annotated[str, Option(help="Which scores to select by.")] = "dual",
    method: Annotated[str, Option(help="Selection rule; see datapare methods.")] = "beta",
    balance: Annotated[
        Literal["proportional", "uniform"] | None, Option(help="Apply the rule inside each class.")
    ] = None,
    seed: Annotated[int, Option(help="Seed of the draw.")] = 0,
    preset: Preset = None,  # noqa: ARG001 - becomes the knobs' defaults
    select_knobs: Mapping[str, Any],
) -> None:
    """Choose which examples stay."""
    from datapare import api, runs
    from datapare.pruning import settle

    wanted = parse_keep(keep)
    subset = api.select(
        runs.scores_of(run, score), method, keep=wanted, seed=seed, balance=balance,
        dynamics=runs.dynamics_of(run), **select_knobs,
    )  # fmt: skip
    typer.echo(f"keep {len(subset):,}, drop {subset.total - len(subset):,} of {subset.total:,} examples")
    place = runs.keep_folder(run, wanted)
    settle(subset, place)
    typer.echo(place / "subset")


def export(
    run: Run,
    keep: Keep,
    *,
    out: Annotated[Path | None, Option(help="Folder for the smaller dataset.  [default: inside RUN]")] = None,
    as_: As = "copy",
) -> None:
    """Write the kept examples as the same kind of dataset as the original."""
    from datapare import runs
    from datapare.data import export

    place = runs.keep_folder(run, parse_keep(keep))
    typer.echo(export(runs.dataset_of(run), runs.subset_of(place), out or place / "dataset", as_=as_))


def compare(
    run: Run,
    keep: Annotated[list[str], Option(help="Kept fraction that was selected; repeat for several.")],
    test: Annotated[str, Option(help="Held-out dataset that chose nothing.", metavar="PATH")],
    *,
    seeds: Annotated[int, Option(help="Trainings of each arm.")] = 3,
) -> None:
    """Retrain on subsets, on random ones of the same size and on everything; show accuracy and cost."""
    from datapare import runs, store
    from datapare.comparison import arm_name, compare
    from datapare.data import open_dataset

    data = runs.dataset_of(run)
    subsets = {}
    for text in keep:
        subset = runs.subset_of(runs.keep_folder(run, parse_keep(text)))
        subsets[arm_name(subset)] = subset
    held_out = open_dataset(test, **{**runs.facts_of(run)["open_with"], "classes": data.classes, "split": "test"})
    with counting("retraining") as progress:
        comparison = compare(
            data, subsets, test=held_out, training=runs.training_of(run),
            image_size=runs.image_size_of(run), seeds=seeds, folder=run / "trainings",
            progress=progress,
        )  # fmt: skip
    show_comparison(comparison)
    typer.echo(store.save(comparison, run / "comparison"))


def report(
    run: Run,
    keep: Keep,
    *,
    out: Annotated[Path | None, Option(help="HTML file to write.  [default: inside RUN]")] = None,
) -> None:
    """Write one HTML file to look at: what was kept, whether it paid, which labels to doubt."""
    from datapare import runs
    from datapare.page import report
    from datapare.pruning import write_text

    place = runs.keep_folder(run, parse_keep(keep))
    subset = runs.subset_of(place)
    scored = [parent.method for parent in subset.recipe.parents if parent.verb == "score"]
    page = report(
        subset, scores=runs.scores_of(run, scored[0]) if scored else None, dynamics=runs.dynamics_of(run),
        data=runs.dataset_of(run), comparison=runs.comparison_of(run),
        others=runs.all_scores_of(run),
    )  # fmt: skip
    write_text(out or place / "report.html", page)
    typer.echo(out or place / "report.html")


def methods(
    name: Annotated[str | None, typer.Argument(help="Show one method whole: formula, source, knobs.")] = None,
) -> None:
    """List every score and selection rule: what it reads, its knobs, its source."""
    if name is None:
        list_methods()
        return
    rooms = [room for room in ROOMS if name in names(room)]
    if not rooms:
        find("score", name)
    for room in rooms:
        found = find(room, name)
        typer.echo(f"{room} method {name}\n\n{found.doc}\n\nKnobs: {knob_line(found.knobs) or 'none'}\n")


def show(path: Annotated[Path, typer.Argument(help="A saved record, scores, subset or comparison.")]) -> None:
    """Say in words what an artefact holds and how it was made."""
    from datapare import store

    meta = store.read_meta(path)
    typer.echo(meta["noun"])
    for name, described in meta["arrays"].items():
        typer.echo(f"  {name:24} {described['dtype']:8} {tuple(described['shape'])}")
    show_recipe(meta["fields"]["recipe"])


def doctor() -> None:
    """Tell what this machine offers: versions, cores, devices, optional libraries."""
    from datapare.doctor import examine

    for name, value in examine().items():
        typer.echo(f"{name:22} {value}")


# verb: its groups of flags, and the flags that name a method whose knobs become flags too
VERBS: Mapping[Callable[..., None], tuple[Mapping[str, Group], Mapping[str, Knobbed]]] = {
    prune: (
        {"opening": opening, "recording": recording},
        {"score_knobs": ("score", "--method", "dual"), "select_knobs": ("select", "--select", "beta")},
    ),
    record: ({"opening": opening, "recording": recording}, {}),
    score: ({}, {"score_knobs": ("score", "--method", "dual")}),
    select: ({}, {"select_knobs": ("select", "--method", "beta")}),
    export: ({}, {}),
    compare: ({}, {}),
    report: ({}, {}),
    methods: ({}, {}),
    show: ({}, {}),
    doctor: ({}, {}),
}


def build(argv: Sequence[str]) -> typer.Typer:
    """The application, with the knobs of the methods that `argv` names."""
    app = typer.Typer(
        help="Pare a labelled dataset down to the examples worth training on, judged from the first few epochs.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for verb in VERBS:
        app.command(verb.__name__)(command(verb, *VERBS[verb], argv))
    app.callback()(top)
    return app


def tell_version(*, asked: bool) -> None:
    """Print the version and stop, when asked to."""
    if asked:
        from importlib.metadata import version

        typer.echo(f"datapare {version('datapare')}")
        raise typer.Exit


def top(
    *,
    version: Annotated[
        bool,
        Option("--version", help="Print the version.", is_eager=True, callback=lambda asked: tell_version(asked=asked)),
    ] = False,
) -> None:
    """Pare a labelled dataset down to the examples worth training on, judged from the first few epochs."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command line; exits 0 done, 1 failed, 2 wrong call or input, 130 interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        build(argv)(argv, prog_name="datapare")
    except DatapareError as error:
        typer.echo(f"datapare: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            typer.echo("datapare: interrupted; the same command goes on where it stopped", err=True)
        raise


if __name__ == "__main__":
    main()
