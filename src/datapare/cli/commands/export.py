"""`datapare export`."""

from pathlib import Path
from typing import Annotated

from datapare.cli.console import say, show_dataset, show_result
from datapare.cli.flags import As, Flag, Keep, Name, OwnData, Run, subset_name


def export(
    run: Run,
    keep: Keep,
    *,
    out: Annotated[str | None, Flag(help="Folder or URL for the smaller dataset.  [default: inside RUN]")] = None,
    as_: As = "copy",
    name: Name = None,
    data: OwnData = None,
    decisions: Annotated[
        Path | None, Flag(help="Edited file of datapare label-issues: its new labels, as a save_to_disk folder.")
    ] = None,
    soft_labels: Annotated[
        bool, Flag("--soft-labels", help="Write the record's soft labels beside it, as OUT.soft_labels.npy.")
    ] = False,
) -> None:
    """Write the kept examples as the same kind of dataset as the original."""
    from datapare.pipeline.exports import export_once
    from datapare.pipeline.label_decisions import apply_decisions, read_decisions
    from datapare.pipeline.run_folder import RunFolder

    folder, named = RunFolder.open(run, data), subset_name(keep, name)
    examples, subset = folder.dataset, folder.subset(named)
    show_dataset(examples)
    if decisions is not None:
        examples, subset, message = apply_decisions(examples, subset, read_decisions(decisions, examples))
        say(message)
    place = out or folder.dataset_path(named)
    if soft_labels:
        from datapare.data import export
        from datapare.training import targets

        rows = targets.soft_labels(folder.dynamics, top=targets.held_classes(len(examples.classes))).rows
        say(export(examples, subset, place, as_=as_, soft_labels=rows))
        say(f"{place}.soft_labels.npy")
    elif export_once(examples, subset, place, folder.keep_path(named), as_):
        say(place)
    else:
        say(f"{place} is there already, written by the same call")
    say(f"next: datapare compare {run} --keep {keep}" + ("" if name is None else f" --name {name}"))
    show_result(dataset=place, kept=len(subset), total=subset.total)
