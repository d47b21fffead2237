"""`datapare prune`."""

from pathlib import Path
from typing import Annotated, Literal

from datapare.artifacts import Params
from datapare.cli.console import say, show_result
from datapare.cli.flags import As, Data, Flag, Keep, Rule, Score
from datapare.cli.method_flags import MethodParams
from datapare.cli.next_command import compare_words, say_next, without
from datapare.cli.opening import open_shown
from datapare.cli.progress import TrainingProgress
from datapare.numerics.sampling import parse_keep
from datapare.options import OpenOptions, RecordOptions, SelectOptions, resolve

OPTIONS = {"selection": SelectOptions, "opening": OpenOptions, "recording": RecordOptions}
METHOD_PARAMS: dict[str, MethodParams] = {
    "score_params": ("score", "--score", "dual"),
    "rule_params": ("select", "--rule", "mixed"),
    "extrapolate_params": ("extrapolate", "--extrapolate", "knn"),
}


def prune(
    path: Data,
    keep: Keep,
    *,
    out: Annotated[Path | None, Flag(help="Run folder for all results.  [default: NAME.datapare]")] = None,
    score: Score = "dual",
    rule: Rule = "mixed",
    score_fraction: Annotated[
        float | None, Flag(help="Train on and score so much of every class only; predict the other scores.")
    ] = None,
    extrapolate: Annotated[str | None, Flag(help="What predicts them: knn or gnn.  [default: knn]")] = None,
    as_: As = "copy",
    seed: Annotated[int, Flag(help="Seed of the training and of the selection.", min=0)] = 0,
    whole_groups: Annotated[bool, Flag("--whole-groups", help="Keep or drop each group of --group whole.")] = False,
    new_examples: Annotated[
        Literal["ask", "predict", "record"],
        Flag(help="Examples that were added since the record: predict their scores, or record all again."),
    ] = "ask",
    dry_run: Annotated[
        bool, Flag("--dry-run", help="Estimate what it would cost, from a few real steps, and stop.")
    ] = False,
    selection: SelectOptions,
    opening: OpenOptions,
    recording: RecordOptions,
    score_params: Params,
    rule_params: Params,
    extrapolate_params: Params,
) -> None:
    """Make a dataset smaller in one go.

    It trains briefly, scores, selects, exports and reports.
    """
    from datapare.methods.scoring import check_epochs
    from datapare.pipeline.pruning import check_possible, prune
    from datapare.pipeline.steps import PruneOptions

    fraction = parse_keep(keep)
    options = PruneOptions(
        score, rule, score_params, rule_params, extrapolate=extrapolate or "knn", extrapolate_params=extrapolate_params,
    )  # fmt: skip
    needed = check_possible(options, recording, extrapolate, score_fraction)
    data = open_shown(path, **opening)
    if dry_run:
        from datapare.pipeline.cost_estimate import estimate_cost

        estimate = estimate_cost(
            data, keep=fraction, score_fraction=score_fraction, seed=seed, open_options=opening, record_options=needed
        )
        check_epochs(score, estimate.training.epochs, score_params)
        for line in estimate.describe():
            say(line)
        say_next(*without("--dry-run"))
        show_result(**vars(estimate))
        return
    with TrainingProgress() as progress:
        result = prune(
            data, keep=fraction, out=out, score=score, rule=rule, score_params=score_params,
            rule_params=rule_params, **resolve(SelectOptions, selection), score_fraction=score_fraction,
            extrapolate=extrapolate, extrapolate_params=extrapolate_params, seed=seed, as_=as_,
            new_examples=new_examples, whole_groups=whole_groups, open_options=opening,
            record_options=recording, on_message=say, progress=progress,
        )  # fmt: skip
    if not result.fresh:
        say("everything was there already; nothing was done again")
    say(f"dataset   {result.dataset}\nexamples  {result.examples}\nreport    {result.report}")
    following = compare_words(result.folder.parent, ["--keep", keep], path)
    if "--test" not in following:
        say("where you have held-out data, name them with --test PATH too: a comparison without them proves nothing")
    say_next(*following)
    show_result(
        run=result.folder.parent, kept=len(result.subset), total=result.subset.total, dataset=result.dataset,
        examples=result.examples, report=result.report, fresh=result.fresh,
    )  # fmt: skip
