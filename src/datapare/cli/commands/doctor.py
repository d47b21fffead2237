"""`datapare doctor`."""

from datapare.cli.console import say, show_result


def doctor() -> None:
    """Describe this machine.

    It prints versions, cores, devices and optional libraries.
    """
    from datapare.cli.environment import doctor

    found = doctor()
    for name, value in found.items():
        say(f"{name:22} {value}")
    show_result(**{name.replace(" ", "_"): value for name, value in found.items()})
