"""Write docs/methods.md and docs/cli.md from signatures and docstrings; a test fails when they are stale."""

import inspect
from pathlib import Path

from typer.models import ArgumentInfo

from datapare.cli import app
from datapare.cli.console import TITLES, param_line
from datapare.methods.registry import METHOD_GROUPS, find, names

HERE = Path(__file__).parent


def methods_page() -> str:
    """Every method with its formula, source and knobs."""
    parts = ["# Methods", "Made by `make docs` from the files in `src/datapare/methods/`."]
    for group_name in METHOD_GROUPS:
        if not names(group_name):
            continue
        parts.append(f"## {TITLES[group_name]}")
        for name in names(group_name):
            found = find(group_name, name)
            params = param_line(found.params)
            parts += [f"### `{name}`", f"```text\n{found.doc}\n```", f"Flags: `{params}`" if params else "No knobs."]
    return "\n\n".join(parts) + "\n"


def cli_page() -> str:
    """Every verb with its flags."""
    parts = [
        "# Command line",
        (
            "Made by `make docs` from the verbs' signatures. The knobs of the methods a call names become flags too; "
            "shown are those of the defaults."
        ),
    ]
    for name, module in app.verbs().items():
        made = app.flagged(name, module, [name])
        rows = [_row(p) for p in inspect.signature(made).parameters.values()]
        parts += [f"## `datapare {name}`", str(made.__doc__), "\n".join(rows) or "No flags."]
    return "\n\n".join(parts) + "\n"


def _row(parameter: inspect.Parameter) -> str:
    info = getattr(parameter.annotation, "__metadata__", (None,))[0]
    name, metavar = parameter.name.strip("_").replace("_", "-"), getattr(info, "metavar", None)
    flag = metavar or name.upper() if isinstance(info, ArgumentInfo) else " ".join(filter(None, (f"--{name}", metavar)))
    required = parameter.default is parameter.empty
    usual = " (required)" if required else "" if parameter.default is None else f" (default `{parameter.default}`)"
    return f"- `{flag}`{usual} {getattr(info, 'help', None) or ''}".rstrip()


if __name__ == "__main__":
    (HERE / "methods.md").write_text(methods_page(), encoding="utf-8")
    (HERE / "cli.md").write_text(cli_page(), encoding="utf-8")
