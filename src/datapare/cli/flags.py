"""Flags from signatures: groups of flags that several verbs share, and the knobs of the methods a call names."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from datapare.errors import InputError
from datapare.methods.published_params import datasets_published, published
from datapare.methods.registry import MethodGroup, find
from datapare.methods.signals import SIGNALS

HELP = {"-h", "--help"}
AMBIGUOUS = 100  # a bare 30 may mean 30 % or 30 examples
Parameter = inspect.Parameter
Option = typer.Option
Group = Callable[..., dict[str, Any]]
MethodParams = tuple[MethodGroup, str, str]  # the room, the flag that names a method of it, and the default


def parse_keep(text: str) -> float:
    """A fraction such as 0.3, or a count above 100 such as 15000; a bare 30 is refused as ambiguous.

    >>> parse_keep("0.3"), parse_keep("15000")
    (0.3, 15000)
    """
    try:
        keep = int(text) if text.strip().isdigit() else float(text)
    except ValueError:
        raise InputError(f"--keep is a fraction such as 0.3 or a count such as 15000, not {text!r}.") from None
    if isinstance(keep, int) and 1 < keep <= AMBIGUOUS:
        raise InputError(
            f"--keep {keep} is ambiguous: write {keep / 100:g} for {keep} %; "
            f"counts of examples start at {AMBIGUOUS + 1}."
        )
    if isinstance(keep, float) and not 0 < keep <= 1:
        raise InputError(f"--keep is a fraction in (0, 1] such as 0.3, or a whole count such as 15000, not {text}.")
    return keep


def parse_balance(text: Literal["proportional", "uniform", "none"]) -> Literal["proportional", "uniform"] | None:
    """How classes share the budget; none = the rule sees all examples at once.

    >>> parse_balance("none"), parse_balance("uniform")
    (None, 'uniform')
    """
    return None if text == "none" else text


ON_REQUEST = tuple(signal.name for signal in SIGNALS.values() if signal.recordable and not signal.by_default)

# What several verbs ask for, written once. Each function's parameters become flags.
Run = Annotated[Path, typer.Argument(help="A run folder, made by record or prune.", metavar="RUN")]
Data = Annotated[str, typer.Argument(help="Folder, file, glob or hub name of the labelled dataset.", metavar="PATH")]
Keep = Annotated[str, Option(help="Fraction to keep, such as 0.3, or a count, such as 15000.")]
Balanced = Annotated[
    Literal["proportional", "uniform", "none"],
    Option(help="Apply the rule inside each class, with budgets like the class sizes or as even as they allow."),
]
Preset = Annotated[str | None, Option(help="Use the knobs published for a dataset, such as cifar100.")]
As = Annotated[
    Literal["copy", "hardlink", "symlink", "index"],
    Option("--as", help="How image files get there; index writes only lists of what to keep and drop."),
]


Gate = Annotated[bool, Option("--gate", help="Exit with code 3 unless pruning is shown to be worth it.")]


def opening(
    label: Annotated[str | None, Option(help="Column of the labels.")] = None,
    input: Annotated[list[str] | None, Option(help="Column a model reads; repeat for several.")] = None,  # noqa: A002
    id: Annotated[str | None, Option(help="Column that identifies an example.")] = None,  # noqa: A002
    kind: Annotated[
        Literal["image", "text", "table", "embedding"] | None, Option(help="What the examples are, when unclear.")
    ] = None,
    split: Annotated[str, Option(help="Split of a dataset that has several.")] = "train",
    on_bad_example: Annotated[
        Literal["fail", "skip"], Option(help="What to do about unreadable examples; skipped ones are listed.")
    ] = "fail",
) -> dict[str, Any]:
    """Say how the dataset is opened; nothing is stored that was not asked for."""
    given = {"label": label, "input": input, "id": id, "kind": kind, "split": split, "on_bad_example": on_bad_example}
    usual = {"split": "train", "on_bad_example": "fail"}
    return {name: value for name, value in given.items() if value is not None and value != usual.get(name)}


def recording(
    preset: Annotated[
        str | None,
        Option(help="Training recipe (and published knobs), such as cifar100; chosen by the data if absent."),
    ] = None,
    model: Annotated[str | None, Option(help="Built-in name, package.module:function, or transformers:NAME.")] = None,
    epochs: Annotated[int | None, Option(help="Epochs to train and record.")] = None,
    schedule_epochs: Annotated[
        int | None, Option(help="Epochs of the full schedule, of which these are the first.")
    ] = None,
    precision: Annotated[Literal["auto", "fp32", "bf16"], Option(help="auto measures which is faster.")] = "auto",
    channel: Annotated[
        list[str] | None,
        Option(help=f"Also {', '.join(ON_REQUEST[:-1])} or {ON_REQUEST[-1]}."),
    ] = None,
    observed: Annotated[
        Literal["train-pass", "eval-pass", "two-view"],
        Option(help="Record the training's own passes, or un-augmented ones: after each epoch, or before each update."),
    ] = "train-pass",
    image_size: Annotated[int | None, Option(help="Side in pixels that images are resized and cropped to.")] = None,
    until_stable: Annotated[
        bool, Option("--until-stable", help="Stop once the ranking has settled; --epochs is then how many at most.")
    ] = False,
) -> dict[str, Any]:
    """Say how the training that is recorded runs."""
    given = {
        "preset": preset,
        "model": model,
        "epochs": epochs,
        "schedule_epochs": schedule_epochs,
        "image_size": image_size,
    }
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if channel:
        from datapare.recording.logit_signals import CHANNELS

        chosen["channels"] = tuple(dict.fromkeys([*CHANNELS, *channel]))
    if until_stable:
        chosen["until_stable"] = True
    return {**chosen, "precision": precision, "observed": observed}


def retraining(
    seeds: Annotated[int, Option(help="Trainings of each arm; intervals need at least 3.")] = 3,
    budget: Annotated[
        Literal["epochs", "iterations"] | None,
        Option(help="What a subset's training shares with the full one.  [default: as the recipe says]"),
    ] = None,
    epochs: Annotated[
        int | None, Option(help="Shorten the full schedule to so many epochs.  [default: all of it]")
    ] = None,
    model: Annotated[
        str | None, Option(help="Train another network than the one that scored, named as for record.")
    ] = None,
    train: Annotated[
        str | None,
        Option(help="Train by your own file.py:function; see examples/own_training.py.", metavar="FILE:FUNCTION"),
    ] = None,
    group: Annotated[
        str | None, Option(help="Column whose values name groups, told beside the mean.", metavar="COLUMN")
    ] = None,
    jobs: Annotated[int, Option(help="Trainings at a time, one thread each; results do not depend on it.")] = 1,
) -> dict[str, Any]:
    """Say how the trainings that compare subsets run."""
    return {
        "seeds": seeds, "budget": budget, "epochs": epochs, "model": model, "train": train, "group": group,
        "jobs": jobs,
    }  # fmt: skip


def command(
    verb: Callable[..., None], groups: Mapping[str, Group], knobbed: Mapping[str, MethodParams], argv: Sequence[str]
) -> Callable[..., None]:
    """Return a function whose signature is the verb's flags, its groups' flags, and the named methods' knobs.

    A knob whose name is taken is told by its room: `--extrapolate-k` beside a selection rule's `--k`.
    """
    own = [_keyword(p) for p in _parameters(verb) if p.name not in {**groups, **knobbed}]
    notes: list[str] = []
    parts = {name: {p.name: _keyword(p) for p in _parameters(group)} for name, group in groups.items()}  # by own name
    if argv[:1] == [verb.__name__]:  # only then is a method imported
        for name, (group_name, flag, default) in knobbed.items():
            taken = {p.name for p in own} | {p.name for part in parts.values() for p in part.values()}
            named = _value_of(flag, argv) or default
            params = _knob_flags(group_name, named, argv)
            if "preset" in taken:
                notes += _preset_notes(group_name, named, argv, strict=any(p.annotation == Preset for p in own))
            parts[name] = {p.name: p.replace(name=f"{group_name}_{p.name}") if p.name in taken else p for p in params}

    def run(**values: Any) -> None:
        for note in notes:
            typer.echo(note, err=True)
        for name in {**groups, **knobbed}:
            given = {param: values.pop(p.name) for param, p in parts.get(name, {}).items()}
            values[name] = groups[name](**given) if name in groups else given
        verb(**values)

    flat = own + [p for part in parts.values() for p in part.values()]
    run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in flat}
    run.__doc__ = verb.__doc__
    return run


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    return list(inspect.signature(function).parameters.values())


def _keyword(parameter: Parameter) -> Parameter:
    return parameter.replace(kind=Parameter.KEYWORD_ONLY)


def _knob_flags(group_name: MethodGroup, name: str, argv: Sequence[str]) -> list[Parameter]:
    """The knobs of a method as flags; their defaults are those published for --preset, where there are any."""
    found = find(group_name, name)
    usual, verified = _published(group_name, name, argv)
    note = "" if verified else f" ({_value_of('--preset', argv)}: unverified)"
    panel = f"Knobs of {name}{note}"
    return [
        p.replace(
            annotation=Annotated[p.annotation, Option(help=found.describe_param(p.name), rich_help_panel=panel)],
            default=usual.get(p.name, p.default),
        )
        for p in found.params.values()
    ]


def _published(group_name: MethodGroup, name: str, argv: Sequence[str]) -> tuple[dict[str, Any], bool]:
    keep, dataset = _value_of("--keep", argv), _value_of("--preset", argv)
    if dataset is None or (keep is None and HELP.intersection(argv)):
        return {}, True
    fraction = None if keep is None else parse_keep(keep)
    return published(find(group_name, name), dataset, fraction if fraction is not None and fraction <= 1 else None)


def _preset_notes(group_name: MethodGroup, name: str, argv: Sequence[str], *, strict: bool) -> list[str]:
    """What to say of the published knobs; `strict` where --preset is nothing but a dataset, and not a recipe too."""
    dataset = _value_of("--preset", argv)
    if dataset is None:
        return []
    usual, verified = _published(group_name, name, argv)
    if usual:
        params = ", ".join(f"{param}={value}" for param, value in usual.items())
        return [] if verified else [f"note: what is published of {name} for {dataset} is unverified: {params}"]
    if strict and dataset not in datasets_published(group_name):
        known = ", ".join(datasets_published(group_name))
        raise InputError(f"there is no preset {dataset!r} of {group_name} methods; there are {known}.")
    return [f"note: nothing is published of {name} for {dataset}; its usual knobs are taken"] if strict else []


def _value_of(flag: str, argv: Sequence[str]) -> str | None:
    for place, word in enumerate(argv):
        if word == flag and place + 1 < len(argv):
            return argv[place + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None
