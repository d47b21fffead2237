"""`datapare doctor`."""

import typer


def doctor() -> None:
    """Describe this machine: versions, cores, devices, optional libraries."""
    from datapare.cli.environment import doctor

    for name, value in doctor().items():
        typer.echo(f"{name:22} {value}")
