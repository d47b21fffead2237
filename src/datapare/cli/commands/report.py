"""`datapare report`."""

from pathlib import Path
from typing import Annotated

from datapare.cli.console import say, show_result
from datapare.cli.flags import Flag, Force, Keep, Name, OwnData, Run, subset_name
from datapare.cli.next_command import compare_words, say_next, subset_words
from datapare.cli.opening import open_run, read_subset

MARK = 'name="generator" content="datapare'


def report(
    run: Run,
    keep: Keep,
    *,
    within: Annotated[
        float, Flag(help="Percentage points below full that are still fine, for the curve.", min=0)
    ] = 1.0,
    out: Annotated[Path | None, Flag(help="HTML file to write.  [default: inside RUN]")] = None,
    name: Name = None,
    data: OwnData = None,
    force: Force = False,
) -> None:
    """Write one HTML file about the subset.

    It shows what was kept, whether that was worth it, and which labels to check.
    """
    from datapare.methods.extrapolation import score_label
    from datapare.pipeline.outputs import check_output
    from datapare.reporting import report

    folder, named = open_run(run, data), subset_name(keep, name)
    subset = read_subset(folder, named)
    examples = None if folder.source is None else folder.dataset
    place = check_output(out or folder.report_path(named), MARK, examples, force=force)
    scored = [score_label(parent) for parent in subset.provenance.parents if parent.step in {"score", "extrapolate"}]
    page = report(
        subset, scores=folder.scores(scored[0]) if scored else None, dynamics=folder.dynamics, data=examples,
        comparison=folder.comparison, sweep=folder.sweep, within=within, others=folder.all_scores(),
    )  # fmt: skip
    page.save(place, overwrite=True)
    say(place)
    compared = folder.comparison is not None or folder.source is None  # of a record alone nothing can be trained
    say_next(*(["label-issues", run] if compared else compare_words(run, subset_words(keep, name), folder.source)))
    show_result(report=place)
