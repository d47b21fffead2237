"""`datapare export`."""

from pathlib import Path
from typing import Annotated

from datapare.cli.console import say, show_result
from datapare.cli.flags import As, Flag, Keep, Name, OwnData, Run, subset_name
from datapare.cli.next_command import compare_words, say_next, subset_words
from datapare.cli.opening import open_run, read_subset


def export(
    run: Run,
    keep: Keep,
    *,
    out: Annotated[str | None, Flag(help="Folder or URL for the smaller dataset.  [default: inside RUN]")] = None,
    as_: As = "copy",
    name: Name = None,
    data: OwnData = None,
    shard_size: Annotated[
        int | None, Flag(help="Write WebDataset shards of so many samples each.  [default: as in the source]", min=1)
    ] = None,
    decisions: Annotated[
        Path | None, Flag(help="Edited file of datapare label-issues: its new labels, as a save_to_disk folder.")
    ] = None,
    soft_labels: Annotated[
        bool, Flag("--soft-labels", help="Write the record's soft labels beside it, as OUT.soft_labels.npy.")
    ] = False,
) -> None:
    """Write the kept examples in the format of the source."""
    from datapare.pipeline.exports import export_once
    from datapare.pipeline.label_decisions import apply_decisions, read_decisions

    folder, named = open_run(run, data), subset_name(keep, name)
    place = out or folder.dataset_path(named)
    with folder.subset_lock(named):
        subset, examples = read_subset(folder, named), folder.dataset
        if decisions is not None:
            examples, subset, message = apply_decisions(examples, subset, read_decisions(decisions, examples))
            say(message)
        rows = None
        if soft_labels:
            from datapare.training import targets

            rows = targets.soft_labels(folder.dynamics, top=targets.held_classes(len(examples.classes))).rows
        written = export_once(
            examples, subset, place, folder.keep_path(named), as_, shard_size=shard_size, soft_labels=rows
        )
    say(place if written else f"{place} is there already, written by the same call")
    if soft_labels:
        say(f"{place}.soft_labels.npy")
    say_next(*compare_words(run, subset_words(keep, name), folder.source))
    show_result(dataset=place, kept=len(subset), total=subset.total)
