"""Write docs/methods.md, docs/cli.md and the stub of public names; a test fails when they are stale."""

import inspect
from pathlib import Path

from typer.models import ArgumentInfo

import datapare
from datapare.cli import app
from datapare.cli.console import TITLES, param_line
from datapare.methods.registry import METHOD_GROUPS, find, names

HERE = Path(__file__).parent


def methods_page() -> str:
    """Every method with its formula, source and parameters."""
    parts = ["# Methods", "Made by `make docs` from the files in `src/datapare/methods/`."]
    for group_name in METHOD_GROUPS:
        if not names(group_name):
            continue
        parts.append(f"## {TITLES[group_name]}")
        for name in names(group_name):
            found = find(group_name, name)
            params = param_line(found.params)
            parts += [
                f"### `{name}`",
                f"```text\n{found.doc}\n```",
                f"Flags: `{params}`" if params else "No parameters.",
            ]
    parts.append(
        "## One page per method\n\nOn the site, with the formula rendered:\n\n```{toctree}\n:glob:\n\nmethods/*\n```"
    )
    return "\n\n".join(parts) + "\n"


def cli_page() -> str:
    """Every command with its flags."""
    parts = [
        "# Command line",
        (
            "Made by `make docs` from the commands' signatures. The parameters of the methods a call names become "
            "flags too; listed are those of the defaults."
        ),
    ]
    for name, module in app.commands().items():
        made = app.flagged(name, module, [name])
        rows = [_row(p) for p in inspect.signature(made).parameters.values()]
        parts += [f"## `datapare {name}`", inspect.cleandoc(made.__doc__ or ""), "\n".join(rows) or "No flags."]
    return "\n\n".join(parts) + "\n"


def _row(parameter: inspect.Parameter) -> str:
    info = getattr(parameter.annotation, "__metadata__", (None,))[0]
    name, metavar = parameter.name.strip("_").replace("_", "-"), getattr(info, "metavar", None)
    declared = getattr(info, "default", None)  # in an Annotated type, the name of the flag comes first
    flag_name = declared if isinstance(declared, str) and declared.startswith("--") else f"--{name}"
    flag = metavar or name.upper() if isinstance(info, ArgumentInfo) else " ".join(filter(None, (flag_name, metavar)))
    required = parameter.default is parameter.empty
    unset = parameter.default is None or parameter.default is False
    usual = " (required)" if required else "" if unset else f" (default `{parameter.default}`)"
    return f"- `{flag}`{usual} {getattr(info, 'help', None) or ''}".rstrip()


def stub() -> str:
    """The public names with their modules, as type checkers read them."""
    packages = {
        name: f"datapare.{module}" if attribute else f"datapare.{module}".rpartition(".")[0]
        for name, (module, attribute) in datapare._MODULES.items()  # noqa: SLF001 - the table that the stub copies
    }
    ordered = sorted(packages.items(), key=lambda item: (item[1], item[0][0].islower(), item[0]))
    imports = [f"from {package} import {name} as {name}" for name, package in ordered]
    names = ["__all__ = [", *(f'    "{name}",' for name in datapare.__all__), "]"]
    return "\n".join(["# Made by `make docs` from `datapare.__init__`.", "", *imports, "", *names]) + "\n"


def api_page() -> str:
    """Return the reference of every public name, for Sphinx' autodoc."""
    import datapare as dp

    parts = ["# Python API", "Made by `make docs`. Everything below is imported as `import datapare as dp`."]
    for name in sorted(dp.__all__, key=str.lower):
        value = getattr(dp, name)
        kind = "autoclass" if inspect.isclass(value) else "autofunction" if callable(value) else "automodule"
        members = "" if kind == "autofunction" else "\n   :members:"
        parts.append(f"```{{eval-rst}}\n.. {kind}:: datapare.{name}{members}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    (HERE / "methods.md").write_text(methods_page(), encoding="utf-8")
    (HERE / "cli.md").write_text(cli_page(), encoding="utf-8")
    (Path(datapare.__file__).parent / "__init__.pyi").write_text(stub(), encoding="utf-8")
    (HERE / "api.md").write_text(api_page(), encoding="utf-8")
