"""The whole line on one run folder: open, record, score, select, export, report; each step is done once.

Every step writes its result whole or not at all, so a run that was killed goes on where it stopped and ends in the
same subset, bit for bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Dynamics, Scores, Subset
from datapare.errors import InputError
from datapare.lock import hold
from datapare.methods import extrapolation
from datapare.methods.registry import check_params, find
from datapare.methods.selection import Balance, select
from datapare.methods.signals import SIGNALS, reads_passes_only, recorded_pass_note, source_of
from datapare.numerics.sampling import budget
from datapare.pipeline import run_folder
from datapare.pipeline.steps import (
    PruneOptions,
    describe_emptied_classes,
    extrapolate_into,
    record_into,
    score_into,
    settle,
    write_text,
)

As = Literal["copy", "hardlink", "symlink", "index"]


@dataclass(frozen=True, eq=False)
class PruneResult:
    """What `prune` made and where; `fresh` is False when everything was there already."""

    subset: Subset
    folder: Path
    dataset: Path
    examples: Path
    report: Path
    fresh: bool


def prune(
    source: Any,
    *,
    keep: float,
    out: str | Path | None = None,
    method: str = "dual",
    selection: str = "beta",
    score_params: Mapping[str, Any] | None = None,
    rule_params: Mapping[str, Any] | None = None,
    balance: Balance | None = "proportional",
    score_fraction: float | None = None,
    extrapolate: str | None = None,
    extrapolate_params: Mapping[str, Any] | None = None,
    seed: int = 0,
    as_: As = "copy",
    open_with: Mapping[str, Any] | None = None,
    record_with: Mapping[str, Any] | None = None,
    announce: Callable[[str], None] | None = None,
    progress: Callable[[Any], None] | None = None,
) -> PruneResult:
    """Make a labelled dataset smaller: train briefly, score, select, and write the subset and a report.

    `source` is anything `open_dataset` reads, or an opened Dataset; `keep` a fraction in (0, 1] or a count. Results
    go to `<source name>.datapare/` in the working directory, or to `out`. The rule is applied inside each class, with
    budgets proportional to their sizes, unless `balance` says otherwise. `open_with` and `record_with` are passed to
    `open_dataset` and `record`; `announce` is called with one line before each stage. Finished stages are not
    repeated. With a `score_fraction` only so much of every class is trained on, and the method `extrapolate`
    (knn unless given) predicts the other scores. Raises InputError for bad input, BusyError when another process works
    on the same folder.
    """
    from datapare.data import Dataset, check_outside, open_dataset
    from datapare.training.scoring_run import planned

    choice = PruneOptions(
        method, selection, score_params or {}, rule_params or {}, balance, seed, extrapolate or "knn",
        extrapolate_params or {},
    )  # fmt: skip
    wish = possible(choice, record_with or {}, extrapolate, score_fraction)
    say = announce or (lambda _: None)
    data = source if isinstance(source, Dataset) else open_dataset(source, **(open_with or {}))
    count = budget(len(data), keep)
    if score_fraction is not None:
        extrapolation.check_possible(data.label, score_fraction, seed)
    folder = Path(out) if out is not None else default_folder(data)
    check_outside(data, folder)
    if not storage.is_finished(run_folder.record_folder(folder)):
        check_enough_epochs(choice, planned(data, **wish))
    say(f"keep {count:,}, drop {len(data) - count:,} of {len(data):,} examples")
    run_folder.check_free(folder)
    with hold(folder, "working"):
        run_folder.begin(folder, data, open_with or {})
        dynamics = record_into(folder, data, say, progress, **{"seed": seed, "fraction": score_fraction, **wish})
        check_enough_epochs(choice, dynamics.epochs)
        scores = score_into(folder, dynamics, choice)
        if note := recorded_pass_note(dynamics, choice.method):
            say(note)
        if score_fraction is not None:
            scores = extrapolate_into(folder, scores, dynamics, choice, say)
            say(extrapolation.describe_reliability(scores.provenance, count / len(data)))
        return finish(folder, data, dynamics, scores, choice, keep, as_, say)


def possible(
    choice: PruneOptions, record_with: Mapping[str, Any], extrapolate: str | None, score_fraction: float | None
) -> dict[str, Any]:
    """Raise InputError for what cannot be, before anything is opened or paid; else return what to pass to `record`."""
    if extrapolate and score_fraction is None:
        raise InputError(
            f"{extrapolate} predicts what is not scored: say how much is, with a score fraction such as 0.2."
        )
    choice.check()
    if (planned := record_with.get("epochs")) is not None:
        check_enough_epochs(choice, planned)
    return with_needed(choice, record_with)


def with_needed(choice: PruneOptions, record_with: Mapping[str, Any]) -> dict[str, Any]:
    """What to pass to `record`: as asked, and the channels that the score and the rule read beside those.

    Raises InputError for what a record cannot hold, so that nobody trains in vain.

    >>> with_needed(PruneOptions("rmd", "top"), {"channels": ("loss",)})
    {'channels': ('loss', 'embedding')}
    """
    from datapare.recording.logit_signals import CHANNELS

    channels = list(record_with.get("channels", CHANNELS))
    for found in (find("score", choice.method), find("select", choice.selection)):
        for name in found.reads:
            source = source_of(name)
            if name in {"label", "score"} or source in channels:
                continue
            if source not in SIGNALS or not SIGNALS[source].recordable:
                raise InputError(
                    f"{found.name} reads {name!r}, which no training of ours records; choose another method, or give "
                    f"your own with Dynamics(…, arrays={{{name!r}: …}}) in Python."
                )
            channels.append(source)
    return {**record_with, "channels": tuple(channels)}


def default_folder(data: Any) -> Path:
    """`<name>.datapare` in the working directory, after the file or folder the dataset came from."""
    if data.path is None:
        raise InputError("a dataset without a path has no name to call the results by; say where they go with out=….")
    return Path(f"{Path(data.path).resolve().name.removesuffix('.tar')}.datapare")


def check_enough_epochs(choice: PruneOptions, epochs: int) -> None:
    """Raise InputError when the score reads more epochs than the record will have, before they are trained."""
    found = find("score", choice.method)
    params = check_params(found, choice.score_params)
    window = params.get("window")
    if window is not None and window < 2:
        raise InputError(f"{choice.method} looks at windows of 2 epochs or more, not {window}.")
    if window is not None and window > epochs:
        smaller = f", or pass --window {max(2, epochs // 2)}" if epochs >= 2 else ""
        raise InputError(
            f"{choice.method} looks at windows of {window} epochs, but {epochs} make the record; "
            f"record at least {window}{smaller}."
        )
    if reads_passes_only(found):
        blank = np.zeros((epochs, 1))
        try:
            found.function(*(blank > 0 if name == "correct" else blank for name in found.reads), **params)
        except InputError as error:
            raise InputError(f"a record of {epochs} epochs is too short for {choice.method}: {error}") from None


def finish(
    folder: Path,
    data: Any,
    dynamics: Dynamics,
    scores: Scores,
    choice: PruneOptions,
    keep: float,
    as_: As,
    say: Callable[[str], None],
) -> PruneResult:
    """Select, export, tabulate and report into `keep-…/`; whatever stands there already is not made again."""
    from datapare.data import example_table, export, write_examples
    from datapare.reporting import report

    subset = select(
        scores, choice.selection, keep=keep, seed=choice.seed, dynamics=dynamics, balance=choice.balance,
        **choice.rule_params,
    )  # fmt: skip
    place = run_folder.keep_folder(folder, keep)
    made = PruneResult(
        subset, place, place / "dataset", place / "examples.parquet", place / "report.html",
        fresh=not (place / "report.html").is_file(),
    )  # fmt: skip
    settle(subset, place)
    if lost := describe_emptied_classes(data.label, subset, data.classes):
        say(lost)
    if not made.dataset.exists():
        say(f"writing the {len(subset):,} kept examples")
        export(data, subset, made.dataset, as_=as_)
    if not made.examples.exists():
        table = example_table(
            data, subset, scores=scores, mean_prob=mean_prob(dynamics, scores), why=reasons(scores, subset)
        )
        write_examples(table, made.examples)
    if not made.report.exists():
        page = report(subset, scores=scores, dynamics=dynamics, data=data)
        write_text(made.report, page)
    return made


def mean_prob(dynamics: Dynamics, scores: Scores) -> NDArray[np.float64] | None:
    """Mean true-label probability over the observed epochs (N,), predicted ones where there are; None if unrecorded."""
    if "target_prob" not in dynamics.channels:
        return None
    channel = np.asarray(dynamics.channels["target_prob"])
    seen = ~np.isnan(channel)
    count = seen.sum(axis=0)
    own = np.where(seen, channel, 0).sum(axis=0, dtype=np.float64) / np.where(count, count, np.nan)
    return np.where(count > 0, own, scores.means.get("target_prob", np.nan))


def reasons(scores: Scores, subset: Subset) -> list[str]:
    """Why each example is kept or dropped, in words."""
    order = np.argsort(-np.nan_to_num(scores.score, nan=-np.inf), kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    verb = {True: f"kept by {subset.provenance.method}", False: f"not drawn by {subset.provenance.method}"}
    if subset.provenance.method == "top":
        verb[False] = "below the cut of top"
    guessed = np.zeros(len(order), dtype=bool) if scores.predicted is None else scores.predicted
    kind = {True: "predicted score", False: "score"}
    return [
        f"{verb[kept]}: {kind[guess]} rank {r:,} of {len(order):,}"
        for kept, guess, r in zip(subset.mask.tolist(), guessed.tolist(), rank, strict=True)
    ]
