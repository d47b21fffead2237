"""The command line: one command per public function, flags from signatures, no arithmetic."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated

import typer
from typer import Option

from datapare.cli import commands as package
from datapare.cli.method_flags import command
from datapare.errors import DatapareError

INTERRUPTED = 130


ORDER = (
    "inspect", "prune", "record", "embed", "score", "extrapolate", "select", "export", "compare", "sweep",
    "label-issues", "report", "measure", "perturb", "methods", "show", "doctor",
)  # fmt: skip


def commands() -> dict[str, ModuleType]:
    """Return the module of every command, in the order that help shows them."""
    found = [module.name.replace("_", "-") for module in iter_modules(package.__path__)]
    ranked = sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return {name: import_module(f"datapare.cli.commands.{name.replace('-', '_')}") for name in ranked}


def flagged(name: str, module: ModuleType, argv: Sequence[str]) -> Callable[..., None]:
    """Return a command with all its flags: its own, its option tables', and the parameters of the methods it names."""
    function = getattr(module, name.replace("-", "_"))
    return command(function, getattr(module, "OPTIONS", {}), getattr(module, "METHOD_PARAMS", {}), argv)


def build(argv: Sequence[str]) -> typer.Typer:
    """Return the application, with the parameters of the methods that `argv` names as flags."""
    app = typer.Typer(
        help="Pare a labelled dataset down to the examples worth training on, from the first few epochs of training.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",  # "rich" would take [default: …] for markup and swallow it
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, module in commands().items():
        app.command(name)(flagged(name, module, argv))
    app.callback()(top)
    return app


def print_version(*, requested: bool) -> None:
    """Print the version and stop, when it is requested."""
    if requested:
        from importlib.metadata import version

        typer.echo(f"datapare {version('datapare')}")
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
    """Pare a labelled dataset down to the examples worth training on, from the first few epochs of training."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command line; exits 0 done, 1 failed, 2 wrong call or input, 3 gate not met, 130 interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        build(argv)(argv, prog_name="datapare")
    except DatapareError as error:
        typer.echo(f"datapare: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            typer.echo("datapare: interrupted; the same command resumes where it stopped", err=True)
        raise


if __name__ == "__main__":
    main()
