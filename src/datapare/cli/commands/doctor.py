"""`datapare doctor`."""

from datapare.cli.console import say


def doctor() -> None:
    """Describe this machine: versions, cores, devices, optional libraries."""
    from datapare.cli.environment import doctor

    for name, value in doctor().items():
        say(f"{name:22} {value}")
