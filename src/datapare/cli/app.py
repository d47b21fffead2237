"""The command line: one verb per public function, flags from signatures, no arithmetic."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated

import typer
from typer import Option

from datapare.cli import commands as package
from datapare.cli.flags import command
from datapare.errors import DatapareError

INTERRUPTED = 130


ORDER = (
    "prune", "record", "embed", "score", "extrapolate", "select", "export", "compare", "sweep", "label_issues",
    "report",    "measure", "perturb", "methods", "show", "doctor",
)  # fmt: skip


def verbs() -> dict[str, ModuleType]:
    """Every file of verbs/, in the order that help shows them."""
    found = [module.name for module in iter_modules(package.__path__)]
    ranked = sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return {name: import_module(f"datapare.cli.commands.{name}") for name in ranked}


def flagged(name: str, module: ModuleType, argv: Sequence[str]) -> Callable[..., None]:
    """The verb of a file with all its flags: its own, its groups', and the knobs of the methods that `argv` names."""
    return command(getattr(module, name), getattr(module, "GROUPS", {}), getattr(module, "METHOD_PARAMS", {}), argv)


def build(argv: Sequence[str]) -> typer.Typer:
    """The application, with the knobs of the methods that `argv` names."""
    app = typer.Typer(
        help="Pare a labelled dataset down to the examples worth training on, judged from the first few epochs.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",  # "rich" would take [default: …] for markup and swallow it
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, module in verbs().items():
        app.command(name.replace("_", "-"))(flagged(name, module, argv))
    app.callback()(top)
    return app


def tell_version(*, asked: bool) -> None:
    """Print the version and stop, when asked to."""
    if asked:
        from importlib.metadata import version

        typer.echo(f"datapare {version('datapare')}")
        raise typer.Exit


def top(
    *,
    version: Annotated[
        bool,
        Option("--version", help="Print the version.", is_eager=True, callback=lambda asked: tell_version(asked=asked)),
    ] = False,
) -> None:
    """Pare a labelled dataset down to the examples worth training on, judged from the first few epochs."""


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
            typer.echo("datapare: interrupted; the same command goes on where it stopped", err=True)
        raise


if __name__ == "__main__":
    main()
