"""Prune a dataset from end to end on one run folder: open, record, score, select, export, report; each step once.

Every step writes its result completely or not at all, so a run that was killed resumes and ends in the same subset,
bit for bit.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from datapare import storage
from datapare.artifacts import Params, Scores, Subset
from datapare.errors import InputError
from datapare.methods import extrapolation
from datapare.methods.binding import channel_mean, recorded_pass_note
from datapare.methods.registry import find
from datapare.methods.scoring import check_epochs
from datapare.methods.selection import select
from datapare.methods.signals import DEFAULT, SIGNALS, check_recordable, source_of
from datapare.numerics.sampling import budget
from datapare.options import Balance, ExportMode, OpenOptions, RecordOptions, SelectOptions, resolve, validated
from datapare.pipeline.exports import export_once
from datapare.pipeline.reasons import reasons
from datapare.pipeline.reuse import NewExamples, adapt, is_reused
from datapare.pipeline.run_folder import RunFolder, check_free, open_or_begin
from datapare.pipeline.steps import (
    PruneOptions,
    Report,
    describe_emptied_classes,
    extrapolate_into,
    record_into,
    save_or_verify_subset,
    score_into,
)

if TYPE_CHECKING:
    from datapare.data import Dataset
    from datapare.training.epoch import Progress


@dataclass(frozen=True, eq=False)
class PruneResult:
    """What `prune` made and where; `fresh` is False when everything was there already."""

    subset: Subset
    folder: Path
    dataset: Path
    examples: Path
    report: Path
    fresh: bool


@validated(SelectOptions)
def prune(
    source: object,  # whatever open_dataset reads
    *,
    keep: float,
    out: str | Path | None = None,
    score: str = "dual",
    rule: str = "mixed",
    score_params: Params | None = None,
    rule_params: Params | None = None,
    balance: Balance | None = "proportional",
    score_fraction: float | None = None,
    extrapolate: str | None = None,
    extrapolate_params: Params | None = None,
    seed: int = 0,
    as_: ExportMode = "copy",
    new_examples: NewExamples = "ask",
    whole_groups: bool = False,
    open_options: OpenOptions | None = None,
    record_options: RecordOptions | None = None,
    on_message: Report | None = None,
    progress: "Callable[[Progress], None] | Literal[False] | None" = None,
) -> PruneResult:
    """Make a labelled dataset smaller: train briefly, score, select, and write the subset and a report.

    Finished steps are not repeated: the same call resumes a killed one, and another `keep` uses the same record.

    Args:
        source: Anything `open_dataset` reads, or an opened Dataset.
        keep: Fraction in (0, 1], or a count above 1.
        out: The run folder; `<source name>.datapare/` in the working directory when None.
        score: Name of the score.
        rule: Name of the selection rule.
        score_params: Parameters of the score.
        rule_params: Parameters of the selection rule.
        balance: Apply the rule inside each class, with budgets proportional to the class sizes or as uniform as they
            allow; None applies it to all examples at once.
        score_fraction: Train on and score only so much of every class.
        extrapolate: Name of the method that predicts the other scores; knn when None.
        extrapolate_params: Parameters of that method.
        seed: Seed of the training and of the selection.
        as_: How image files get into the smaller dataset; index writes only lists of what to keep and drop.
        new_examples: Where the dataset has grown since it was recorded: predict the scores of the new examples, record
            all again, or refuse and ask which.
        whole_groups: Keep or drop each group whole, where `open_options` name a column of groups.
        open_options: Options of `open_dataset`.
        record_options: Options of `record`.
        on_message: Receives one line before each step.
        progress: Receives the state of the training. None shows a bar in terminals and notebooks, False none.

    Returns:
        The subset, and where everything lies.

    Raises:
        InputError: For bad input, before anything costly begins.
        BusyError: When another process works in the same folder.
    """
    from datapare.data import as_dataset, check_mode, check_outside, inspect
    from datapare.data.open import check_no_run
    from datapare.training.scoring_run import planned

    options = PruneOptions(
        score, rule, score_params or {}, rule_params or {}, balance, seed, extrapolate or "knn",
        extrapolate_params or {}, whole_groups,
    )  # fmt: skip
    resolve(OpenOptions, open_options or {})
    resolve(RecordOptions, record_options or {})
    if isinstance(source, str | Path):
        check_no_run(source)
    recording = check_possible(options, record_options or {}, extrapolate, score_fraction)
    report = on_message or (lambda _: None)
    data = as_dataset(source, **(open_options or {}))
    for line in () if data is source else inspect(data).summary():
        report(line)
    count = budget(len(data), keep)
    if score_fraction is not None:
        extrapolation.check_possible(data.label, score_fraction, seed)
    folder = Path(out) if out is not None else default_folder(data)
    check_outside(data, folder)
    check_mode(data, as_, folder)
    if not storage.is_finished(folder / "dynamics"):
        epochs = planned(data, **recording)
        options = fit_window(options, recording, epochs, report)
        check_epochs(options.score, epochs, options.score_params)
    report(f"keep {count:,}, drop {len(data) - count:,} of {len(data):,} examples")
    check_free(folder)
    prepare = partial(adapt, folder, data, new_examples, report, seed=seed)
    with open_or_begin(folder, data, open_options or {}, prepare=prepare) as run:
        recorded: RecordOptions = {"seed": seed, "fraction": score_fraction, **recording}
        dynamics = record_into(run, report, progress, **recorded)
        options = fit_window(options, recording, dynamics.epochs, lambda _: None)
        check_epochs(options.score, dynamics.epochs, options.score_params)
        scores = score_into(run, options)
        if note := recorded_pass_note(dynamics, options.score):
            report(note)
        if score_fraction is not None or (is_reused(dynamics) and np.isnan(scores.score).any()):
            scores = extrapolate_into(run, scores, options, report)
            report(extrapolation.describe_reliability(scores.provenance, count / len(data)))
        return finish(run, scores, options, keep, as_, report)


def check_possible(
    options: PruneOptions, recording: RecordOptions, extrapolate: str | None, score_fraction: float | None
) -> RecordOptions:
    """Return the options for `record`, or raise InputError for what cannot be, before anything is opened."""
    if extrapolate and score_fraction is None:
        raise InputError(
            f"{extrapolate} predicts what is not scored: say how much is, with a score fraction such as 0.2."
        )
    from datapare.training.run_log import check_log

    options.check()
    check_log(recording.get("log"))
    if (model := recording.get("model")) is not None:
        from datapare.training.networks.factory import check_model

        check_model(model)
    if (planned := recording.get("epochs")) is not None:
        check_epochs(options.score, planned, options.score_params)
    return with_needed(options, recording)


def with_needed(options: PruneOptions, recording: RecordOptions) -> RecordOptions:
    """Return the options for `record` with the channels that the score and the rule read.

    Raises:
        InputError: For what a record cannot hold, so that no training is wasted.

    >>> with_needed(PruneOptions("rmd", "top"), {"channels": ("loss",)})
    {'channels': ('loss', 'embedding')}
    """
    channels = list(recording.get("channels") or (DEFAULT,))
    held = {*channels, *(name for name, signal in SIGNALS.items() if signal.by_default and DEFAULT in channels)}
    check_recordable(channels)
    for method in (find("score", options.score), find("select", options.rule)):
        for name in method.reads:
            source = source_of(name)
            if name in {"label", "score"} or source in held:
                continue
            if source not in SIGNALS or not SIGNALS[source].recordable:
                raise InputError(
                    f"{method.name} reads {name!r}, which no training of ours records; choose another method, or give "
                    f"your own with Dynamics(…, arrays={{{name!r}: …}}) in Python."
                )
            channels.append(source)
            held.add(source)
    return {**recording, "channels": tuple(channels)}


def default_folder(data: "Dataset") -> Path:
    """Return `<name>.datapare` in the working directory, after the file or folder the dataset came from."""
    if data.path is None:
        raise InputError("a dataset without a path has no name to call the results by; say where they go with out=….")
    return Path(f"{Path(data.path).resolve().name.removesuffix('.tar')}.datapare")


def fit_window(options: PruneOptions, recording: RecordOptions, epochs: int, on_message: Report) -> PruneOptions:
    """Shorten the default window of a score to the half of a preset that is shorter than the window.

    A window or a number of epochs that the user gave stays as it is.
    """
    params = find("score", options.score).params
    usual = params["window"].default if "window" in params else None
    given = options.score_params.get("window", usual)
    if not isinstance(usual, int) or given != usual or usual <= epochs or "epochs" in recording or epochs < 2:
        return options
    window = max(2, epochs // 2)
    on_message(f"the preset trains {epochs} epochs, so {options.score} looks at windows of {window} instead of {usual}")
    return replace(options, score_params={**options.score_params, "window": window})


def finish(
    run: RunFolder, scores: Scores, options: PruneOptions, keep: float, as_: ExportMode, on_message: Report
) -> PruneResult:
    """Select, export, tabulate and report into `keep-…/`; what exists is not made again."""
    from datapare.data import whole_groups, write_examples
    from datapare.data.example_table import example_blocks
    from datapare.reporting import report
    from datapare.reporting.dataset_card import croissant, dataset_card

    data, dynamics = run.dataset, run.dynamics
    subset = select(
        scores, options.rule, keep=keep, seed=options.seed, dynamics=dynamics, balance=options.balance,
        **options.rule_params,
    )  # fmt: skip
    if options.whole_groups:
        subset = whole_groups(subset, data)
    result = PruneResult(
        subset, run.keep_path(keep), run.dataset_path(keep), run.examples_path(keep), run.report_path(keep),
        fresh=not run.report_path(keep).is_file(),
    )  # fmt: skip
    with run.subset_lock(keep):
        save_or_verify_subset(subset, result.folder)
        if lost := describe_emptied_classes(data.label, subset, data.classes):
            on_message(lost)
        export_once(
            data, subset, result.dataset, result.folder, as_,
            before_writing=lambda: on_message(f"writing the {len(subset):,} kept examples"),
        )  # fmt: skip
    if not result.examples.exists():
        epochs = {word: subset.provenance.params.get(word, usual) for word, usual in (("first", 0), ("count", None))}
        mean_prob = channel_mean("target_prob", dynamics, scores, **epochs)
        write_examples(example_blocks(data, subset, scores, mean_prob, why=reasons(scores, subset)), result.examples)
    if not result.report.exists():
        report(subset, scores=scores, dynamics=dynamics, data=data).save(result.report)
    if not (metadata := result.folder / "croissant.json").exists():
        storage.write_text(result.folder / "README.md", dataset_card(data, subset, written=as_ != "index"))
        storage.write_text(metadata, json.dumps(croissant(data, subset, result.folder), indent=1))
    return result
