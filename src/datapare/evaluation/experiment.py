"""What all trainings of a comparison share: the examples to train on, the held-out ones, and the training settings."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Budget, Params
from datapare.data import Dataset, Inputs, encode, perturb, take
from datapare.data.dataset import Identity, column
from datapare.data.groups import draw_groups
from datapare.errors import InputError, nearest
from datapare.evaluation.jobs import Trainer, one_thread, train_builtin, train_user
from datapare.evaluation.user_training import check_training, code_digest, located, training_name
from datapare.methods.registry import find, names
from datapare.numerics.sampling import allot, draw_within
from datapare.numerics.sampling import budget as count_of
from datapare.options import RetrainOptions
from datapare.storage import array_digest
from datapare.training.config import TrainingConfig

if TYPE_CHECKING:
    from datapare.training import SoftLabels

HOLDOUT_FRACTION = 0.2  # of the training data, where they are split
MAX_GROUPS = 50


@dataclass(frozen=True, eq=False)
class ExperimentSetup:
    """What all trainings of a comparison share.

    Attributes:
        data: The dataset.
        pool: Positions in `data` that may be trained on, shape (P,).
        test: The held-out examples.
        split: Whether they were held out of `data`.
        corruptions: Corrupted copies of the held-out examples; outcomes are those of `test`, then of each copy.
        trainer: How one job is trained.
        settings: Returns the training settings for a fraction of the pool.
        fingerprints: Digests that the result of every job depends on.
        params: What the provenance of the comparison states.
        shortened: Fraction of the full schedule that every training has.
        budget: What subset trainings share with the full one.
        soft_digest: Digest of the soft labels, "" without any.
    """

    data: Dataset
    pool: NDArray[np.int64]
    test: Dataset
    split: bool
    corruptions: tuple[str, ...]
    trainer: Trainer
    settings: Callable[[float], TrainingConfig]
    fingerprints: tuple[str, ...]
    params: Params  # goes into the provenance, as JSON
    shortened: float
    budget: Budget
    soft_digest: str = ""


def prepare_experiment(
    data: Dataset,
    test: Dataset | None,
    options: RetrainOptions,
    soft: "SoftLabels | None" = None,
) -> ExperimentSetup:
    """Split or check the held-out data, encode all, and resolve how every arm is trained.

    Args:
        data: The dataset to train on.
        test: Held-out examples; None splits them off.
        options: Resolved `RetrainOptions`.
        soft: Soft labels of `data`, for strategies that need them.

    Raises:
        InputError: If the options contradict each other or the held-out data do not belong to `data`.
    """
    from datapare.training.batches import shuffled
    from datapare.training.config import retraining
    from datapare.training.networks.factory import check_model
    from datapare.training.run_log import check_log

    training, train, model = options["training"], options["train"], options["model"]
    check_model(model)
    check_log(options["log"])
    if model is not None and train is not None:
        raise InputError("--model names a built-in network, but --train brings its own: give one of them.")
    pool, held_out = (np.arange(len(data)), match_classes(test, data)) if test is not None else _split(data)
    inputs = (
        None if train is not None and training is not None else _encoded(data, options["image_size"], model, training)
    )
    whole = _training(data, inputs, training, model)
    config = replace(
        whole,
        epochs=options["epochs"] or whole.schedule, schedule_epochs=None,
        subset_budget=options["budget"] or whole.subset_budget,
    )  # fmt: skip
    params = {"training": asdict(config), "test": held_out.digest}
    copies = corrupted_copies(held_out, options["corrupt"] or ())
    fingerprints: tuple[str, ...] = (data.digest, held_out.digest, *(copy.digest for copy in copies.values()))
    if train is not None:
        check_training(train)
        if copies:
            raise InputError(
                "corrupted copies are for built-in networks, but --train brings its own: give one of them."
            )
        trainer: Trainer = partial(train_user, located(train), data, held_out)
        fingerprints += (training_name(train), code_digest(train))
        params["train"] = training_name(train)
    else:
        assert inputs is not None  # noqa: S101 - only the user's own training goes without
        config = _resolved(inputs, data, config)
        if (order := shuffled(inputs)) is not None:  # of a stream, which is another than that of an array
            fingerprints += (order,)
            params["stream"] = order
        trainer = _builtin(inputs, data, [held_out, *copies.values()], soft)
    return ExperimentSetup(
        data=data, pool=pool, test=held_out, split=test is None, corruptions=tuple(copies), trainer=trainer,
        settings=partial(retraining, config), fingerprints=fingerprints, params=params,
        shortened=config.epochs / whole.schedule, budget=config.subset_budget, soft_digest=_digest(soft),
    )  # fmt: skip


def groups_of(data: Dataset, name: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the values of a column as named groups, and which of them each example (N,) belongs to.

    Raises:
        InputError: When there is no such column or it has too many values to name groups.
    """
    if name not in data.rows.column_names:
        known = data.rows.column_names
        raise InputError(
            f"--group names the column {name!r}, but the columns are {', '.join(known)}{nearest(name, known)}"
        )
    values = ["missing" if value is None else str(value) for value in column(data.rows, name).to_pylist()]
    names, number = np.unique(values, return_inverse=True)
    if len(names) > MAX_GROUPS:
        raise InputError(f"{name!r} has {len(names):,} different values; name a column of at most {MAX_GROUPS} groups.")
    return tuple(names.tolist()), number.astype(np.int64)


def holdout(
    label: NDArray[np.int64],
    fraction: float = HOLDOUT_FRACTION,
    seed: int = 0,
    group: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Return sorted positions of a stratified, seeded fraction of the examples; no class gives its last example.

    With the group of each example (N,), groups are drawn whole, so that none is on both sides of the split.

    >>> held = holdout(np.arange(20) % 2)
    >>> len(held), np.bincount(np.arange(20)[held] % 2).tolist()
    (4, [2, 2])
    """
    size = np.bincount(label)
    counts = np.minimum(allot(size, count_of(len(label), fraction)), np.maximum(size - 1, 0))
    rng = np.random.default_rng([seed, len(label)])
    if group is not None:
        return draw_groups(group, label, counts, rng)
    drawn: NDArray[np.int64] = draw_within(label, counts, rng)
    return drawn


def corrupted_copies(test: Dataset, corruptions: Sequence[str]) -> dict[str, Dataset]:
    """Return a copy of the held-out images under each corruption, by its name.

    Raises:
        InputError: For a name that is no corruption of images, and for data of another kind.
    """
    known = [name for name in names("perturb") if "image" in find("perturb", name).reads]
    for name in corruptions:
        if name not in known:
            raise InputError(f"--corrupt is one of {', '.join(known)}, not {name!r}.")
    return {name: perturb(test, name, share=1.0) for name in dict.fromkeys(corruptions)}


def match_classes(test: Dataset, data: Dataset) -> Dataset:
    """Return the held-out examples with their labels numbered as in `data`, matched by the names of the classes.

    Raises:
        InputError: When held-out examples have a class that `data` does not name.
    """
    if test.classes == data.classes:
        return test
    number = {name: i for i, name in enumerate(data.classes)}
    unknown = [test.classes[i] for i in np.unique(test.label) if test.classes[i] not in number]
    if unknown:
        raise InputError(
            f"the held-out data have classes that the training data lack ({', '.join(unknown[:5])}"
            f"{', …' if len(unknown) > 5 else ''}); expected some of {', '.join(data.classes[:10])}"
            f"{', …' if len(data.classes) > 10 else ''}."
        )
    renumbered = np.array([number.get(name, -1) for name in test.classes], dtype=np.int64)
    label = renumbered[test.label]
    return replace(test, label=label, classes=data.classes, identity=Identity(test.key, label))


def _split(data: Dataset) -> tuple[NDArray[np.int64], Dataset]:
    held = holdout(data.label, group=data.group)
    if not len(held):
        raise InputError(
            "no group can be held out without taking all examples of a class; name held-out data with test=."
        )
    return np.setdiff1d(np.arange(len(data)), held), take(data, held)


def _encoded(data: Dataset, image_size: int | None, model: str | None, training: TrainingConfig | None) -> Inputs:
    from datapare.training.networks.factory import backbone

    named = model if model is not None or training is None else training.model
    tokenizer = backbone(named) if data.kind == "text" else None
    return encode(data, image_size=image_size, tokenizer=tokenizer)


def _training(
    data: Dataset, inputs: Inputs | None, training: TrainingConfig | None, model: str | None
) -> TrainingConfig:
    """Return the settings of a full training: the given ones, or those that suit the data; `model` replaces theirs."""
    from datapare.training.presets import choose

    if training is None:
        assert inputs is not None  # noqa: S101 - encoded unless settings were given
        training = choose(inputs, len(data.classes))
    return training if model is None else replace(training, model=model)


def _resolved(inputs: Inputs, data: Dataset, config: TrainingConfig) -> TrainingConfig:
    from datapare.training.loop import resolve

    with one_thread():
        return resolve(inputs, data.label, len(data.classes), config, 0)


def _digest(soft: "SoftLabels | None") -> str:
    """Return what identifies soft labels and how they are mixed with the labels, "" for None."""
    if soft is None:
        return ""
    from datapare.training.online.losses.soft_labels import soft_labels

    loss = soft_labels(soft)
    return "-".join([loss.name, str(dict(loss.params)), *map(array_digest, (loss.value, *loss.more))])


def _builtin(inputs: Inputs, data: Dataset, evaluated_on: Sequence[Dataset], soft: "SoftLabels | None") -> Trainer:
    """Return the training of built-in networks that are evaluated on one dataset after the other.

    Beside their copies, held-out images are no stream: the copies are decoded as well.
    """
    stream = len(evaluated_on) == 1
    arrays = [encode(replace(one, stream=one.stream and stream), inputs.encoding).array for one in evaluated_on]
    array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    evaluated = (Inputs(array, inputs.encoding), np.concatenate([one.label for one in evaluated_on]))
    return partial(train_builtin, inputs, data.label, len(data.classes), evaluated, soft)
