"""`datapare select`."""

from pathlib import Path
from typing import Annotated

from datapare.artifacts import Params
from datapare.cli.console import say, show_result
from datapare.cli.flags import Flag, Force, Keep, Name, Preset, Rule, Run, subset_name
from datapare.cli.method_flags import MethodParams
from datapare.cli.next_command import say_next, subset_words
from datapare.cli.opening import open_run, read_scores
from datapare.numerics.sampling import parse_keep
from datapare.options import SelectOptions, resolve

OPTIONS = {"selection": SelectOptions}
METHOD_PARAMS: dict[str, MethodParams] = {"rule_params": ("select", "--rule", "mixed")}


def select(
    run: Run,
    keep: Keep,
    *,
    score: Annotated[str, Flag(help="Which scores to select by.")] = "dual",
    rule: Rule = "mixed",
    seed: Annotated[int, Flag(help="Seed of the draw.", min=0)] = 0,
    decisions: Annotated[
        Path | None, Flag(help="Edited file of datapare label-issues: what it drops is never kept.")
    ] = None,
    include: Annotated[Path | None, Flag(help="List of examples to keep, such as one picked in a report.")] = None,
    exclude: Annotated[
        Path | None, Flag(help="List of examples never to keep, such as one picked in a report.")
    ] = None,
    whole_groups: Annotated[
        bool, Flag("--whole-groups", help="Keep or drop each group whole, of a run that was opened with --group.")
    ] = False,
    redraw: Annotated[
        bool, Flag("--redraw", help="Choose a pool from which every epoch draws --keep anew, for dp.online.pool.")
    ] = False,
    name: Name = None,
    force: Force = False,
    preset: Preset = None,  # noqa: ARG001 - becomes the parameters' defaults
    selection: SelectOptions,
    rule_params: Params,
) -> None:
    """Choose which examples stay."""
    from datapare.methods import selection as rules
    from datapare.pipeline.label_decisions import read_decisions, read_examples
    from datapare.pipeline.steps import describe_emptied_classes, save_or_verify_subset

    name = f"pool-{keep}" if redraw and name is None else name
    folder, fraction, named = open_run(run), parse_keep(keep), subset_name(keep, name)
    dynamics = folder.dynamics
    dropped = [] if decisions is None else read_decisions(decisions, folder.labels).drop.tolist()
    dropped += [] if exclude is None else read_examples(exclude, folder.labels)
    kept = [] if include is None else read_examples(include, folder.labels)
    subset = rules.select(
        read_scores(folder, score), rule, keep=fraction, seed=seed, **resolve(SelectOptions, selection),
        dynamics=dynamics, exclude=dropped, include=kept, redraw=redraw, **rule_params,
    )  # fmt: skip
    if whole_groups:
        from datapare.data import whole_groups as only_whole

        subset = only_whole(subset, folder.dataset)
    say(f"keep {len(subset):,}, drop {subset.total - len(subset):,} of {subset.total:,} examples")
    if redraw:
        drawn = subset.provenance.params["redraw"]
        say(f"each epoch draws {drawn:,} of them anew: dp.online.pool(labels, epochs, keep={drawn})")
    if subset.weight is not None:
        say(f"weights {subset.weight.min():.3g} to {subset.weight.max():.3g}, in weight.npy of the subset")
    with folder.subset_lock(named):
        save_or_verify_subset(subset, folder.keep_path(named), force=force)
    if lost := describe_emptied_classes(dynamics.label, subset, dynamics.classes):
        say(lost)
    say(folder.subset_path(named))
    say_next("report" if folder.source is None else "export", run, *subset_words(keep, name))
    show_result(subset=folder.subset_path(named), kept=len(subset), total=subset.total, rule=rule, score=score)
