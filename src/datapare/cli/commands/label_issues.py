"""`datapare label-issues`."""

from pathlib import Path
from typing import Annotated

from datapare.cli.console import say, show_checked, show_result
from datapare.cli.flags import Flag, Force, Gpus, On, OwnData, Run
from datapare.cli.next_command import say_next, select_words, usual_score
from datapare.cli.opening import open_run
from datapare.cli.progress import TrainingProgress
from datapare.methods.label_issues import Detector


def label_issues(
    run: Run,
    *,
    method: Annotated[Detector, Flag(help="What detects an issue; soft_label needs --channel logit_mean.")] = "aum",
    check: Annotated[
        bool,
        Flag("--check", help="Train once more with labels flipped on purpose, and count how many are found."),
    ] = False,
    share: Annotated[float, Flag(help="Fraction of the labels that --check flips.")] = 0.1,
    seed: Annotated[int, Flag(help="Seed of the flips and of their training.", min=0)] = 0,
    on: On = "here",
    gpus: Gpus = None,
    out: Annotated[Path | None, Flag(help="CSV to edit.  [default: label-issues.csv in RUN]")] = None,
    data: OwnData = None,
    force: Force = False,
) -> None:
    """Rank the labels that look wrong.

    It writes a file in which you keep, drop or relabel each.
    """
    from datapare.evaluation.label_issue_check import DetectorQuality, check_label_issues
    from datapare.methods.label_issues import label_issues
    from datapare.pipeline.description import describe_training
    from datapare.pipeline.label_decisions import COLUMNS, write_decisions
    from datapare.pipeline.outputs import check_output
    from datapare.storage import folder_lock

    folder, cut = open_run(run, data), None
    checked: dict[str, DetectorQuality] = {}
    examples, dynamics = folder.dataset if check else folder.labels, folder.dynamics
    label_issues(dynamics, method)
    place = check_output(out or folder.decisions_path, ",".join(COLUMNS), examples, force=force)
    cost = describe_training(dynamics)
    if check:
        say(f"training once more with {share:.0%} of the labels flipped: {cost}")
        with folder_lock(run, "working"), TrainingProgress() as progress:
            checked = check_label_issues(
                examples, dynamics, fraction=share, seed=seed, training=folder.training_config,
                image_size=folder.image_size, folder=folder.label_check_path(share, seed), on=on, gpus=gpus,
                progress=progress,
            )  # fmt: skip
        show_checked(checked)
        cut = checked[method].cut
    found = label_issues(dynamics, method, cut=cut)
    write_decisions(place, examples, found, method, force=force)
    say(f"{len(found.index):,} of {len(examples):,} labels look wrong to {method} (score above {found.cut:.3g})")
    if not check:
        say(f"how many wrong labels are missed is not known; --check estimates it: {cost}")
    say(place)
    say("keep, drop or relabel each in its column decision; select then reads it with --decisions")
    scores = folder.all_scores()
    decided = select_words(folder, usual_score(scores), 0.9, "--decisions", str(place)) if scores else ["score", run]
    say_next(*decided)
    show_result(
        file=place, method=method, cut=found.cut, flagged=len(found.index), total=len(examples), checked=checked
    )
