"""`datapare doctor`."""

import typer


def doctor() -> None:
    """Tell what this machine offers: versions, cores, devices, optional libraries."""
    from datapare.cli.environment import examine

    for name, value in examine().items():
        typer.echo(f"{name:22} {value}")
