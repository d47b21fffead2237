"""Keyword options of open, record, select and retrain: each is written once, with its type, help text and default.

Public functions take `**options: Unpack[OpenOptions]` and start with `resolve(OpenOptions, options)`, which adds the
defaults and refuses unknown names and values outside the declared type. Command-line flags derive from the same table.

    an option of recordings, in one line:   epochs: Annotated[int | None, Option("Epochs to train.", least=1)]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Literal,
    ParamSpec,
    TypedDict,
    TypeVar,
    cast,
)

from datapare.artifacts import Budget, Kind, Observed
from datapare.errors import InputError, suggest
from datapare.numerics.checked_calls import Declared, checked_call
from datapare.numerics.declared_types import TypeForm, checked

if TYPE_CHECKING:
    from datapare.training import TrainingConfig
    from datapare.training.run_log import RunLog

OnBadExample = Literal["fail", "skip"]
Precision = Literal["auto", "fp32", "bf16"]
Balance = Literal["proportional", "uniform", "drop"]
ExportMode = Literal["copy", "hardlink", "symlink", "index"]


@dataclass(frozen=True)
class Option:
    """What is known of an option beside its type.

    Args:
        help: What it means, in one sentence; the help text of its flag.
        default: The value when it is not given.
        least: Smallest allowed number.
        most: Largest allowed number.
        flag: Name of the flag where it differs from the option's; empty for options of Python alone.
        metavar: What stands for the value in the help text.
    """

    help: str
    default: object = None  # of any declared type
    least: float | None = None
    most: float | None = None
    flag: str | None = None
    metavar: str | None = None


class OpenOptions(TypedDict, total=False):
    """How a dataset is opened."""

    label: Annotated[str | None, Option("Column of the labels; of image folders also folder or prefix.")]
    input: Annotated[str | Sequence[str] | None, Option("Column a model reads; repeat for several.")]
    id: Annotated[str | None, Option("Column that identifies an example.")]
    kind: Annotated[Kind | None, Option("What the examples are, when unclear.")]
    split: Annotated[str, Option("Split of a dataset that has several.", "train")]
    on_bad_example: Annotated[
        OnBadExample, Option("What to do about unreadable examples; skipped ones are listed.", "fail")
    ]
    classes: Annotated[Sequence[str] | None, Option("Class names of the training data, for held-out data.", flag="")]
    group: Annotated[str | None, Option("Column that says which examples belong together, such as frames of a video.")]
    follow_links: Annotated[
        bool, Option("Follow links and paths that lead out of the dataset's folder.", default=False)
    ]
    trust_images: Annotated[bool, Option("Open images without decoding each of them once as a check.", default=False)]
    stream: Annotated[
        bool,
        Option("Decode images whenever they are needed, a few shards at a time, and keep none of them.", default=False),
    ]
    max_gib: Annotated[float, Option("Files that unpack to more GiB are not read.", 64.0, least=0)]
    max_pixels: Annotated[int, Option("Images with more pixels are not decoded.", 89_478_485, least=1)]


class RecordOptions(TypedDict, total=False):
    """How the recorded training runs."""

    preset: Annotated[
        "str | TrainingConfig | None",
        Option("Training preset (and published parameters), such as cifar100; chosen by the data if absent."),
    ]
    model: Annotated[str | None, Option("Built-in name, package.module:function, or transformers:NAME.")]
    thin: Annotated[
        float | None,
        Option("Record with a thinner copy of a pretrained network, of so much of its multiply-adds, such as 0.6."),
    ]
    epochs: Annotated[int | None, Option("Epochs to train and record.", least=1)]
    schedule_epochs: Annotated[
        int | None, Option("Epochs of the full schedule, of which the recorded ones are the first.", least=1)
    ]
    precision: Annotated[Precision | None, Option("auto: fp32 on processors, bf16 on GPUs that have it.")]
    autotune: Annotated[
        bool, Option("Time a few steps to find the fastest way to compute them, and keep to it.", default=False)
    ]
    channels: Annotated[
        Sequence[str] | None,
        Option("Also {signals}.", flag="channel"),
    ]
    observed: Annotated[
        Observed,
        Option(
            "Record the training's own passes, or un-augmented ones: after each epoch, or before each update.",
            "train-pass",
        ),
    ]
    image_size: Annotated[int | None, Option("Side in pixels that images are resized and cropped to.", least=1)]
    until_stable: Annotated[
        bool, Option("Stop once the ranking has converged; --epochs is then how many at most.", default=False)
    ]
    log: Annotated[
        "str | RunLog | None",
        Option("Log loss and accuracy of every epoch to a tracker.", metavar="trackio|wandb|tensorboard"),
    ]
    fraction: Annotated[
        float | None, Option("Train on so much of every class only; the other scores are to be extrapolated.", flag="")
    ]
    processes: Annotated[
        int, Option("Processes of this machine that train together, as one for each GPU.", default=1, least=1)
    ]
    seed: Annotated[int, Option("Seed of the training, and of the draw of the fraction.", 0, least=0, flag="")]


class SelectOptions(TypedDict, total=False):
    """How a selection rule is applied."""

    balance: Annotated[
        Balance | None,
        Option(
            "Apply the rule inside each class, with budgets like the class sizes or as even as they allow; "
            "none = to all examples at once.",
            "proportional",
        ),
    ]


class RetrainOptions(TypedDict, total=False):
    """How the trainings that compare subsets run."""

    seeds: Annotated[
        int | Sequence[int] | Literal["auto"],
        Option(
            "Trainings of each arm; intervals need at least 3. auto adds seeds until the questions are decided.",
            default=3,
            least=0,
        ),
    ]
    margin: Annotated[
        float,
        Option(
            "Accuracy below training on everything that counts as no loss: 0.01 is one point.", 0.01, least=0, most=0.99
        ),
    ]
    budget: Annotated[
        Budget | None,
        Option("What a subset's training shares with the full one.  [default: as the preset says]"),
    ]
    epochs: Annotated[int | None, Option("Shorten the full schedule to so many epochs.  [default: all of it]", least=1)]
    model: Annotated[str | None, Option("Train another network than the one that scored, named as for record.")]
    train: Annotated[
        "str | Callable[..., object] | None",  # as text, since evaluation checks it: a function, or file.py:function
        Option("Train by your own file.py:function; see examples/own_training.py.", metavar="FILE:FUNCTION"),
    ]
    strategies: Annotated[
        Sequence[str] | None,
        Option(
            "Also train, for as many updates as the subset: subset, random, subset-pool, random-pool, random-redrawn, "
            "short, or a rule such as infobatch; each with soft labels as NAME+soft; baselines for random+soft, "
            "subset+soft, random-redrawn and short; none; repeat for several.",
            flag="strategy",
        ),
    ]
    group: Annotated[str | None, Option("Column whose values name groups, shown beside the mean.", metavar="COLUMN")]
    jobs: Annotated[
        int | None,
        Option(
            "Trainings at a time, one thread each; results do not depend on it.  [default: as many as there are cores "
            "where that saves time; 1 with --train]",
            least=1,
        ),
    ]
    corrupt: Annotated[
        Sequence[str] | None,
        Option("Corruption of the held-out images to evaluate on too, such as fog; repeat for several."),
    ]
    on: Annotated[
        str,
        Option("Where trainings run: here, ray (this machine), ray://HOST:PORT or auto (a Ray cluster).", "here"),
    ]
    gpus: Annotated[
        float | None, Option("GPUs of one training on Ray, also a fraction.  [default: 1 where there are any]", least=0)
    ]
    log: Annotated[
        "str | RunLog | None",
        Option("Log the accuracy of every arm, seed by seed, to a tracker.", metavar="trackio|wandb|tensorboard"),
    ]
    training: Annotated["TrainingConfig | None", Option("Configuration of a full training.", flag="")]
    image_size: Annotated[
        int | None, Option("Side in pixels that images are resized and cropped to.", least=1, flag="")
    ]
    folder: Annotated[str | Path | None, Option("Where finished trainings are kept and found again.", flag="")]
    progress: Annotated[
        Callable[[int, int, str], None] | bool | None,
        Option("Called as progress(done, total, arm); None shows a bar where somebody looks, False none.", flag=""),
    ]


P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", OpenOptions, RecordOptions, SelectOptions, RetrainOptions)
OptionTable = type[OpenOptions] | type[RecordOptions] | type[SelectOptions] | type[RetrainOptions]


def described(table: OptionTable) -> dict[str, tuple[TypeForm, Option]]:
    """Return the declared type and the description of every option of a table.

    >>> described(OpenOptions)["split"][1].default
    'train'
    """
    return {name: (noted.__origin__, noted.__metadata__[0]) for name, noted in table.__annotations__.items()}


def defaults(table: OptionTable) -> dict[str, object]:
    """Return the default of every option of a table."""
    return {name: option.default for name, (_, option) in described(table).items()}


def resolve(table: type[T], given: Mapping[str, object]) -> T:
    """Return all options of a table: the given ones, checked against their declared types, and defaults for the rest.

    Args:
        table: OpenOptions, RecordOptions, SelectOptions or RetrainOptions.
        given: Options by name.

    Raises:
        InputError: For an unknown name, suggesting the nearest ones, or a value outside the declared type.

    >>> resolve(SelectOptions, {"balance": "uniform"})
    {'balance': 'uniform'}
    >>> resolve(OpenOptions, {"split": 3})
    Traceback (most recent call last):
    datapare.errors.InputError: expected split as text, got 3.
    """
    return cast("T", checked_options(table, given))


def checked_options(table: OptionTable, given: Mapping[str, object]) -> dict[str, object]:
    """Return all options of a table as `resolve` does, as a plain dict."""
    known = described(table)
    for name in given:
        if name not in known:
            if name in OpenOptions.__annotations__:
                raise InputError(f"{name!r} is an option of open_dataset; give it to that, and what it returns here.")
            raise InputError(f"there is no option {name!r}; {suggest(name, list(known))}")
    return {
        name: checked(name, given[name], type_, least=option.least, most=option.most)
        if name in given
        else option.default
        for name, (type_, option) in known.items()
    }


def validated(*tables: OptionTable) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that checks the arguments of a public function before it runs.

    Arguments named in one of the tables are checked as those declare, others by their annotation, see `checked_call`.

    >>> @validated(SelectOptions)
    ... def draw(*, balance: Balance | None = None, seed: int = 0) -> int:
    ...     return seed
    >>> draw(seeds=3)
    Traceback (most recent call last):
    datapare.errors.InputError: draw has no argument 'seeds'; did you mean seed?
    """
    declared = {
        name: Declared(type_, option.least, option.most, empty=False)
        for table in tables
        for name, (type_, option) in described(table).items()
    }
    return lambda function: checked_call(function, declared)
