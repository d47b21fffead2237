"""The whole line on one run folder: open, record, score, select, export, report; each step is done once.

Every step writes its result whole or not at all, so a run that was killed goes on where it stopped and ends in the
same subset, bit for bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datapare import api, extrapolation, runs, store
from datapare.errors import InputError
from datapare.lock import hold
from datapare.methods import check_knobs, find
from datapare.numerics import budget
from datapare.passes import PASSED, other_pass
from datapare.types import Dynamics, Scores, Subset

As = Literal["copy", "hardlink", "symlink", "index"]


@dataclass(frozen=True, eq=False)
class Pruned:
    """What `prune` made and where; `fresh` is False when everything was there already."""

    subset: Subset
    folder: Path
    dataset: Path
    examples: Path
    report: Path
    fresh: bool


@dataclass(frozen=True)
class Choice:
    """How to choose: the score, what predicts those not observed, the selection rule, knobs, class balance, seed."""

    method: str = "dual"
    selection: str = "beta"
    score_knobs: Mapping[str, Any] = field(default_factory=dict)
    select_knobs: Mapping[str, Any] = field(default_factory=dict)
    balance: api.Balance | None = "proportional"
    seed: int = 0
    extrapolation: str = "knn"
    extrapolate_knobs: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise InputError for unknown methods or knobs, before anything costly begins."""
        check_knobs(find("score", self.method), self.score_knobs)
        check_knobs(find("select", self.selection), self.select_knobs)
        check_knobs(find("extrapolate", self.extrapolation), self.extrapolate_knobs)


def prune(
    source: Any,
    *,
    keep: float,
    out: str | Path | None = None,
    method: str = "dual",
    selection: str = "beta",
    score_knobs: Mapping[str, Any] | None = None,
    select_knobs: Mapping[str, Any] | None = None,
    balance: api.Balance | None = "proportional",
    score_fraction: float | None = None,
    extrapolate: str | None = None,
    extrapolate_knobs: Mapping[str, Any] | None = None,
    seed: int = 0,
    as_: As = "copy",
    open_with: Mapping[str, Any] | None = None,
    record_with: Mapping[str, Any] | None = None,
    announce: Callable[[str], None] | None = None,
    progress: Callable[[Any], None] | None = None,
) -> Pruned:
    """Make a labelled dataset smaller: train briefly, score, select, and write the subset and a report.

    `source` is anything `open_dataset` reads, or an opened Dataset; `keep` a fraction in (0, 1] or a count. Results
    go to `<source name>.datapare/` in the working directory, or to `out`. The rule is applied inside each class, with
    budgets proportional to their sizes, unless `balance` says otherwise. `open_with` and `record_with` are passed to
    `open_dataset` and `record`; `announce` is called with one line before each stage. Finished stages are not
    repeated. With a `score_fraction` only so much of every class is trained on, and the method `extrapolate`
    (knn unless given) predicts the other scores. Raises InputError for bad input, BusyError when another process works
    on the same folder.
    """
    from datapare.data import Dataset, open_dataset

    choice = Choice(
        method, selection, score_knobs or {}, select_knobs or {}, balance, seed, extrapolate or "knn",
        extrapolate_knobs or {},
    )  # fmt: skip
    wish = possible(choice, record_with or {}, extrapolate, score_fraction)
    say = announce or (lambda _: None)
    data = source if isinstance(source, Dataset) else open_dataset(source, **(open_with or {}))
    count = budget(len(data), keep)
    if score_fraction is not None:
        extrapolation.check_possible(data.label, score_fraction, seed)
    folder = Path(out) if out is not None else default_folder(data)
    say(f"keep {count:,}, drop {len(data) - count:,} of {len(data):,} examples")
    runs.check_free(folder)
    with hold(folder, "working"):
        runs.begin(folder, data, open_with or {})
        dynamics = record_into(folder, data, say, progress, **{"seed": seed, "fraction": score_fraction, **wish})
        check_enough_epochs(choice, dynamics.epochs)
        scores = score_into(folder, dynamics, choice)
        if note := other_pass(dynamics, choice.method):
            say(note)
        if score_fraction is not None:
            scores = extrapolate_into(folder, scores, dynamics, choice, say)
            say(extrapolation.trust(scores.recipe, count / len(data)))
        return finish(folder, data, dynamics, scores, choice, keep, as_, say)


def possible(
    choice: Choice, record_with: Mapping[str, Any], extrapolate: str | None, score_fraction: float | None
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


def with_needed(choice: Choice, record_with: Mapping[str, Any]) -> dict[str, Any]:
    """What to pass to `record`: as asked, and the channels that the score and the rule read beside those.

    Raises InputError for what a record cannot hold, so that nobody trains in vain.

    >>> with_needed(Choice("rmd", "top"), {"channels": ("loss",)})
    {'channels': ('loss', 'embedding')}
    """
    from datapare.recorder.channels import CHANNELS

    channels = list(record_with.get("channels", CHANNELS))
    for found in (find("score", choice.method), find("select", choice.selection)):
        for name in found.reads:
            source = api.source_of(name)
            if name in {"label", "score"} or source in channels:
                continue
            if source not in api.RECORDED:
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


def record_into(
    folder: Path,
    data: Any,
    say: Callable[[str], None],
    progress: Callable[[Any], None] | None,
    **record_with: Any,
) -> Dynamics:
    """The record of this run folder: made, continued, or found finished."""
    from datapare.train import costly, record

    place = folder / "dynamics"
    say("the record is finished; not training again" if store.is_finished(place) else "recording: training briefly")
    if not store.is_finished(place):
        for sentence in costly(record_with.get("channels", ()), len(data.classes)):
            say(sentence)
    dynamics: Dynamics = record(data, out=place, progress=progress, **record_with)
    return dynamics


def check_enough_epochs(choice: Choice, epochs: int) -> None:
    """Raise InputError when the score reads more epochs than the record will have, before they are trained."""
    found = find("score", choice.method)
    knobs = check_knobs(found, choice.score_knobs)
    window = knobs.get("window")
    if window is not None and window > epochs:
        raise InputError(
            f"{choice.method} looks at windows of {window} epochs, but {epochs} make the record; "
            f"record at least {window}, or pass --window {max(2, epochs // 2)}."
        )
    if PASSED.issuperset(found.reads):
        blank = np.zeros((epochs, 1))
        try:
            found.function(*(blank > 0 if name == "correct" else blank for name in found.reads), **knobs)
        except InputError as error:
            raise InputError(f"a record of {epochs} epochs is too short for {choice.method}: {error}") from None


def score_into(folder: Path, dynamics: Dynamics, choice: Choice) -> Scores:
    """Score the record and keep the scores in the run folder."""
    scores = api.score(dynamics, choice.method, **choice.score_knobs)
    place = runs.scores_folder(folder, choice.method)
    if not store.is_finished(place) or store.load(place).recipe != scores.recipe:
        store.save(scores, place)
    return scores


def extrapolate_into(
    folder: Path, scores: Scores, dynamics: Dynamics, choice: Choice, say: Callable[[str], None]
) -> Scores:
    """Predict the scores that were not observed, unless that stands in the run folder already; say how well."""
    method, knobs, seed = choice.extrapolation, choice.extrapolate_knobs, choice.seed
    place = runs.scores_folder(folder, f"{extrapolation.called(scores.recipe)}+{method}")
    asked = extrapolation.asked(scores, dynamics, method, seed, knobs)
    before = store.load(place) if store.is_finished(place) else None
    if isinstance(before, Scores) and extrapolation.without_findings(before.recipe) == asked:
        return before
    say(f"predicting {int(np.isnan(scores.score).sum()):,} of {len(scores):,} scores with {method}")
    done = extrapolation.extrapolate(scores, dynamics, method, seed=seed, **knobs)
    store.save(done, place)
    return done


def embed_into(folder: Path, model: str | None, array: Path | None) -> Dynamics:
    """Give the record of a run another embedding: a backbone's, an array's, or the recorded network's own again."""
    from datapare.train.embedding import embed_with, put_embedding, restore_embedding
    from datapare.train.models import backbone

    runs.dynamics_of(folder)
    place = runs.record_folder(folder)
    if model is not None and array is not None:
        raise InputError("an embedding comes from a --model or from an --array, not both; give one of them.")
    if array is not None:
        return put_embedding(place, read_array(array), {"array": str(array)})
    if model is None:
        return restore_embedding(place)
    name = backbone(model)
    if name is None:
        raise InputError(f"--model names a pretrained backbone, such as transformers:NAME, not {model!r}.")
    features = embed_with(name, runs.dataset_of(folder), image_size=runs.image_size_of(folder))
    return put_embedding(place, features, {"model": f"transformers:{name}"})


def read_array(file: Path) -> NDArray[Any]:
    """The array in a .npy file; raises InputError when there is none."""
    try:
        array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} is no .npy file of plain numbers ({error}); save one with numpy.save.") from error
    return array


def finish(
    folder: Path,
    data: Any,
    dynamics: Dynamics,
    scores: Scores,
    choice: Choice,
    keep: float,
    as_: As,
    say: Callable[[str], None],
) -> Pruned:
    """Select, export, tabulate and report into `keep-…/`; whatever stands there already is not made again."""
    from datapare.data import example_table, export, write_examples
    from datapare.page import report

    subset = api.select(
        scores, choice.selection, keep=keep, seed=choice.seed, dynamics=dynamics, balance=choice.balance,
        **choice.select_knobs,
    )  # fmt: skip
    place = runs.keep_folder(folder, keep)
    made = Pruned(
        subset, place, place / "dataset", place / "examples.parquet", place / "report.html",
        fresh=not (place / "report.html").is_file(),
    )  # fmt: skip
    settle(subset, place)
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
    verb = {True: f"kept by {subset.recipe.method}", False: f"not drawn by {subset.recipe.method}"}
    if subset.recipe.method == "top":
        verb[False] = "below the cut of top"
    guessed = np.zeros(len(order), dtype=bool) if scores.predicted is None else scores.predicted
    kind = {True: "predicted score", False: "score"}
    return [
        f"{verb[kept]}: {kind[guess]} rank {r:,} of {len(order):,}"
        for kept, guess, r in zip(subset.mask.tolist(), guessed.tolist(), rank, strict=True)
    ]


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    draft = store.draft_of(path)
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; make room or choose another place."
        ) from error


def settle(subset: Subset, place: Path) -> None:
    """Save the subset, or make sure that the one that stands there is the same; raises InputError when it is not."""
    if not store.is_finished(place / "subset"):
        store.save(subset, place / "subset")
        return
    before = store.load(place / "subset")
    if not isinstance(before, Subset) or not np.array_equal(before.index, subset.index):
        raise InputError(
            f"{place} holds a subset made with {_told(before.recipe)}; "
            f"choose another --out for {_told(subset.recipe)}, or delete that folder."
        )


def _told(recipe: Any) -> str:
    return f"{recipe.method}, seed {recipe.seed}, " + ", ".join(f"{k} {v}" for k, v in recipe.knobs.items())
