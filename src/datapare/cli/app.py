"""The command line: one command per public function, flags from signatures, no arithmetic.

Only the command that is called is imported; of the others, the help needs their first sentence, which is read from the
file.
"""

import ast
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated

import typer
import typer.core
import typer.main
from typer import Option

from datapare.cli.limits import check_address_space, interrupted_itself
from datapare.errors import DatapareError, explain

INTERRUPT = 128 + signal.SIGINT
INTERRUPTED = {INTERRUPT, 128 + signal.SIGTERM, 128 + signal.SIGHUP}
HELP = {"-h", "--help"}
ARGUMENT_TYPE = re.compile(r"(?<=[A-Z]) <\w+>(?=  )")  # of Python, beside the name of an argument
COMMANDS = Path(__file__).parent / "commands"
ORDER = (
    "inspect", "prune", "record", "embed", "score", "extrapolate", "select", "export", "compare", "sweep",
    "label-issues", "report", "measure", "perturb", "methods", "show", "doctor", "demo",
)  # fmt: skip


def names() -> list[str]:
    """Return the names of all commands, in the order that help shows them.

    >>> names()[:2]
    ['inspect', 'prune']
    """
    found = [module.name.replace("_", "-") for module in iter_modules([str(COMMANDS)])]
    return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def commands() -> dict[str, ModuleType]:
    """Return the module of every command."""
    return {name: _module(name) for name in names()}


def flagged(name: str, module: ModuleType, argv: Sequence[str]) -> Callable[..., None]:
    """Return a command with all its flags: its own, its option tables', and the parameters of the methods it names."""
    from datapare.cli.method_flags import command

    function = getattr(module, name.replace("-", "_"))
    return command(function, getattr(module, "OPTIONS", {}), getattr(module, "METHOD_PARAMS", {}), argv)


def build(argv: Sequence[str]) -> typer.Typer:
    """Return the application, with all flags of the command that `argv` calls."""
    app = typer.Typer(
        help="Prune a labelled dataset to the examples worth training on, from the first few epochs of training.",
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    called = argv[:1] if argv[:1] and argv[0] in names() else names()
    for name in called:  # one that is called is all that is built
        app.command(name)(flagged(name, _module(name), argv) if name in argv else _named(name))
    app.callback()(top)
    return app


def command_help(name: str, argv: Sequence[str]) -> str:
    """Return the help text of one command; typer would load pydantic to parse the call before it prints the same."""
    group = typer.main.get_command(build(argv))
    assert isinstance(group, typer.core.TyperGroup)  # noqa: S101 - an application with a callback is one
    parent = typer.Context(group, info_name="datapare")
    found = group.commands[name]
    text = found.get_help(typer.Context(found, info_name=name, parent=parent, **group.context_settings))
    return ARGUMENT_TYPE.sub(lambda type_: " " * len(type_[0]), text)


def _completed() -> list[str]:
    """The words that a shell wants to be completed, when it asks for that."""
    line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS") or ""
    return line.split()[1:] if "_DATAPARE_COMPLETE" in os.environ else []


def _module(name: str) -> ModuleType:
    return import_module(f"datapare.cli.commands.{name.replace('-', '_')}")


def _named(name: str) -> Callable[[], None]:
    """A command with its documentation alone, which is not called."""
    function = name.replace("-", "_")
    tree = ast.parse((COMMANDS / f"{function}.py").read_text(encoding="utf-8"))
    (found,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)

    def run() -> None:
        raise AssertionError(name)

    run.__doc__ = ast.get_docstring(found)
    return run


def print_version(*, requested: bool) -> None:
    """Print the version and stop, when it is requested."""
    if requested:
        from importlib.metadata import version

        try:
            typer.echo(f"datapare {version('datapare')}")
        except BrokenPipeError:
            raise without_reader() from None
        raise typer.Exit


def top(
    *,
    version: Annotated[
        bool,
        Option(
            "--version",
            help="Print the version.",
            is_eager=True,
            callback=lambda requested: print_version(requested=requested),
        ),
    ] = False,
) -> None:
    """Prune a labelled dataset to the examples worth training on, from the first few epochs of training."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command line; exits 0 done, 1 failed, 2 wrong call or input, 3 gate not met, 128 + signal interrupted."""
    if argv is None:
        use_utf8()
    argv = list(sys.argv[1:] if argv is None else argv)
    words = _completed() or argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # where the locale lacks a letter
    try:
        _run(argv, words)
    except BrokenPipeError:
        raise without_reader() from None
    except Exception as error:  # noqa: BLE001 - a traceback tells the user of a command line nothing
        explained = explain(error) or unexpected(error)
        with suppress(OSError):  # where standard error is on a full disk
            typer.echo(f"datapare: {explained}", err=True)
        raise SystemExit(explained.exit_code) from None
    except KeyboardInterrupt:  # while the command is being loaded
        raise interrupted(INTERRUPT) from None
    except SystemExit as stop:
        if stop.code in INTERRUPTED:
            raise interrupted(stop.code) from None
        raise


def _run(argv: list[str], words: list[str]) -> None:
    called = words == argv and argv[:1] and argv[0] in names()
    if called and HELP.intersection(argv):
        typer.echo(command_help(argv[0], argv))
        return
    if called:
        check_address_space()
    build(words)(argv, prog_name="datapare")


def interrupted(code: str | int | None) -> SystemExit:
    """Return the end of a command that a signal has ended, and say that it was."""
    itself = interrupted_itself() if code == INTERRUPT else None
    with suppress(OSError):  # the terminal may be gone
        typer.echo(f"datapare: {itself or 'interrupted; the same command resumes where it stopped'}", err=True)
    return SystemExit(itself.exit_code if itself else code)


def without_reader() -> SystemExit:
    """Return the end of a command whose reader, such as `head`, has seen enough: 128 + SIGPIPE, as elsewhere."""
    with suppress(OSError, ValueError):  # what is printed from here on goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return SystemExit(128 + signal.SIGPIPE)


def use_utf8() -> None:
    """Begin this process anew in Python's UTF-8 mode, where the locale would read names in another encoding."""
    if sys.getfilesystemencoding() != "utf-8" and sys.executable:
        os.environ["PYTHONUTF8"] = "1"  # for processes that are started later
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - the same program


def unexpected(error: Exception) -> DatapareError:
    """Return what to report of a fault of the program, as a sentence; its traceback goes to a file."""
    import tempfile
    import traceback

    trace = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="datapare-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(trace)
    except OSError:
        return DatapareError(f"unexpected {type(error).__name__} ({error}), a fault of datapare; please report it.")
    return DatapareError(
        f"unexpected {type(error).__name__} ({error}), a fault of datapare; please report it with {file.name}."
    )


if __name__ == "__main__":
    main()
