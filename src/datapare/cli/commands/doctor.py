"""`datapare doctor`."""

from datapare.cli.console import say, show_result
from datapare.cli.next_command import say_next


def doctor() -> None:
    """Describe this machine.

    It prints versions, cores, devices and optional libraries.
    """
    from datapare.cli.environment import doctor

    found = doctor()
    for name, value in found.items():
        say(f"{name:22} {value}")
    say_next("demo")
    show_result(**{name.replace(" ", "_"): value for name, value in found.items()})
