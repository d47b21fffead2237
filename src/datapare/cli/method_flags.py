"""The flags of a command: its own, those of its option tables, and the parameters of the methods that a call names."""

import errno
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from datapare.artifacts import Params
from datapare.cli import console
from datapare.cli.app import HELP, without_reader
from datapare.cli.flags import Preset, given_options, option_flags, with_metavar
from datapare.errors import DatapareError, InputError, nearest, thread_error
from datapare.methods.published_params import datasets_published, published
from datapare.methods.registry import MethodGroup, find
from datapare.numerics.sampling import parse_keep
from datapare.options import OptionTable, checked_options
from datapare.storage import meant

Parameter = inspect.Parameter
QUIET = Parameter(
    "quiet", Parameter.KEYWORD_ONLY, default=False,
    annotation=Annotated[bool, typer.Option("--quiet", help="Print errors alone.")],
)  # fmt: skip
JSON = Parameter(
    "json", Parameter.KEYWORD_ONLY, default=False,
    annotation=Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object, and all else on standard error.")
    ],
)  # fmt: skip
MethodParams = tuple[MethodGroup, str, str]  # the group, the flag that names a method of it, and the default


def command(
    function: Callable[..., None],
    options: Mapping[str, OptionTable],
    method_params: Mapping[str, MethodParams],
    argv: Sequence[str],
) -> Callable[..., None]:
    """Return a function whose signature is all flags of a command.

    A parameter of a method whose name is taken is prefixed by its group: `--extrapolate-k` beside a rule's `--k`.

    Args:
        function: The command; it receives each option table and the parameters of each method as one dict.
        options: Option tables by the name of the command's argument.
        method_params: Named methods by the name of the command's argument.
        argv: The call: the parameters of the methods it names become flags.
    """
    if any(word == "" or re.fullmatch(r"--[\w-]+=", word) for word in argv):
        raise InputError("a word of the call is empty, as that of a variable without a value is; write what it means.")
    own = [_keyword(p) for p in _parameters(function) if p.name not in {**options, **method_params}]
    notes: list[str] = []
    parts = {name: {p.name: p for p in option_flags(table)} for name, table in options.items()}  # by own name
    if argv[:1] == [function.__name__.replace("_", "-")]:  # only then is a method imported
        for name, (group, flag, default) in method_params.items():
            taken = {p.name for p in own} | {p.name for part in parts.values() for p in part.values()}
            named = _value_of(flag, argv) or default
            params = _method_flags(group, named, argv)
            if "preset" in taken:
                notes += _preset_notes(group, named, argv, strict=any(p.annotation == Preset for p in own))
            parts[name] = {p.name: p.replace(name=f"{group}_{p.name}") if p.name in taken else p for p in params}

    def run(**values: object) -> None:
        console.quiet, console.as_json = bool(values.pop("quiet")), bool(values.pop("json"))
        console.call = argv
        for note in notes:
            typer.echo(note, err=True)
        for name in {**options, **method_params}:
            given = {param: values.pop(p.name) for param, p in parts.get(name, {}).items()}
            values[name] = given
            if name in options:
                values[name] = plain = given_options(options[name], given)
                checked_options(options[name], plain)  # refuses before anything is opened
        with environment_errors():
            function(**values)

    flat = [with_metavar(p) for p in (*own, *(p for part in parts.values() for p in part.values()), QUIET, JSON)]
    run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in flat}
    run.__doc__ = function.__doc__
    return run


@contextmanager
def environment_errors() -> Iterator[None]:
    """Turn what the machine refuses into one sentence: files, memory, damaged input."""
    try:
        yield
    except BrokenPipeError:
        raise without_reader() from None
    except OSError as error:
        raise _environment_error(error) from error
    except EOFError as error:
        raise InputError(f"a file ends too early ({error}); it is damaged: make it again.") from error
    except MemoryError as error:
        raise DatapareError(
            "there is not enough memory; close other programs, or take fewer channels or a smaller --image-size."
        ) from error


def _environment_error(error: OSError) -> DatapareError:
    place = error.filename or ""
    if isinstance(error, BlockingIOError):  # of a fork
        return thread_error()
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return InputError(
            f"the disk is full{f' at {place}' if place else ''}; free some space or choose another place."
        )
    if error.errno == errno.ENOENT and not place:
        return InputError("the working directory does not exist any more; change to one that does.")
    if error.errno == errno.ENOENT:
        return InputError(f"there is no {place}{meant(Path(str(place)))}")
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return InputError("too many files are open; raise the limit with: ulimit -n 4096")
    return InputError(f"{place or 'a file'} cannot be used: {error.strerror or error}.")


def _parameters(function: Callable[..., object]) -> list[Parameter]:
    return list(inspect.signature(function).parameters.values())


def _keyword(parameter: Parameter) -> Parameter:
    return parameter.replace(kind=Parameter.KEYWORD_ONLY)


def _method_flags(group: MethodGroup, name: str, argv: Sequence[str]) -> list[Parameter]:
    """The parameters of a method as flags; their defaults are those published for --preset, where there are any."""
    method = find(group, name)
    usual, verified = _published(group, name, argv)
    note = "" if verified else f" ({_value_of('--preset', argv)}: unverified)"
    return [
        p.replace(
            annotation=Annotated[p.annotation, typer.Option(help=f"{name}{note}: {method.describe_param(p.name)}")],
            default=usual.get(p.name, p.default),
        )
        for p in method.params.values()
    ]


def _published(group: MethodGroup, name: str, argv: Sequence[str]) -> tuple[Params, bool]:
    keep, dataset = _value_of("--keep", argv), _value_of("--preset", argv)
    if dataset is None or (keep is None and HELP.intersection(argv)):
        return {}, True
    kept = None if keep is None else parse_keep(keep)
    return published(find(group, name), dataset, kept if isinstance(kept, float) else None)


def _preset_notes(group: MethodGroup, name: str, argv: Sequence[str], *, strict: bool) -> list[str]:
    """What to report of published parameters; `strict` where --preset is a dataset alone, and not a training too."""
    dataset = _value_of("--preset", argv)
    if dataset is None:
        return []
    usual, verified = _published(group, name, argv)
    if usual:
        params = ", ".join(f"{param}={value}" for param, value in usual.items())
        return [] if verified else [f"note: what is published of {name} for {dataset} is unverified: {params}"]
    if strict and dataset not in datasets_published(group):
        known = datasets_published(group)
        guess = nearest(dataset, known)
        raise InputError(f"there is no preset {dataset!r} of {group} methods; there are {', '.join(known)}{guess}")
    return [f"note: nothing is published of {name} for {dataset}; its default parameters are used"] if strict else []


def _value_of(flag: str, argv: Sequence[str]) -> str | None:
    for place, word in enumerate(argv):
        if word == flag and place + 1 < len(argv):
            return argv[place + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None
