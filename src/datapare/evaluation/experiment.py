"""What all trainings of a comparison share: who is trained on, who judges, and how every arm is trained."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Budget
from datapare.data import Dataset, encode, take
from datapare.data.dataset import column
from datapare.errors import InputError
from datapare.evaluation.jobs import Trainer, one_thread, ours, theirs
from datapare.numerics.sampling import allot, draw_within
from datapare.numerics.sampling import budget as count_of

HELD = 0.2  # of the training data, where they are split
MOST_GROUPS = 50


@dataclass(frozen=True, eq=False)
class ExperimentSetup:
    """What all trainings of a comparison share.

    `pool` (P,) are the positions in `data` that may be trained on; `test` holds the examples that judge, `split` says
    that they were held out of `data`; `settings` gives the training on a fraction of the pool; `facts` are what a
    finished training must agree with.
    """

    data: Dataset
    pool: NDArray[np.int64]
    test: Dataset
    split: bool
    trainer: Trainer
    settings: Callable[[float], Any]
    facts: tuple[str, ...]
    params: Mapping[str, Any]
    shortened: float
    budget: Budget


def bench(
    data: Dataset,
    test: Dataset | None,
    training: Any,
    train: Any,
    *,
    image_size: int | None,
    budget: Budget | None,
    epochs: int | None,
    model: str | None = None,
) -> ExperimentSetup:
    """Split or check the held-out data, encode all, and settle how every arm is trained."""
    from datapare.evaluation import user_training
    from datapare.training import choose, retraining, settle
    from datapare.training.networks.factory import backbone

    pool, judge = (np.arange(len(data)), test) if test is not None else _split(data)
    _check_test(data, judge)
    if budget not in (None, *get_args(Budget)):
        raise InputError(f"--budget is {' or '.join(get_args(Budget))}, not {budget!r}.")
    if model is not None and train is not None:
        raise InputError("--model names a network of ours, but --train brings its own: give one of them.")
    if model is not None and training is not None:
        training = replace(training, model=model)
    named = model if training is None else training.model
    words = backbone(named) if data.kind == "text" else None
    inputs = (
        None if train is not None and training is not None else encode(data, image_size=image_size, tokenizer=words)
    )
    if training is None and inputs is not None:
        training = choose(inputs, len(data.classes))
        training = training if model is None else replace(training, model=model)
    whole = training.schedule
    training = replace(
        training, epochs=epochs or whole, schedule_epochs=None, subset_budget=budget or training.subset_budget
    )
    facts: tuple[str, ...] = (
        data.digest,
        judge.digest,
        *([] if train is None else [user_training.named(train), user_training.source(train)]),
    )
    params = {"training": asdict(training), "test": judge.digest}
    if train is not None:
        user_training.check(train)
        trainer: Trainer = partial(theirs, train, data, judge)
        params["train"] = user_training.named(train)
    else:
        assert inputs is not None  # noqa: S101 - only a training of their own goes without
        with one_thread():
            training = settle(inputs, data.label, len(data.classes), training, 0)
        trainer = partial(ours, inputs, data.label, len(data.classes), (encode(judge, inputs.encoding), judge.label))
    settings = partial(retraining, training)
    return ExperimentSetup(
        data,
        pool,
        judge,
        test is None,
        trainer,
        settings,
        facts,
        params,
        training.epochs / whole,
        training.subset_budget,
    )


def groups_of(data: Dataset, name: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The values of a column as named groups, and which of them each example (N,) belongs to.

    Raises InputError when there is no such column or it has too many values to name groups.
    """
    if name not in data.rows.column_names:
        raise InputError(f"--group names the column {name!r}, but the columns are {', '.join(data.rows.column_names)}.")
    values = ["missing" if value is None else str(value) for value in column(data.rows, name).to_pylist()]
    names, number = np.unique(values, return_inverse=True)
    if len(names) > MOST_GROUPS:
        raise InputError(
            f"{name!r} has {len(names):,} different values; name a column of at most {MOST_GROUPS} groups."
        )
    return tuple(names.tolist()), number.astype(np.int64)


def holdout(label: NDArray[np.int64], share: float = HELD, seed: int = 0) -> NDArray[np.int64]:
    """Positions of a stratified, seeded share of the examples, sorted; no class gives its last example.

    >>> held = holdout(np.arange(20) % 2)
    >>> len(held), np.bincount(np.arange(20)[held] % 2).tolist()
    (4, [2, 2])
    """
    size = np.bincount(label)
    given = np.minimum(allot(size, count_of(len(label), share)), np.maximum(size - 1, 0))
    drawn: NDArray[np.int64] = draw_within(label, given, np.random.default_rng([seed, len(label)]))
    return drawn


def _split(data: Dataset) -> tuple[NDArray[np.int64], Dataset]:
    held = holdout(data.label)
    return np.setdiff1d(np.arange(len(data)), held), take(data, held)


def _check_test(data: Dataset, test: Dataset) -> None:
    if test.classes != data.classes:
        raise InputError(
            f"the held-out data have {len(test.classes)} classes and the training data {len(data.classes)}, or other "
            "ones; open them with open_dataset(…, classes=data.classes), so that both number them alike."
        )
