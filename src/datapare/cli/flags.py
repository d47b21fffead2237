"""Flags that several commands share: those of the option tables, and a few of the command line alone."""

import re
from collections.abc import Mapping, Sequence
from copy import copy
from inspect import Parameter
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

import typer
from typer.models import OptionInfo

from datapare.errors import InputError
from datapare.methods.signals import DEFAULT, SIGNALS
from datapare.numerics.declared_types import TypeForm
from datapare.numerics.sampling import parse_keep
from datapare.options import ExportMode, Option, OptionTable, described

Flag = typer.Option

Run = Annotated[Path, typer.Argument(help="A run folder, made by record or prune.", metavar="RUN")]
Data = Annotated[str, typer.Argument(help="Folder, file, glob or hub name of the labelled dataset.", metavar="PATH")]
OwnData = Annotated[
    str | None,
    Flag("--data", help="The dataset of a record of your own training loop; needed once.", metavar="PATH"),
]
Keep = Annotated[str, Flag(help="Fraction to keep, such as 0.3, or a count, such as 15000.")]
Score = Annotated[str, Flag(help="Score; see datapare methods.")]
Rule = Annotated[str, Flag(help="Selection rule; see datapare methods.")]
Preset = Annotated[str | None, Flag(help="Use the parameters published for a dataset, such as cifar100.")]
As = Annotated[
    ExportMode, Flag("--as", help="How image files get there; index writes only lists of what to keep and drop.")
]
Force = Annotated[bool, Flag("--force", help="Replace what is there.")]
Name = Annotated[str | None, Flag(help="Name of the subset, to keep several of one size.  [default: its fraction]")]
On = Annotated[
    str, Flag(help="Where --check trains: here, ray (this machine), ray://HOST:PORT or auto (a Ray cluster).")
]
Gpus = Annotated[float | None, Flag(help="GPUs of that training on Ray, also a fraction.", min=0)]
Gate = Annotated[bool, Flag("--gate", help="Exit with code 3 unless pruning is shown to be worth it.")]


def subset_name(keep: str, name: str | None) -> float | str:
    """Return what names a subset in a run folder: its own name, or the fraction that it keeps.

    >>> subset_name("0.3", None), subset_name("0.3", "el2n-top")
    (0.3, 'el2n-top')
    """
    fraction = parse_keep(keep)
    if name is not None and not re.fullmatch(r"[A-Za-z][\w.+-]*", name):
        raise InputError(f"a name of a subset is letters, digits, - and _, and starts with a letter, not {name!r}.")
    return fraction if name is None else name


def option_flags(table: OptionTable) -> list[Parameter]:
    """Return the options of a table as parameters that typer makes flags of; those of Python alone are left out."""
    return [_flag(name, type_, option) for name, (type_, option) in described(table).items() if option.flag != ""]


def given_options(table: OptionTable, values: Mapping[str, object]) -> dict[str, object]:
    """Return the options of a table from the values of its flags; those at their default are left out.

    >>> from datapare.options import OpenOptions
    >>> given_options(OpenOptions, {"label": "y", "split": "train", "input": None})
    {'label': 'y'}
    """
    known = described(table)
    plain = {name: _plain(name, value, known[name][0]) for name, value in values.items()}
    return {name: value for name, value in plain.items() if value != known[name][1].default}


def _plain(name: str, value: object, type_: TypeForm) -> object:
    """The value of a flag as its option takes it: `none` stands for None, added channels come after the usual ones."""
    if name == "channels" and isinstance(value, Sequence) and value:
        return (DEFAULT, *value)
    if name == "seeds" and str(value).isdigit():
        return int(str(value))
    choices = [one for one in get_args(type_) if get_origin(one) is Literal]
    return None if value == "none" and choices and NoneType in get_args(type_) else value


def _flag(name: str, type_: TypeForm, option: Option) -> Parameter:
    flag = f"--{(option.flag or name).replace('_', '-')}"
    kind = _flag_type(type_, option.default)
    least = option.least if kind is not str else None
    help_ = option.help.format(signals=_SIGNALS_ON_REQUEST)
    made = Flag(flag, help=help_, metavar=option.metavar, min=least, max=option.most)
    default = str(option.default) if kind is str and option.default is not None else option.default
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=Annotated[kind, made], default=default)


def _flag_type(type_: TypeForm, default: object) -> TypeForm:
    """The type of a flag: the first member of a union, a list for a sequence, and None where that is the default.

    A choice that may be None without that being its default can be given as `none`.

    >>> _flag_type(str | Sequence[str] | None, None), _flag_type(Literal["a", "b"] | None, "a")
    (list[str] | None, typing.Literal['a', 'b', 'none'])
    """
    members = [one for one in get_args(type_) if one is not NoneType] if get_origin(type_) in _UNIONS else [type_]
    lists = [one for one in members if get_origin(one) is Sequence and int not in members]
    # Any, since a type that is known only here takes no `|`
    first: Any = list.__class_getitem__(get_args(lists[0])[0]) if lists else members[0]
    if int in members and any(get_origin(one) is Literal for one in members):
        return str  # a number or a word, told apart when the option is resolved
    if first is Any or isinstance(first, ForwardRef):
        first = str
    if default is None:
        return first | None
    if NoneType in get_args(type_) and get_origin(first) is Literal:
        return Literal[(*get_args(first), "none")]
    return first


def with_metavar(flag: Parameter) -> Parameter:
    """Return a flag whose help names its value in plain words; typer would write `<int range>` and `<list[str]>`.

    >>> flag = Parameter("seed", Parameter.KEYWORD_ONLY, annotation=Annotated[int | None, Flag(min=0)])
    >>> with_metavar(flag).annotation.__metadata__[0].metavar
    'INT'
    """
    type_, info = get_args(flag.annotation)[:2]
    parts = [one for one in get_args(type_) if one is not NoneType] if get_origin(type_) in _UNIONS else [type_]
    kind = get_args(parts[0])[0] if get_origin(parts[0]) is list else parts[0]
    name = "|".join(map(str, get_args(kind))) if get_origin(kind) is Literal else _METAVARS.get(kind)
    if name is None or info.metavar is not None or not isinstance(info, OptionInfo):
        return flag
    named = copy(info)
    named.metavar = name
    return flag.replace(annotation=Annotated[type_, named])


_METAVARS = {str: "TEXT", int: "INT", float: "NUMBER", Path: "PATH"}
_UNIONS = (Union, UnionType)
_ON_REQUEST = [signal.name for signal in SIGNALS.values() if signal.recordable and not signal.by_default]
_SIGNALS_ON_REQUEST = f"{', '.join(_ON_REQUEST[:-1])} or {_ON_REQUEST[-1]}"
